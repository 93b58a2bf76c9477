// One audit on its way through the engines: which is asked first, whether the judge is asked, what stands in for an engine that
// failed. Decisions only; engines do the work, `Audits` carries it to them.
//
//     begin --> embedded or grpc --> done
//                  |   \--doubtful claims--> judge --> done
//                  '--failed--> embedded (fallback) --> done, marked; or failed
import Auditing
import Configuration
import EventLoop
import IPC

struct Audit {
    /// The embedded engine's own limit, DESIGN §3: an answer that needs longer is judged as far as that goes.
    static let embeddedLimit: Duration = .seconds(2)
    /// The judge is asked about claims whose probability is so near to the threshold.
    static let doubt = 0.15

    enum Step {
        case ask(AuditEngine, EngineTask)
        case done(AuditVerdict)
        case failed(EngineFailure, AuditEngine)
    }

    let lease: UInt64
    let began: Instant
    let auditCase: AuditCase
    private let deadline: Instant
    private let settings: Settings
    /// Set once an engine has failed and the embedded one stands in for it.
    private var fallback: EngineFallback?
    /// What is the verdict if the judge fails.
    private var draft: AuditVerdict?

    init(lease: UInt64, began: Instant, deadline: Instant, _ auditCase: AuditCase, _ settings: Settings) {
        self.lease = lease
        self.began = began
        self.deadline = deadline
        self.auditCase = auditCase
        self.settings = settings
    }

    /// An audit by the judge alone begins with the embedded engine, which finds the claims.
    func begin(now: Instant) -> Step {
        let first: AuditEngine = settings.engine.first == .judge ? .embedded : settings.engine.first
        return .ask(first, task(for: first, now))
    }

    mutating func answered(_ result: Result<AuditVerdict, EngineFailure>, by engine: AuditEngine, now: Instant) -> Step {
        switch result {
        case .success(var verdict):
            verdict.fallback = fallback
            guard engine != .judge, fallback == nil, settings.engine.contains(.judge) else { return .done(verdict) }
            let claims = claimsForJudge(verdict, by: engine)
            guard !claims.isEmpty else { return .done(verdict) }
            draft = verdict
            var task = task(for: .judge, now)
            task.draft = verdict
            task.claims = claims
            return .ask(.judge, task)
        case .failure(let failure):
            // A verdict that the judge was only to improve stands without it.
            guard engine != .embedded, settings.engineFallback || (engine == .judge && settings.engine.first != .judge) else { return .failed(failure, engine) }
            fallback = EngineFallback(engine: engine.rawValue, reason: failure.words)
            guard var draft else { return .ask(.embedded, task(for: .embedded, now)) }
            draft.fallback = fallback
            return .done(draft)
        }
    }

    private func task(for engine: AuditEngine, _ now: Instant) -> EngineTask {
        // What stands in for an engine that is late needs time too, but no more than the engine itself.
        let standIn = settings.engineFallback ? min(Self.embeddedLimit, now.duration(to: deadline) / 2) : .zero
        let limit: Instant =
            switch engine {
            case .embedded: min(deadline, now + Self.embeddedLimit)
            case .grpc: min(deadline + (.zero - standIn), now + settings.grpcTimeout)
            case .judge: min(deadline, now + settings.judgeTimeout)
            }
        return EngineTask(id: lease, auditCase: auditCase, deadline: limit)
    }

    /// All that documents can decide when it judges alone, else what is doubtful. Without documents there is nothing to judge by.
    private func claimsForJudge(_ verdict: AuditVerdict, by engine: AuditEngine) -> [Int] {
        guard auditCase.contextState == .found else { return [] }
        let threshold = engine == .embedded ? EmbeddedEngine.threshold : 0.5
        return verdict.claims.indices.filter { index in
            let claim = verdict.claims[index]
            guard let probability = claim.probability, claim.evidence.first?.document != EvidenceQuote.answer else { return false }
            return settings.engine.first == .judge || abs(probability - threshold) <= Self.doubt
        }
    }
}

extension EngineFailure {
    /// For a person, behind the engine's name.
    var words: String {
        switch self {
        case .timedOut: "audit timed out"
        case .broken(let why), .refused(let why), .resting(let why): why
        }
    }
}
