// A claim as it is held against tables: its times, numbers and the fields that it speaks of.

/// What came of holding a claim against a table in one way.
enum Reading {
    /// The claim is not of this kind, or speaks of something else.
    case foreign
    /// It is, but the table does not tell, or not all of the claim was understood.
    case open
    case found(TableFinding)

    var finding: TableFinding? { if case .found(let finding) = self { finding } else { nil } }

    func or(_ next: @autoclosure () -> Reading) -> Reading { if case .foreign = self { next() } else { self } }
}

/// What a table says to a claim.
struct TableFinding {
    /// It says the same, otherwise something else in the same place.
    var agrees: Bool
    /// Bits of the claim's words that it accounts for.
    var words: UInt64
    /// As the answer says it, and as the table does.
    var said: String
    var found: String
    /// `field 'Born'`, `row 'Tower'`.
    var place: String
    /// What to show for it.
    var document: Int
    var evidence: Range<Int>
}

struct FieldClaim {
    /// A column that the claim speaks of.
    struct Binding {
        var column: Int
        /// Bits of the words that name it.
        var words: UInt64
        /// How surely.
        var score: Double
    }

    let text: ClaimText
    let dates: [DateSpan]
    let measures: [Measure]
    /// Of each word.
    private let topics: [UInt64]

    init(_ text: ClaimText) {
        self.text = text
        dates = Dates.all(in: text.bytes, text.tokens)
        let dated = dates.map(\.tokens)
        measures = Measures.all(in: text.bytes, text.tokens, text.quantities).filter { measure in !dated.contains { $0.contains(measure.token) } }
        topics = text.words.map { FieldNames.topics(of: $0.token.stem) }
    }

    var tokens: [Token] { text.tokens }
    var all: UInt64 { text.words.isEmpty ? 0 : ~0 >> UInt64(64 - min(64, text.words.count)) }

    /// Bits of the words among some tokens.
    func bits(_ tokens: Range<Int>) -> UInt64 {
        tokens.clamped(to: text.wordOf.indices).reduce(0) { text.wordOf[$1] >= 0 ? $0 | 1 << UInt64(text.wordOf[$1]) : $0 }
    }

    /// Bits of a measure's words, its unit among them.
    func bits(_ measure: Measure) -> UInt64 { bits(tokens(in: measure.range)) | (measure.dimension == .plain ? bits(measure.token..<(measure.token + 1)) : 0) }

    func tokens(in range: Range<Int>) -> Range<Int> {
        let first = tokens.firstIndex { $0.range.upperBound > range.lowerBound } ?? tokens.count
        return span(first, tokens.lastIndex { $0.range.lowerBound < range.upperBound }.map { $0 + 1 } ?? first)
    }

    /// Bits of the words with one of these stems.
    func bits(of stems: some Sequence<UInt32>) -> UInt64 {
        stems.reduce(0) { bits, stem in text.words.firstIndex { $0.token.stem == stem }.map { bits | 1 << UInt64($0) } ?? bits }
    }

    /// Bits of the words that stand in a set of ours.
    func bits(in forms: HashSet) -> UInt64 { text.words.indices.reduce(0) { forms.contains(text.words[$1].token.exact) ? $0 | 1 << UInt64($1) : $0 } }

    /// Whether a word that stands before a token is in a set, within a few words.
    func has(_ forms: HashSet, before token: Int, within reach: Int = 3) -> Bool { has(forms, in: span(max(0, token - reach), token)) }

    /// It says that something is not so.
    var denies: Bool { has(MismatchFinder.denials, in: 0..<tokens.count) }

    func has(_ forms: HashSet, in range: Range<Int>) -> Bool { range.clamped(to: tokens.indices).contains { forms.contains(tokens[$0].exact) } }

    /// The place of the first of some words.
    func place(ofFirst words: UInt64) -> Int { words == 0 ? tokens.count : text.words[min(text.words.count - 1, words.trailingZeroBitCount)].place }

    /// Words that tell nothing that a table would have to bear out.
    private static let generic = Tokenizer.forms(
        """
        movie film album song band single painting artwork artist musician actor actress singer person man woman company game show book record city horse group one time times date
        place took total different took back first located people life year years month months day days during early late mid beginning end half latter middle table list lists listed
        according among has have had with is are was were data shown
        """)

    /// Whether each of its words has its part: is one of those accounted for, or says nothing that could be wrong.
    /// - Parameters:
    ///   - subject: words that name the record. What stands right before them says what it is (`the art piece`).
    ///   - isNamed: only a name tells which row is meant; otherwise another name at the beginning is that of the only record.
    func isWhole(_ words: UInt64, subject: UInt64 = 0, isNamed: Bool = true) -> Bool {
        let known = words | subject | bits(in: Self.generic)
        let start = place(ofFirst: subject != 0 ? subject : words)
        return text.words.enumerated().allSatisfy { number, word in
            if known >> UInt64(number) & 1 == 1 { return true }
            guard !isNamed, word.place < start, !word.token.isNumber else { return false }
            return subject == 0 ? word.token.isCapitalised : !tokens[word.place..<start].contains(where: \.isStop)
        }
    }

    // MARK: Fields

    /// The column that the claim names best among the usable ones; nil if it names none, or two of them alike or with different words.
    func column(_ bindings: [Binding], where isUsable: (Int) -> Bool) -> Binding? {
        let usable = bindings.filter { isUsable($0.column) }
        guard let first = usable.first, !usable.dropFirst().contains(where: { $0.score >= first.score - 1e-9 || $0.words & first.words == 0 }) else { return nil }
        return first
    }

