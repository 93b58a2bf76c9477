// Words of the documents that mean the opposite of a word: those that differ by a denying prefix (`efficient`, `inefficient`).

enum Opposites {
    private static let prefixes: [[UInt8]] = ["un", "in", "im", "il", "ir", "non", "dis", "anti", "mis"].map { Array($0.utf8) }

    private static let pairs: [([UInt8], [UInt8])] = [
        ("pre", "post"), ("en", "de"), ("over", "under"), ("inter", "intra"), ("macro", "micro"), ("multi", "single"), ("in", "out"), ("in", "ex"), ("up", "down"), ("im", "ex"),
        ("hyper", "hypo"), ("pro", "anti"), ("maxi", "mini"), ("in", "de"), ("fore", "after"), ("for", "back"), ("max", "min"), ("as", "de"), ("ac", "de"), ("more", "less"),
    ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

    static func words(for token: Token, _ bytes: [UInt8], _ index: EvidenceIndex) -> [Int32] {
        var result: [Int32] = []
        let letters = bytes[token.range].map(ASCII.lowered)
        guard letters.count >= 4, letters.count < 40, letters.allSatisfy(ASCII.isLower) else { return [] }
        func look(_ word: [UInt8]) {
            var stem = word
            Tokenizer.stem(&stem)
            if let found = index.word(Tokenizer.hash(stem)), !result.contains(found) { result.append(found) }
        }
        for prefix in prefixes {
            if letters.starts(with: prefix) {
                if letters.count >= prefix.count + 4 { look(Array(letters[prefix.count...])) }
            } else {
                look(prefix + letters)
            }
        }
        for (one, other) in pairs {
            if letters.starts(with: one), letters.count >= one.count + 3 { look(other + letters[one.count...]) }
            if letters.starts(with: other), letters.count >= other.count + 3 { look(one + letters[other.count...]) }
        }
        return result
    }
}
