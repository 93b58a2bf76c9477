// One audit: from the job's capture to the result that goes back, in steps.
import Auditing
import EventLoop
import IPC

/// A job at work in the embedded engine. Each call of `step` does a bounded piece of work, so that the auditor stays
/// answerable; the deadline is looked at in between.
struct RunningAudit {
    /// The embedded engine's own limit, DESIGN §3: an answer that needs longer is judged as far as that goes.
    static let engineLimit: Duration = .seconds(2)

    let lease: UInt64
    private let began: Instant
    private let deadline: Instant
    private let auditCase: AuditCase
    private var engine: EmbeddedEngine

    /// Either there is something to audit, or the result is known at once.
    static func begin(_ job: ReceivedJob, now: Instant) -> (audit: RunningAudit?, result: AuditResult?) {
        switch CaptureDecoder.decode(job.exchange) {
        case .notAuditable(let reason): (nil, AuditResult(lease: job.lease, outcome: .skipped, reason: reason.rawValue))
        case .auditable(let auditCase): (RunningAudit(job, auditCase, now: now), nil)
        }
    }

    private init(_ job: ReceivedJob, _ auditCase: AuditCase, now: Instant) {
        lease = job.lease
        began = now
        deadline = min(job.deadline, now + Self.engineLimit)
        self.auditCase = auditCase
        engine = EmbeddedEngine(auditCase)
    }

    /// The result, when this step was the last.
    mutating func step() -> AuditResult? {
        let isLate = Instant.now >= deadline
        guard let verdict = isLate ? engine.stopNow() : engine.step() else { return nil }
        let took = began.duration(to: .now)
        let json = VerdictJSON.render(
            verdict, of: auditCase, processingTimeMilliseconds: Int(took.milliseconds), timestampMilliseconds: Int(wallClockMilliseconds()))
        return AuditResult(
            lease: lease, outcome: .completed, scoreTenths: verdict.trustScore.map { UInt16(clamping: Int(($0 * 10).rounded())) },
            claims: UInt16(clamping: verdict.totalClaims), unsupportedClaims: UInt16(clamping: verdict.unsupportedClaims + verdict.contradictedClaims),
            processingMicroseconds: UInt32(clamping: took.nanoseconds / 1000), grade: verdict.grade, json: json)
    }
}