    /// The columns that its words name, the best first.
    func bindings(_ table: Table, without used: UInt64 = 0) -> [Binding] {
        table.columns.indices.compactMap { column in
            guard column != table.keyColumn else { return nil }
            let header = table.columns[column]
            var binding = Binding(column: column, words: 0, score: 0)
            for (number, word) in text.words.enumerated() where used >> UInt64(number) & 1 == 0 {
                if header.words.contains(word.token.stem) {
                    binding.score += 1
                } else if topics[number] & header.topics & ~FieldNames.name != 0 {
                    binding.score += 0.6
                } else {
                    continue
                }
                binding.words |= 1 << UInt64(number)
            }
            guard binding.words != 0 else { return nil }
            binding.score += 0.3 * min(1, binding.score / Double(max(1, header.words.count)))
            return binding
        }.sorted { $0.score > $1.score }
    }

    // MARK: Numbers of things

    /// How many things the claim speaks of.
    struct Count {
        var range: ClosedRange<Int>
        /// The word that says so.
        var place: Int
    }

    static let more = Tokenizer.forms("more greater higher longer larger bigger older taller better exceeded exceeds above over")
    static let less = Tokenizer.forms("less fewer lower shorter smaller younger below under")
    static let than = Tokenizer.forms("than")
    static let only = Tokenizer.forms("only just single sole")
    static let several = Tokenizer.forms("several many numerous")
    static let multiple = Tokenizer.forms("multiple couple")
    private static let strict = Tokenizer.forms("than over above under below")
    private static let single = Tokenizer.forms("single")
    private static let one = Tokenizer.stem(of: "one")

    var count: Count? {
        for (place, token) in tokens.enumerated() {
            if Self.multiple.contains(token.exact) { return Count(range: 2...Int.max, place: place) }
            if Self.several.contains(token.exact) { return Count(range: 3...Int.max, place: place) }
            guard token.stem == Self.one || Self.single.contains(token.exact) else { continue }
            if has(Self.than, before: place, within: 1) { return has(Self.more, before: place, within: 2) ? Count(range: 2...Int.max, place: place) : nil }
            if has(Self.only, before: place, within: 2) || token.stem != Self.one { return Count(range: 1...1, place: place) }
        }
        guard let measure = measures.first, measure.dimension == .plain, measure.value == measure.value.rounded(), (2...1000).contains(measure.value) else { return nil }
        let value = Int(measure.value)
        let isStrict = has(Self.strict, before: measure.token, within: 1)
        return switch measure.bound {
        case .exact: Count(range: value...value, place: measure.token)
        case .atLeast: Count(range: (isStrict ? value + 1 : value)...Int.max, place: measure.token)
        case .atMost: Count(range: 0...(isStrict ? value - 1 : value), place: measure.token)
        case .about: nil
        }
    }

    // MARK: Times

    enum Relation { case within, before, after, since }

    static let before = Tokenizer.forms("before prior by until preceding preceded earlier")
    static let after = Tokenizer.forms("after following later")
    private static let since = Tokenizer.forms("since from")
    private static let early = Tokenizer.forms("early beginning start")
    private static let late = Tokenizer.forms("late end")
    private static let parts = Tokenizer.forms("half part months month years year days")
    private static let firstPart = Tokenizer.forms("first")
    private static let lastPart = Tokenizer.forms("second latter last")
    private static let middle = Tokenizer.forms("mid middle")

    func relation(_ time: DateSpan) -> Relation {
        let start = time.tokens.lowerBound
        if has(Self.before, before: start, within: 2) { return .before }
        if has(Self.after, before: start, within: 2) { return .after }
        return has(Self.since, before: start, within: 1) ? .since : .within
    }

    /// Whether a date of a table fits a time of the claim.
    func fit(_ date: DateSpan, _ time: DateSpan) -> Bool? {
        let relation = relation(time)
        guard relation == .before || relation == .after else {
            guard relation == .within, time.end == nil, date.end != nil || date.isOpen, let first = date.days, let days = time.days else { return part(time, of: date) }
            guard (first.lowerBound...max(first.lowerBound, date.end?.upperBound ?? Int.max)).overlaps(days) else { return false }
            return time.months == 0 || date.months == time.months ? true : nil
        }
        guard let days = time.days, let its = date.days else { return nil }
        if relation == .before { return its.upperBound < days.lowerBound ? true : its.lowerBound >= days.lowerBound ? false : nil }
        return its.lowerBound > days.upperBound ? true : its.upperBound <= days.upperBound ? false : nil
    }

    /// `early 1980`, `the second half of the 19th century`: near the border of the part nothing is certain.
    private func part(_ time: DateSpan, of date: DateSpan) -> Bool? {
        let whole = time.holds(date)
        guard whole == true, let days = time.days, days.count > 300, let its = date.days else { return whole }
        // The word before it, past `half of the`.
        var word = time.tokens.lowerBound - 1
        var isOfParts = false
        while word >= 0, tokens[word].isStop || Self.parts.contains(tokens[word].exact) {
            isOfParts = isOfParts || Self.parts.contains(tokens[word].exact)
            word -= 1
        }
        let near = word..<(word + 1)
        let place = Double((its.lowerBound + its.upperBound) / 2 - days.lowerBound) / Double(days.count)
        let border: Double
        if has(Self.middle, in: near) {
            border = 0.25 - abs(place - 0.5)
        } else if has(Self.early, in: near) || (isOfParts && has(Self.firstPart, in: near)) {
            border = 0.5 - place
        } else if has(Self.late, in: near) || (isOfParts && has(Self.lastPart, in: near)) {
            border = place - 0.5
        } else {
            return true
        }
        return border >= 0 ? true : border < -0.15 ? false : nil
    }
}
