// What an answer says that cannot be, whatever the documents are: sums that are wrong, times out of order, one thing with two
// numbers, lists shorter or longer than announced, citations of documents that are not there. Only where it is plain: a doubt is
// no finding.

/// A claim that contradicts the answer itself.
struct SelfFinding {
    var claim: Range<Int>
    /// What it is held against, in the answer.
    var evidence: Range<Int>
    /// One plain sentence.
    var reasoning: String
}

struct SelfChecks {
    /// Claims that are compared with each other; longer answers are compared as far as that.
    private static let comparedLimit = 200
    private static let tokenLimit = 80
    private static let listLineLimit = 20_000
    /// Announcements of lists that are looked at.
    private static let announcementLimit = 500

    private let answer: [UInt8]
    private let claims: [Claim]
    private(set) var findings: [SelfFinding] = []

    /// - Parameters:
    ///   - documents: ids of the documents that citations may name; nil if the request shows none.
    ///   - isCut: the end of the answer was not seen.
    init(_ answer: [UInt8], _ claims: [Claim], documents: [String]?, isCut: Bool) {
        self.answer = answer
        self.claims = claims
        var shapes: [UInt32: (claim: Int, numbers: [Quantity])] = [:]
        for (index, claim) in claims.enumerated() {
            if let documents { citations(claim, documents) }
            guard answer[claim.range].contains(where: ASCII.isDigit) else { continue }
            let tokens = Tokenizer.tokens(of: answer, claim.range, limit: Self.tokenLimit)
            guard tokens.count < Self.tokenLimit else { continue }
            let numbers = Quantities.all(in: answer, tokens)
            if !numbers.isEmpty {
                arithmetic(claim, tokens)
                order(claim, tokens)
                if index < Self.comparedLimit { compare(index, tokens, numbers, &shapes) }
            }
        }
        if !isCut { lists() }
    }

    private mutating func add(_ claim: Range<Int>, _ reasoning: String, evidence: Range<Int>? = nil) {
        guard findings.last?.claim != claim else { return }
        findings.append(SelfFinding(claim: claim, evidence: evidence ?? claim, reasoning: reasoning))
    }

    // MARK: Arithmetic

    private enum Operation { case plus, minus, times, over, percentOf, equals }

    /// `12 + 30 = 42`, `15% of 200 is 30`.
    private mutating func arithmetic(_ claim: Claim, _ tokens: [Token]) {
        let places = tokens.indices.filter { tokens[$0].isNumber }
        guard places.count >= 3 else { return }
        var index = 0
        while index + 2 < places.count {
            defer { index += 1 }
            guard let first = value(tokens[places[index]]), let operation = operation(tokens, places[index], places[index + 1]), operation != .equals,
                let second = value(tokens[places[index + 1]])
            else { continue }
            // The sum must begin here, and be all of what stands before the sign of equality.
            if index > 0, self.operation(tokens, places[index - 1], places[index]) != nil { continue }
            var result: Double
            var last = index + 1
            switch operation {
            case .plus: result = first + second
            case .minus: result = first - second
            case .times: result = first * second
            case .over:
                guard second != 0 else { continue }
                result = first / second
            case .percentOf: result = first / 100 * second
            case .equals: continue
            }
            while operation == .plus, last + 1 < places.count, self.operation(tokens, places[last], places[last + 1]) == .plus, let next = value(tokens[places[last + 1]]) {
                result += next
                last += 1
            }
            guard last + 1 < places.count, self.operation(tokens, places[last], places[last + 1]) == .equals, let said = value(tokens[places[last + 1]]) else { continue }
            // Nothing may follow that changes it: a scale, a percentage, another sign.
            let end = tokens[places[last + 1]].range.upperBound
            guard !continues(after: end, before: claim.range.upperBound), places.count == last + 2 || self.operation(tokens, places[last + 1], places[last + 2]) == nil else { continue }
            let decimals = answer[tokens[places[last + 1]].range].reversed().prefix { $0 != UInt8(ascii: ".") }.count
            let isWhole = !answer[tokens[places[last + 1]].range].contains(UInt8(ascii: "."))
            var step = 1.0
            if !isWhole { for _ in 0..<min(decimals, 9) { step /= 10 } }
            guard abs(result - said) > step * 0.5001 + abs(result) * 1e-9 else { continue }
            guard operation != .minus || result >= 0 else { continue }  // a range, not a difference
            // A rounded result is meant where it is near.
            guard abs(result - said) > abs(result) * 0.02 || (isWhole && result == result.rounded() && abs(result) < 1e6 && operation != .over && operation != .percentOf) else { continue }
            let sum = answer.text(span(tokens[places[index]].range.lowerBound, tokens[places[last]].range.upperBound))
            add(claim.range, "The answer says \(answer.text(tokens[places[last + 1]].range)), but \(sum) is \(Self.shown(result)).")
            return
        }
    }

