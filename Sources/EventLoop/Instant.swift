// Points in monotonic time. Decisions take them as arguments; only the loop reads the clock.
import CLinux

/// A point in monotonic time, in nanoseconds since an arbitrary start. Not comparable between machines.
@usableFromInline
package struct Instant: Comparable, Hashable, Sendable {
    @usableFromInline package let nanoseconds: UInt64

    @inlinable
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The clock's reading: 22 ns, so once per loop turn.
    package static var now: Instant { Instant(nanoseconds: cl_monotonic_ns()) }

    /// Later than anything that is waited for.
    package static let distantFuture = Instant(nanoseconds: .max)

    @inlinable
    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at both ends.
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let delta = duration.nanoseconds
        if delta >= 0 {
            let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(UInt64(delta))
            return Instant(nanoseconds: overflow ? .max : sum)
        }
        let back = delta.magnitude
        return Instant(nanoseconds: back > instant.nanoseconds ? 0 : instant.nanoseconds - back)
    }

    /// From this instant to `later`; negative when that is earlier.
    package func duration(to later: Instant) -> Duration {
        later >= self
            ? .nanoseconds(Int64(clamping: later.nanoseconds - nanoseconds))
            : .nanoseconds(-Int64(clamping: nanoseconds - later.nanoseconds))
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at ± 292 years.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// Whole milliseconds, saturating.
    package var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

/// Wall-clock time in milliseconds since 1970, for people and records; never for waiting.
package func wallClockMilliseconds() -> Int64 { Int64(clamping: cl_realtime_ns() / 1_000_000) }
