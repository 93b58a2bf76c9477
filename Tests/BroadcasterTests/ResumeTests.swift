// Clients that come back, a broadcaster that is new, clients that are slow: nothing is sent twice, what is missing is said.
import EventLoop
import HTTP
import IPC
import Testing

@testable import broadcaster

struct ResumeTests {
    private static func number(_ text: String) -> EventNumber { EventNumber(text)! }

    /// Kept: 7:3, 7:4, then 9:1 to 9:4, of room for six.
    private static func filled() -> TestHub {
        var test = TestHub(count: 6)
        for sequence in 1...4 as ClosedRange<UInt64> { test.event(7, sequence, .auditComplete, json("a\(sequence)")) }
        for sequence in 1...4 as ClosedRange<UInt64> { test.event(9, sequence, .auditComplete, json("b\(sequence)")) }
        return test
    }

    @Test(arguments: [
        ("9:4", []),
        ("9:3", ["audit_complete 9:4 b4"]),
        ("9:0", ["audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("7:4", ["audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("7:3", ["audit_complete 7:4 a4", "audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("7:2", ["audit_complete 7:3 a3", "audit_complete 7:4 a4", "audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("7:1", ["history_lost", "audit_complete 7:3 a3", "audit_complete 7:4 a4", "audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("7:5", ["history_lost", "audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("6:8", ["history_lost", "audit_complete 7:3 a3", "audit_complete 7:4 a4", "audit_complete 9:1 b1", "audit_complete 9:2 b2", "audit_complete 9:3 b3", "audit_complete 9:4 b4"]),
        ("9:99", ["history_lost"]),
        ("\(UInt64.max):\(UInt64.max)", ["history_lost"]),
    ])
    func `who comes back gets what is kept, and is told when something is not`(_ since: String, _ expected: [String]) {
        var test = Self.filled()
        let key = test.join(since: Self.number(since))
        #expect(test.brief(key) == expected)
        test.event(9, 5, .auditComplete, json("b5"))
        #expect(test.brief(key) == ["audit_complete 9:5 b5"])
    }

    @Test func `a lost audit is replayed in its place`() {
        var test = TestHub()
        test.event(7, 1, .auditStarted, json("a"))
        test.event(9, 1, .auditStarted, json("b"))
        let key = test.join(since: Self.number("7:1"))
        #expect(test.brief(key) == ["audit_failed a", "audit_started 9:1 b"])
    }

    @Test func `a new broadcaster's refill goes only to those who ask for it`() {
        var test = TestHub(attached: false)
        let plain = test.join()
        let behind = test.join(since: Self.number("7:2"))
        let ahead = test.join(since: Self.number("7:4"))
        let lost = test.join(since: Self.number("6:1"))
        #expect(test.brief(plain) + test.brief(behind) + test.brief(ahead) + test.brief(lost) == [])
        test.hub.attached(at: test.now, wall: wall)
        for sequence in 1...4 as ClosedRange<UInt64> { test.event(7, sequence, .auditComplete, json("a\(sequence)"), milliseconds: wall - 50) }
        #expect(test.brief(plain) == [])
        #expect(test.brief(behind) == ["audit_complete 7:3 a3", "audit_complete 7:4 a4"])
        #expect(test.brief(ahead) == [])
        #expect(test.brief(lost).prefix(2) == ["history_lost", "audit_complete 7:1 a1"])
        test.event(7, 5, .auditComplete, json("a5"), milliseconds: wall)
        for key in [plain, behind, ahead, lost] { #expect(test.brief(key) == ["audit_complete 7:5 a5"]) }
    }

    @Test func `a refill that begins late is said to have a gap`() {
        var test = TestHub(attached: false)
        let key = test.join(since: Self.number("7:2"))
        test.hub.attached(at: test.now, wall: wall)
        for sequence in 4...5 as ClosedRange<UInt64> { test.event(7, sequence, .auditComplete, json("a\(sequence)"), milliseconds: wall - 50) }
        #expect(test.brief(key) == ["history_lost", "audit_complete 7:4 a4", "audit_complete 7:5 a5"])
    }

    @Test func `who has more than there is begins anew once the refill is over`() {
        var test = TestHub(attached: false)
        let key = test.join(since: Self.number("7:9"))
        test.hub.attached(at: test.now, wall: wall)
        test.event(7, 1, .auditComplete, json("a1"), milliseconds: wall - 50)
        #expect(test.brief(key) == [])
        test.tick(after: .seconds(1))
        #expect(test.brief(key) == ["history_lost"])
        test.event(7, 2, .auditComplete, json("a2"))
        #expect(test.brief(key) == ["audit_complete 7:2 a2"])
    }

    @Test func `after a new channel nothing is history`() {
        var test = Self.filled()
        let key = test.join()
        test.hub.attached(at: test.now, wall: wall + 1000)
        test.event(9, 5, .auditComplete, json("b5"), milliseconds: wall)
        #expect(test.brief(key) == ["audit_complete 9:5 b5"])
    }

    @Test func `a clock that was set back ends the refill`() {
        var catchUp = CatchUp()
        catchUp.attached(at: start, wall: wall, keepsEvents: false)
        let before = catchUp.isHistory(milliseconds: wall - 1, at: start + .seconds(9))
        #expect(before)
        catchUp.tick(at: start + .seconds(9))
        #expect(!catchUp.isDone)
        let after = catchUp.isHistory(milliseconds: wall - 1, at: start + .seconds(10))
        #expect(!after)
        #expect(catchUp.isDone)
    }

    // MARK: Slow clients and time

    private func due(_ test: inout TestHub, _ key: Int, after time: Duration, isFull: Bool = false) -> Subscriber.Due? {
        let now = start + .seconds(1) + time
        return test.hub.with(key) { $0.due(in: $1, isFull: isFull, at: now) } ?? nil
    }

    @Test func `a refused message stays the next one`() {
        var test = TestHub()
        let key = test.join(.data)
        #expect(test.hub.write(key, limit: 4096, wall: wall) { _ in false } == 0)
        test.event(7, 1, .auditComplete, json("r1"))
        #expect(test.messages(key).map(short) == ["connected", "audit_result 7:1 r1"])
    }

    @Test(arguments: [(256, 10, false), (257, 10, true), (16, 60_000, false), (18, 60_000, true)])
    func `a client with a full output is closed when too much waits`(_ count: Int, _ size: Int, _ isSlow: Bool) {
        var test = TestHub(count: 1000, bytes: 8 << 20)
        let key = test.join(.data)
        _ = test.messages(key)
        let more = ",\"x\":\"" + String(repeating: "x", count: size) + "\""
        for sequence in 1...UInt64(count) { test.event(7, sequence, .auditComplete, json("r", more)) }
        #expect(due(&test, key, after: .zero) == nil, "its output is not full: it is our turn")
        #expect(due(&test, key, after: .zero, isFull: true) == (isSlow ? .closeSlow : nil))
    }

    @Test func `a client that replays may take its time`() {
        var test = TestHub(count: 1000)
        for sequence in 1...600 as ClosedRange<UInt64> { test.event(7, sequence, .auditComplete, json("r\(sequence)")) }
        let key = test.join(.data, since: Self.number("7:0"))
        #expect(due(&test, key, after: .zero, isFull: true) == nil)
        #expect(test.brief(key).count == 600)
    }

    @Test func `pings, pongs and limits`() {
        var test = TestHub()
        let key = test.join()
        #expect(due(&test, key, after: .seconds(53)) == nil)
        #expect(due(&test, key, after: .seconds(54)) == .ping)
        #expect(due(&test, key, after: .seconds(55)) == nil, "one is enough")
        #expect(due(&test, key, after: .seconds(60)) == .end)
        test.hub.with(key) { subscriber, _ in subscriber.heard(at: start + .seconds(1) + .seconds(56)) }
        #expect(due(&test, key, after: .seconds(60)) == nil)
        #expect(due(&test, key, after: .seconds(110)) == .ping)
    }

    @Test func `a stream's client is not asked for life but given some`() {
        var test = TestHub()
        let key = test.join(.data, framing: .eventStream)
        #expect(due(&test, key, after: .seconds(14)) == nil)
        #expect(due(&test, key, after: .seconds(15)) == .comment)
        #expect(due(&test, key, after: .seconds(29)) == nil)
        #expect(due(&test, key, after: .seconds(120)) == .comment)
    }

    @Test func `keys are used again, and old ones mean nobody`() {
        var test = TestHub()
        let first = test.join()
        test.hub.leave(first)
        test.hub.leave(first)
        #expect(test.hub.count == 0)
        #expect(test.messages(first) == [])
        #expect(test.messages(99) == [] && test.messages(-1) == [])
        let second = test.join(id: "new")
        #expect(second == first)
        #expect(test.messages(second).first?.contains("\"new\"") == true)
    }
}
