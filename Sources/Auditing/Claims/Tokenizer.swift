// Words, names and numbers of a text, with stems for comparison. English endings are taken off; other languages compare whole
// words, scripts without spaces character by character.

/// A word or number of a text.
struct Token {
    /// Where it stands, in bytes; texts are far shorter than 2 GiB.
    private let lower: Int32
    private let upper: Int32
    /// Equal for words of one stem: a hash of it, so that nothing is allocated for a word.
    var stem: UInt32
    /// A hash of the word as it stands, in lower case.
    var exact: UInt32
    /// A hash of the first letters of a long word, by which relatives find each other (`industry`, `industrial`); 0 for short words.
    var root: UInt32
    /// Letters of the stem.
    var stemLength: UInt8
    /// The number of a word too common to tell texts apart, 0 for all others.
    var stopNumber: UInt8
    var isCapitalised: Bool
    /// Begins with a digit.
    var isNumber: Bool

    var range: Range<Int> { Int(lower)..<Int(upper) }
    var isStop: Bool { stopNumber > 0 }

    init(_ range: Range<Int>, stem: UInt32, exact: UInt32, root: UInt32 = 0, stemLength: Int, stopNumber: UInt8 = 0, isCapitalised: Bool = false, isNumber: Bool = false) {
        lower = Int32(clamping: range.lowerBound)
        upper = Int32(clamping: Swift.max(range.lowerBound, range.upperBound))
        self.stem = stem
        self.exact = exact
        self.root = root
        self.stemLength = UInt8(clamping: stemLength)
        self.stopNumber = stopNumber
        self.isCapitalised = isCapitalised
        self.isNumber = isNumber
    }
}

/// A set of stop words.
struct StopSet: Sendable {
    private var bits = SIMD4<UInt64>(repeating: 0)

    /// 0, which is no stop word, is never in it.
    mutating func insert(_ number: UInt8) {
        guard number > 0 else { return }
        bits[Int(number >> 6)] |= 1 << UInt64(number & 63)
    }

    func contains(_ number: UInt8) -> Bool { bits[Int(number >> 6)] >> UInt64(number & 63) & 1 == 1 }
}

enum Tokenizer {
    /// Letters beyond these do not tell a word apart from others.
    private static let wordLimitBytes = 64

    static func tokens(of bytes: [UInt8], _ range: Range<Int>, limit: Int = 400) -> [Token] {
        var tokens: [Token] = []
        var scanner = TokenScanner(bytes, range)
        while tokens.count < limit, let token = scanner.next() { tokens.append(token) }
        return tokens
    }

    /// The stem's hash of a lower-case word of ours.
    static func stem(of word: String) -> UInt32 {
        var letters = Array(word.utf8)
        stem(&letters)
        return hash(letters)
    }

    static let emptyHash: UInt64 = 0xcbf2_9ce4_8422_2325
    static let hashPrime: UInt64 = 0x100_0000_01b3

    /// FNV-1a, folded: short, and only used to compare.
    @inline(__always)
    static func hash(_ letters: some Sequence<UInt8>, after start: UInt64 = emptyHash) -> UInt32 { folded(unfolded(letters, after: start)) }

    @inline(__always)
    static func unfolded(_ letters: some Sequence<UInt8>, after start: UInt64 = emptyHash) -> UInt64 {
        var hash = start
        for letter in letters { hash = (hash ^ UInt64(letter)) &* hashPrime }
        return hash
    }

