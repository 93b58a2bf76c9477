// A name or token of a head, held in registers, to be compared ignoring ASCII case.

/// The first 32 bytes of a word and its length; zeros after its end.
struct FoldedWord {
    static let capacity = 32

    let count: Int
    let first: UInt64, second: UInt64, third: UInt64, fourth: UInt64

    /// `start..<end` must lie in the span.
    @inline(__always)
    init(_ bytes: borrowing RawSpan, _ start: Int, _ end: Int) {
        count = end &- start
        first = bytes.word(start, before: end)
        if count <= 8 {
            (second, third, fourth) = (0, 0, 0)
            return
        }
        second = bytes.word(start &+ 8, before: end)
        if count <= 16 {
            (third, fourth) = (0, 0)
            return
        }
        third = bytes.word(start &+ 16, before: end)
        fourth = bytes.word(start &+ 24, before: end)
    }

    /// The bytes from `start` up to the first colon, when there is one among the next 32; nil also near the span's end.
    /// Finding and loading are one here, with one check of bounds: this is the busiest place of the parser.
    @inline(__always)
    init?(upToColon bytes: borrowing RawSpan, from start: Int) {
        guard start &+ Self.capacity <= bytes.byteCount else { return nil }
        let window = bytes.extracting(start..<start &+ Self.capacity)
        var word = window.word(0)
        var hits = EightBytes.equal(word, .colon)
        if hits != 0 {
            count = EightBytes.first(hits)
            first = Self.start(of: word, before: hits)
            (second, third, fourth) = (0, 0, 0)
            return
        }
        first = word
        word = window.word(8)
        hits = EightBytes.equal(word, .colon)
        if hits != 0 {
            count = 8 &+ EightBytes.first(hits)
            second = Self.start(of: word, before: hits)
            (third, fourth) = (0, 0)
            return
        }
        second = word
        word = window.word(16)
        hits = EightBytes.equal(word, .colon)
        if hits != 0 {
            count = 16 &+ EightBytes.first(hits)
            third = Self.start(of: word, before: hits)
            fourth = 0
            return
        }
        third = word
        word = window.word(24)
        hits = EightBytes.equal(word, .colon)
        guard hits != 0 else { return nil }
        count = 24 &+ EightBytes.first(hits)
        fourth = Self.start(of: word, before: hits)
    }

    /// The bytes below the first hit, zeros from there on.
    @inline(__always)
    private static func start(of word: UInt64, before hits: UInt64) -> UInt64 {
        let lowest = hits & (0 &- hits)  // bit 7 of the byte that was hit
        return word & ((lowest &>> 7) &- 1)
    }

    /// A text of ours in lower case: letters, digits and hyphens.
    @inline(__always)
    init(lowercase text: StaticString) {
        count = text.utf8CodeUnitCount
        first = Self.lowercaseWord(text, 0)
        second = Self.lowercaseWord(text, 8)
        third = Self.lowercaseWord(text, 16)
        fourth = Self.lowercaseWord(text, 24)
    }

    /// Whether the word is this lower-case one of letters, digits and hyphens, ignoring case. Only bytes that are
    /// letters in `lowercase` are folded, so that no control byte passes for a hyphen or digit.
    @inline(__always)
    func isEqual(to lowercase: FoldedWord) -> Bool {
        count == lowercase.count
            && Self.equal(first, lowercase.first) && Self.equal(second, lowercase.second)
            && Self.equal(third, lowercase.third) && Self.equal(fourth, lowercase.fourth)
    }

    /// A constant text folds into constants of the compare.
    @inline(__always)
    func isEqual(to text: StaticString) -> Bool {
        isEqual(to: FoldedWord(lowercase: text))
    }

    /// Whether the word is this text of at most 8 bytes in the same case.
    @inline(__always)
    func isExactly(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && first == Self.word(text, 0)
    }

    /// Whether it has at most 32 bytes, all of them letters, digits, hyphens or underscores, as nearly every name.
    @inline(__always)
    var isPlainName: Bool {
        count > 0 && count <= Self.capacity
            && Self.isPlain(first, count) && (count <= 8 || Self.isPlain(second, count &- 8))
            && (count <= 16 || (Self.isPlain(third, count &- 16) && Self.isPlain(fourth, count &- 24)))
    }

    /// Exact for every byte: no sum carries into the next one, as the top bits are taken off first.
    @inline(__always)
    private static func isPlain(_ word: UInt64, _ count: Int) -> Bool {
        if count <= 0 { return true }
        let wanted = count >= 8 ? EightBytes.tops : EightBytes.tops & ((1 &<< UInt64(count &* 8)) &- 1)
        let low = word & ~EightBytes.tops
        let folded = low | 0x2020_2020_2020_2020
        let letters = atLeast(folded, UInt8(ascii: "a")) & ~atLeast(folded, UInt8(ascii: "z") &+ 1)
        let digits = atLeast(low, UInt8(ascii: "0")) & ~atLeast(low, UInt8(ascii: "9") &+ 1)
        let hyphens = atLeast(low, UInt8(ascii: "-")) & ~atLeast(low, UInt8(ascii: "-") &+ 1)
        let underscores = atLeast(low, UInt8(ascii: "_")) & ~atLeast(low, UInt8(ascii: "_") &+ 1)
        return (letters | digits | hyphens | underscores) & ~word & wanted == wanted
    }

    @inline(__always)
    private static func atLeast(_ low: UInt64, _ limit: UInt8) -> UInt64 {
        low &+ UInt64(0x80 &- limit) &* EightBytes.ones
    }

    @inline(__always)
    private static func equal(_ word: UInt64, _ lowercase: UInt64) -> Bool {
        // Letters are the only bytes of such texts that have 0x40 set; 0x20 is what their cases differ in.
        word | (lowercase & 0x4040_4040_4040_4040) &>> 1 == lowercase
    }

    @inline(__always)
    private static func lowercaseWord(_ text: StaticString, _ offset: Int) -> UInt64 {
        let word = word(text, offset)
        return word | (word & 0x4040_4040_4040_4040) &>> 1
    }

    /// A constant for a constant text: the optimiser runs the loop.
    @inline(__always)
    private static func word(_ text: StaticString, _ offset: Int) -> UInt64 {
        var word: UInt64 = 0
        var index = 0
        while index < 8, offset &+ index < text.utf8CodeUnitCount {
            word |= UInt64(unsafe text.utf8Start[offset &+ index]) &<< UInt64(index &* 8)
            index &+= 1
        }
        return word
    }
}
