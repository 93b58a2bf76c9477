// Numbers with what they count: percentages, money, years, plain numbers with their unit. Two quantities can only contradict
// each other if they are of one type.

/// A number in a text.
struct Quantity {
    enum Kind: Equatable {
        case plain
        case percent
        case money(String)
        case year
        case month
    }

    var kind: Kind
    var value: Double
    /// Stem of the word that follows, such as `metres`; 0 if none does.
    var unit: UInt32
    /// With sign, scale and unit.
    var range: Range<Int>
    /// Index of its first token.
    var token: Int

    var bound = Bound.exact

    /// `more than n`, `at most n`, `about n`.
    enum Bound { case exact, atLeast, atMost, about }

    /// Of one type: what the one says, the other could say instead.
    func isComparable(to other: Quantity) -> Bool {
        guard kind == other.kind else { return false }
        return kind != .plain || (unit == other.unit && unit != 0)
    }

    /// The same number, written perhaps in another way (`2,400` and `2.4 thousand`), or one within this one's bounds.
    func equals(_ other: Quantity) -> Bool {
        guard (kind == .month) == (other.kind == .month) else { return false }
        guard kind == other.kind || kind == .plain || other.kind == .plain || kind == .year || other.kind == .year else { return false }
        let isPlain = kind == .plain && (unit == 0 || other.unit == 0 || unit == other.unit)
        switch bound {
        case .atLeast where isPlain || kind == other.kind && kind != .plain && kind != .month: if other.value >= value, other.value <= value * 20 { return true }
        case .atMost where isPlain || kind == other.kind && kind != .plain && kind != .month: if other.value <= value, other.value * 20 >= value { return true }
        case .about where kind == other.kind && kind != .year && kind != .month: if abs(value - other.value) <= abs(value) * 0.1 { return true }
        default: break
        }
        return abs(value - other.value) <= max(abs(value), abs(other.value)) * 1e-9
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
            var value: Double
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
                value *= scale
                quantity.range = quantity.range.lowerBound..<tokens[index].range.upperBound
                index += 1
            }
            quantity.value = value
            quantity.bound = bound(bytes, tokens, before: first)
            if let sign = sign(bytes, before: token.range.lowerBound) {
                quantity.kind = .money(sign.text)
                quantity.range = sign.start..<quantity.range.upperBound
            } else if quantity.range.upperBound < bytes.count, bytes[quantity.range.upperBound] == UInt8(ascii: "%") {
                quantity.kind = .percent
                quantity.range = quantity.range.lowerBound..<(quantity.range.upperBound + 1)
            } else if index < tokens.count, isAdjacent(bytes, tokens, index) {
                let next = tokens[index]
                switch next.isNumber ? nil : mark(of: next) {
                case .percent?:
                    quantity.kind = .percent
                    quantity.range = quantity.range.lowerBound..<next.range.upperBound
                case .currency(let currency)?:
                    quantity.kind = .money(currency)
                    quantity.range = quantity.range.lowerBound..<next.range.upperBound
                default: if !next.isStop, !next.isNumber { quantity.unit = next.stem }
                }
            }
            if quantity.kind == .plain, token.isNumber, token.range.count == 4, value >= 1000, value < 2200, value.rounded() == value, !isCounted(tokens, index, quantity) {
                quantity.kind = .year
                quantity.unit = 0
            }
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
        return gap.count <= 2 && gap.allSatisfy { $0 == 0x20 || $0 == UInt8(ascii: "-") || $0 >= 0x80 }
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
