// What of a claim does not fit its evidence: numbers, dates and names that are absent from it or another there, and a
// negation on one side only.

/// Something in a claim that its evidence does not bear out.
struct Mismatch {
    enum Kind { case numberReplaced, numberAbsent, nameReplaced, nameAbsent, negation }

    var kind: Kind
    /// As the answer says it.
    var said: String
    /// As the document says it; empty if it says nothing of the kind.
    var found: String
}

/// Compares one claim with one passage.
struct MismatchFinder {
    let answer: [UInt8]
    let claim: Range<Int>
    let tokens: [Token]
    let quantities: [Quantity]
    let index: EvidenceIndex

    func mismatches(in text: [UInt8], _ range: Range<Int>, coverage: Double) -> [Mismatch] {
        let found = Tokenizer.tokens(of: text, range, limit: 1000)
        var result = numbers(in: text, found)
        result += names(in: text, found, coverage: coverage)
        if coverage >= 0.6, negations(answer, tokens) != negations(text, found), let said = firstNegation(answer, tokens) ?? firstNegation(text, found) {
            result.append(Mismatch(kind: .negation, said: said, found: ""))
        }
        return result
    }

    private func numbers(in text: [UInt8], _ found: [Token]) -> [Mismatch] {
        guard !quantities.isEmpty else { return [] }
        let others = Quantities.all(in: text, found)
        var result: [Mismatch] = []
        for quantity in quantities where !others.contains(where: { $0.equals(quantity) }) {
            // Only a number that the claim does not hold itself can stand in the place of this one.
            let rivals = others.filter { other in other.isComparable(to: quantity) && !quantities.contains { $0.equals(other) } }
            if let rival = rivals.first {
                result.append(Mismatch(kind: .numberReplaced, said: answer.text(quantity.range), found: text.text(rival.range)))
            } else {
                result.append(Mismatch(kind: .numberAbsent, said: answer.text(quantity.range), found: ""))
            }
        }
        return result
    }

    /// Names in the claim that no document holds.
    private func names(in text: [UInt8], _ found: [Token], coverage: Double) -> [Mismatch] {
        var result: [Mismatch] = []
        let stems = Set(found.map(\.stem))
        let own = Set(tokens.map(\.stem))
        for (position, token) in tokens.enumerated() where isName(tokens, position) && !stems.contains(token.stem) {
            guard index.frequency(of: token.stem) == 0 else { continue }
            let rivals = found.indices.filter { isName(found, $0) && !own.contains(found[$0].stem) }
            if coverage >= 0.7, let rival = rivals.first, rivals.count <= 2 {
                result.append(Mismatch(kind: .nameReplaced, said: answer.text(token.range), found: text.text(found[rival].range)))
            } else {
                result.append(Mismatch(kind: .nameAbsent, said: answer.text(token.range), found: ""))
            }
        }
        return result
    }

    /// A capitalised word within a sentence.
    private func isName(_ tokens: [Token], _ position: Int) -> Bool {
        let token = tokens[position]
        return position > 0 && token.isCapitalised && !token.isStop && !token.isNumber && !Quantities.isMonth(token)
    }

    private static let negationStems: Set<UInt64> = Set(
        ["not", "never", "no", "none", "neither", "nor", "without", "cannot", "isn't", "aren't", "wasn't", "weren't", "doesn't", "don't", "didn't", "won't", "can't",
            "couldn't", "hasn't", "haven't", "hadn't", "wouldn't", "shouldn't"].map { Tokenizer.stem(of: $0) })

    private func negations(_ text: [UInt8], _ tokens: [Token]) -> Bool { tokens.contains { Self.negationStems.contains($0.stem) } }

    private func firstNegation(_ text: [UInt8], _ tokens: [Token]) -> String? {
        tokens.first { Self.negationStems.contains($0.stem) }.map { text.text($0.range) }
    }
}
