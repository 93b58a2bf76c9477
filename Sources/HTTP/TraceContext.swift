// W3C Trace Context, level 2: the fields traceparent (§3.2) and tracestate (§3.3). A traceparent that is not valid is
// treated as absent, and tracestate with it; a tracestate that is not valid is left out, the traceparent stands without it.
// Leaves to others: making ids, deciding what is sampled.

package struct TraceContext: Equatable, Sendable {
    /// `00-` 32 digits `-` 16 digits `-` 2 digits.
    package static let byteCount = 55
    /// Somebody before us may have recorded the trace.
    package static let sampled: UInt8 = 0x01
    /// At least the lower seven bytes of the trace id are random (level 2).
    package static let random: UInt8 = 0x02

    package let traceIDHigh: UInt64
    package let traceIDLow: UInt64
    /// The span that the field names: the parent of what its receiver does.
    package let spanID: UInt64
    package let flags: UInt8

    /// The ids must not be zero; nil if one is.
    package init?(traceIDHigh: UInt64, traceIDLow: UInt64, spanID: UInt64, flags: UInt8) {
        guard traceIDHigh | traceIDLow != 0, spanID != 0 else { return nil }
        self.traceIDHigh = traceIDHigh
        self.traceIDLow = traceIDLow
        self.spanID = spanID
        self.flags = flags
    }

    /// Parses the value of a traceparent field. Later versions may be longer; what we know is at the same places.
    package init?(_ value: borrowing RawSpan) {
        guard value.byteCount >= Self.byteCount, let version = Self.hexadecimal(value, 0, 2), version != 0xFF else {
            return nil
        }
        if value.byteCount > Self.byteCount {
            guard version != 0, value.byte(Self.byteCount) == UInt8(ascii: "-") else { return nil }
        }
        let hyphen = UInt8(ascii: "-")
        guard value.byte(2) == hyphen, value.byte(35) == hyphen, value.byte(52) == hyphen else { return nil }
        guard let high = Self.hexadecimal(value, 3, 16), let low = Self.hexadecimal(value, 19, 16),
            let span = Self.hexadecimal(value, 36, 16), let flags = Self.hexadecimal(value, 53, 2)
        else { return nil }
        self.init(traceIDHigh: high, traceIDLow: low, spanID: span, flags: UInt8(truncatingIfNeeded: flags))
    }

    /// Lower case only (§3.2.2): a receiver must not take upper-case digits.
    private static func hexadecimal(_ value: borrowing RawSpan, _ start: Int, _ count: Int) -> UInt64? {
        var number: UInt64 = 0
        for offset in start..<start + count {
            let byte = value.byte(offset)
            guard let digit = CharacterClass.hexadecimal(byte), byte & 0x60 != 0x40 else { return nil }
            number = number << 4 | UInt64(digit)
        }
        return number
    }
}

extension ByteSink {
    /// Version 00 with only the flags that we know, `TraceContext.byteCount` bytes.
    package mutating func append(_ context: TraceContext) {
        append("00-")
        append(digitsOf: context.traceIDHigh)
        append(digitsOf: context.traceIDLow)
        append(UInt8(ascii: "-"))
        append(digitsOf: context.spanID)
        append("-0")
        append(UInt8(ascii: "0") &+ context.flags & 0x03)
    }
}

/// The list of a tracestate field.
package enum TraceState {
    /// §3.3.1.1.
    static let mostMembers = 32
    private static let mostKeyBytes = 256
    private static let mostValueBytes = 256

    /// Whether `list` (the values of all fields of the name, joined by commas) may be passed on: at most 32 members
    /// `key=value` with different keys, and at least one.
    package static func accepts(_ list: borrowing RawSpan) -> Bool {
        var keys = InlineArray<32, ByteRange>(repeating: .empty)
        var count = 0
        var start = 0
        while start <= list.byteCount {
            var end = start
            while end < list.byteCount, list.byte(end) != UInt8(ascii: ",") { end += 1 }
            let next = end + 1
            var first = start
            while first < end, CharacterClass.isSpaceOrTab(list.byte(first)) { first += 1 }
            while end > first, CharacterClass.isSpaceOrTab(list.byte(end - 1)) { end -= 1 }
            start = next
            guard first < end else { continue }  // empty members are allowed
            guard count < mostMembers, let key = key(of: list, first, end) else { return false }
            for index in 0..<count where isEqual(list, keys[index], key) { return false }
            keys[count] = key
            count += 1
        }
        return count > 0
    }

    /// The key of the member at `first..<end`; nil when the member is malformed.
    private static func key(of list: borrowing RawSpan, _ first: Int, _ end: Int) -> ByteRange? {
        var equals = first
        while equals < end, isKeyByte(list.byte(equals)) { equals += 1 }
        guard equals > first, equals - first <= mostKeyBytes, equals < end, list.byte(equals) == UInt8(ascii: "="),
            isLetterOrDigit(list.byte(first)), (1...mostValueBytes).contains(end - equals - 1)
        else { return nil }
        for offset in equals + 1..<end {
            let byte = list.byte(offset)
            guard (0x20...0x7E).contains(byte), byte != UInt8(ascii: ","), byte != UInt8(ascii: "=") else { return nil }
        }
        return ByteRange(first, equals)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "a") < 26 || CharacterClass.isDigit(byte)
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "@"): true
        default: isLetterOrDigit(byte)
        }
    }

    private static func isEqual(_ list: borrowing RawSpan, _ a: ByteRange, _ b: ByteRange) -> Bool {
        guard a.count == b.count else { return false }
        for offset in 0..<Int(a.count) where list.byte(a.lowerBound + offset) != list.byte(b.lowerBound + offset) {
            return false
        }
        return true
    }
}
