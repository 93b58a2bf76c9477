// Words of the documents that differ from a word by a denying prefix (`efficient`, `inefficient`), or by one of two that exclude
// each other (`pre-`, `post-`).

enum Opposites {
    /// A prefix and the hash of words that begin with it, up to there.
    private struct Prefix: Sendable {
        let letters: [UInt8]
        let hash: UInt64

        init(_ letters: String) {
            self.letters = Array(letters.utf8)
            hash = Tokenizer.unfolded(letters.utf8)
        }
    }

    private static let denying = ["un", "in", "im", "il", "ir", "non", "dis", "anti", "mis"].map(Prefix.init)
    private static let excluding = [
        ("pre", "post"), ("en", "de"), ("over", "under"), ("inter", "intra"), ("macro", "micro"), ("multi", "single"), ("in", "out"), ("in", "ex"), ("up", "down"), ("im", "ex"),
        ("hyper", "hypo"), ("pro", "anti"), ("maxi", "mini"), ("in", "de"), ("fore", "after"), ("for", "back"), ("max", "min"), ("as", "de"), ("ac", "de"), ("more", "less"),
    ].map { (Prefix($0.0), Prefix($0.1)) }

    /// The stem of a word with another beginning is that of the whole word, as endings are taken off from behind.
    static func words(for token: Token, _ bytes: [UInt8], _ index: EvidenceIndex) -> [Int32] {
        guard token.range.count >= 4, token.range.count < 40 else { return [] }
        var stem: [UInt8] = []
        stem.reserveCapacity(40)
        for byte in bytes[token.range] {
            let letter = ASCII.lowered(byte)
            guard ASCII.isLower(letter) else { return [] }
            stem.append(letter)
        }
        Tokenizer.stem(&stem)
        var result: [Int32] = []
        func look(_ hash: UInt32) {
            if let found = index.word(hash), !result.contains(found) { result.append(found) }
        }
        for prefix in denying {
            if begins(stem, prefix.letters) {
                if stem.count >= prefix.letters.count + 3 { look(Tokenizer.hash(stem[prefix.letters.count...])) }
            } else {
                look(Tokenizer.hash(stem, after: prefix.hash))
            }
        }
        for (one, other) in excluding {
            if begins(stem, one.letters), stem.count >= one.letters.count + 3 { look(Tokenizer.hash(stem[one.letters.count...], after: other.hash)) }
            if begins(stem, other.letters), stem.count >= other.letters.count + 3 { look(Tokenizer.hash(stem[other.letters.count...], after: one.hash)) }
        }
        return result
    }

    private static func begins(_ stem: [UInt8], _ letters: [UInt8]) -> Bool {
        guard stem.count >= letters.count, stem[0] == letters[0] else { return false }
        return (1..<letters.count).allSatisfy { stem[$0] == letters[$0] }
    }
}
