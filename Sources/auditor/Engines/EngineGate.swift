// The way to one engine: so many cases at once, each until its deadline, none while the engine has to be left alone.
// Leaves to others: what an engine does with a case, what becomes of an audit whose engine failed.
import Auditing
import Configuration
import EventLoop
import Outbound

final class EngineGate {
    /// Between two cases that are refused because the engine is left alone: what has waited for it, a thousand jobs or more, would else
    /// fail in one burst through all processes, which traffic feels.
    static let refusalInterval: Duration = .milliseconds(2)

    let kind: AuditEngine
    let engine: any Engine
    private let concurrency: Int
    /// Nil for an engine that cannot be down.
    private var breaker: CircuitBreaker?
    private var waiting: [EngineTask] = []
    private var running: [UInt64: (permit: CircuitBreaker.Permit?, deadline: Instant)] = [:]
    private var outcomes: [EngineOutcome] = []
    private var nextRefusal: Instant
    /// Of the fault that came last.
    private var lastFault = ""

    /// - Parameter timeLimit: the engine's own; longer than a case takes to be answered or given up.
    init(_ kind: AuditEngine, _ engine: any Engine, concurrency: Int, timeLimit: Duration?, now: Instant) {
        self.kind = kind
        self.engine = engine
        self.concurrency = concurrency
        nextRefusal = now
        guard let timeLimit else { return }
        var rules = CircuitBreaker.Rules()
        rules.trialLimit = timeLimit + .seconds(5)
        breaker = CircuitBreaker(rules, now: now)
    }

    /// Down: cannot be reached, or has failed so often that it is left alone.
    func isDown(now: Instant) -> Bool { engine.unreachable != nil || (breaker?.state(now: now) ?? .closed) != .closed }

    func submit(_ task: EngineTask) { waiting.append(task) }

    func cancelAll() {
        waiting = []
        for (id, call) in running {
            engine.cancel(id)
            report(call.permit, .abandoned, now: .now)
        }
        running = [:]
        outcomes = []
    }

    var nextAlarm: Instant? {
        let deadline = min(running.values.lazy.map(\.deadline).min() ?? .distantFuture, waiting.lazy.map(\.deadline).min() ?? .distantFuture)
        let refusal = waiting.isEmpty || running.count >= concurrency ? Instant.distantFuture : nextRefusal
        let next = min(deadline, refusal, engine.nextAlarm ?? .distantFuture)
        return next == .distantFuture ? nil : next
    }

    /// Goes on with what is due. `jitter` is drawn from 0.5..<1.
    func advance(now: Instant, jitter: Double) {
        engine.advance()
        collect(now, jitter)
        for (id, call) in running where call.deadline <= now {
            engine.cancel(id)
            finish(id, .failure(.timedOut), now, jitter)
        }
        for task in waiting where task.deadline <= now { outcomes.append(EngineOutcome(id: task.id, result: .failure(.timedOut))) }
        waiting.removeAll { $0.deadline <= now }
        while running.count < concurrency, !waiting.isEmpty {
            if breaker?.refuses(now: now) != nil {
                guard now >= nextRefusal else { break }
                nextRefusal = now + Self.refusalInterval
            }
            start(waiting.removeFirst(), now)
        }
        collect(now, jitter)
    }

    private func start(_ task: EngineTask, _ now: Instant) {
        var permit: CircuitBreaker.Permit?
        if breaker != nil {
            permit = breaker!.admit(now: now)
            guard permit != nil else {
                let why = "it is left alone for a while after failing" + (lastFault.isEmpty ? "" : " (\(lastFault))")
                return outcomes.append(EngineOutcome(id: task.id, result: .failure(.resting(why))))
            }
        }
        running[task.id] = (permit, task.deadline)
        engine.begin(task)
    }

    private func collect(_ now: Instant, _ jitter: Double) {
        for outcome in engine.takeOutcomes() { finish(outcome.id, outcome.result, now, jitter) }
    }

    private func finish(_ id: UInt64, _ result: Result<AuditVerdict, EngineFailure>, _ now: Instant, _ jitter: Double) {
        guard let call = running.removeValue(forKey: id) else { return }
        switch result {
        case .success, .failure(.refused): report(call.permit, .succeeded, now: now, jitter)
        case .failure(.timedOut):
            lastFault = "audit timed out"
            report(call.permit, .failed, now: now, jitter)
        case .failure(.broken(let why)), .failure(.resting(let why)):
            lastFault = why
            report(call.permit, .failed, now: now, jitter)
        }
        outcomes.append(EngineOutcome(id: id, result: result))
    }

    private func report(_ permit: CircuitBreaker.Permit?, _ outcome: CircuitBreaker.Outcome, now: Instant, _ jitter: Double = 0.5) {
        if let permit { breaker?.report(permit, outcome, now: now, jitter: jitter) }
    }

    func takeOutcomes() -> [EngineOutcome] {
        defer { outcomes = [] }
        return outcomes
    }
}
