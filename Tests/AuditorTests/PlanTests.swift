// Which engine is asked when, and what stands in for one that fails.
import Auditing
import Configuration
import EventLoop
import Testing

@testable import auditor

private func audit(_ engine: EngineSelection, fallback: Bool = false, of auditCase: AuditCase = bridge) -> Audit {
    var settings = Settings()
    settings.engine = engine
    settings.engineFallback = fallback
    return Audit(lease: 1, began: seconds(0), deadline: seconds(30), auditCase, settings)
}

/// `engine`, `engine[claims]`, `done engine`, `done engine for failed`, `failed engine`.
private func text(_ step: Audit.Step) -> String {
    switch step {
    case .ask(let engine, let task): engine.rawValue + (engine == .judge ? "\(task.claims)" : "")
    case .done(let verdict): "done \(verdict.engine)" + (verdict.fallback.map { " for \($0.engine): \($0.reason)" } ?? "")
    case .failed(let failure, let engine): "failed \(engine.rawValue): \(failure.words)"
    }
}

private let sure = claim("sure", probability: 0.9, evidence: [quote(0, "Über")])
private let doubtful = claim("doubtful", probability: EmbeddedEngine.threshold + 0.149, evidence: [quote(0, "Über")])
private let beyond = claim("beyond", probability: EmbeddedEngine.threshold + 0.151, evidence: [quote(0, "Über")])
private let unverifiable = claim("unverifiable", .unverifiable, probability: nil)
private let contradictsItself = claim("itself", .contradicted, probability: 0.3, evidence: [quote(EvidenceQuote.answer, "The")])

@Test func `one engine audits`() {
    var embedded = audit(EngineSelection(.embedded))
    #expect(text(embedded.begin(now: seconds(0))) == "embedded")
    #expect(text(embedded.answered(.success(verdict([doubtful])), by: .embedded, now: seconds(1))) == "done embedded")
    var grpc = audit(EngineSelection(.grpc))
    #expect(text(grpc.begin(now: seconds(0))) == "grpc")
    #expect(text(grpc.answered(.success(verdict([doubtful], engine: "own")), by: .grpc, now: seconds(1))) == "done own")
}

@Test func `the judge alone judges all that documents can decide`() {
    var alone = audit(EngineSelection(.judge))
    #expect(text(alone.begin(now: seconds(0))) == "embedded")
    #expect(text(alone.answered(.success(verdict([sure, unverifiable, doubtful, contradictsItself])), by: .embedded, now: seconds(1))) == "judge[0, 2]")
    #expect(text(alone.answered(.success(verdict([sure], engine: "judge")), by: .judge, now: seconds(2))) == "done judge")
    var nothing = audit(EngineSelection(.judge))
    #expect(text(nothing.answered(.success(verdict([unverifiable])), by: .embedded, now: seconds(1))) == "done embedded")
    var bare = bridge
    bare.contextState = .none
    var without = audit(EngineSelection(.judge), of: bare)
    #expect(text(without.answered(.success(verdict([sure], of: bare)), by: .embedded, now: seconds(1))) == "done embedded", "no documents, nothing to judge by")
}

@Test func `a second engine is asked about doubtful claims`() {
    var both = audit(EngineSelection(.embedded, asksJudge: true))
    #expect(text(both.answered(.success(verdict([sure, doubtful, beyond, contradictsItself])), by: .embedded, now: seconds(1))) == "judge[1]")
    var clear = audit(EngineSelection(.embedded, asksJudge: true))
    #expect(text(clear.answered(.success(verdict([sure, beyond])), by: .embedded, now: seconds(1))) == "done embedded")
    var grpc = audit(EngineSelection(.grpc, asksJudge: true))
    let middle = claim("middle", probability: 0.36, evidence: [quote(0, "Über")])
    #expect(text(grpc.answered(.success(verdict([sure, middle], engine: "own")), by: .grpc, now: seconds(1))) == "judge[1]")
}

@Test func `an engine that fails fails the audit, or is stood in for`() {
    let down = Result<AuditVerdict, EngineFailure>.failure(.broken("down"))
    var strict = audit(EngineSelection(.grpc))
    #expect(text(strict.answered(down, by: .grpc, now: seconds(1))) == "failed grpc: down")
    var kind = audit(EngineSelection(.grpc), fallback: true)
    #expect(text(kind.answered(down, by: .grpc, now: seconds(1))) == "embedded")
    #expect(text(kind.answered(.success(verdict([doubtful])), by: .embedded, now: seconds(2))) == "done embedded for grpc: down")
    var judge = audit(EngineSelection(.judge))
    _ = judge.answered(.success(verdict([sure])), by: .embedded, now: seconds(1))
    #expect(text(judge.answered(.failure(.timedOut), by: .judge, now: seconds(2))) == "failed judge: audit timed out")
    var kindJudge = audit(EngineSelection(.judge), fallback: true)
    _ = kindJudge.answered(.success(verdict([sure])), by: .embedded, now: seconds(1))
    #expect(text(kindJudge.answered(down, by: .judge, now: seconds(2))) == "done embedded for judge: down")
    // What the judge was only to improve stands without it.
    var both = audit(EngineSelection(.embedded, asksJudge: true))
    _ = both.answered(.success(verdict([doubtful])), by: .embedded, now: seconds(1))
    #expect(text(both.answered(down, by: .judge, now: seconds(2))) == "done embedded for judge: down")
    // Nobody is asked twice.
    var chain = audit(EngineSelection(.grpc, asksJudge: true), fallback: true)
    _ = chain.answered(down, by: .grpc, now: seconds(1))
    #expect(text(chain.answered(.success(verdict([doubtful])), by: .embedded, now: seconds(2))) == "done embedded for grpc: down")
}

