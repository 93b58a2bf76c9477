// Where words begin and end, in any script; hashes and stems of English words are taken where they stand, without a copy.

/// Finds tokens one after the other.
struct TokenScanner {
    private let bytes: [UInt8]
    private var index: Int
    private let end: Int
    /// The letters of the current word in lower case, kept to spare an allocation for each.
    private var letters: [UInt8] = []
    // Held here: each access to a global table asks whether it is there yet.
    private let stopWords = Tokenizer.stopWords
    private let numberWords = Tokenizer.numberWords

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
        return plainWord(from: start) ?? word(from: start)
    }

    /// A word with apostrophes, digits, dots or letters that are not ASCII.
    @inline(never)
    private mutating func word(from start: Int) -> Token {
        letters.removeAll(keepingCapacity: true)
        if ASCII.isLetter(bytes[start]), dottedLetters(from: start) { return token(start, isCapitalised: ASCII.isUpper(bytes[start])) }
        var isCapitalised = false
        while index < end {
            let byte = bytes[index]
            if byte < 0x80 {
                let isApostrophe = byte == UInt8(ascii: "'") && index > start && index + 1 < end && ASCII.isLetter(bytes[index + 1])
                // `C#`, `C++` are names of their own.
                let isSign = (1...2).contains(index - start) && ASCII.is(byte, oneOf: "#+") && ASCII.isUpper(bytes[start])
                guard ASCII.isLetter(byte) || ASCII.isDigit(byte) || isApostrophe || isSign else { break }
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

    @inline(__always)
    private mutating func skipSigns() {
        while index < end {
            let byte = bytes[index]
            if ASCII.isLetter(byte) || ASCII.isDigit(byte) { return }
            if byte >= 0x80 || byte == UInt8(ascii: "[") {
                guard skipSign(byte) else { return }
            } else {
                index += 1
            }
        }
    }

    /// Passes over a sign that is not of one byte, perhaps; false if it is the first of a word.
    @inline(never)
    private mutating func skipSign(_ byte: UInt8) -> Bool {
        guard byte >= 0x80 else {
            // `[1]`, `[doc1, 2]`: a reference, no words of the text.
            if let citation = Sentences.citation(bytes, at: index, before: end), isReference(citation) { index = citation } else { index += 1 }
            return true
        }
        let (scalar, length) = scalar(at: index)
        if Self.isWord(scalar.properties), scalar != "\u{2019}" { return false }
        index += length
        return true
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
            let value = numberWords[stem]
            if value >= 0 { stem = Tokenizer.hash(String(value).utf8) }
        }
        return Token(
            range, stem: stem, exact: exact, root: root, stemLength: count,
            stopNumber: count <= Tokenizer.stopLimit ? UInt8(clamping: max(0, stopWords[exact])) : 0, isCapitalised: isCapitalised)
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
        guard let word = unsafe bytes.withUnsafeBufferPointer({ unsafe PlainWord($0, start, end) }) else { return nil }
        index = word.end
        return token(
            start..<word.end, stem: word.stem, exact: word.exact, root: word.root, bytes[start] | 0x20, count: word.count, ASCII.isUpper(bytes[start]))
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

/// A word of ASCII letters alone, fewer than 64.
private struct PlainWord {
    var end: Int
    var stem: UInt32
    var exact: UInt32
    var root: UInt32 = 0
    /// Letters of the stem.
    var count: Int

    @inline(__always)
    init?(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ limit: Int) {
        let near = min(limit, start + 64)
        var next = start
        while next < near, unsafe ASCII.isLetter(bytes[next]) { next += 1 }
        guard next > start, next < start + 64 else { return nil }
        if next < limit {
            let byte = unsafe bytes[next]
            if byte >= 0x80 || ASCII.isDigit(byte) || byte == UInt8(ascii: "'") || (next == start + 1 && ASCII.is(byte, oneOf: ".#+")) { return nil }
        }
        // A letter in lower case is one with this bit.
        let stem = Tokenizer.stem(of: next - start) { unsafe bytes[start + $0] | 0x20 }
        // What the hashes of the root, the stem and the word have in common is computed once.
        let last = start + stem.count - 1
        var hash = Tokenizer.emptyHash
        var place = start
        if stem.count > Tokenizer.rootLetters {
            while place < start + Tokenizer.rootLetters {
                hash = unsafe (hash ^ UInt64(bytes[place] | 0x20)) &* Tokenizer.hashPrime
                place += 1
            }
            root = Tokenizer.folded(hash)
        }
        while place < last {
            hash = unsafe (hash ^ UInt64(bytes[place] | 0x20)) &* Tokenizer.hashPrime
            place += 1
        }
        var exact = hash
        while place < next {
            exact = unsafe (exact ^ UInt64(bytes[place] | 0x20)) &* Tokenizer.hashPrime
            place += 1
        }
        hash = (hash ^ UInt64(stem.last)) &* Tokenizer.hashPrime
        if stem.count == Tokenizer.rootLetters { root = Tokenizer.folded(hash) }
        end = next
        self.stem = Tokenizer.folded(hash)
        self.exact = Tokenizer.folded(exact)
        count = stem.count
    }
}
