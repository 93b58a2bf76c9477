// What edges ask for their clients: handed-in audits, audits by id, recent ones.
import EventLoop
import IPC
import Testing

@testable import dispatcher

extension Harness {
    func query(_ number: UInt64, edge: UInt16 = 0, generation: UInt32 = 1) -> QueryID { QueryID(edge: edge, generation: generation, number: number) }

    func submit(_ id: String, _ number: UInt64, wait: Duration = .seconds(5)) throws {
        let requestID = Array(id.utf8)
        let auditID = Array("audit-\(id)".utf8)
        let payload = Array("bytes".utf8)
        let facts = CaptureFacts(requestID: requestID.span.bytes, auditID: auditID.span.bytes, target: RawSpan(), responseBytes: 0)
        try dispatch.submitted(facts, payload: payload.span.bytes, wait: wait, by: query(number), at: moment)
    }

    func look(_ id: String, _ number: UInt64, wait: UInt32 = 0) {
        dispatch.lookedUp(Lookup(waitMilliseconds: wait, id: id), by: query(number), at: moment)
    }

    /// Number, kind and text of the answers since the last call.
    func answers() -> [String] {
        dispatch.takeReplies().map { "\($0.query.number) \($0.kind) \(String(decoding: $0.json, as: UTF8.self))" }
    }
}

private let completed = #"{"status":"completed","trust_score":91.5}"#

@Suite struct QueryTests {
    @Test func `a handed-in audit is a job like others, and its verdict is the answer`() throws {
        let harness = Harness()
        harness.attach(3)
        try harness.submit("s", 9)
        #expect(harness.ledger[.submitted] == 1 && harness.ledger[.received] == 0 && harness.ledger.isBalanced)
        #expect(harness.answers() == [])
        let assignment = try #require(harness.next())
        harness.complete(assignment)
        #expect(harness.answers() == ["9 completed \(completed)"])
        #expect(harness.ledger[.audited] == 1 && harness.ledger.isBalanced)
    }

    @Test func `no sampling leaves it out`() throws {
        let harness = Harness { $0.samplingRate = 0 }
        #expect(harness.capture("c") == .sampledOut)
        harness.look("c", 9)
        #expect(harness.answers() == [#"9 skipped {"status":"skipped","request_id":"c","audit_id":"audit-c","reason":"sampled_out"}"#])
        try harness.submit("s", 1, wait: .zero)
        #expect(harness.answers() == [#"1 pending {"status":"pending","request_id":"s","audit_id":"audit-s"}"#])
        harness.look("audit-c", 2)
        #expect(harness.answers() == [#"2 skipped {"status":"skipped","request_id":"c","audit_id":"audit-c","reason":"sampled_out"}"#])
    }

    @Test func `a full queue and a stopped pool are told at once, and counted`() throws {
        let harness = Harness(workers: 1, queue: 2)
        for number in 1...3 { try harness.submit("s\(number)", UInt64(number)) }
        #expect(harness.answers() == [])
        try harness.submit("s4", 4)
        #expect(harness.answers() == ["4 queueFull "])
        #expect(harness.ledger[.droppedQueueFull] == 1 && harness.ledger.isBalanced)
        harness.dispatch.drain(until: harness.clock.now + .seconds(1))
        try harness.submit("s5", 5)
        #expect(harness.answers() == ["5 stopped "])
        harness.look("s4", 6)
        #expect(harness.answers() == [#"6 dropped {"status":"dropped","request_id":"s4","audit_id":"audit-s4","reason":"queue_full"}"#])
        harness.clock.advance(by: .seconds(2))
        harness.dispatch.alarm(at: harness.moment)
        #expect(harness.answers().map { $0.prefix(9) } == ["1 dropped", "2 dropped", "3 dropped"])
        #expect(harness.ledger.isBalanced && harness.ledger.pending == 0)
    }

