// Words of the documents that differ from a word by a denying prefix (`efficient`, `inefficient`), or by one of two that exclude
// each other (`pre-`, `post-`); and those of the other direction (`rose`, `fell`).

enum Opposites {
    /// A prefix as a number, its letters, and the hash of words that begin with it, up to there.
    private struct Prefix: Sendable {
        let packed: UInt64
        let count: Int
        let hash: UInt64

        init(_ letters: String) {
            packed = letters.utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            count = letters.utf8.count
            hash = Tokenizer.unfolded(letters.utf8)
        }

        /// - Parameter head: the first eight letters of a word, the first of them lowest.
        func begins(_ head: UInt64) -> Bool { (head ^ packed) << UInt64(64 - 8 * count) == 0 }
    }

    private static let denying = ["un", "in", "im", "il", "ir", "non", "dis", "anti", "mis"].map(Prefix.init)
    private static let excluding = [
        ("pre", "post"), ("en", "de"), ("over", "under"), ("inter", "intra"), ("macro", "micro"), ("multi", "single"), ("in", "out"), ("in", "ex"), ("up", "down"), ("im", "ex"),
        ("hyper", "hypo"), ("pro", "anti"), ("maxi", "mini"), ("in", "de"), ("fore", "after"), ("for", "back"), ("max", "min"), ("as", "de"), ("ac", "de"), ("more", "less"),
    ].map { (Prefix($0.0), Prefix($0.1)) }
    /// Letters with which a prefix of `excluding` begins, a bit each: most words begin with none.
    private static let excludingInitials = excluding.reduce(into: UInt32(0)) { $0 |= 1 << UInt32($1.0.packed & 31) | 1 << UInt32($1.1.packed & 31) }

    /// What goes up and what goes down, forms with other vowels too: WordNet knows of `increase` and `decrease` only.
    private static let directions = [
        "increase rise rose risen grow grew grown climb surge jump gain expand", "decrease reduce fall fell fallen drop decline shrink shrank lower cut dropped cutting",
    ].map { Set($0.split(separator: " ").map { Tokenizer.stem(of: String($0)) }) }

    /// Calls back with the words of the documents that go the other way.
    private static func forEachDirection(against stem: UInt32, _ index: EvidenceIndex, _ body: (Int32) -> Void) {
        guard let side = directions.firstIndex(where: { $0.contains(stem) }) else { return }
        for other in directions[1 - side] { if let word = index.word(other) { body(word) } }
    }

    /// Calls back with the words of the documents. The stem of a word with another beginning is that of the whole word, as endings are taken off from behind.
    static func forEachWord(for token: Token, _ bytes: [UInt8], _ index: EvidenceIndex, _ body: (Int32) -> Void) {
        forEachDirection(against: token.stem, index, body)
        guard token.range.count >= 4, token.range.count < 40, bytes[token.range].allSatisfy(ASCII.isLetter) else { return }
        let start = token.range.lowerBound
        let (count, last) = Tokenizer.stem(of: token.range.count) { bytes[start + $0] | 0x20 }
        func letter(_ place: Int) -> UInt8 { place == count - 1 ? last : bytes[start + place] | 0x20 }
        var head: UInt64 = 0
        for place in 0..<min(8, count) { head |= UInt64(letter(place)) << UInt64(8 * place) }
        func look(from place: Int, after hash: UInt64) {
            var hash = hash
            for place in place..<count { hash = (hash ^ UInt64(letter(place))) &* Tokenizer.hashPrime }
            if let found = index.word(Tokenizer.folded(hash)) { body(found) }
        }
        func replace(_ prefix: Prefix, by hash: UInt64) {
            if prefix.begins(head), count >= prefix.count + 3 { look(from: prefix.count, after: hash) }
        }
        for prefix in denying { if prefix.begins(head) { replace(prefix, by: Tokenizer.emptyHash) } else { look(from: 0, after: prefix.hash) } }
        guard excludingInitials >> UInt32(head & 31) & 1 == 1 else { return }
        for (one, other) in excluding {
            replace(one, by: other.hash)
            replace(other, by: one.hash)
        }
    }
}
