// A claim, prepared for comparison: its words, which of them tell something, and which words stand near which.

/// A word of a claim that tells something; equal words are one.
struct ClaimWord {
    var token: Token
    /// Its first place among the claim's tokens.
    var place: Int
    /// How much it tells: rare words, names and numbers more than common ones.
    var weight: Double
    var isName: Bool
    /// The same word in the documents.
    var own: Int32?
    /// Words of the documents that mean nearly the same, in the claim's `related`.
    var akin: Range<Int>
    /// Words of the documents that mean the opposite, by the lexicon, in the claim's `related`.
    var opposites: Range<Int>
    var lexicon: LexiconWord?
}

/// The words of a claim.
struct ClaimText {
    /// Words of a claim that are compared; a person's sentence has fewer.
    static let tokenLimit = 200
    /// As many as bits in the masks of neighbours.
    static let wordLimit = 64
    /// How many telling words to each side are neighbours.
    private static let reach = 3

    let bytes: [UInt8]
    let range: Range<Int>
    /// Denials, opposites, names by their capitals and the signs in numbers can be read.
    let readsAsEnglish: Bool
    private(set) var tokens: [Token]
    private(set) var words: [ClaimWord] = []
    /// Words of the documents that relate to words of the claim.
    private(set) var related: [Int32] = []
    /// Those of the words, for sums.
    private var weights: [Double] = []
    /// The word of every token, -1 for stop words.
    private(set) var wordOf: [Int8]
    /// Bits of the words near each word.
    private(set) var neighbours: [UInt64] = []
    private(set) var quantities: [Quantity]
    private(set) var totalWeight = 0.0

    init(_ bytes: [UInt8], _ range: Range<Int>, wordLimit: Int, readsAsEnglish: Bool, index: EvidenceIndex) {
        self.bytes = bytes
        self.range = range
        self.readsAsEnglish = readsAsEnglish
        tokens = Tokenizer.tokens(of: bytes, range, limit: Self.tokenLimit)
        wordOf = [Int8](repeating: -1, count: tokens.count)
        quantities = Quantities.all(in: bytes, tokens)
        let limit = min(Self.wordLimit, wordLimit)
        var order: [Int] = []
        for place in tokens.indices where !tokens[place].isStop {
            let stem = tokens[place].stem
            var number = words.firstIndex { $0.token.stem == stem }
            if number == nil, words.count < limit {
                number = words.count
                add(place, index)
            }
            guard let number else { continue }
            wordOf[place] = Int8(truncatingIfNeeded: number)
            order.append(number)
        }
        neighbours = [UInt64](repeating: 0, count: words.count)
        for (position, word) in order.enumerated() {
            for other in order[max(0, position - Self.reach)..<min(order.count, position + Self.reach + 1)] where other != word {
                neighbours[word] |= 1 << UInt64(other)
            }
        }
        totalWeight = weights.reduce(0, +)
    }

    private mutating func add(_ place: Int, _ index: EvidenceIndex) {
        let token = tokens[place]
        let own = index.word(token.stem)
        let lexicon = token.isNumber ? nil : LexiconWord(token.stem)
        let first = related.count
        lexicon?.forEachRelation { if $1 == .opposite, let word = index.word($0) { related.append(word) } }
        let opposites = first..<related.count
        if !token.isNumber {
            index.forEachRelative(of: token, limit: 4) { word in
                if opposites.isEmpty || !related[opposites].contains(word) { related.append(word) }
            }
            lexicon?.forEachRelation { other, relation in
                guard relation != .broader, relation != .opposite, let word = index.word(other) else { return }
                if opposites.isEmpty || !related[opposites].contains(word) { related.append(word) }
            }
            if own == nil, related.count == opposites.upperBound, token.isCapitalised { related += Acronyms.words(for: place, tokens, bytes, index) }
        }
        let akin = opposites.upperBound..<related.count
        let frequency = Double(own.map { index.frequency(of: $0) } ?? 0)
        let rarity = 1 - frequency / Double(max(1, index.sentences.count)) / 2
        let isInitial = token.isCapitalised && token.range.count == 1
        let isName = place > 0 && token.isCapitalised && !isInitial && !Quantities.isMonth(token) && !isUnit(place)
        let weight = rarity * (1 - 0.03 * Double(lexicon?.commonness ?? 0)) * (token.isNumber ? 1.6 : isInitial ? 0.3 : token.isCapitalised ? 1.3 : 1)
        weights.append(weight)
        words.append(ClaimWord(token: token, place: place, weight: weight, isName: isName, own: own, akin: akin, opposites: opposites, lexicon: lexicon))
    }

    /// `GB`, `MB`: a unit of measure is no name.
    func isUnit(_ place: Int) -> Bool {
        quantities.contains { $0.measured != nil && $0.token < place && $0.shown.contains(tokens[place].range.lowerBound) }
    }

    /// Bits of the words of a number and its unit.
    func words(of quantity: Quantity) -> UInt64 { bits(from: quantity.token, before: quantity.shown.upperBound) { _ in true } }

    /// Bits of a number's digits.
    func digits(of quantity: Quantity) -> UInt64 { bits(from: quantity.token, before: quantity.range.upperBound, where: \.isNumber) }

    private func bits(from first: Int, before end: Int, where isMeant: (Token) -> Bool) -> UInt64 {
        var bits: UInt64 = 0
        for place in first..<tokens.count where isMeant(tokens[place]) {
            guard tokens[place].range.lowerBound < end else { break }
            if wordOf[place] >= 0 { bits |= 1 << UInt64(wordOf[place]) }
        }
        return bits
    }

    /// The words whose bits are set, each with its number.
    func weight(of mask: UInt64) -> Double {
        var sum = 0.0
        var rest = mask
        while rest != 0 {
            let word = rest.trailingZeroBitCount
            if word < weights.count { sum += weights[word] }
            rest &= rest - 1
        }
        return sum
    }
}
