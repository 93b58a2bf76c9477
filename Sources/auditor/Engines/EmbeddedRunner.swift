// The embedded engine among the others: one case after the other, in steps, so that the auditor stays answerable.
import Auditing
import EventLoop

final class EmbeddedRunner: Engine {
    private let loop: Loop
    private var waiting: [EngineTask] = []
    private var current: (task: EngineTask, engine: EmbeddedEngine)?
    private var outcomes: [EngineOutcome] = []

    init(_ loop: Loop) { self.loop = loop }

    func begin(_ task: EngineTask) { waiting.append(task) }

    func cancel(_ id: UInt64) {
        waiting.removeAll { $0.id == id }
        if current?.task.id == id { current = nil }
    }

    /// One step: a bounded piece of work. The deadline is looked at in between, and then what was found so far is the verdict.
    func advance() {
        if current == nil, !waiting.isEmpty {
            let task = waiting.removeFirst()
            current = (task, EmbeddedEngine(task.auditCase))
        }
        guard let task = current?.task else { return }
        let isLate = Instant.now >= task.deadline
        guard let verdict = isLate ? current!.engine.stopNow() : current!.engine.step() else { return }
        current = nil
        outcomes.append(EngineOutcome(id: task.id, result: .success(verdict)))
    }

    /// At once while there is work: other readinesses get their turn between two steps.
    var nextAlarm: Instant? { current == nil && waiting.isEmpty ? nil : loop.now }

    func takeOutcomes() -> [EngineOutcome] {
        defer { outcomes = [] }
        return outcomes
    }

    func handle(_ token: Token, _ readiness: Readiness) {}
    func resolved() {}
    var unreachable: String? { nil }
}
