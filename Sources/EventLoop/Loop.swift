// One epoll instance and its timers. It tells what is ready; what to do about it is the role's `switch` over tokens, so
// that no closure or existential stands between a readiness and its handler (3 to 4 µs per request).
import CLinux

/// A handle on the process's event loop: copies share it. It lives as long as its process.
@usableFromInline
package struct Loop: @unchecked Sendable {  // used on one thread only; the compiler cannot see that
    private final class State {
        let epoll: Descriptor
        let events: UnsafeMutablePointer<cl_event>
        var timers = TimerQueue()

        init(epoll: consuming Descriptor) {
            self.epoll = epoll
            events = .allocate(capacity: Loop.batch)
        }
    }

    /// Readinesses taken from the kernel at once.
    static let batch = 256

    private let state: State
    @usableFromInline let clock: UnsafeMutablePointer<Instant>

    package init() throws(SystemError) {
        state = State(epoll: Descriptor(owning: try checked("epoll_create1", cl_epoll_create())))
        clock = .allocate(capacity: 1)
        clock.initialize(to: .now)
    }

    /// The time as of this turn of the loop.
    @inlinable @inline(__always)
    package var now: Instant { clock.pointee }

    package func add(_ descriptor: Int32, _ interest: Readiness, _ token: Token) throws(SystemError) {
        try checked("epoll_ctl", cl_epoll_add(state.epoll.number, descriptor, interest.rawValue, token.bits))
    }

    package func modify(_ descriptor: Int32, _ interest: Readiness, _ token: Token) {
        _ = cl_epoll_modify(state.epoll.number, descriptor, interest.rawValue, token.bits)
    }

    /// Only needed for a descriptor that stays open; closing the last reference removes it.
    package func remove(_ descriptor: Int32) {
        _ = cl_epoll_remove(state.epoll.number, descriptor)
    }

    package func schedule(_ token: Token, at instant: Instant) {
        state.timers.schedule(token, at: instant)
    }

    package func schedule(_ token: Token, after delay: Duration) {
        schedule(token, at: now + delay)
    }

    /// Waits until something is ready or an alarm is due, then hands out all of it, one call each.
    /// `patience` bounds the wait in milliseconds: 0 only looks, -1 waits for as long as it takes.
    package func turn<E>(patience: Int32 = -1, _ handle: (Token, Readiness) throws(E) -> Void, alarm: (Token) throws(E) -> Void) throws(E) {
        for (token, readiness) in wait(patience) { try handle(token, readiness) }
        for token in dueAlarms() { try alarm(token) }
    }

    /// The first half of a turn: what is ready, valid until the next wait.
    package func wait(_ patience: Int32 = -1) -> ReadyBatch {
        var wait = patience
        if let next = state.timers.next {
            let left = Instant.now.duration(to: next).nanoseconds
            // Rounded up: an alarm never rings early, so a loop with one due in 0.4 ms does not spin.
            let milliseconds = left <= 0 ? 0 : Int32(clamping: left / 1_000_000 + (left % 1_000_000 > 0 ? 1 : 0))
            wait = wait < 0 ? milliseconds : min(wait, milliseconds)
        }
        let count = cl_epoll_wait(state.epoll.number, state.events, Int32(Self.batch), wait)
        clock.pointee = .now
        return ReadyBatch(events: state.events, count: max(0, Int(count)))
    }

    /// The second half: the alarms that are due. Taken out before the first one rings: one that is set again for now waits a
    /// turn, so that readinesses get theirs.
    package func dueAlarms() -> [Token] { state.timers.popAllDue(now) }
}

/// What one wait found ready.
@usableFromInline
package struct ReadyBatch: Sequence, IteratorProtocol, @unchecked Sendable {  // lent by its loop, on the loop's thread
    @usableFromInline let events: UnsafeMutablePointer<cl_event>
    @usableFromInline let count: Int
    @usableFromInline var index = 0

    init(events: UnsafeMutablePointer<cl_event>, count: Int) {
        self.events = events
        self.count = count
    }

    @inlinable
    package mutating func next() -> (Token, Readiness)? {
        guard index < count else { return nil }
        defer { index += 1 }
        return (Token(bits: events[index].token), Readiness(rawValue: events[index].readiness))
    }
}