    @Test func `a wait ends at its time, or is cancelled, or goes with its channel; the audit goes on`() throws {
        let harness = Harness()
        harness.attach(3)
        try harness.submit("s", 1, wait: .seconds(1))
        harness.look("audit-s", 2, wait: 2000)
        harness.look("s", 3, wait: 2000)
        harness.dispatch.lookedUp(Lookup(waitMilliseconds: 2000, id: "s"), by: harness.query(4, edge: 1), at: harness.moment)
        #expect(harness.dispatch.nextAlarm() == harness.clock.now + .seconds(1))
        harness.clock.advance(by: .seconds(1))
        harness.dispatch.alarm(at: harness.moment)
        #expect(harness.answers() == [#"1 pending {"status":"pending","request_id":"s","audit_id":"audit-s"}"#])
        harness.dispatch.cancelled(harness.query(2))
        harness.dispatch.queryChannelEnded(1, generation: 1)
        harness.complete(try #require(harness.next()))
        #expect(harness.answers() == ["3 completed \(completed)"])
        #expect(harness.dispatch.waits.count == 0 && harness.dispatch.nextAlarm() == nil)
    }

    @Test func `who asks before the capture has come waits for it`() throws {
        let harness = Harness()
        harness.attach(3)
        harness.look("r", 1, wait: 500)
        harness.look("audit-r", 2)
        #expect(harness.answers() == ["2 unknown "])
        harness.capture("r")
        harness.complete(try #require(harness.next()))
        #expect(harness.answers() == ["1 completed \(completed)"])
        harness.look("nobody", 3, wait: 500)
        harness.clock.advance(by: .milliseconds(500))
        harness.dispatch.alarm(at: harness.moment)
        #expect(harness.answers() == ["3 unknown "])
    }

    @Test func `failures and quarantine are told apart`() throws {
        let harness = Harness(workers: 1, queue: 8)
        harness.attach(3, credits: 8)
        harness.capture("f")
        let assignment = try #require(harness.next())
        harness.answer(assignment, AuditResult(lease: assignment.lease.id, outcome: .failed, reason: "engine_error", detail: "no model"))
        harness.look("f", 1)
        #expect(harness.answers().first?.hasPrefix(#"1 failed {"status":"failed","request_id":"f","audit_id":"audit-f","error":"no model","reason":"engine_error""#) == true)
        harness.capture("k")
        for generation in 1...UInt32(Quarantine.mostLonelyDeaths) {
            _ = try #require(harness.next())
            harness.die(3, generation: generation)
            harness.attach(3, generation: generation + 1)
        }
        harness.look("audit-k", 2)
        #expect(harness.answers().first?.hasPrefix(#"2 quarantined {"status":"quarantined""#) == true)
    }

    @Test func `what has left the ring is not known any more, and the index stays bounded`() throws {
        let harness = Harness(workers: 4, queue: 100) { $0.events = 8 }
        harness.attach(3, credits: 64)
        for number in 0..<50 {
            harness.capture("r\(number)")
            harness.complete(try #require(harness.next()))
            #expect(harness.dispatch.index.count <= 9)
        }
        harness.look("r49", 1)
        harness.look("r45", 2)
        #expect(harness.answers() == ["1 completed \(completed)", "2 unknown "])
        harness.dispatch.drain(until: harness.clock.now + .seconds(100))
        for number in 50..<100 { harness.capture("r\(number)") }
        #expect(harness.dispatch.index.count <= 9)
    }

    @Test func `of audits with one request id the last one counts`() throws {
        let harness = Harness(workers: 2, queue: 8) { $0.events = 8 }
        harness.attach(3, credits: 64)
        for id in ["one", "two"] {
            let (requestID, auditID, payload) = (Array("same".utf8), Array(id.utf8), Array("bytes".utf8))
            let facts = CaptureFacts(requestID: requestID.span.bytes, auditID: auditID.span.bytes, target: RawSpan(), responseBytes: 0)
            harness.dispatch.captureReceived(facts, payload: payload.span.bytes, from: 0, generation: 1, at: harness.moment)
        }
        harness.complete(try #require(harness.next()))
        harness.look("same", 1)
        #expect(harness.answers() == [#"1 pending {"status":"pending","request_id":"same","audit_id":"two"}"#])
        harness.look("one", 2)
        #expect(harness.answers() == ["2 completed \(completed)"])
    }

    private func verdict(_ number: Int, grade: String) -> [UInt8] {
        Array(#"{"request_id":"r\#(number)","grade":"\#(grade)","model":"m\#(number % 2)","nested":{"grade":"Z"},"path":"/p"}"#.utf8)
    }

    private func list(_ harness: Harness, _ change: (inout Recent) -> Void = { _ in }) throws -> (ids: [Int], next: String?) {
        var recent = Recent(limit: 100)
        change(&recent)
        harness.dispatch.askedForRecent(recent, by: harness.query(1))
        let answer = try #require(harness.answers().first)
        let ids = answer.matches(of: /"request_id":"r(\d+)"/).compactMap { Int($0.1) }
        return (ids, answer.firstMatch(of: /"next":"([0-9a-f]+-\d+)"/).map { String($0.1) })
    }

    @Test func `recent ones come newest first, filtered, page after page`() throws {
        let harness = Harness(workers: 1, queue: 64) { $0.events = 1000 }
        harness.attach(3, credits: 64)
        #expect(try list(harness) == ([], nil))
        var third: UInt64 = 0
        for number in 0..<10 {
            harness.clock.advance(by: .seconds(1))
            if number == 3 { third = harness.moment.wall }
            harness.capture("r\(number)")
            harness.complete(try #require(harness.next()), json: verdict(number, grade: number < 5 ? "A" : "F"))
        }
        #expect(try list(harness).ids == Array((0..<10).reversed()))
        #expect(try list(harness) { $0.grade = "A" }.ids == [4, 3, 2, 1, 0])
        #expect(try list(harness) { $0.grade = "A"; $0.model = "m1" }.ids == [3, 1])
        #expect(try list(harness) { $0.path = "/other" }.ids == [])
        #expect(try list(harness) { $0.grade = "Z" }.ids == [], "only the verdict's own grade counts")
        #expect(try list(harness) { $0.sinceMilliseconds = third } == ([9, 8, 7, 6, 5, 4, 3], nil))
        var seen: [Int] = []
        var cursor: (UInt64, UInt64) = (0, 0)
        for _ in 0..<4 {
            let page = try list(harness) {
                $0.limit = 3
                $0.beforeEpoch = cursor.0
                $0.beforeSequence = cursor.1
            }
            seen += page.ids
            guard let next = page.next?.split(separator: "-") else { break }
            cursor = (try #require(UInt64(next[0], radix: 16)), try #require(UInt64(next[1])))
        }
        #expect(seen == Array((0..<10).reversed()))
        harness.dispatch.askedForRecent({ var recent = Recent(limit: 1); recent.beforeEpoch = 6; recent.beforeSequence = 1; return recent }(), by: harness.query(5))
        #expect(harness.answers() == ["5 staleCursor "])
    }

    @Test func `a list fits into its frame`() throws {
        let harness = Harness(workers: 1, queue: 64) { $0.eventBytes = 32 << 20 }
        harness.attach(3, credits: 64)
        let text = String(repeating: "x", count: 60_000)
        for number in 0..<40 {
            harness.capture("r\(number)")
            harness.complete(try #require(harness.next()), json: Array(#"{"request_id":"r\#(number)","answer":"\#(text)"}"#.utf8))
        }
        var seen: [Int] = []
        var recent = Recent(limit: 100)
        while true {
            harness.dispatch.askedForRecent(recent, by: harness.query(1))
            let reply = try #require(harness.dispatch.takeReplies().first)
            #expect(reply.json.count < ChannelKind.query.payloadLimit)
            let answer = String(decoding: reply.json, as: UTF8.self)
            seen += answer.matches(of: /"request_id":"r(\d+)"/).compactMap { Int($0.1) }
            guard let next = answer.firstMatch(of: /"next":"([0-9a-f]+)-(\d+)"/) else { break }
            recent.beforeEpoch = try #require(UInt64(next.1, radix: 16))
            recent.beforeSequence = try #require(UInt64(next.2))
        }
        #expect(seen == Array((0..<40).reversed()))
    }
}
