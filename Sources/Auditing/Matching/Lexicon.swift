// How words relate: synonyms, opposites, narrower and broader words, by hashes of their stems. The table is that of CLexicon.

import CLexicon

enum Lexicon {
    enum Relation: UInt8 {
        /// Forms of one word that share no stem: `wrote`, `write`.
        case same = 1
        case synonym
        case opposite
        /// The other word says more: `terrier` for `dog`.
        case narrower
        /// The other word says less.
        case broader
        /// Of one family: `produce`, `production`.
        case derived
    }

    /// The number of a stem in the table.
    private static func number(of stem: UInt32) -> UInt32? {
        var low: UInt32 = 0
        var high = clexicon_count
        while low < high {
            let middle = (low + high) / 2
            if clexicon_stem(middle) < stem { low = middle + 1 } else { high = middle }
        }
        return low < clexicon_count && clexicon_stem(low) == stem ? low : nil
    }

    /// Calls back with every word that relates to a stem, the closest first.
    static func forEachRelation(of stem: UInt32, _ body: (UInt32, Relation) -> Void) {
        guard let number = number(of: stem) else { return }
        for place in clexicon_start(number)..<clexicon_start(number + 1) {
            let entry = clexicon_relation(place)
            if let relation = Relation(rawValue: UInt8(truncatingIfNeeded: entry & 7)), entry >> 3 < clexicon_count { body(clexicon_stem(entry >> 3), relation) }
        }
    }

    /// Whether two words are kinds of one thing, such as `cat` and `dog`: they exclude each other.
    static func areSiblings(_ one: UInt32, broader: [UInt32], _ other: UInt32) -> Bool {
        guard !broader.isEmpty, one != other, let number = number(of: other) else { return false }
        var isSibling = false
        for place in clexicon_start(number)..<clexicon_start(number + 1) {
            let entry = clexicon_relation(place)
            switch Relation(rawValue: UInt8(truncatingIfNeeded: entry & 7)) {
            case .broader: if broader.contains(entry >> 3) { isSibling = true }
            case .opposite: continue
            default: if clexicon_stem(entry >> 3) == one { return false }
            }
        }
        return isSibling
    }

    /// Numbers of the words that say less than a word.
    static func broader(than stem: UInt32) -> [UInt32] {
        guard let number = number(of: stem) else { return [] }
        var result: [UInt32] = []
        for place in clexicon_start(number)..<clexicon_start(number + 1) {
            let entry = clexicon_relation(place)
            if Relation(rawValue: UInt8(truncatingIfNeeded: entry & 7)) == .broader { result.append(entry >> 3) }
        }
        return result
    }

    /// How common a word is in running text, as the bits of its count: 0 for words that are not, up to 15.
    static func commonness(of stem: UInt32) -> Int { number(of: stem).map { Int(clexicon_bits($0)) } ?? 0 }
}
