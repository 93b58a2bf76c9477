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

/// Finds tokens one after the other.
struct TokenScanner {
    private let bytes: [UInt8]
    private var index: Int
    private let end: Int
    /// The letters of the current word in lower case, kept to spare an allocation for each.
    private var letters: [UInt8] = []

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        let range = range.clamped(to: 0..<bytes.count)
        index = range.lowerBound
        end = range.upperBound
    }

    mutating func next() -> Token? {
        skipSigns()
        guard index < end else { return nil }
        let start = index
        if ASCII.isDigit(bytes[start]) { return number(from: start) }
        if let word = plainWord(from: start) { return word }
        letters.removeAll(keepingCapacity: true)
        if ASCII.isLetter(bytes[start]), dottedLetters(from: start) { return token(start, isCapitalised: ASCII.isUpper(bytes[start])) }
        var isCapitalised = false
        while index < end {
            let byte = bytes[index]
            if byte < 0x80 {
                let isApostrophe = byte == UInt8(ascii: "'") && index > start && index + 1 < end && ASCII.isLetter(bytes[index + 1])
                guard ASCII.isLetter(byte) || ASCII.isDigit(byte) || isApostrophe else { break }
                if index == start { isCapitalised = ASCII.isUpper(byte) }
                letters.append(ASCII.lowered(byte))
                index += 1
                continue
            }
            let (scalar, length) = scalar(at: index)
            if scalar == "\u{2019}" {  // an apostrophe as printers set it
                guard index > start, index + 3 < end, ASCII.isLetter(bytes[index + 3]) else { break }
                letters.append(UInt8(ascii: "'"))
                index += length
                continue
            }
            if (0x300..<0x370).contains(scalar.value), index > start {  // an accent of its own
                index += length
                continue
            }
            let properties = scalar.properties
            guard Self.isWord(properties) else { break }
            if Self.isIdeographic(scalar) {
                guard index == start else { break }
                index += length
                letters.append(contentsOf: bytes[start..<index])
                return token(start, isCapitalised: false)
            }
            if index == start { isCapitalised = properties.isUppercase }
            if let letter = Self.withoutAccent(scalar) { letters.append(letter) } else { letters.append(contentsOf: properties.lowercaseMapping.utf8) }
            index += length
        }
        return token(start, isCapitalised: isCapitalised)
    }

    /// The bare letter of those of Latin-1 and Latin Extended-A: `Noël` and `Noel` are one name.
    private static func withoutAccent(_ scalar: Unicode.Scalar) -> UInt8? {
        let letters: StaticString =
            "aaaaaaaceeeeiiiidnooooo*ouuuuytsaaaaaaaceeeeiiiidnooooo*ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
        guard (0xC0..<0x180).contains(scalar.value) else { return nil }
        let letter = unsafe letters.utf8Start[Int(scalar.value) - 0xC0]
        return letter == UInt8(ascii: "*") ? nil : letter
    }

    /// `U.S.` and `a.m.` are one word.
    private mutating func dottedLetters(from start: Int) -> Bool {
        guard start + 2 < end, bytes[start + 1] == UInt8(ascii: "."), ASCII.isLetter(bytes[start + 2]) else { return false }
        var next = start
        while next + 1 < end, ASCII.isLetter(bytes[next]), bytes[next + 1] == UInt8(ascii: "."), next - start < 16 { next += 2 }
        guard next - start >= 4, next >= end || !ASCII.isLetter(bytes[next]) else { return false }
        for place in start..<(next - 1) { letters.append(ASCII.lowered(bytes[place])) }
        index = next - 1
        return true
    }

    /// Short, and no year: `[May 1964]` is text.
    private func isReference(_ citation: Int) -> Bool {
        guard citation - index <= 14 else { return false }
        var digits = 0
        for place in index..<citation {
            digits = ASCII.isDigit(bytes[place]) ? digits + 1 : 0
            if digits > 3 { return false }
        }
        return true
    }

    private mutating func skipSigns() {
        while index < end {
            guard bytes[index] >= 0x80 else {
                if ASCII.isWord(bytes[index]) { return }
                // `[1]`, `[doc1, 2]`: a reference, no words of the text.
                if bytes[index] == UInt8(ascii: "["), let citation = Sentences.citation(bytes, at: index, before: end), isReference(citation) {
                    index = citation
                    continue
                }
                index += 1
                continue
            }
            let (scalar, length) = scalar(at: index)
            if Self.isWord(scalar.properties), scalar != "\u{2019}" { return }
            index += length
        }
    }

    private static func isWord(_ properties: Unicode.Scalar.Properties) -> Bool {
        properties.isAlphabetic || properties.numericType != nil || properties.generalCategory == .nonspacingMark
    }

    private mutating func token(_ start: Int, isCapitalised: Bool) -> Token {
        let exact = Tokenizer.hash(letters)
        Tokenizer.stem(&letters)
        let hash = Tokenizer.hash(letters)
        let root = letters.count > Tokenizer.rootLetters ? Tokenizer.hash(letters[..<Tokenizer.rootLetters]) : letters.count == Tokenizer.rootLetters ? hash : 0
        return token(start..<index, stem: hash, exact: exact, root: root, letters.first ?? 0, count: letters.count, isCapitalised)
    }

    private func token(_ range: Range<Int>, stem: UInt32, exact: UInt32, root: UInt32, _ first: UInt8, count: Int, _ isCapitalised: Bool) -> Token {
        var stem = stem
        if count <= Tokenizer.numberWordLimit, count > 2, Self.startsNumber(first) {
            let value = Tokenizer.numberWords[stem]
            if value >= 0 { stem = Tokenizer.hash(String(value).utf8) }
        }
        return Token(
            range, stem: stem, exact: exact, root: root, stemLength: count,
            stopNumber: count <= Tokenizer.stopLimit ? UInt8(clamping: max(0, Tokenizer.stopWords[exact])) : 0, isCapitalised: isCapitalised)
    }

    /// Every word for a number begins with one of these.
    private static func startsNumber(_ letter: UInt8) -> Bool {
        switch letter {
        case UInt8(ascii: "z"), UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "s"), UInt8(ascii: "e"), UInt8(ascii: "n"): true
        default: false
        }
    }

    /// A word of ASCII letters alone, as most are: hashed and stemmed where it stands. nil if it is another.
    private mutating func plainWord(from start: Int) -> Token? {
        var exact = Tokenizer.emptyHash
        var next = start
        let limit = min(end, start + 64)
        while next < limit, ASCII.isLetter(bytes[next]) {
            exact = (exact ^ UInt64(ASCII.lowered(bytes[next]))) &* Tokenizer.hashPrime
            next += 1
        }
        guard next > start, next < start + 64 else { return nil }
        if next < end {
            let byte = bytes[next]
            if byte >= 0x80 || ASCII.isDigit(byte) || byte == UInt8(ascii: "'") || (byte == UInt8(ascii: ".") && next == start + 1) { return nil }
        }
        let stem = Tokenizer.stem(of: next - start) { ASCII.lowered(bytes[start + $0]) }
        var hash = Tokenizer.emptyHash
        var root: UInt32 = 0
        for place in start..<(start + stem.count - 1) {
            hash = (hash ^ UInt64(ASCII.lowered(bytes[place]))) &* Tokenizer.hashPrime
            if place == start + Tokenizer.rootLetters - 1 { root = Tokenizer.folded(hash) }
        }
        hash = (hash ^ UInt64(stem.last)) &* Tokenizer.hashPrime
        if stem.count == Tokenizer.rootLetters { root = Tokenizer.folded(hash) }
        index = next
        return token(
            start..<next, stem: Tokenizer.folded(hash), exact: Tokenizer.folded(exact), root: root, ASCII.lowered(bytes[start]), count: stem.count, ASCII.isUpper(bytes[start]))
    }

    /// `2,400`, `3.5`, `1964`, `12th`: digits with separators inside; equal numbers have equal stems.
    private mutating func number(from start: Int) -> Token {
        letters.removeAll(keepingCapacity: true)
        while index < end, index - start < 64 {
            let byte = bytes[index]
            if ASCII.isDigit(byte) {
                letters.append(byte)
            } else if byte == UInt8(ascii: ",") || byte == UInt8(ascii: ".") {
                guard index + 1 < end, ASCII.isDigit(bytes[index + 1]) else { break }
                if byte == UInt8(ascii: ".") { letters.append(byte) }
            } else {
                break
            }
            index += 1
        }
        while index < end, ASCII.isLetter(bytes[index]), index - start < 64 { index += 1 }  // `12th`, `5km`, `1990s`
        // `3.50` is `3.5`.
        if letters.contains(UInt8(ascii: ".")) {
            while letters.last == UInt8(ascii: "0") { letters.removeLast() }
            if letters.last == UInt8(ascii: ".") { letters.removeLast() }
        }
        let hash = Tokenizer.hash(letters)
        return Token(start..<index, stem: hash, exact: hash, stemLength: letters.count, isNumber: true)
    }

    /// The character at an offset; bytes that are none count as U+FFFD of one byte.
    private func scalar(at offset: Int) -> (Unicode.Scalar, length: Int) {
        let first = bytes[offset]
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1
        guard length > 1, offset + length <= end else { return ("\u{FFFD}", 1) }
        var code = UInt32(first) & (0x7F >> UInt32(length))
        for next in (offset + 1)..<(offset + length) {
            guard bytes[next] & 0xC0 == 0x80 else { return ("\u{FFFD}", 1) }
            code = code << 6 | UInt32(bytes[next] & 0x3F)
        }
        return Unicode.Scalar(code).map { ($0, length) } ?? ("\u{FFFD}", 1)
    }

    private static func isIdeographic(_ scalar: Unicode.Scalar) -> Bool {
        (0x2E80...0x9FFF).contains(scalar.value) || (0xF900...0xFAFF).contains(scalar.value) || (0x20000...0x3FFFF).contains(scalar.value)
            || (0x0E00...0x0E7F).contains(scalar.value)
    }
}
