// Every address in turn: shares of the time limit, refusals, time-outs, the preferred one.
import EventLoop
import Outbound
import Testing

private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .milliseconds(Int64(seconds * 1000)) }

@Suite struct AddressCursorTests {
    @Test func `refusals move on at once, time-outs cost their share`() {
        var cursor = AddressCursor(["a", "b", "c"], deadline: at(9))
        #expect(cursor.start(now: at(0)) == .connect("a", until: at(3)))
        #expect(cursor.failed("Connection refused", now: at(1)) == .connect("b", until: at(5)))
        #expect(cursor.alarm(now: at(3)) == nil)  // that of the first
        #expect(cursor.alarm(now: at(5)) == .connect("c", until: at(9)))
        #expect(cursor.address == "c")
        #expect(cursor.alarm(now: at(9)) == .exhausted("a: Connection refused; b: no answer in time; c: no answer in time"))
        #expect(cursor.alarm(now: at(9)) == nil)
        #expect(cursor.failed("again", now: at(9)) == nil)
    }

    @Test func `one that works ends it`() {
        var cursor = AddressCursor(["a", "b"], deadline: at(2))
        #expect(cursor.start(now: at(0)) == .connect("a", until: at(1)))
        cursor.connected()
        #expect(cursor.address == "a")
        #expect(cursor.alarm(now: at(1)) == nil)
        #expect(cursor.failed("late", now: at(1)) == nil)
        #expect(cursor.start(now: at(1)) == nil)
    }

    @Test func `every state answers every input`() {
        var unstarted = AddressCursor(["a"], deadline: at(1))
        #expect(unstarted.address == nil)
        #expect(unstarted.failed("x", now: at(0)) == nil)
        #expect(unstarted.alarm(now: at(5)) == nil)
        #expect(unstarted.start(now: at(0)) == .connect("a", until: at(1)))
        #expect(unstarted.start(now: at(0)) == nil)
        var empty = AddressCursor([], deadline: at(1))
        #expect(empty.start(now: at(0)) == .exhausted("no address"))
        #expect(empty.address == nil)
        var late = AddressCursor(["a", "b"], deadline: at(1))
        #expect(late.start(now: at(1)) == .exhausted("no time left for 2 more"))
    }

    @Test func `many addresses get at least a quarter of a second, within the limit`() {
        var cursor = AddressCursor((0..<10).map { "a\($0)" }, deadline: at(1))
        #expect(cursor.start(now: at(0)) == .connect("a0", until: at(0.25)))
        #expect(cursor.alarm(now: at(0.25)) == .connect("a1", until: at(0.5)))
        #expect(cursor.alarm(now: at(0.9)) == .connect("a2", until: at(1)))
        #expect(cursor.alarm(now: at(1)) == .exhausted("a0: no answer in time; a1: no answer in time; a2: no answer in time; no time left for 7 more"))
    }

    @Test(arguments: [("c", ["c", "a", "b"]), ("a", ["a", "b", "c"]), ("gone", ["a", "b", "c"])])
    func `the preferred address goes first`(_ preferred: String, _ order: [String]) {
        var cursor = AddressCursor(["a", "b", "c"], deadline: at(9), preferred: preferred)
        var tried: [String] = []
        var step = cursor.start(now: at(0))
        while case .connect(let address, _) = step {
            tried.append(address)
            step = cursor.failed("no", now: at(0))
        }
        #expect(tried == order)
    }
}
