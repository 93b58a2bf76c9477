// What an auditor asks of an engine, and what it hears: the same for the embedded engine, one behind gRPC and the judge.
import Auditing
import Configuration
import EventLoop

/// One case for an engine.
struct EngineTask {
    let id: UInt64
    let auditCase: AuditCase
    /// For the judge: what the engine before found, and which claims of it are to be judged.
    var draft: AuditVerdict?
    var claims: [Int] = []
    /// The engine answers by then or is cut off.
    let deadline: Instant
}

/// Why an engine gave no verdict; the words complete "engine grpc: …".
enum EngineFailure: Error, Equatable {
    /// Its time is over.
    case timedOut
    /// It cannot be reached, or breaks its own rules: a reason not to ask it for a while.
    case broken(String)
    /// It works, and will not or cannot audit this case.
    case refused(String)
    /// It was not asked, because it has failed too often just before.
    case resting(String)
}

struct EngineOutcome {
    let id: UInt64
    let result: Result<AuditVerdict, EngineFailure>
}

/// All calls come from the auditor's loop; none blocks. Concurrency and deadlines are `EngineGate`'s.
protocol Engine: AnyObject {
    /// Its outcome comes by `takeOutcomes`, never before this returns.
    func begin(_ task: EngineTask)
    /// Nothing is reported of it any more.
    func cancel(_ id: UInt64)
    /// A readiness of one of the auditor's tokens; those of others are passed over.
    func handle(_ token: Token, _ readiness: Readiness)
    /// A look-up of a host has ended.
    func resolved()
    /// Goes on with what is due: called when `nextAlarm` rings and at other times.
    func advance()
    var nextAlarm: Instant? { get }
    func takeOutcomes() -> [EngineOutcome]
    /// Why it cannot be reached, as far as is known now.
    var unreachable: String? { get }
}

/// Kinds of the tokens of the auditor's loop.
enum AuditorToken {
    static let channel: UInt8 = 1
    static let alarm: UInt8 = 2
    static let resolver: UInt8 = 3
    static let grpc: UInt8 = 4
    static let judge: UInt8 = 5
}
