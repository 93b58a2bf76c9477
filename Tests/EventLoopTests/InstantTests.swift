// Instant and Duration saturate at both ends; nothing that is added to a time traps.
import Testing

@testable import EventLoop

struct InstantTests {
    private static let most = Duration.nanoseconds(Int64.max)

    @Test(arguments: [
        (100, Duration.nanoseconds(5), 105), (100, .nanoseconds(-5), 95), (100, .nanoseconds(-100), 0), (100, .nanoseconds(-101), 0),
        (0, .nanoseconds(Int64.min), 0), (UInt64.max - 5, .nanoseconds(5), UInt64.max), (UInt64.max - 5, .nanoseconds(6), UInt64.max),
        (UInt64.max, .nanoseconds(Int64.min), UInt64.max - (1 << 63)), (7, .seconds(Int64.max), 7 + UInt64(Int64.max)), (7, .seconds(Int64.min), 0),
        (UInt64.max, .seconds(Int64.max), UInt64.max), (1, .zero, 1),
    ] as [(UInt64, Duration, UInt64)]) func `adding saturates`(_ start: UInt64, _ duration: Duration, _ end: UInt64) {
        #expect(Instant(nanoseconds: start) + duration == Instant(nanoseconds: end))
    }

    @Test(arguments: [
        (3, 10, Duration.nanoseconds(7)), (10, 3, .nanoseconds(-7)), (5, 5, .zero), (0, UInt64.max, most), (UInt64.max, 0, .nanoseconds(-Int64.max)),
        (0, UInt64(Int64.max), most), (0, UInt64(Int64.max) + 1, most),
    ] as [(UInt64, UInt64, Duration)]) func `differences saturate`(_ from: UInt64, _ to: UInt64, _ expected: Duration) {
        #expect(Instant(nanoseconds: from).duration(to: Instant(nanoseconds: to)) == expected)
    }

    @Test(arguments: [
        (Duration.seconds(1), Int64(1_000_000_000)), (.milliseconds(-1500), -1_500_000_000), (.zero, 0), (.nanoseconds(Int64.max), .max),
        (.nanoseconds(Int64.min), .min), (.nanoseconds(Int64.max) + .nanoseconds(1), .max), (.nanoseconds(Int64.min) - .nanoseconds(1), .min),
        (.seconds(Int64.max), .max), (.seconds(Int64.min), .min), (.seconds(9_223_372_036), 9_223_372_036_000_000_000),
        (.seconds(9_223_372_037), .max), (.seconds(-9_223_372_037), .min), (Duration(secondsComponent: 0, attosecondsComponent: 999_999_999), 0),
        (Duration(secondsComponent: 0, attosecondsComponent: -1_999_999_999), -1),
    ] as [(Duration, Int64)]) func `durations in nanoseconds`(_ duration: Duration, _ nanoseconds: Int64) {
        #expect(duration.nanoseconds == nanoseconds)
        #expect(duration.milliseconds == nanoseconds / 1_000_000)
    }

    @Test func `the clock does not go back, and nothing is later than the distant future`() {
        let first = Instant.now
        let second = Instant.now
        #expect(first <= second)
        #expect(second < .distantFuture)
        #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
        #expect(wallClockMilliseconds() > 1_700_000_000_000)
    }
}
