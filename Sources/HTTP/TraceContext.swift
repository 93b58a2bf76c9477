// W3C Trace Context, level 2: the traceparent field (§3.2). A traceparent that is not valid is treated as absent;
// tracestate is passed on as it is while the traceparent is valid.
// Leaves to others: making ids, deciding what is sampled.

package struct TraceContext: Equatable, Sendable {
    /// `00-` 32 digits `-` 16 digits `-` 2 digits.
    package static let byteCount = 55

    package var traceIDHigh: UInt64
    package var traceIDLow: UInt64
    /// The span that the field names: the parent of what its receiver does.
    package var spanID: UInt64
    package var flags: UInt8

    package var isSampled: Bool { flags & 0x01 != 0 }
    /// At least the lower seven bytes of the trace id are random (level 2).
    package var hasRandomTraceID: Bool { flags & 0x02 != 0 }

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
        appendDigits(context.traceIDHigh, radix: 16, length: 16)
        appendDigits(context.traceIDLow, radix: 16, length: 16)
        append(UInt8(ascii: "-"))
        appendDigits(context.spanID, radix: 16, length: 16)
        append(UInt8(ascii: "-"))
        appendDigits(UInt64(context.flags & 0x03), radix: 16, length: 2)
    }
}