    private func value(_ token: Token) -> Double? {
        guard answer[token.range].allSatisfy({ ASCII.isDigit($0) || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ".") }) else { return nil }
        return Double(String(decoding: answer[token.range].filter { $0 != UInt8(ascii: ",") }, as: UTF8.self)).flatMap { abs($0) < 1e15 ? $0 : nil }
    }

    /// What stands between two numbers, if it is an operation and nothing else.
    private func operation(_ tokens: [Token], _ one: Int, _ other: Int) -> Operation? {
        let between = answer.text(answer.trimmed(span(tokens[one].range.upperBound, tokens[other].range.lowerBound))).lowercased()
        let isSpaced = ASCII.isSpace(answer[tokens[one].range.upperBound]) && ASCII.isSpace(answer[tokens[other].range.lowerBound - 1])
        switch between {
        case "+", "plus", "+ $", "+ €": return .plus
        case "-", "−", "–": return isSpaced ? .minus : nil
        case "minus": return .minus
        case "*", "×", "x", "times", "multiplied by": return isSpaced ? .times : nil
        case "/", "÷", "divided by": return isSpaced ? .over : nil
        case "% of", "percent of", "% of $", "% of the": return .percentOf
        case "=", "equals", "is", "makes", "gives", "is equal to", "= $", "= €", "is $", "equals $": return .equals
        default: return nil
        }
    }

    private func continues(after end: Int, before limit: Int) -> Bool {
        let rest = answer.trimmed(span(end, limit))
        guard let first = answer[rest].first else { return false }
        if "%+-*/×=^(".utf8.contains(first) || first >= 0x80 { return true }
        return ["million", "billion", "thousand", "hundred", "percent", "times", "k ", "m ", "plus", "minus", "or "].contains { answer.has($0, at: rest.lowerBound) }
    }

    static func shown(_ value: Double) -> String {
        if abs(value) < 1e15, value == value.rounded() { return String(Int64(value)) }
        let scaled = (value * 100).rounded() / 100
        return String(scaled)
    }

    // MARK: Times

    private static let births = Tokenizer.forms("born founded established opened launched started began")
    private static let its = Tokenizer.hash("its".utf8)
    private static let deaths = Tokenizer.forms("died dissolved closed ended demolished disbanded")
    private static let beforeChrist = Tokenizer.forms("bc bce b.c b.c.e")

    /// `from 1990 to 1985`, `born in 1950 and died in 1920`.
    private mutating func order(_ claim: Claim, _ tokens: [Token]) {
        guard !tokens.contains(where: { Self.beforeChrist.contains($0.exact) }) else { return }
        let years = tokens.indices.filter { year(tokens[$0]) != nil }
        guard years.count == 2, let one = year(tokens[years[0]]), let other = year(tokens[years[1]]), other < one else { return }
        let between = tokens[(years[0] + 1)..<years[1]]
        let shown = "\(answer.text(tokens[years[0]].range)) is later than \(answer.text(tokens[years[1]].range))."
        let form = { (place: Int, word: String) in place >= 0 && place < tokens.count && tokens[place].exact == Tokenizer.hash(word.utf8) }
        if between.count == 1, form(years[0] + 1, "to") || form(years[0] + 1, "until") || form(years[0] + 1, "till"), form(years[0] - 1, "from") {
            return add(claim.range, "The times are out of order: \(shown)")
        }
        if between.count == 1, form(years[0] + 1, "and"), form(years[0] - 1, "between") { return add(claim.range, "The times are out of order: \(shown)") }
        // Birth before the first, death between the two, no other subject in between.
        guard tokens[..<years[0]].contains(where: { Self.births.contains($0.exact) }), between.contains(where: { Self.deaths.contains($0.exact) }),
            !tokens[..<years[0]].contains(where: { Self.deaths.contains($0.exact) }), between.count <= 4, between.allSatisfy({ ($0.isStop && !$0.isCapitalised && $0.exact != Self.its) || Self.deaths.contains($0.exact) })
        else { return }
        add(claim.range, "The times are out of order: \(shown)")
    }

    private func year(_ token: Token) -> Int? {
        guard token.isNumber, token.range.count == 4, answer[token.range].allSatisfy(ASCII.isDigit), let year = Int(answer.text(token.range)), (1000...2100).contains(year) else { return nil }
        return year
    }

    // MARK: Two numbers

    /// Two claims that are the same but for one number.
    private mutating func compare(_ index: Int, _ tokens: [Token], _ numbers: [Quantity], _ shapes: inout [UInt32: (claim: Int, numbers: [Quantity])]) {
        guard tokens.count >= 5, numbers.count == 1, numbers[0].kind != .year, numbers[0].kind != .month, numbers[0].bound == .exact else { return }
        guard tokens.count(where: { !$0.isStop && !$0.isNumber }) >= 3, tokens[0].isCapitalised, !tokens[0].isNumber else { return }
        var shape = Tokenizer.emptyHash
        for token in tokens where !token.isNumber { shape = (shape ^ UInt64(token.exact)) &* Tokenizer.hashPrime }
        let key = Tokenizer.folded(shape)
        guard let known = shapes[key] else {
            shapes[key] = (index, numbers)
            return
        }
        guard known.numbers[0].kind == numbers[0].kind, known.numbers[0].unit == numbers[0].unit, known.numbers[0].value != numbers[0].value else { return }
        add(
            claims[index].range, "The answer says \(answer.text(known.numbers[0].range)) in one place and \(answer.text(numbers[0].range)) in another.",
            evidence: claims[known.claim].range)
    }

    // MARK: Lists

    /// Words of lines whose number counts something else than the items below.
    private static let otherCounts = Tokenizer.forms("of in per every within after step day days")

    /// `There are three reasons:` before a list of four.
    private mutating func lists() {
        let text = PromptText(answer)
        var linesLeft = Self.listLineLimit
        var announcementsLeft = Self.announcementLimit
        var index = 0
        while index < text.lines.count {
            defer { index += 1 }
            let line = text.lines[index].trimmed
            guard line.count < 300, announcementsLeft > 0, answer[line].last == UInt8(ascii: ":") else { continue }
            announcementsLeft -= 1
            let tokens = Tokenizer.tokens(of: answer, line, limit: 40)
            let numbers = Quantities.all(in: answer, tokens)
            guard numbers.count == 1, numbers[0].kind == .plain, numbers[0].unit != 0, numbers[0].bound == .exact, numbers[0].value >= 2, numbers[0].value <= 20,
                // The counted things are what the line ends with.
                tokens.count - numbers[0].token <= 4, !tokens.contains(where: { Self.otherCounts.contains($0.exact) })
            else { continue }
            var items = 0
            var indent = -1
            var next = index + 1
            while next < text.lines.count, linesLeft > 0 {
                linesLeft -= 1
                let other = text.lines[next]
                if other.isBlank {
                    next += 1
                    continue
                }
                let depth = other.trimmed.lowerBound - other.range.lowerBound
                if Sentences.listMark(answer, at: other.trimmed.lowerBound, before: other.range.upperBound) != nil {
                    if indent < 0 { indent = depth }
                    if depth <= indent { items += 1 }
                } else if depth == 0 {
                    break
                }
                next += 1
            }
            guard linesLeft > 0, items >= 2, Double(items) != numbers[0].value else { continue }
            add(line, "The answer announces \(answer.text(numbers[0].range)), but its list has \(items) items.", evidence: span(line.lowerBound, min(answer.count, line.upperBound)))
        }
    }

    // MARK: Citations

    private mutating func citations(_ claim: Claim, _ documents: [String]) {
        guard documents.count >= 2 else { return }
        for (range, number) in Citations.all(in: answer, claim.range) where number > documents.count && !documents.contains(where: { $0.hasSuffix(String(number)) }) {
            return add(claim.range, "It cites \(answer.text(range)), but the model was given \(documents.count) documents.")
        }
    }
}
