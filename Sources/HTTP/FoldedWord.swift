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

    /// The bytes from `start` up to the first `end`, when there is one among the next 32.
    /// Finding and loading are one here: this is the busiest place of the parser.
    @inline(__always)
    init?(_ bytes: borrowing RawSpan, from start: Int, upTo end: UInt8) {
        let head = bytes.sixteen(start)
        var words = head.words
        var hits = head.equal(end).words
        if hits.first != 0 {
            count = Self.index(of: hits.first)
            first = words.first & Self.below(hits.first)
            (second, third, fourth) = (0, 0, 0)
            return
        }
        first = words.first
        if hits.second != 0 {
            count = 8 &+ Self.index(of: hits.second)
            second = words.second & Self.below(hits.second)
            (third, fourth) = (0, 0)
            return
        }
        second = words.second
        let tail = bytes.sixteen(start &+ 16)
        words = tail.words
        hits = tail.equal(end).words
        if hits.first != 0 {
            count = 16 &+ Self.index(of: hits.first)
            third = words.first & Self.below(hits.first)
            fourth = 0
            return
        }
        guard hits.second != 0 else { return nil }
        third = words.first
        count = 24 &+ Self.index(of: hits.second)
        fourth = words.second & Self.below(hits.second)
    }

    /// The byte of the first hit.
    @inline(__always)
    private static func index(of hits: UInt64) -> Int { hits.trailingZeroBitCount &>> 3 }

    /// All bits below the first hit.
    @inline(__always)
    private static func below(_ hits: UInt64) -> UInt64 { (hits & (0 &- hits)) &- 1 }

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
        count == lowercase.count && Self.equal(first, lowercase.first)
            && (count <= 8 || Self.equal(second, lowercase.second))
            && (count <= 16 || (Self.equal(third, lowercase.third) && Self.equal(fourth, lowercase.fourth)))
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
