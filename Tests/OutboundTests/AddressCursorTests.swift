// Every address in turn: shares of the time limit, refusals, time-outs, the preferred one.
import EventLoop
import Outbound
import Testing

private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .milliseconds(Int64(seconds * 1000)) }

/// The next step as text, to compare it.
private func step(_ cursor: inout AddressCursor, _ seconds: Double) -> String? {
    cursor.next(now: at(seconds)).map { "\($0.address) until \(Double(at(0).duration(to: $0.until).nanoseconds) / 1e9)" }
}

@Suite struct AddressCursorTests {
    @Test func `refusals move on at once, time-outs cost their share`() {
        var cursor = AddressCursor(["a", "b", "c"], deadline: at(9))
        #expect(cursor.address == nil)
        #expect(step(&cursor, 0) == "a until 3.0")
        cursor.failed("Connection refused")
        #expect(step(&cursor, 1) == "b until 5.0")
        cursor.failed("no answer")
        #expect(step(&cursor, 5) == "c until 9.0")
        #expect(cursor.address == "c")
        cursor.failed("no answer")
        #expect(step(&cursor, 9) == nil)
        #expect(cursor.failure == "a: Connection refused; b: no answer; c: no answer")
    }

    @Test func `without an address or without time nothing is tried`() {
        var empty = AddressCursor([], deadline: at(1))
        #expect(step(&empty, 0) == nil)
        #expect(empty.failure == "no address")
        var late = AddressCursor(["a", "b"], deadline: at(1))
        #expect(step(&late, 1) == nil)
        late.failed("of what nobody tried")
        #expect(late.failure == "no time left for 2 more")
    }

    @Test func `many addresses get at least a quarter of a second, within the limit`() {
        var cursor = AddressCursor((0..<10).map { "a\($0)" }, deadline: at(1))
        #expect(step(&cursor, 0) == "a0 until 0.25")
        #expect(step(&cursor, 0.25) == "a1 until 0.5")
        #expect(step(&cursor, 0.9) == "a2 until 1.0")
        #expect(step(&cursor, 1) == nil)
        #expect(cursor.failure == "no time left for 7 more")
    }

    @Test(arguments: [("c", ["c", "a", "b"]), ("a", ["a", "b", "c"]), ("gone", ["a", "b", "c"])])
    func `the preferred address goes first`(_ preferred: String, _ order: [String]) {
        var cursor = AddressCursor(["a", "b", "c"], deadline: at(9), preferred: preferred)
        var tried: [String] = []
        while let (address, _) = cursor.next(now: at(0)) { tried.append(address) }
        #expect(tried == order)
    }
}
