// The rules of the dispatcher, one at a time (FEATURES W, T6, H2; DESIGN §3).
import EventLoop
import IPC
import Testing

@testable import dispatcher

@Suite struct CaptureRules {
    @Test(arguments: [true, false]) func `one worker with a queue of two takes three jobs`(hasAuditor: Bool) {
        let harness = Harness(workers: 1, queue: 2)
        if hasAuditor { harness.attach(0) }
        for id in ["a", "b", "c"] {
            guard case .queued = harness.capture(id) else { return #expect(Bool(false), "\(id) was not taken") }
        }
        #expect(harness.capture("d") == .queueIsFull)
        #expect((harness.next() != nil) == hasAuditor)
        #expect(harness.capture("e") == .queueIsFull)
        #expect(harness.ledger[.droppedQueueFull] == 2)
        #expect(harness.events.count == 3, "a drop is no event")
        #expect(harness.dispatch.takeLogFacts() == [.queueFullDropped(requestID: "d", unlogged: 0), .queueFullDropped(requestID: "e", unlogged: 0)])
        let statistics = harness.dispatch.statistics
        #expect(statistics.queueSize == 2)
        #expect(statistics.queueUsed == 2)
        #expect(statistics.submitted == 3)
        #expect(statistics.running == (hasAuditor ? 1 : 0))
        #expect(statistics.workers == (hasAuditor ? 1 : 0))
    }

    @Test func `a beginning is told with its facts`() {
        let harness = Harness()
        harness.capture("r\"1", target: "/v1/chat/completions?key=secret")
        #expect(harness.events == [
            #"audit_started {"request_id":"r\"1","audit_id":"audit-r\"1","response_size":1234,"timestamp":1750000000000,"path":"/v1/chat/completions"}"#
        ])
    }

    @Test func `captures that make no sense are malformed, not jobs`() {
        let harness = Harness(queue: 100)
        #expect(harness.capture("") == .malformed)
        #expect(harness.capture(String(repeating: "x", count: 129)) == .malformed)
        guard case .queued = harness.capture(String(repeating: "x", count: 120)) else { return #expect(Bool(false)) }
        #expect(harness.capture("large", payload: String(repeating: "x", count: (1 << 20) - 12)) == .malformed)
        guard case .queued = harness.capture("fits", payload: String(repeating: "x", count: (1 << 20) - 13)) else { return #expect(Bool(false)) }
        #expect(harness.ledger[.droppedMalformed] == 3)
        #expect(harness.ledger.isBalanced)
    }

    @Test func `bytes are bounded over waiting and running jobs`() {
        let harness = Harness(workers: 2, queue: 10) { $0.queueBytes = 10 }
        harness.attach(0)
        harness.capture("a", payload: "123456")
        let assignment = harness.next()
        #expect(harness.capture("b", payload: "12345") == .queueIsFull)
        if let assignment { harness.complete(assignment) }
        guard case .queued = harness.capture("c", payload: "12345") else { return #expect(Bool(false)) }
    }

    @Test func `an empty pool is a full queue`() {
        let pool = BlockPool(limitBytes: 8192)
        var dispatch = Dispatch(limits: Dispatch.Limits(), epoch: 1, pool: pool)
        let id = Array("r".utf8)
        let payload = [UInt8](repeating: 1, count: 9000)
        let facts = CaptureFacts(requestID: id.span.bytes, auditID: id.span.bytes, target: id.span.bytes, responseBytes: 0)
        let moment = Moment(now: Instant(nanoseconds: 1), wall: 1)
        let submission = dispatch.captureReceived(facts, payload: payload.span.bytes, from: 0, generation: 1, at: moment)
        #expect(submission == .queueIsFull)
        #expect(pool.usedBytes == 0)
        let ledger = dispatch.ledger
        #expect(ledger.isBalanced)
    }

    @Test func `what sampling leaves out is booked and not told`() {
        let harness = Harness { $0.samplingRate = 0 }
        #expect(harness.capture("a") == .sampledOut)
        #expect(harness.ledger[.skippedSampledOut] == 1)
        #expect(harness.events.isEmpty)
    }

    @Test func `a flood of drops is logged ten times a second and counted`() {
        let harness = Harness(workers: 1, queue: 0)
        harness.capture("first")
        for number in 0..<100 { harness.capture("x\(number)") }
        #expect(harness.dispatch.takeLogFacts().count == 10)
        harness.wait(.seconds(1))
        harness.capture("later")
        #expect(harness.dispatch.takeLogFacts() == [.queueFullDropped(requestID: "later", unlogged: 90)])
    }
}

@Suite struct OutcomeRules {
    @Test func `a completed audit is told in the auditor's own bytes`() throws {
        let harness = Harness()
        harness.attach(3)
        harness.capture("r")
        let assignment = try #require(harness.next())
        #expect(assignment.attempt == 1)
        #expect(assignment.limitMilliseconds == 30_000)
        #expect(assignment.place == 3)
        var bytes: [UInt8] = []
        _ = harness.dispatch.withCapture(of: assignment) { chain in chain.forEachPiece { bytes.append(contentsOf: $0) } }
        #expect(bytes == Array("bytes".utf8))
        harness.complete(assignment, json: Array("{ \"odd\" : [1 ] }".utf8))
        #expect(harness.events.last == "audit_complete { \"odd\" : [1 ] }")
        #expect(harness.ledger[.audited] == 1)
        #expect(harness.ledger[.scoreTenths] == 915)
        #expect(harness.dispatch.takeLogFacts() == [.auditCompleted(requestID: "r", scoreTenths: 915, grade: "A", milliseconds: 4)])
        #expect(harness.dispatch.events.status(of: 1) == nil && harness.dispatch.events.status(of: 2) == .completed)
        #expect(harness.dispatch.withCapture(of: assignment) { _ in } == nil)

        harness.complete(assignment)
        #expect(harness.ledger[.audited] == 1, "one result is final")
        #expect(harness.ledger[.ignoredAnswers] == 1)
        #expect(harness.pool.usedBytes == 0)
    }

    static let results: [(AuditResult, Booking, String)] = [
        (AuditResult(lease: 0, outcome: .skipped, reason: "content_encoding"), .skippedContentEncoding, "audit_skipped,content_encoding,"),
        (AuditResult(lease: 0, outcome: .skipped, reason: "whatever"), .skippedNotAuditable, "audit_skipped,not_auditable,"),
        (AuditResult(lease: 0, outcome: .failed, reason: "timeout", detail: "x"), .failedTimeout, "audit_failed,timeout,audit timed out"),
        (AuditResult(lease: 0, outcome: .failed, reason: "x", detail: "engine said no"), .failedEngineError, "audit_failed,engine_error,engine said no"),
        (AuditResult(lease: 0, outcome: .failed, reason: "x"), .failedEngineError, "audit_failed,engine_error,the audit engine failed"),
        (AuditResult(lease: 0, outcome: .completed), .failedEngineError, "audit_failed,engine_error,the audit engine's result is no object or too large"),
        (
            AuditResult(lease: 0, outcome: .completed, json: [0x7B] + [UInt8](repeating: 0x20, count: 65_535) + [0x7D]), .failedEngineError,
            "audit_failed,engine_error,the audit engine's result is no object or too large"
        ),
    ]

    @Test(arguments: results.indices) func `each answer has its booking and its event`(_ index: Int) throws {
        let row = Self.results[index]
        let harness = Harness()
        harness.attach(0)
        harness.capture("r")
        let assignment = try #require(harness.next())
        let result = AuditResult(
            lease: assignment.lease.id, outcome: row.0.outcome, reason: row.0.reason, detail: row.0.detail, json: row.0.json)
        harness.answer(assignment, result)
        #expect(harness.ledger[row.1] == 1)
        #expect(harness.ledger.isBalanced)
        #expect(harness.ledger.pending == 0)
        let parts = row.2.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        let event = try #require(harness.events.last)
        #expect(event.hasPrefix("\(parts[0]) {\"request_id\":\"r\",\"audit_id\":\"audit-r\""))
        #expect(event.contains("\"reason\":\"\(parts[1])\""))
        #expect(event.contains(parts[0] == "audit_failed" ? "\"error\":\"\(parts[2])\"" : "\"reason\""))
        #expect(event.hasSuffix("\"timestamp\":1750000000000}"))
    }

    @Test func `an event of exactly 64 KiB is told`() throws {
        let harness = Harness()
        harness.attach(0)
        harness.capture("r")
        harness.complete(try #require(harness.next()), json: [0x7B] + [UInt8](repeating: 0x20, count: 65_534) + [0x7D])
        #expect(harness.ledger[.audited] == 1)
    }

    @Test func `an audit that is not answered times out two seconds after its limit`() throws {
        let harness = Harness { $0.auditLimit = .seconds(5) }
        harness.attach(0)
        harness.capture("r")
        let assignment = try #require(harness.next())
        #expect(harness.dispatch.nextAlarm() == harness.clock.now + .seconds(7))
        harness.wait(.milliseconds(6999))
        #expect(harness.ledger[.failedTimeout] == 0)
        harness.wait(.milliseconds(1))
        #expect(harness.ledger[.failedTimeout] == 1)
        #expect(harness.dispatch.leases.running == 0)
        #expect(harness.events.last?.contains("\"error\":\"audit timed out\"") == true)
        harness.complete(assignment)
        #expect(harness.ledger[.audited] == 0)
        #expect(harness.ledger[.ignoredAnswers] == 1)
        #expect(harness.dispatch.nextAlarm() == nil)
    }

    @Test func `only the auditor that has a lease can answer it`() throws {
        let harness = Harness(workers: 2)
        harness.attach(0)
        harness.attach(1)
        harness.capture("r")
        let lease = try #require(harness.next()).lease
        let other: UInt16 = lease.place == 0 ? 1 : 0
        let result = AuditResult(lease: lease.id, outcome: .skipped)
        harness.dispatch.result(result, from: other, generation: 1, at: harness.moment)
        harness.dispatch.result(result, from: lease.place, generation: 2, at: harness.moment)
        harness.dispatch.result(result, from: 99, generation: 1, at: harness.moment)
        harness.dispatch.nack(Nack(lease: lease.id), from: other, generation: 1, at: harness.moment)
        harness.dispatch.nack(Nack(lease: .max), from: lease.place, generation: 1, at: harness.moment)
        #expect(harness.ledger[.ignoredAnswers] == 5)
        #expect(harness.ledger.pending == 1)
    }

    @Test func `more credit than anyone grants closes the channel`() {
        let harness = Harness()
        harness.attach(0)
        #expect(throws: FrameError.self) { try harness.dispatch.credit(Credit(count: 5000), from: 0, generation: 1) }
        #expect(throws: Never.self) { try harness.dispatch.credit(Credit(count: 5000), from: 9, generation: 1) }
    }
}

@Suite struct SendingRules {
    @Test func `jobs go in order to the auditor with fewest running, up to the workers`() throws {
        let harness = Harness(workers: 3, queue: 10)
        harness.attach(0, credits: 5)
        harness.attach(1, credits: 5)
        for id in ["a", "b", "c", "d"] { harness.capture(id) }
        let first = try #require(harness.next())
        let second = try #require(harness.next())
        let third = try #require(harness.next())
        #expect([first, second, third].map { harness.id($0) } == ["a", "b", "c"])
        #expect(Set([first.place, second.place]) == [0, 1])
        #expect(harness.next() == nil, "three workers")
        harness.complete(second)
        let fourth = try #require(harness.next())
        #expect(harness.id(fourth) == "d")
        #expect(fourth.place == second.place)
        #expect(fourth.lease.id > third.lease.id)
    }

    @Test func `nothing is sent without credit, or to an auditor that is gone`() {
        let harness = Harness(workers: 4, queue: 4)
        harness.capture("a")
        #expect(harness.next() == nil)
        harness.dispatch.auditorAttached(0, generation: 1, at: harness.moment)
        #expect(harness.next() == nil)
        harness.attach(1)
        harness.dispatch.channelEnded(1, generation: 1, at: harness.moment)
        harness.attach(2)
        harness.peerEnded(2)
        #expect(harness.next() == nil)
        harness.attach(1, generation: 1)
        #expect(harness.next() == nil, "a generation does not come back")
        harness.attach(1, generation: 2)
        #expect(harness.id(harness.next()) == "a")
    }

    @Test func `a job that is sent back costs no attempt and goes elsewhere`() throws {
        let harness = Harness(workers: 2, queue: 4)
        harness.attach(0, credits: 3)
        harness.capture("a")
        harness.capture("b")
        let assignment = try #require(harness.next())
        harness.dispatch.nack(Nack(lease: assignment.lease.id), from: 0, generation: 1, at: harness.moment)
        #expect(harness.next() == nil, "it drains")
        harness.attach(1, credits: 3)
        let again = try #require(harness.next())
        #expect(harness.id(again) == "a")
        #expect(again.attempt == 1)
        #expect(again.place == 1)
        try harness.dispatch.credit(Credit(count: 1), from: 0, generation: 1)
        #expect(harness.next()?.place == 0, "credit after a Nack: it does not drain")
    }

    @Test func `a full outbox gives job and credit back until it is writable`() throws {
        let harness = Harness()
        harness.attach(0)
        harness.capture("a")
        let assignment = try #require(harness.next())
        harness.dispatch.unsent(assignment)
        #expect(harness.next() == nil)
        harness.dispatch.unsent(assignment)
        #expect(harness.dispatch.queue.count == 1, "only once")
        harness.dispatch.writable(0, generation: 1)
        let again = try #require(harness.next())
        #expect(again.attempt == 1)
        #expect(again.lease.id > assignment.lease.id)
        #expect(harness.next() == nil, "the one credit is used")
    }
}

@Suite struct DrainRules {
    @Test func `a drain finishes what is held and takes nothing new`() throws {
        let harness = Harness(workers: 1, queue: 5)
        harness.attach(0, credits: 9)
        harness.capture("a")
        harness.capture("b")
        let first = try #require(harness.next())
        harness.dispatch.drain(until: harness.clock.now + .seconds(10))
        #expect(harness.capture("late") == .isStopped)
        #expect(harness.ledger[.droppedShutdown] == 1)
        #expect(!harness.dispatch.statistics.accepting)
        harness.complete(first)
        #expect(!harness.isDrained)
        harness.complete(try #require(harness.next()))
        #expect(harness.isDrained)
        #expect(harness.dispatch.nextAlarm() == nil)
        #expect(harness.events.count == 4)
    }

    @Test func `at the limit the rest is dropped, each with its event`() throws {
        let harness = Harness(workers: 1, queue: 5)
        harness.attach(0, credits: 9)
        for id in ["a", "b", "c"] { harness.capture(id) }
        let first = try #require(harness.next())
        let limit = harness.clock.now + .seconds(3)
        harness.dispatch.drain(until: limit)
        harness.dispatch.drain(until: limit + .seconds(60))
        #expect(harness.dispatch.nextAlarm() == limit)
        harness.wait(.seconds(3))
        #expect(harness.isDrained)
        #expect(harness.ledger[.droppedShutdown] == 3)
        #expect(harness.events.count(where: { $0.hasPrefix("audit_failed") && $0.contains("\"reason\":\"shutdown\"") }) == 3)
        harness.complete(first)
        #expect(harness.ledger[.ignoredAnswers] == 1)
        #expect(harness.ledger.isBalanced)
        #expect(harness.pool.usedBytes == 0)
    }

    @Test func `an idle dispatcher is drained at once`() {
        let harness = Harness()
        #expect(!harness.isDrained)
        harness.dispatch.drain(until: harness.clock.now + .seconds(1))
        #expect(harness.isDrained)
    }
}
