// Whether the broadcaster has what the dispatcher's ring held before it came. A new one is refilled with events that nobody
// waits for but those who ask for what they missed; the stream does not say where they end.

/// waiting --attached, nothing kept--> refilling --recent event, silence, or time over--> done
import EventLoop

struct CatchUp {
    /// The refill comes in one go: a pause is its end.
    static let silence = Duration.seconds(1)
    /// For a wall clock that was set back: everything would seem to be old.
    static let longest = Duration.seconds(10)

    private enum State {
        case waiting
        case refilling(since: Instant, wall: UInt64, lastOld: Instant)
        case done
    }

    private var state = State.waiting

    var isDone: Bool { if case .done = state { true } else { false } }

    /// The channel to a dispatcher is there; `wall` in milliseconds. What follows events that are kept is all news.
    mutating func attached(at now: Instant, wall: UInt64, keepsEvents: Bool) {
        guard !isDone else { return }
        state = keepsEvents ? .done : .refilling(since: now, wall: wall, lastOld: now)
    }

    /// Whether an event that came now happened before this process was there to send it on.
    mutating func isHistory(milliseconds: UInt64, at now: Instant) -> Bool {
        guard case .refilling(let since, let wall, _) = state else { return false }
        guard milliseconds < wall, now < since + Self.longest else {
            state = .done
            return false
        }
        state = .refilling(since: since, wall: wall, lastOld: now)
        return true
    }

    /// Asked about once a second.
    mutating func tick(at now: Instant) {
        guard case .refilling(_, _, let lastOld) = state, now >= lastOld + Self.silence else { return }
        state = .done
    }
}
