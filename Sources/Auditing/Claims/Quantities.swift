// Numbers with what they count: percentages, money, years, times of day, plain numbers with their unit. Two quantities can only
// contradict each other if they are of one type; lengths, weights, spans of time are compared in the unit of their dimension.

/// A number in a text.
struct Quantity {
    enum Kind: Equatable {
        case plain
        case percent
        case money(String)
        case year
        case month
        /// In minutes since midnight; its unit is that of `am` or `pm`, 0 if it has none.
        case clock
    }

    var kind: Kind
    var value: Double
    /// Stem of the word that follows, such as `metres`; 0 if none does.
    var unit: UInt32
    /// What its unit measures, and where the unit ends.
    var measured: (unit: MeasureUnit, end: Int)?
    /// With sign, scale and unit.
    var range: Range<Int>
    /// Index of its first token.
    var token: Int

    /// What its digits are multiplied by.
    var scale = 1.0
    var bound = Bound.exact
    /// To show: with its unit where that is one of measure.
    var shown: Range<Int> { range.lowerBound..<max(range.upperBound, measured?.end ?? 0) }
    /// Can be the same in other words.
    var isConvertible: Bool { measured != nil || kind == .clock }

    /// `more than n`, `at most n`, `about n`.
    enum Bound { case exact, atLeast, atMost, about }

    /// Of one type: what the one says, the other could say instead.
    func isComparable(to other: Quantity) -> Bool {
        guard kind == other.kind else { return false }
        return kind != .plain || (unit == other.unit && unit != 0) || isMeasured(as: other) == true
    }

    /// Whether both measure the same; nil if it is not known of both what they measure.
    private func isMeasured(as other: Quantity) -> Bool? {
        guard kind == .plain, other.kind == .plain, let measured, let other = other.measured else { return nil }
        return measured.unit.dimension == other.unit.dimension
    }

    /// Whether a document's number is this one, written perhaps in another way or unit (`2,400` and `2.4 thousand`, `1.2 km` and
    /// `1,200 metres`), or within this one's bounds.
    func admits(_ other: Quantity) -> Bool {
        guard (kind == .month) == (other.kind == .month), (kind == .clock) == (other.kind == .clock) else { return false }
        guard kind == other.kind || kind == .plain || other.kind == .plain || kind == .year || other.kind == .year else { return false }
        let isMeasured = isMeasured(as: other)
        guard isMeasured != false else { return false }
        if kind == .clock { return isSameTime(as: other) }
        let isConverted = isMeasured == true && measured?.unit.factor != other.measured?.unit.factor
        let mine = isConverted ? value * (measured?.unit.factor ?? 1) : value
        let theirs = isConverted ? other.value * (other.measured?.unit.factor ?? 1) : other.value
        // A bound that both give is a number like any other: `at least 90 days` are not the `at least 60` of the document.
        if !isConverted, kind == other.kind, kind != .month, kind != .plain || isMeasured == true || unit == 0 || unit == other.unit, other.bound == .exact || other.bound == .about {
            switch bound {
            case .atLeast: if theirs >= mine, theirs <= mine * 20 { return true }
            case .atMost: if theirs <= mine, theirs * 20 >= mine { return true }
            case .about, .exact: break
            }
        }
        if bound == .about || other.bound == .about, kind == other.kind, kind != .year { return abs(mine - theirs) <= max(abs(mine), abs(theirs)) * 0.1 }
        return abs(mine - theirs) <= max(abs(mine), abs(theirs)) * (isConverted ? 0.02 : 1e-9)
    }

    /// As the first number of a range, `$16.5–16.8 billion`, `5 to 7 days`: what is said once is meant of both.
    mutating func join(_ other: inout Quantity, _ bytes: [UInt8], _ tokens: [Token]) {
        guard scale == 1, unit == 0, measured == nil else { return }
        let between = bytes.text(bytes.trimmed(span(range.upperBound, other.range.lowerBound)))
        guard ["-", "–", "—", "to"].contains(between) || between == "and" && token > 0 && tokens[token - 1].exact == Self.between else { return }
        if case .money = kind, other.kind == .plain, other.unit == 0 { other.kind = kind }
        guard kind == .plain || kind == other.kind else { return }
        value *= other.scale
        (kind, scale, unit, measured) = (other.kind, other.scale, other.unit, other.measured.map { ($0.unit, range.upperBound) })
    }

