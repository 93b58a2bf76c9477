// The audits in hand: from jobs to the engines that are set, and from their verdicts to results for the dispatcher.
import Auditing
import Configuration
import EventLoop
import IPC
import Outbound
import Role
import TLS
import Telemetry

final class Audits {
    /// Audits that one auditor has in hand at most, whatever the settings say: a capture is up to 1 MiB.
    static let most = 256

    private let settings: Settings
    private let loop: Loop
    private let slot: ScoreboardSlot
    /// Nil when every engine is in this process.
    private let dialer: Dialer?
    private let gates: [EngineGate]
    /// Jobs whose captures are not decoded yet, oldest first.
    private var decoding: [Decoding] = []
    private var audits: [UInt64: Audit] = [:]
    private var results: [AuditResult] = []

    /// Jobs in hand at once, DESIGN §6: the embedded engine has one core's worth of work with each, the others wait for their peers.
    let concurrency: UInt16

    init(_ settings: Settings, loop: Loop, log: Log, slot: ScoreboardSlot) throws(RoleFailure) {
        self.settings = settings
        self.loop = loop
        self.slot = slot
        let now = loop.now
        var gates = [EngineGate(.embedded, EmbeddedRunner(loop), concurrency: Self.most, timeLimit: nil, now: now)]
        let needsNetwork = settings.engine != EngineSelection(.embedded)
        var concurrency = 1
        do {
            dialer = needsNetwork ? try Dialer(loop, resolver: Resolver(), token: Token(kind: AuditorToken.resolver), connectLimit: settings.connectTimeout) : nil
            if let dialer, settings.engine.contains(.grpc) {
                concurrency = settings.workerCount
                gates.append(EngineGate(.grpc, try GRPCEngine(settings, dialer, log), concurrency: Self.most, timeLimit: settings.grpcTimeout, now: now))
            }
            if let dialer, settings.engine.contains(.judge) {
                concurrency = max(concurrency, settings.judgeConcurrency + 1)
                gates.append(EngineGate(.judge, try JudgeEngine(settings, dialer, log), concurrency: settings.judgeConcurrency, timeLimit: settings.judgeTimeout, now: now))
            }
        } catch let error as TLSError {
            guard case .badFile = error else { throw RoleFailure("cannot begin: \(error)") }
            throw RoleFailure("TRUTHTABLE_ENGINE_CA_FILE: \(error)", exitCode: .configuration)
        } catch {
            throw RoleFailure("cannot begin: \(error)")
        }
        self.gates = gates
        self.concurrency = UInt16(min(concurrency, settings.workerCount, Self.most))
    }

    var isEmpty: Bool { audits.isEmpty && decoding.isEmpty }

    // MARK: Jobs

    func begin(_ job: ReceivedJob) {
        slot.add(.engineRuns)
        decoding.append(Decoding(lease: job.lease, began: loop.now, deadline: job.deadline, decoder: CaptureDecoder(job.exchange)))
    }

    /// One step on the oldest capture: a bounded piece of work.
    private func decode() {
        guard !decoding.isEmpty, let decoded = decoding[0].decoder.step() else { return }
        let job = decoding.removeFirst()
        switch decoded {
        case .notAuditable(let reason): results.append(AuditResult(lease: job.lease, outcome: .skipped, reason: reason.rawValue))
        case .refused(let sentence):
            results.append(AuditResult(lease: job.lease, outcome: .skipped, reason: SkipReason.notAuditable.rawValue, detail: sentence))
        case .auditable(let auditCase):
            let audit = Audit(lease: job.lease, began: job.began, deadline: job.deadline, auditCase, settings)
            audits[job.lease] = audit
            take(audit.begin(now: loop.now), audit)
        }
    }

    /// The channel has ended: whatever is in hand belongs to somebody else by now.
    func abandon() {
        decoding = []
        audits = [:]
        results = []
        for gate in gates { gate.cancelAll() }
    }

    func takeResults() -> [AuditResult] {
        defer { results = [] }
        return results
    }

    private func take(_ step: Audit.Step, _ audit: Audit) {
        switch step {
        case .ask(let engine, let task): gates.first { $0.kind == engine }?.submit(task)
        case .done(let verdict): finish(audit, completed(audit, verdict))
        case .failed(let failure, let engine):
            slot.add(.engineFailures)
            let isLate = failure == .timedOut
            finish(
                audit,
                AuditResult(
                    lease: audit.lease, outcome: .failed, processingMicroseconds: microseconds(audit), reason: isLate ? "timeout" : "engine_error",
                    detail: isLate ? failure.words : "engine \(engine.rawValue): \(failure.words)"))
        }
    }

    private func finish(_ audit: Audit, _ result: AuditResult) {
        audits[audit.lease] = nil
        slot.add(.engineTime, UInt64(result.processingMicroseconds))
        results.append(result)
    }

    private func microseconds(_ audit: Audit) -> UInt32 { UInt32(clamping: audit.began.duration(to: .now).nanoseconds / 1000) }

    private func completed(_ audit: Audit, _ verdict: AuditVerdict) -> AuditResult {
        if verdict.fallback != nil { slot.add(.engineFallbacks) }
        if let usage = verdict.engineUsage {
            slot.add(.judgeTokens, UInt64(clamping: usage.promptTokens + usage.completionTokens))
            slot.add(.judgeCost, UInt64(clamping: Int((usage.cost * 1_000_000).rounded())))
        }
        let took = microseconds(audit)
        let json = VerdictJSON.render(
            verdict, of: audit.auditCase, processingTimeMilliseconds: Int(took / 1000), timestampMilliseconds: Int(wallClockMilliseconds()))
        return AuditResult(
            lease: audit.lease, outcome: .completed, scoreTenths: verdict.trustScore.map { UInt16(clamping: Int(($0 * 10).rounded())) },
            claims: UInt16(clamping: verdict.totalClaims), unsupportedClaims: UInt16(clamping: verdict.unsupportedClaims + verdict.contradictedClaims),
            processingMicroseconds: took, grade: verdict.grade, json: json)
    }

    // MARK: The loop

    func handle(_ token: Token, _ readiness: Readiness) {
        if token.kind == AuditorToken.resolver {
            dialer?.finishLookups()
            for gate in gates { gate.engine.resolved() }
        }
        for gate in gates { gate.engine.handle(token, readiness) }
    }

    /// Goes on with what is due, until engines and audits have nothing more to say to each other.
    func advance() {
        let now = loop.now
        decode()
        var isMoving = true
        while isMoving {
            isMoving = false
            for gate in gates {
                gate.advance(now: now, jitter: .random(in: 0.5..<1))
                for outcome in gate.takeOutcomes() {
                    guard var audit = audits[outcome.id] else { continue }
                    isMoving = true
                    let step = audit.answered(outcome.result, by: gate.kind, now: now)
                    audits[outcome.id] = audit
                    take(step, audit)
                }
            }
        }
        slot.set(.enginesDown, gates.count { $0.isDown(now: now) })
    }

    /// At once while there is something to decode: other readinesses get their turn between two steps.
    var nextAlarm: Instant? { decoding.isEmpty ? gates.lazy.compactMap(\.nextAlarm).min() : loop.now }
}

private struct Decoding {
    let lease: UInt64
    let began: Instant
    let deadline: Instant
    var decoder: CaptureDecoder
}
