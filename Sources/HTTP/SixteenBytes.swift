// Sixteen bytes of a head in a vector register: exact tests of each byte, with or without a hit in the others.
// Vectors are only compared with vectors here: the operators that take a single byte on one side compile to loops.

typealias SixteenBytes = SIMD16<UInt8>

extension RawSpan {
    /// Sixteen bytes from `offset`; nil where fewer are left.
    @inline(__always)
    func sixteen(_ offset: Int) -> SixteenBytes? {
        guard holds(16, from: offset) else { return nil }
        return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: SixteenBytes.self)
    }
}

extension SixteenBytes {
    /// What a test says of each byte.
    typealias Hits = SIMDMask<SIMD16<Int8>>

    /// The same bytes as two words, the first byte lowest.
    @inline(__always)
    var words: (first: UInt64, second: UInt64) {
        let words = unsafe unsafeBitCast(self, to: SIMD2<UInt64>.self)
        return (UInt64(littleEndian: words.x), UInt64(littleEndian: words.y))
    }

    @inline(__always)
    func equal(_ byte: UInt8) -> Hits { self .== SixteenBytes(repeating: byte) }

    @inline(__always)
    func below(_ limit: UInt8) -> Hits { self .< SixteenBytes(repeating: limit) }

    /// The `count` bytes from `first` on.
    @inline(__always)
    func within(_ first: UInt8, count: UInt8) -> Hits { (self &- SixteenBytes(repeating: first)).below(count) }
}

extension SixteenBytes.Hits {
    /// As two words: all bits of a byte are set where the test holds.
    @inline(__always)
    var words: (first: UInt64, second: UInt64) { unsafe unsafeBitCast(self, to: SixteenBytes.self).words }

    /// The index of the first hit; 16 when there is none.
    @inline(__always)
    var first: Int {
        let words = words
        return words.first != 0
            ? words.first.trailingZeroBitCount &>> 3 : 8 &+ words.second.trailingZeroBitCount &>> 3
    }
}