    private static let between = Tokenizer.hash("between".utf8)

    /// `5:30` is morning or evening, `17:30` and `5:30 pm` are not.
    private func isSameTime(as other: Quantity) -> Bool {
        let isOpen = unit == 0 && value < 780 || other.unit == 0 && other.value < 780
        return value == other.value || isOpen && abs(value - other.value) == 720
    }
}

enum Quantities {
    /// What a word says of numbers, by its stem; one look for each word of a text.
    private enum Mark {
        case month(Int), percent, scale(Double), currency(String), value(Double)
    }

    private static let marks: [Mark] = {
        var marks: [Mark] = []
        for month in 1...12 { marks.append(.month(month)) }
        marks += [.percent, .scale(1e2), .scale(1e3), .scale(1e6), .scale(1e9), .scale(1e12), .currency("$"), .currency("€"), .currency("£"), .currency("¥")]
        return marks
    }()
    private static let firstValue = Int32(1000)

    private static let table: HashTable = {
        var table = HashTable(capacity: 200)
        func add(_ words: String, _ mark: Int) { for word in words.split(separator: " ") { table.set(Tokenizer.stem(of: String(word)), Int32(mark)) } }
        let months = [
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug", "september sep sept", "october oct", "november nov",
            "december dec",
        ]
        for (index, names) in months.enumerated() { add(names, index) }
        for (index, words) in ["percent percentage", "hundred", "thousand", "million", "billion", "trillion", "dollars usd", "euros eur", "pounds gbp", "yen"].enumerated() {
            add(words, 12 + index)
        }
        // Words for numbers have the stems of their digits. `one` is more often a pronoun.
        for value in Array(0...20) + [30, 40, 50, 60, 70, 80, 90] where value != 1 { table.set(Tokenizer.hash(String(value).utf8), firstValue + Int32(value)) }
        return table
    }()

    private static func mark(of token: Token) -> Mark? {
        let number = table[token.stem]
        if number >= firstValue { return .value(Double(number - firstValue)) }
        return marks.indices.contains(Int(number)) ? marks[Int(number)] : nil
    }

    /// From 1; nil for words that are no month's name.
    static func month(_ token: Token) -> Int? { (0..<12).contains(table[token.stem]) ? Int(table[token.stem]) + 1 : nil }

    static func isMonth(_ token: Token) -> Bool { token.isCapitalised && month(token) != nil }