    @inline(__always)
    static func folded(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash ^ (hash >> 32)) }

    /// Takes the endings off a lower-case word.
    static func stem(_ word: inout [UInt8]) {
        if word.count > 2, word.suffix(2).elementsEqual("'s".utf8) { word.removeLast(2) }
        if word.count > wordLimitBytes { word.removeLast(word.count - wordLimitBytes) }
        guard word.count > 3, word.allSatisfy({ $0 < 0x80 }) else { return }
        let stem = stem(of: word.count) { word[$0] }
        word.removeLast(word.count - stem.count)
        word[stem.count - 1] = stem.last
    }

    /// How many letters of an English word are its stem, and what the last of them becomes.
    @inline(__always)
    static func stem(of length: Int, _ letter: (Int) -> UInt8) -> (count: Int, last: UInt8) {
        var count = length
        guard count > 3 else { return (count, letter(count - 1)) }
        var last = letter(count - 1)
        if last == UInt8(ascii: "s") {
            let before = letter(count - 2)
            if before == UInt8(ascii: "e"), count > 4, letter(count - 3) == UInt8(ascii: "i") {
                count -= 2
                last = UInt8(ascii: "y")
            } else if before == UInt8(ascii: "e"), isHissing(letter(count - 3), letter(count - 4)) {
                count -= 2
                last = letter(count - 1)
            } else if before != UInt8(ascii: "s"), before != UInt8(ascii: "u"), before != UInt8(ascii: "i") {
                count -= 1
                last = before
            }
        }
        var ending = 0
        switch last {
        case UInt8(ascii: "g") where count >= 6:
            if letter(count - 2) == UInt8(ascii: "n"), letter(count - 3) == UInt8(ascii: "i") { ending = 3 }
        case UInt8(ascii: "d") where count >= 5:
            if letter(count - 2) == UInt8(ascii: "e") { ending = 2 }
        case UInt8(ascii: "y") where count >= 5:
            guard letter(count - 2) == UInt8(ascii: "l") else { break }
            ending = 2
            if count >= 8, letter(count - 3) == UInt8(ascii: "g"), letter(count - 4) == UInt8(ascii: "n"), letter(count - 5) == UInt8(ascii: "i") { ending = 5 }
            if count >= 7, letter(count - 3) == UInt8(ascii: "d"), letter(count - 4) == UInt8(ascii: "e") { ending = 4 }
        default: break
        }
        if ending > 0 {
            count -= ending
            last = letter(count - 1)
            if count > 3, letter(count - 2) == last, last != UInt8(ascii: "l"), last != UInt8(ascii: "s"), last != UInt8(ascii: "z") { count -= 1 }
        }
        if count > 3, last == UInt8(ascii: "e") {
            count -= 1
            last = letter(count - 1)
        }
        if count > 2, last == UInt8(ascii: "y") { last = UInt8(ascii: "i") }
        return (count, last)
    }

    /// Before `es`: `sses`, `xes`, `ches`, `shes`.
    private static func isHissing(_ last: UInt8, _ before: UInt8) -> Bool {
        switch last {
        case UInt8(ascii: "x"): true
        case UInt8(ascii: "s"): before == UInt8(ascii: "s")
        case UInt8(ascii: "h"): before == UInt8(ascii: "c") || before == UInt8(ascii: "s")
        default: false
        }
    }

    /// Numbers of the words that are too common to tell texts apart, by their forms: from 1, below 256.
    static let stopWords: HashTable = {
        let words = """
            a an the and or but nor so yet if then than that this these those there here it its he she they them his her their we our you your i me my us
            is are was were be been being am do does did done doing have has had having will would shall should can could may might must
            of in on at by for with from to into onto as about over under between among through during before after above below up down out off again
            not no also very just only more most much many some any each every all both either neither such own same other another which who whom whose what when where
            why how because while although though however therefore thus according based provided given context document documents passage text source sources answer
            e.g i.e cannot can't don't doesn't didn't isn't aren't wasn't weren't won't wouldn't couldn't shouldn't hasn't haven't hadn't n't
            i'm i've i'll i'd we're we've we'll you're you've you'll he's she's it's that's there's they're they've they'll let's what's
            documents' sources' passages texts its' ours yours theirs himself herself itself themselves etc
            """
        var numbers = HashTable(capacity: 300)
        for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            let form = hash(word.utf8)
            if numbers[form] < 0 { numbers.set(form, Int32(numbers.count + 1)) }
        }
        return numbers
    }()

    /// Words for numbers and their values, so that `three` and `3` are equal. `one` is more often a pronoun.
    static let numberWords: HashTable = {
        let small = ["zero", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
            "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
        var words = HashTable(capacity: 64)
        for (value, word) in small.enumerated() where !word.isEmpty { words.set(stem(of: word), Int32(value)) }
        for (index, word) in ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"].enumerated() {
            words.set(stem(of: word), Int32((index + 3) * 10))
        }
        return words
    }()

    /// Letters of a root, and of the longest number word and stop word.
    static let rootLetters = 5
    static let numberWordLimit = 9
    static let stopLimit = 9

    /// Words of ours as they stand, by their hashes.
    static func forms(_ words: String) -> HashSet {
        var set = HashSet()
        for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) { set.insert(hash(word.utf8)) }
        return set
    }

    /// The numbers of stop words, as bits.
    static func stopSet(_ words: String) -> StopSet {
        var set = StopSet()
        for word in words.split(separator: " ") { set.insert(UInt8(clamping: max(0, stopWords[hash(word.utf8)]))) }
        return set
    }
}
