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
    /// Values by the stem that `Tokenizer` gives to words for numbers.
    private static let words: [UInt32: Double] = {
        var words: [UInt32: Double] = [:]
        for value in Array(0...20) + [30, 40, 50, 60, 70, 80, 90] where value != 1 { words[Tokenizer.hash(String(value).utf8)] = Double(value) }
        return words
    }()

    private static let scales: [UInt32: Double] = [
        Tokenizer.stem(of: "hundred"): 1e2, Tokenizer.stem(of: "thousand"): 1e3, Tokenizer.stem(of: "million"): 1e6, Tokenizer.stem(of: "billion"): 1e9,
        Tokenizer.stem(of: "trillion"): 1e12,
    ]

    private static let months: [UInt32: Double] = {
        var months: [UInt32: Double] = [:]
        let names = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
        for (index, name) in names.enumerated() { months[Tokenizer.stem(of: name)] = Double(index + 1) }
        return months
    }()

    private static let percent: Set<UInt32> = [Tokenizer.stem(of: "percent"), Tokenizer.stem(of: "percentage")]
    private static let currencies: [UInt32: String] = [
        Tokenizer.stem(of: "dollars"): "$", Tokenizer.stem(of: "usd"): "$", Tokenizer.stem(of: "euros"): "€", Tokenizer.stem(of: "eur"): "€",
        Tokenizer.stem(of: "pounds"): "£", Tokenizer.stem(of: "gbp"): "£", Tokenizer.stem(of: "yen"): "¥",
    ]

    static func isMonth(_ token: Token) -> Bool { token.isCapitalised && months[token.stem] != nil }

    /// The quantities among the tokens of a text.
    static func all(in bytes: [UInt8], _ tokens: [Token]) -> [Quantity] {
        var result: [Quantity] = []
        var index = 0
        while index < tokens.count {
            let first = index
            let token = tokens[index]
            index += 1
            if let month = months[token.stem], token.isCapitalised {
                result.append(Quantity(kind: .month, value: month, unit: 0, range: token.range, token: first))
                continue
            }
            if isCitation(bytes, token) { continue }
            guard var value = token.isNumber ? number(bytes, token) : words[token.stem] else { continue }
            var quantity = Quantity(kind: .plain, value: value, unit: 0, range: token.range, token: first)
            while index < tokens.count, let scale = scales[tokens[index].stem], isAdjacent(bytes, tokens, index) {
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
                if percent.contains(next.stem) {
                    quantity.kind = .percent
                    quantity.range = quantity.range.lowerBound..<next.range.upperBound
                } else if let currency = currencies[next.stem] {
                    quantity.kind = .money(currency)
                    quantity.range = quantity.range.lowerBound..<next.range.upperBound
                } else if !next.isStop, !next.isNumber {
                    quantity.unit = next.stem
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

    /// `[1]`, `[doc1]`: a reference, not a number of the text.
    private static func isCitation(_ bytes: [UInt8], _ token: Token) -> Bool {
        let before = token.range.lowerBound - 1
        return before >= 0 && bytes[before] == UInt8(ascii: "[") && token.range.upperBound < bytes.count && bytes[token.range.upperBound] == UInt8(ascii: "]")
    }

    private static func number(_ bytes: [UInt8], _ token: Token) -> Double? {
        let digits = bytes[token.range].prefix { ASCII.isDigit($0) || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ".") }.filter { $0 != UInt8(ascii: ",") }
        return Double(String(decoding: digits, as: UTF8.self)).flatMap { $0.isFinite ? $0 : nil }
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
