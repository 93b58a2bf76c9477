// Short forms of names: `ASSR` for `Autonomous Soviet Socialist Republic`, in the claim or in the documents.

enum Acronyms {
    private static let letters = 2...6
    /// Words of the documents that are searched for a name that a short form may stand for.
    private static let searchLimit = 4000

    /// Words of the documents that a capitalised word of a claim stands for, or is a part of the long form of.
    static func words(for place: Int, _ tokens: [Token], _ bytes: [UInt8], _ index: EvidenceIndex) -> [Int32] {
        let range = tokens[place].range
        if letters.contains(range.count), bytes[range].allSatisfy(ASCII.isUpper) {
            return expansion(of: bytes[range].map { $0 }, in: index).map { [$0] } ?? []
        }
        // The run of capitalised words around the place.
        var first = place
        while first > 0, tokens[first - 1].isCapitalised, place - first < letters.upperBound { first -= 1 }
        var last = place
        while last + 1 < tokens.count, tokens[last + 1].isCapitalised, last - first < letters.upperBound { last += 1 }
        guard letters.contains(last - first + 1) else { return [] }
        var short = (first...last).map { ASCII.lowered(bytes[tokens[$0].range.lowerBound]) }
        Tokenizer.stem(&short)
        return index.word(Tokenizer.hash(short)).map { [$0] } ?? []
    }

    private static func expansion(of short: [UInt8], in index: EvidenceIndex) -> Int32? {
        var run = 0
        for (place, token) in index.tokens.prefix(searchLimit).enumerated() {
            guard token.isCapitalised else {
                if !token.isStop { run = 0 }
                continue
            }
            let document = index.sentences[Int(index.sentenceOf[place])].document
            let initial = index.texts[document][token.range.lowerBound]
            run = run < short.count && short[run] == initial ? run + 1 : short[0] == initial ? 1 : 0
            if run == short.count, token.range.count > 1 { return index.word(token.stem) }
        }
        return nil
    }
}
