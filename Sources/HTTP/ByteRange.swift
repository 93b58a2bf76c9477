// Where a part of a head lies in the bytes that were parsed, and the checked reads that every parser of this module
// uses. All reads are checked against the span's end; whole words are read where eight bytes are there, single bytes
// elsewhere.
// Leaves to others: who owns the bytes. A range means nothing without the span it was made from.

/// A part of a span as offset and count; half the size of `Range<Int>`, as tables hold hundreds of them.
@usableFromInline
package struct ByteRange: Equatable, Sendable {
    @usableFromInline package var start: UInt32
    @usableFromInline package var count: UInt32

    @inlinable @inline(__always)
    package init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    /// Offsets within a head: these are below `HeadLimits.largestHeadBytes`, so the truncation never loses a bit.
    @inlinable @inline(__always)
    init(_ start: Int, _ end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: end &- start)
    }

    @inlinable @inline(__always)
    package static var empty: ByteRange { ByteRange(start: 0, count: 0) }

    @inlinable @inline(__always)
    package var isEmpty: Bool { count == 0 }

    @inlinable @inline(__always)
    package var lowerBound: Int { Int(start) }

    @inlinable @inline(__always)
    package var upperBound: Int { Int(start) &+ Int(count) }
}

extension RawSpan {
    /// The bytes of a range that was parsed from this span.
    @inlinable @inline(__always)
    @_lifetime(copy self)
    package func extracting(_ range: ByteRange) -> RawSpan {
        extracting(range.lowerBound..<range.upperBound)
    }

    /// Whether `count` > 0 bytes are there from `offset` on, for any offset: one compare, as an offset below zero is a
    /// large number without a sign. The span's own checked loads compare up to three times.
    @inlinable @inline(__always)
    func holds(_ count: Int, from offset: Int) -> Bool {
        UInt(bitPattern: offset) < UInt(bitPattern: Swift.max(0, byteCount &- (count &- 1)))
    }

    /// One byte; the offset is checked.
    @inlinable @inline(__always)
    func byte(_ offset: Int) -> UInt8 {
        precondition(UInt(bitPattern: offset) < UInt(bitPattern: byteCount))
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// One byte, or NUL outside the span, which may stand nowhere in a head.
    @inlinable @inline(__always)
    func peek(_ offset: Int) -> UInt8 {
        guard UInt(bitPattern: offset) < UInt(bitPattern: byteCount) else { return 0 }
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// Two bytes, the first one lower, or zero where they are not both there.
    @inlinable @inline(__always)
    func peekPair(_ offset: Int) -> UInt16 {
        guard holds(2, from: offset) else { return 0 }
        return UInt16(littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
    }

    /// Eight bytes, the first one lowest; the offset is checked.
    @inlinable @inline(__always)
    func word(_ offset: Int) -> UInt64 {
        precondition(holds(8, from: offset))
        return UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// Up to eight bytes from `offset`, zeros after `end` (a valid end of bytes in this span).
    @inlinable @inline(__always)
    func word(_ offset: Int, before end: Int) -> UInt64 {
        let wanted = end &- offset
        if wanted <= 0 { return 0 }
        if holds(8, from: offset) {
            let loaded = word(offset)
            return wanted >= 8 ? loaded : loaded & ((1 &<< UInt64(wanted &* 8)) &- 1)
        }
        return wordBytewise(offset, before: Swift.min(end, byteCount))
    }

    @usableFromInline
    @inline(never)
    func wordBytewise(_ offset: Int, before end: Int) -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        var position = offset
        while position < end, shift < 64 {
            result |= UInt64(byte(position)) &<< shift
            shift &+= 8
            position &+= 1
        }
        return result
    }
}