@Test func `deadlines are the engine's, the audit's, and leave time for a stand-in`() {
    func deadline(_ step: Audit.Step) -> Instant? { if case .ask(_, let task) = step { task.deadline } else { nil } }
    #expect(deadline(audit(EngineSelection(.embedded)).begin(now: seconds(0))) == seconds(2))
    #expect(deadline(audit(EngineSelection(.embedded)).begin(now: seconds(29))) == seconds(30))
    #expect(deadline(audit(EngineSelection(.grpc)).begin(now: seconds(0))) == seconds(30))
    #expect(deadline(audit(EngineSelection(.grpc), fallback: true).begin(now: seconds(0))) == seconds(28))
    #expect(deadline(audit(EngineSelection(.grpc), fallback: true).begin(now: seconds(28))) == seconds(29), "a short time is shared, so that the engine is asked at all")
}

/// An engine whose outcomes the test says.
private final class Puppet: Engine {
    var begun: [UInt64] = []
    var cancelled: [UInt64] = []
    var outcomes: [EngineOutcome] = []

    func begin(_ task: EngineTask) { begun.append(task.id) }
    func cancel(_ id: UInt64) { cancelled.append(id) }
    func handle(_ token: Token, _ readiness: Readiness) {}
    func resolved() {}
    func advance() {}
    var nextAlarm: Instant? { nil }
    var unreachable: String? { nil }
    func takeOutcomes() -> [EngineOutcome] {
        defer { outcomes = [] }
        return outcomes
    }
}

@Test func `a gate lets so many through and ends those that are late`() {
    let puppet = Puppet()
    let gate = EngineGate(.grpc, puppet, concurrency: 2, timeLimit: .seconds(30), now: seconds(0))
    for id in 1...4 { gate.submit(task([], until: seconds(Double(id) * 10), id: UInt64(id))) }
    gate.advance(now: seconds(0), jitter: 0.5)
    #expect(puppet.begun == [1, 2] && gate.nextAlarm == seconds(10))
    puppet.outcomes = [EngineOutcome(id: 2, result: .success(verdict([])))]
    gate.advance(now: seconds(1), jitter: 0.5)
    #expect(puppet.begun == [1, 2, 3] && gate.takeOutcomes().map(\.id) == [2])
    gate.advance(now: seconds(10), jitter: 0.5)
    #expect(puppet.cancelled == [1] && puppet.begun == [1, 2, 3, 4])
    #expect(gate.takeOutcomes().map(\.result.failure) == [.timedOut])
    // What the engine says of a case that was given up is not heard.
    puppet.outcomes = [EngineOutcome(id: 1, result: .success(verdict([])))]
    gate.advance(now: seconds(11), jitter: 0.5)
    #expect(gate.takeOutcomes().isEmpty)
}

@Test func `an engine that keeps failing is left alone, then tried with one case`() {
    let puppet = Puppet()
    let gate = EngineGate(.grpc, puppet, concurrency: 10, timeLimit: .seconds(30), now: seconds(0))
    func ask(_ id: UInt64, _ result: Result<AuditVerdict, EngineFailure>, at now: Double) -> EngineFailure? {
        gate.submit(task([], until: seconds(1000), id: id))
        gate.advance(now: seconds(now), jitter: 0.5)
        if puppet.begun.last == id { puppet.outcomes = [EngineOutcome(id: id, result: result)] }
        gate.advance(now: seconds(now), jitter: 0.5)
        return gate.takeOutcomes().first?.result.failure
    }
    for id in 1...20 { #expect(ask(UInt64(id), .failure(.refused("not this one")), at: 0) == .refused("not this one")) }
    #expect(!gate.isDown(now: seconds(0)), "an engine that refuses cases works")
    var id: UInt64 = 100
    while !gate.isDown(now: seconds(0)), id < 200 {
        id += 1
        _ = ask(id, .failure(.broken("gone")), at: 0)
    }
    #expect(ask(200, .success(verdict([])), at: 0.1) == .resting("it is left alone for a while after failing (gone)"))
    #expect(puppet.begun.last == id)
    // What waited leaves one after the other, not in a burst.
    for id in 201...202 { gate.submit(task([], until: seconds(1000), id: UInt64(id))) }
    gate.advance(now: seconds(0.2), jitter: 0.5)
    #expect(gate.takeOutcomes().map(\.id) == [201] && gate.nextAlarm == seconds(0.2) + EngineGate.refusalInterval)
    gate.advance(now: seconds(0.2) + EngineGate.refusalInterval, jitter: 0.5)
    #expect(gate.takeOutcomes().map(\.id) == [202])
    gate.submit(task([], until: seconds(1000), id: 300))
    gate.submit(task([], until: seconds(1000), id: 301))
    gate.advance(now: seconds(40), jitter: 0.5)
    #expect(puppet.begun.last == 300 && gate.takeOutcomes().map(\.id) == [301], "one trial")
    puppet.outcomes = [EngineOutcome(id: 300, result: .success(verdict([])))]
    gate.advance(now: seconds(41), jitter: 0.5)
    #expect(!gate.isDown(now: seconds(41)) && ask(302, .success(verdict([])), at: 42) == nil)
}