    /// The quantities among the tokens of a text.
    static func all(in bytes: [UInt8], _ tokens: [Token]) -> [Quantity] {
        var result: [Quantity] = []
        var index = 0
        while index < tokens.count {
            let first = index
            let token = tokens[index]
            index += 1
            let value: Double
            if token.isNumber {
                guard let digits = number(bytes, token) else { continue }
                value = digits
            } else {
                switch mark(of: token) {
                case .month(let month)?:
                    if token.isCapitalised { result.append(Quantity(kind: .month, value: Double(month), unit: 0, range: token.range, token: first)) }
                    continue
                case .value(let word)?: value = word
                default: continue
                }
            }
            var quantity = Quantity(kind: .plain, value: value, unit: 0, range: token.range, token: first)
            while index < tokens.count, !tokens[index].isNumber, case .scale(let scale)? = mark(of: tokens[index]), isAdjacent(bytes, tokens, index) {
                quantity.scale *= scale
                quantity.range = quantity.range.lowerBound..<tokens[index].range.upperBound
                index += 1
            }
            quantity.value = value * quantity.scale
            quantity.bound = bound(bytes, tokens, before: first)
            if let time = clock(bytes, tokens, first, index) {
                (quantity.kind, quantity.value, quantity.unit) = (.clock, time.minutes, time.half)
                quantity.range = quantity.range.lowerBound..<tokens[time.end - 1].range.upperBound
                index = time.end
                result.append(quantity)
                continue
            }
            if let sign = sign(bytes, before: token.range.lowerBound) {
                quantity.kind = .money(sign.text)
                quantity.range = sign.start..<quantity.range.upperBound
            } else if quantity.range.upperBound < bytes.count, bytes[quantity.range.upperBound] == UInt8(ascii: "%") {
                quantity.kind = .percent
                quantity.range = quantity.range.lowerBound..<(quantity.range.upperBound + 1)
            } else if first > 0, tokens[first - 1].range.count == 3, isAdjacent(bytes, tokens, first), case .currency(let currency)? = mark(of: tokens[first - 1]) {
                quantity.kind = .money(currency)
                quantity.range = tokens[first - 1].range.lowerBound..<quantity.range.upperBound
            } else if index < tokens.count, isAdjacent(bytes, tokens, index) {
                let next = tokens[index]
                switch next.isNumber ? nil : mark(of: next) {
                case .percent?:
                    quantity.kind = .percent
                    quantity.range = quantity.range.lowerBound..<next.range.upperBound
                case .currency(let currency)?:
                    quantity.kind = .money(currency)
                    quantity.range = quantity.range.lowerBound..<next.range.upperBound
                default:
                    if !next.isStop, !next.isNumber { quantity.unit = next.stem }
                    if !next.isNumber, let measured = Measures.unit(bytes, tokens, index) {
                        // Of `thirty (30) days`, the number alone is shown.
                        quantity.measured = (measured.unit, bytes[quantity.range.upperBound] == UInt8(ascii: ")") ? quantity.range.upperBound : measured.end)
                    }
                }
            }
            if quantity.kind == .plain, quantity.measured == nil, token.isNumber { quantity.measured = Measures.unit(attachedTo: token, bytes) }
            if quantity.kind == .plain, token.isNumber, token.range.count == 4, value >= 1000, value < 2200, value.rounded() == value, !isCounted(tokens, index, quantity) {
                quantity.kind = .year
                quantity.unit = 0
            }
            if let last = result.last, last.token + 1 == first || last.token + 2 == first { result[result.count - 1].join(&quantity, bytes, tokens) }
            result.append(quantity)
        }
        return result
    }

    private static let atLeast = stems("over above exceed exceeding least beyond minimum")
    private static let atMost = stems("under below most maximum upto within")
    private static let about = stems("about around approximately approx roughly nearly almost circa some estimated")
    private static let more = stems("more greater higher longer older larger later bigger")
    private static let less = stems("less fewer lower shorter younger smaller earlier")
    private static let than = Tokenizer.stem(of: "than")
    private static let upTo = (Tokenizer.stem(of: "up"), Tokenizer.stem(of: "to"))

    private static func stems(_ words: String) -> Set<UInt32> { Set(words.split(separator: " ").map { Tokenizer.stem(of: String($0)) }) }

    /// What the two words before a number say of it.
    private static func bound(_ bytes: [UInt8], _ tokens: [Token], before index: Int) -> Quantity.Bound {
        guard index > 0, tokens[index].range.lowerBound - tokens[index - 1].range.upperBound <= 3 else { return .exact }
        let last = tokens[index - 1].stem
        if index > 1 {
            let first = tokens[index - 2].stem
            if last == than { return more.contains(first) ? .atLeast : less.contains(first) ? .atMost : .exact }
            if first == upTo.0, last == upTo.1 { return .atMost }
        }
        return atLeast.contains(last) ? .atLeast : atMost.contains(last) ? .atMost : about.contains(last) ? .about : .exact
    }

    /// `1200 people` counts, `1200` alone is a year; a capitalised word after it is no unit.
    private static func isCounted(_ tokens: [Token], _ next: Int, _ quantity: Quantity) -> Bool {
        guard quantity.unit != 0, next < tokens.count, quantity.value < 1500 || quantity.value > 2100 else { return false }
        return !tokens[next].isCapitalised
    }

