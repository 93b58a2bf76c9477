// Wall-clock times as people and envelopes write them (RFC 3339, UTC), without Foundation.

import Glibc

/// A time of the wall clock. Durations are measured by the monotonic clock, never between two of these.
package struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Since 1970-01-01T00:00:00Z; reaches from the year 1677 to 2262.
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package init(milliseconds: Int64) {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        nanoseconds = overflow ? (milliseconds < 0 ? .min : .max) : product
    }

    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    /// Whole milliseconds since 1970, rounded down.
    package var milliseconds: Int64 { floorDivision(nanoseconds, 1_000_000).quotient }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.nanoseconds < b.nanoseconds }

    /// `2026-11-25T21:52:50.123Z`, always 24 bytes; milliseconds are cut, not rounded.
    package var description: String {
        String(unsafeUninitializedCapacity: Self.textLength) { write(to: UnsafeMutableRawBufferPointer($0)) }
    }

    package static let textLength = 24

    /// Writes `description` to the start of `buffer` and returns its length; 0 where the buffer is too small.
    package func write(to buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard buffer.count >= Self.textLength else { return 0 }
        let (days, millisecondOfDay) = floorDivision(milliseconds, 86_400_000)
        let (year, month, day) = civil(days: days)
        var position = 0
        func byte(_ character: Unicode.Scalar) {
            buffer[position] = UInt8(truncatingIfNeeded: character.value)
            position += 1
        }
        func digits(_ value: Int64, _ count: Int) {
            var rest = value
            for index in stride(from: position + count - 1, through: position, by: -1) {
                buffer[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            position += count
        }
        digits(year, 4)
        byte("-")
        digits(month, 2)
        byte("-")
        digits(day, 2)
        byte("T")
        digits(millisecondOfDay / 3_600_000, 2)
        byte(":")
        digits(millisecondOfDay / 60_000 % 60, 2)
        byte(":")
        digits(millisecondOfDay / 1000 % 60, 2)
        byte(".")
        digits(millisecondOfDay % 1000, 3)
        byte("Z")
        return position
    }
}

private func floorDivision(_ a: Int64, _ b: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
    return remainder < 0 ? (quotient - 1, remainder + b) : (quotient, remainder)
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is the last
/// one, and 400 of them (146,097 days) repeat.
private func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = floorDivision(days + 719_468, 146_097)  // from 0000-03-01
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153  // months of 30.6 days, March first
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
}
