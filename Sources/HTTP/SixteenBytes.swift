// Sixteen bytes in a vector register, and the searches of this module: each byte is tested exactly, all at once.
// Vectors are only compared with vectors, by `.==` and `.<`: the operators that take a single byte on one side, and
// `.>`, compile to loops (Swift 6.3).

typealias SixteenBytes = SIMD16<UInt8>

extension RawSpan {
    /// The first byte from `offset` on, which is in the span or its end, that `test` hits; the span's end when it hits
    /// none. (Zeros stand after the end, and a test hits all of them or none: no answer lies beyond it.)
    @inline(__always)
    func firstIndex(from offset: Int, where test: (SixteenBytes) -> SixteenBytes.Hits) -> Int {
        var position = offset
        repeat {
            if let hit = test(sixteen(position)).first { return position &+ hit }
            position &+= 16
        } while position < byteCount
        return byteCount
    }

    /// Sixteen bytes from `offset`, zeros after the span's end.
    @inline(__always)
    func sixteen(_ offset: Int) -> SixteenBytes {
        guard holds(16, from: offset) else { return sixteenPadded(offset) }
        return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: SixteenBytes.self)
    }

    @inline(never)
    private func sixteenPadded(_ offset: Int) -> SixteenBytes {
        SixteenBytes(word(offset, before: byteCount), word(offset &+ 8, before: byteCount))
    }
}

extension SixteenBytes {
    /// What a test says of each byte.
    typealias Hits = SIMDMask<SIMD16<Int8>>

    /// From two words, the first byte lowest.
    @inline(__always)
    init(_ first: UInt64, _ second: UInt64) {
        self = unsafe unsafeBitCast(SIMD2(first.littleEndian, second.littleEndian), to: SixteenBytes.self)
    }

    @inline(__always)
    var words: (first: UInt64, second: UInt64) {
        let words = unsafe unsafeBitCast(self, to: SIMD2<UInt64>.self)
        return (UInt64(littleEndian: words.x), UInt64(littleEndian: words.y))
    }

    @inline(__always)
    func equal(_ byte: UInt8) -> Hits { self .== SixteenBytes(repeating: byte) }

    /// The bytes from `first` to `last`.
    @inline(__always)
    func within(_ first: UInt8, _ last: UInt8) -> Hits {
        self &- SixteenBytes(repeating: first) .< SixteenBytes(repeating: last &- first &+ 1)
    }
}

extension SixteenBytes.Hits {
    /// As two words: all bits of a byte are set where the test holds.
    @inline(__always)
    var words: (first: UInt64, second: UInt64) { unsafe unsafeBitCast(self, to: SixteenBytes.self).words }

    /// The index of the first hit.
    @inline(__always)
    var first: Int? {
        let (low, high) = words
        if low != 0 { return low.trailingZeroBitCount &>> 3 }
        return high != 0 ? 8 &+ high.trailingZeroBitCount &>> 3 : nil
    }
}
