// TimerQueue against a sorted list: alarms ring in the order of their times, each once, none early.
import Testing

@testable import EventLoop

struct TimerQueueTests {
    private func instant(_ nanoseconds: UInt64) -> Instant { Instant(nanoseconds: nanoseconds) }

    @Test func `an empty queue has nothing`() {
        var queue = TimerQueue()
        #expect(queue.next == nil)
        #expect(queue.popDue(.distantFuture) == nil)
    }

    @Test func `an alarm rings at its time, not before, and once`() {
        var queue = TimerQueue()
        queue.schedule(Token(kind: 1), at: instant(100))
        #expect(queue.next == instant(100))
        #expect(queue.popDue(instant(99)) == nil)
        #expect(queue.popDue(instant(100)) == Token(kind: 1))
        #expect(queue.popDue(.distantFuture) == nil)
        #expect(queue.next == nil)
    }

    @Test func `as a sorted list`() {
        var random = Seeded(printedFor: "timer queue")
        for _ in 0..<200 {
            var queue = TimerQueue()
            var model: [(at: UInt64, token: Token)] = []
            var now: UInt64 = 0
            // Few different times, so that many are equal.
            let spread = 1 + random.next() % 50
            for step in 0..<300 {
                if random.next() % 3 != 0 {
                    let at = now &+ random.next() % spread
                    let token = Token(kind: 2, slot: UInt32(step))
                    queue.schedule(token, at: instant(at))
                    model.append((at, token))
                } else {
                    now += random.next() % 4
                    while let token = queue.popDue(instant(now)) {
                        let earliest = model.map(\.at).min()
                        let index = model.firstIndex { $0.token == token }
                        guard let index else {
                            Issue.record("\(token) rang twice")
                            return
                        }
                        #expect(model[index].at == earliest)
                        #expect(model[index].at <= now)
                        model.remove(at: index)
                    }
                    #expect(model.allSatisfy { $0.at > now })
                }
                #expect(queue.next?.nanoseconds == model.map(\.at).min())
            }
        }
    }
}
