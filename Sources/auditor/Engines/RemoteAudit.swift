// One audit at an engine behind gRPC: submitted, then asked for until it is there. A state machine; the time is an argument.
//
//     submitting --audit_id--> resting --500 ms--> asking --COMPLETED, FAILED--> over
//         ^  \--UNAVAILABLE, thrice--> over        ^   |  \--NOT_FOUND, once--> submitting
//         '------- rest ---'                        '---' PENDING, PROCESSING, UNAVAILABLE
import Auditing
import EventLoop
import GRPC

struct RemoteAudit {
    /// Between two questions for the same result.
    static let pollInterval: Duration = .milliseconds(500)
    /// Attempts in a row that fail because the engine is not to be had.
    static let attempts = 3
    static let firstRest: Duration = .milliseconds(200)
    static let idLimit = 256

    enum Action {
        case call(path: String, message: [UInt8])
        /// Come back by `alarm` then.
        case wait(until: Instant)
        case over(Result<AuditVerdict, EngineFailure>)
    }

    private enum State: Equatable {
        case submitting
        /// Until then, before the next call; without an id the next call submits.
        case resting(auditID: String?, until: Instant)
        case asking(auditID: String)
    }

    let auditCase: AuditCase
    private var state = State.submitting
    private var failures = 0
    private var wasForgotten = false

    init(_ auditCase: AuditCase) { self.auditCase = auditCase }

    func begin() -> Action { .call(path: AuditService.submit, message: AuditService.submitRequest(auditCase)) }

    /// When a rest ends.
    var nextAlarm: Instant? { if case .resting(_, let until) = state { until } else { nil } }

    mutating func alarm(now: Instant) -> Action? {
        guard case .resting(let auditID, let until) = state, now >= until else { return nil }
        guard let auditID else {
            state = .submitting
            return begin()
        }
        state = .asking(auditID: auditID)
        return .call(path: AuditService.getResult, message: AuditService.resultRequest(auditID))
    }

    /// The call's end; `jitter` is drawn from 0.5..<1.
    mutating func answered(_ result: Result<[UInt8], RPCStatus>, now: Instant, jitter: Double) -> Action {
        switch (state, result) {
        case (.submitting, .success(let bytes)): submitted(bytes, now)
        case (.asking(let auditID), .success(let bytes)): told(bytes, auditID, now)
        case (.submitting, .failure(let status)): failed(status, auditID: nil, now, jitter)
        case (.asking(let auditID), .failure(let status)): failed(status, auditID: auditID, now, jitter)
        case (.resting(_, let until), _): .wait(until: until)
        }
    }

    private mutating func submitted(_ bytes: [UInt8], _ now: Instant) -> Action {
        guard let auditID = try? AuditService.submittedID(bytes) else { return .over(.failure(.broken("its answer to SubmitAudit is no SubmitAuditResponse"))) }
        guard 1...Self.idLimit ~= auditID.utf8.count else { return .over(.failure(.broken("its audit_id has \(auditID.utf8.count) bytes: 1 to \(Self.idLimit) are allowed"))) }
        failures = 0
        // Engines that are done at once are not kept waiting.
        return rest(auditID, until: now)
    }

    private mutating func told(_ bytes: [UInt8], _ auditID: String, _ now: Instant) -> Action {
        let answer: RemoteAnswer
        do throws(ProtobufError) {
            answer = try RemoteAnswer(parsing: bytes)
        } catch {
            return .over(.failure(.broken("its answer to GetAuditResult is no GetAuditResultResponse")))
        }
        failures = 0
        switch answer.status {
        case .pending, .processing: return rest(auditID, until: now + Self.pollInterval)
        case .failed: return .over(.failure(.refused(answer.error.isEmpty ? "the audit failed" : answer.error)))
        case .completed:
            do throws(EngineFailure) {
                return .over(.success(try RemoteVerdict.verdict(answer.result, of: auditCase)))
            } catch {
                return .over(.failure(error))
            }
        case .unspecified, nil: return .over(.failure(.broken("its answer to GetAuditResult has no status")))
        }
    }

    private mutating func failed(_ status: RPCStatus, auditID: String?, _ now: Instant, _ jitter: Double) -> Action {
        switch status.code {
        case .deadlineExceeded: return .over(.failure(.timedOut))
        case .unavailable:
            failures += 1
            guard failures < Self.attempts else { return .over(.failure(.broken("\(status)"))) }
            let pause = auditID == nil ? Self.firstRest * (1 << (failures - 1)) * jitter : Self.pollInterval
            return rest(auditID, until: now + pause)
        case .notFound where auditID != nil && !wasForgotten:
            wasForgotten = true
            return rest(nil, until: now)
        case .invalidArgument, .failedPrecondition, .outOfRange, .notFound, .alreadyExists, .aborted: return .over(.failure(.refused("\(status)")))
        default: return .over(.failure(.broken("\(status)")))
        }
    }

    private mutating func rest(_ auditID: String?, until: Instant) -> Action {
        state = .resting(auditID: auditID, until: until)
        return .wait(until: until)
    }
}
