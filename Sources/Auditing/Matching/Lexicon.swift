// How words relate: synonyms, opposites, narrower and broader words, by hashes of their stems. The table is that of CLexicon.

import CLexicon

/// A word of the table.
struct LexiconWord: Equatable {
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

    /// How many words the table holds.
    static var count: Int { Int(clexicon_count) }

    private let index: UInt32
    /// Its number in the table.
    var number: Int { Int(index) }

    init?(_ stem: UInt32) { self.init(number: clexicon_find(stem)) }

    /// A word found before.
    init?(number: Int32) {
        guard number >= 0, number < clexicon_count else { return nil }
        index = UInt32(number)
    }

    /// Its number in the table, -1 for words that are not in it.
    static func number(of stem: UInt32) -> Int32 { clexicon_find(stem) }

    /// How common it is in running text, as the bits of its count: 0 for words that are not, up to 15.
    var commonness: Int { Int(clexicon_bits(index)) }

    var stem: UInt32 { clexicon_stem(index) }

    /// Calls back with the words that relate to it, the closest first.
    @inline(__always)
    func forEachRelation(_ body: (LexiconWord, Relation) -> Void) {
        for place in clexicon_start(index)..<clexicon_start(index + 1) {
            let entry = clexicon_relation(place)
            guard let relation = Relation(rawValue: UInt8(truncatingIfNeeded: entry & 7)), let word = LexiconWord(number: Int32(truncatingIfNeeded: entry >> 3)) else { continue }
            body(word, relation)
        }
    }

    /// Whether another is a kind of the same thing, such as `cat` and `dog`: they exclude each other.
    func isSibling(of other: LexiconWord, broader: Broader) -> Bool {
        guard self != other else { return false }
        var shares = false
        var isAkin = false
        forEachRelation { word, relation in
            switch relation {
            case .broader: if broader.contains(word) { shares = true } else if word == other { isAkin = true }
            case .opposite: break
            default: if word == other { isAkin = true }
            }
        }
        return shares && !isAkin
    }
}

/// The words that say less than a word.
struct Broader {
    private(set) var words: [LexiconWord] = []
    /// A bit for some numbers each: most others are told apart by it alone.
    private var bits: UInt64 = 0

    init(of word: LexiconWord) {
        word.forEachRelation { other, relation in
            guard relation == .broader else { return }
            words.append(other)
            bits |= 1 << UInt64(other.number & 63)
        }
    }

    func contains(_ word: LexiconWord) -> Bool { bits >> UInt64(word.number & 63) & 1 == 1 && words.contains(word) }
}