    private static func isAdjacent(_ bytes: [UInt8], _ tokens: [Token], _ index: Int) -> Bool {
        guard index > 0 else { return false }
        let gap = bytes[span(tokens[index - 1].range.upperBound, tokens[index].range.lowerBound)]
        return gap.count <= 2 && gap.allSatisfy { $0 == 0x20 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ")") || $0 >= 0x80 }
    }

    private static let halves = (before: Tokenizer.forms("am a.m"), after: Tokenizer.forms("pm p.m"))

    /// `17:30`, `5.30 pm`, `5 p.m.`: minutes since midnight, the word for the half of the day, and the token after it.
    private static func clock(_ bytes: [UInt8], _ tokens: [Token], _ first: Int, _ next: Int) -> (minutes: Double, half: UInt32, end: Int)? {
        guard tokens[first].isNumber, next == first + 1 else { return nil }
        let digits = bytes[tokens[first].range].prefix(while: ASCII.isDigit)
        guard (1...2).contains(digits.count), let hour = Int(String(decoding: digits, as: UTF8.self)), hour <= 24 else { return nil }
        var rest = bytes[tokens[first].range].dropFirst(digits.count)
        var end = next
        var minutes: Int?
        if rest.isEmpty, end < tokens.count, tokens[end].isNumber, tokens[end].range.lowerBound == tokens[first].range.upperBound + 1,
            bytes[tokens[first].range.upperBound] == UInt8(ascii: ":")
        {
            let other = bytes[tokens[end].range]
            guard let value = Int(String(decoding: other.prefix(2), as: UTF8.self)), value < 60, other.prefix(2).allSatisfy(ASCII.isDigit), other.count >= 2 else { return nil }
            minutes = value
            rest = other.dropFirst(2)
            end += 1
            // `1:02:03` is a span of time.
            guard end >= tokens.count || !tokens[end].isNumber || bytes[tokens[end - 1].range.upperBound] != UInt8(ascii: ":") else { return nil }
        } else if rest.first == UInt8(ascii: "."), rest.count >= 3, let value = Int(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self)), value < 60 {
            minutes = value
            rest = rest.dropFirst(3)
        }
        var half: UInt32 = 0
        if rest.isEmpty {
            if end < tokens.count, isAdjacent(bytes, tokens, end), halves.before.contains(tokens[end].exact) || halves.after.contains(tokens[end].exact) {
                half = tokens[end].exact
                end += 1
            }
        } else {
            half = Tokenizer.hash(rest.lazy.map(ASCII.lowered))
        }
        let isAfternoon = halves.after.contains(half)
        guard isAfternoon || halves.before.contains(half) || rest.isEmpty && bytes[tokens[first].range].count == digits.count && minutes != nil else { return nil }
        let isMarked = half != 0
        guard !isMarked || (1...12).contains(hour) else { return nil }
        return (Double((isMarked ? hour % 12 + (isAfternoon ? 12 : 0) : hour) * 60 + (minutes ?? 0)), half, end)
    }

    private static func number(_ bytes: [UInt8], _ token: Token) -> Double? {
        let digits = bytes[token.range].prefix { ASCII.isDigit($0) || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ".") }.filter { $0 != UInt8(ascii: ",") }
        let scale: Double = switch bytes.lowercased(span(token.range.lowerBound + bytes[token.range].prefix { !ASCII.isLetter($0) }.count, token.range.upperBound)) {
        case "k": 1e3
        case "m" where sign(bytes, before: token.range.lowerBound) != nil: 1e6
        case "bn": 1e9
        default: 1
        }
        return Double(String(decoding: digits, as: UTF8.self)).flatMap { $0.isFinite ? $0 * scale : nil }
    }

    private static func sign(_ bytes: [UInt8], before start: Int) -> (text: String, start: Int)? {
        var index = start - 1
        if index >= 0, bytes[index] == 0x20 { index -= 1 }
        guard index >= 0 else { return nil }
        if bytes[index] == UInt8(ascii: "$"), index == start - 1 { return ("$", index) }
        guard bytes[index] >= 0x80 else { return nil }
        for text in ["€", "£", "¥"] {
            let length = text.utf8.count
            let from = index - length + 1
            if from >= 0, bytes[from...index].elementsEqual(text.utf8) { return (text, from) }
        }
        return nil
    }
}
