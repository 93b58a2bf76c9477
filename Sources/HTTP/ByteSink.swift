// A place to write heads, chunk sizes and frames to: a caller's buffer and how much of it is filled. What does not fit
// is dropped whole and remembered in `overflowed`, so that callers check once, at the end.
// Leaves to others: owning the buffer (it must outlive the sink), making it larger, sending it.

@usableFromInline
@safe package struct ByteSink: ~Copyable {
    /// Only read after `reserve` said yes, which it never does for the empty buffer that has no address.
    @usableFromInline let start: UnsafeMutableRawPointer?
    @usableFromInline package let capacity: Int
    /// How many bytes are written; the next one goes there.
    @usableFromInline package private(set) var count: Int
    /// Something did not fit: the content is useless.
    @usableFromInline package private(set) var overflowed = false

    /// Writes into `buffer` after its first `count` bytes; the buffer must outlive the sink.
    @inlinable @inline(__always)
    @unsafe package init(_ buffer: UnsafeMutableRawBufferPointer, count: Int = 0) {
        unsafe start = buffer.baseAddress
        capacity = buffer.count
        self.count = min(max(count, 0), capacity)
    }

    @inlinable @inline(__always)
    package var remaining: Int { capacity &- count }

    /// Takes back what was written after a former `count`.
    @inlinable @inline(__always)
    package mutating func rewind(to count: Int) {
        self.count = min(max(count, 0), self.count)
    }

    @inlinable @inline(__always)
    package mutating func append(_ byte: UInt8) {
        guard reserve(1) else { return }
        unsafe start.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    @inlinable @inline(__always)
    package mutating func append(_ bytes: borrowing RawSpan) {
        let length = bytes.byteCount
        guard length > 0, reserve(length) else { return }
        unsafe bytes.withUnsafeBytes { source in
            unsafe start.unsafelyUnwrapped.advanced(by: count)
                .copyMemory(from: source.baseAddress.unsafelyUnwrapped, byteCount: length)
        }
        count &+= length
    }

    /// A part of a parsed head. A range that is not in `bytes` counts as an overflow.
    @inlinable @inline(__always)
    package mutating func append(_ bytes: borrowing RawSpan, _ range: ByteRange) {
        guard range.upperBound <= bytes.byteCount else {
            overflowed = true
            return
        }
        append(bytes.extracting(range))
    }

    @inlinable @inline(__always)
    package mutating func append(_ text: StaticString) {
        let length = text.utf8CodeUnitCount
        guard length > 0, reserve(length) else { return }
        unsafe start.unsafelyUnwrapped.advanced(by: count)
            .copyMemory(from: text.utf8Start, byteCount: length)
        count &+= length
    }

    @usableFromInline
    package mutating func append(decimal number: UInt64) {
        var length = 1
        var rest = number
        while rest >= 10 {
            rest /= 10
            length &+= 1
        }
        appendDigits(number, radix: 10, length: length)
    }

    /// Lower-case hexadecimal without leading zeros.
    package mutating func append(hex number: UInt64) {
        appendDigits(number, radix: 16, length: max(1, (67 &- number.leadingZeroBitCount) / 4))
    }

    /// Eight hexadecimal digits in lower case, with leading zeros.
    package mutating func append(digitsOf number: UInt32) {
        guard reserve(8) else { return }
        let digits = Self.digits(of: number)
        unsafe start.unsafelyUnwrapped.storeBytes(of: digits, toByteOffset: count, as: UInt64.self)
        count &+= 8
    }

    /// Sixteen of them.
    package mutating func append(digitsOf number: UInt64) {
        append(digitsOf: UInt32(truncatingIfNeeded: number >> 32))
        append(digitsOf: UInt32(truncatingIfNeeded: number))
    }

    /// Eight digits as eight bytes in memory, the highest first: all at once instead of one by one.
    private static func digits(of value: UInt32) -> UInt64 {
        // A nibble per byte, then `0`…`9` or `a`…`f` by whether adding 6 carries out of the nibble.
        var nibbles = UInt64(value)
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
        let letters = ((nibbles &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).bigEndian
    }

    /// A number's last `length` digits, with leading zeros.
    @inline(__always)
    mutating func appendDigits(_ number: UInt64, radix: UInt64, length: Int) {
        guard reserve(length) else { return }
        var rest = number
        var offset = count &+ length
        while offset > count {
            offset &-= 1
            let digit = UInt8(truncatingIfNeeded: rest % radix)
            let byte = digit < 10 ? digit &+ UInt8(ascii: "0") : digit &- 10 &+ UInt8(ascii: "a")
            unsafe start.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
            rest /= radix
        }
        count &+= length
    }

    /// Counts bytes that were written in place after `reserve`.
    mutating func advance(_ length: Int) { count &+= length }

    /// Whether `length` more bytes fit. After an overflow nothing does: the content would have a hole.
    @inlinable @inline(__always)
    mutating func reserve(_ length: Int) -> Bool {
        if !overflowed, length <= remaining { return true }
        overflowed = true
        return false
    }
}
