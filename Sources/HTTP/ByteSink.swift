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
        let digits = Self.digits(of: UInt64(number)).words.second.littleEndian
        unsafe start.unsafelyUnwrapped.storeBytes(of: digits, toByteOffset: count, as: UInt64.self)
        count &+= 8
    }

    /// Sixteen of them.
    @inline(__always)
    package mutating func append(digitsOf number: UInt64) {
        guard reserve(16) else { return }
        unsafe start.unsafelyUnwrapped.storeBytes(of: Self.digits(of: number), toByteOffset: count, as: SixteenBytes.self)
        count &+= 16
    }

    /// All sixteen digits at once, the highest first.
    @inline(__always)
    private static func digits(of number: UInt64) -> SixteenBytes {
        let (high, low) = (number >> 4 & 0x0F0F_0F0F_0F0F_0F0F, number & 0x0F0F_0F0F_0F0F_0F0F)
        var nibbles = SixteenBytes()
        nibbles.evenHalf = unsafe unsafeBitCast(high.bigEndian, to: SIMD8<UInt8>.self)
        nibbles.oddHalf = unsafe unsafeBitCast(low.bigEndian, to: SIMD8<UInt8>.self)
        let letters = nibbles &+ SixteenBytes(repeating: UInt8(ascii: "a") &- 10)
        return letters.replacing(
            with: nibbles &+ SixteenBytes(repeating: UInt8(ascii: "0")), where: nibbles.within(0, 9))
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
