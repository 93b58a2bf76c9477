// Time that passes when a test says so.
import EventLoop

/// Both clocks of a process; they move together.
package struct FalseClock: Sendable {
    package private(set) var now: Instant
    private let start: Instant
    private let wallStart: UInt64

    /// Starts an hour after the machine did, in 2025.
    package init(now: Instant = Instant(nanoseconds: 3_600_000_000_000), wall: UInt64 = 1_750_000_000_000) {
        self.now = now
        start = now
        wallStart = wall
    }

    /// Milliseconds since 1970.
    package var wall: UInt64 { wallStart + (now.nanoseconds - start.nanoseconds) / 1_000_000 }

    package mutating func advance(by duration: Duration) { now = max(now, now + duration) }

    /// To a later instant; time does not go back.
    package mutating func advance(to instant: Instant) { now = max(now, instant) }
}
