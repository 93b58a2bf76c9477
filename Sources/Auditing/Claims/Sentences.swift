// Where sentences begin and end in plain or Markdown text: after full stops that are no abbreviation and no decimal point,
// at blank lines, and between items of lists and rows of tables. Used for answers and for evidence alike.

enum Sentences {
    /// Longer ones are cut at white space: no sentence of a person is longer, and work per sentence stays bounded.
    static let limitBytes = 1000

    /// The sentences of a range, in order, trimmed, not empty.
    static func ranges(in bytes: [UInt8], _ range: Range<Int>, limit: Int = .max) -> [Range<Int>] {
        let range = range.clamped(to: 0..<bytes.count)
        var result: [Range<Int>] = []
        var start = range.lowerBound
        var index = start
        func end(at end: Int) {
            let sentence = bytes.trimmed(span(start, end))
            if !sentence.isEmpty { result.append(sentence) }
            start = end
        }
        while result.count < limit {
            // Letters and spaces end nothing; stops that are not of ASCII begin with bytes from 0xD8 on.
            let near = min(range.upperBound, start + limitBytes)
            while index < near, bytes[index] == 0x20 || bytes[index] &- 0x40 < 0x98 { index += 1 }
            guard index < range.upperBound else { break }
            let byte = bytes[index]
            if byte == 0x0A {
                if breaksSentence(bytes, at: index, start: start, before: range.upperBound) { end(at: index) }
                index += 1
                continue
            }
            if index - start >= limitBytes, ASCII.isSpace(byte) || index - start >= 2 * limitBytes {
                var boundary = index
                while boundary > start, bytes[boundary] & 0xC0 == 0x80 { boundary -= 1 }
                end(at: boundary > start ? boundary : index)
                index = max(index, start)
            }
            if byte == UInt8(ascii: ".") || byte == UInt8(ascii: "!") || byte == UInt8(ascii: "?") || byte >= 0xD8,
                let next = stop(bytes, at: index, start: start, before: range.upperBound)
            {
                end(at: next)
                index = max(next, index + 1)
            } else {
                index += 1
            }
        }
        if result.count < limit { end(at: range.upperBound) }
        return result
    }

    /// Whether a line's end is also a sentence's: before a blank line, a list's item, a heading, a row; after a heading, an item that has no stop, a colon.
    private static func breaksSentence(_ bytes: [UInt8], at newline: Int, start: Int, before end: Int) -> Bool {
        var next = newline + 1
        while next < end, bytes[next] == 0x20 || bytes[next] == 0x09 || bytes[next] == 0x0D { next += 1 }
        guard next < end else { return true }
        if bytes[next] == 0x0A || startsBlock(bytes, at: next, before: end) { return true }
        let line = bytes.trimmed(span(start, newline))
        guard let first = bytes[line].first, let last = bytes[line].last else { return false }
        if first == UInt8(ascii: "#") || first == UInt8(ascii: "|") || last == UInt8(ascii: ":") { return true }
        return isLabelled(bytes, at: next, before: end)
    }

    /// `Born: 1916`, `Project Manager: Yeah`: a field or an utterance of its own.
    private static func isLabelled(_ bytes: [UInt8], at start: Int, before end: Int) -> Bool {
        var words = 1
        var index = start
        let limit = min(end, start + 48)
        while index < limit, bytes[index] != UInt8(ascii: ":") {
            if bytes[index] == 0x0A || ASCII.is(bytes[index], oneOf: ".!?") { return false }
            if bytes[index] == 0x20 { words += 1 }
            index += 1
        }
        return index < limit && index > start && words <= 5 && index + 1 < end && ASCII.isSpace(bytes[index + 1])
    }

    /// The members of a JSON object or the records of an array, each as a sentence of its own; nil if the text is no JSON.
    static func members(in bytes: [UInt8], limit: Int) -> [Range<Int>]? {
        let text = bytes.trimmed(0..<bytes.count)
        guard let first = bytes[text].first, let last = bytes[text].last,
            (first == UInt8(ascii: "{") && last == UInt8(ascii: "}")) || (first == UInt8(ascii: "[") && last == UInt8(ascii: "]"))
        else { return nil }
        var result: [Range<Int>] = []
        var start = text.lowerBound + 1
        var index = start
        var isInString = false
        func end(at end: Int) {
            let member = bytes.trimmed(span(start, end))
            if member.count > 1 { result.append(member) }
            start = end + 1
        }
        while index < text.upperBound, result.count < limit {
            switch bytes[index] {
            case UInt8(ascii: "\\") where isInString: index += 1
            case UInt8(ascii: "\""): isInString.toggle()
            case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"): if !isInString { end(at: index) }
            // A comma of a list of plain values separates too: their count is small, and a list is a sentence only as far as it is short.
            case UInt8(ascii: ","): if !isInString { end(at: index) }
            default: if index - start >= limitBytes, ASCII.isSpace(bytes[index]) { end(at: index) }
            }
            index += 1
        }
        guard !isInString else { return nil }
        return result
    }

    /// Whether a line begins an item, heading, row, quote or fence.
    static func startsBlock(_ bytes: [UInt8], at index: Int, before end: Int) -> Bool {
        guard index < end else { return false }
        switch bytes[index] {
        case UInt8(ascii: "#"), UInt8(ascii: "|"), UInt8(ascii: ">"), UInt8(ascii: "`"), UInt8(ascii: "~"): return true
        default: return listMark(bytes, at: index, before: end) != nil
        }
    }

    /// Where the text of a list's item begins: after `- `, `* `, `+ `, `• `, `1. `, `1) `, `a) `.
    static func listMark(_ bytes: [UInt8], at index: Int, before end: Int) -> Int? {
        guard index + 1 < end else { return nil }
        if ASCII.is(bytes[index], oneOf: "-*+"), bytes[index + 1] == 0x20 { return index + 2 }
        if bytes[index] == 0xE2, index + 2 < end, bytes[index + 1] == 0x80, bytes[index + 2] == 0xA2 { return index + 3 }
        var next = index
        while next < end, ASCII.isDigit(bytes[next]), next - index < 3 { next += 1 }
        if next == index, ASCII.isLower(bytes[index]) { next += 1 }
        guard next > index, next + 1 < end, bytes[next + 1] == 0x20 else { return nil }
        return bytes[next] == UInt8(ascii: ")") || (bytes[next] == UInt8(ascii: ".") && ASCII.isDigit(bytes[index])) ? next + 1 : nil
    }

    /// If the byte is a full stop that ends a sentence, where the sentence ends: after closing quotes, brackets and citations.
    private static func stop(_ bytes: [UInt8], at index: Int, start: Int, before end: Int) -> Int? {
        var next = index + 1
        switch bytes[index] {
        case UInt8(ascii: "!"), UInt8(ascii: "?"): break
        case UInt8(ascii: "."):
            if isAbbreviation(bytes, at: index, start: start, before: end) { return nil }
        default:
            guard let length = wideStop(bytes, at: index, before: end) else { return nil }
            next = index + length
        }
        while next < min(end, index + 12), let length = closing(bytes, at: next, before: end) { next += length }
        next = min(next, end)
        // Citations, ` [1][doc2]`, belong to the sentence before them.
        while let citation = citation(bytes, at: next, before: end) { next = citation }
        guard next < end else { return end }
        // Scripts without spaces need none after their stops.
        if bytes[index] >= 0xE3 { return next }
        guard ASCII.isSpace(bytes[next]) else { return nil }
        var following = next
        while following < end, bytes[following] == 0x20 { following += 1 }
        if following < end, isLower(bytes, at: following, before: end), bytes[index] == UInt8(ascii: ".") { return nil }
        return next
    }

    /// The bytes of a stop that is not of ASCII: `。！？`, of Indic scripts `।॥`, of Arabic `؟` and Urdu `۔`.
    private static func wideStop(_ bytes: [UInt8], at index: Int, before end: Int) -> Int? {
        guard index + 1 < end else { return nil }
        let third = index + 2 < end ? bytes[index + 2] : 0
        return switch (bytes[index], bytes[index + 1], third) {
        case (0xE3, 0x80, 0x82), (0xEF, 0xBC, 0x81), (0xEF, 0xBC, 0x9F), (0xE0, 0xA5, 0xA4), (0xE0, 0xA5, 0xA5): 3
        case (0xD8, 0x9F, _), (0xDB, 0x94, _): 2
        default: nil
        }
    }

    /// Whether a sentence ends with a question mark of any script.
    static func isQuestion(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        let last = range.upperBound
        return ["?", "？", "؟"].contains { last - $0.utf8.count >= range.lowerBound && bytes[(last - $0.utf8.count)..<last].elementsEqual($0.utf8) }
    }

    /// The bytes of a sign that closes what a sentence ends with; a space may stand before `»`.
    private static func closing(_ bytes: [UInt8], at index: Int, before end: Int) -> Int? {
        if ASCII.is(bytes[index], oneOf: ".!?\"')]*_") { return 1 }
        if bytes[index] == 0x20 || bytes[index] == 0xC2 {
            let space = bytes[index] == 0x20 ? 1 : index + 1 < end && bytes[index + 1] == 0xA0 ? 2 : 0
            return index + space + 1 < end && bytes[index + space] == 0xC2 && bytes[index + space + 1] == 0xBB ? space + 2 : nil
        }
        guard bytes[index] >= 0xE2, index + 2 < end else { return nil }
        return switch (bytes[index], bytes[index + 1], bytes[index + 2]) {
        case (0xE2, 0x80, 0x9D), (0xE2, 0x80, 0x99), (0xE3, 0x80, 0x8D), (0xE3, 0x80, 0x8F), (0xEF, 0xBC, 0x89), (0xEF, 0xBC, 0x81), (0xEF, 0xBC, 0x9F): 3
        default: nil
        }
    }

    /// A small letter of Latin, Greek or Cyrillic.
    private static func isLower(_ bytes: [UInt8], at index: Int, before end: Int) -> Bool {
        guard bytes[index] >= 0x80 else { return ASCII.isLower(bytes[index]) }
        guard index + 1 < end, bytes[index] & 0xE0 == 0xC0, let scalar = Unicode.Scalar(UInt32(bytes[index] & 0x1F) << 6 | UInt32(bytes[index + 1] & 0x3F)) else { return false }
        return scalar.properties.isLowercase
    }

    /// The end of `[1]`, `[doc1]`, `[1, 2]` with a space before it, perhaps.
    static func citation(_ bytes: [UInt8], at index: Int, before end: Int) -> Int? {
        var next = index
        if next < end, bytes[next] == 0x20 { next += 1 }
        guard next < end, bytes[next] == UInt8(ascii: "[") else { return nil }
        let limit = min(end, next + 24)
        var hasDigit = false
        next += 1
        while next < limit, bytes[next] != UInt8(ascii: "]") {
            guard ASCII.isWord(bytes[next]) || ASCII.is(bytes[next], oneOf: " ,-:_^") else { return nil }
            hasDigit = hasDigit || ASCII.isDigit(bytes[next])
            next += 1
        }
        return next < limit && hasDigit ? next + 1 : nil
    }

    private static let abbreviations = Tokenizer.forms(
        """
        mr mrs ms dr prof st jr sr vs etc eg ie e.g i.e no nos fig figs vol pp ed eds al inc ltd co corp approx ca cf jan feb mar apr jun jul aug sep sept oct nov dec
        gen col capt lt sgt rev hon dept est min max sec art mt ft u.s u.k u.n a.m p.m z.b d.h bzw nr str bd
        mio mrd vgl ggf evtl inkl hrsg sra srta dra mme mlle
        """)
    private static let no = Tokenizer.hash("no".utf8)
    /// What follows an ordinal number in German: `3. Mai`, `19. Jahrhundert`.
    private static let afterOrdinals = Tokenizer.forms("januar februar marz april mai juni juli august september oktober november dezember jahrhundert jahrhunderts jh jahrtausend")

    /// Whether the word before a full stop is an abbreviation or a single capital, as in names.
    private static func isAbbreviation(_ bytes: [UInt8], at stop: Int, start: Int, before end: Int) -> Bool {
        var wordStart = stop
        while wordStart > start, stop - wordStart < 12, ASCII.isLetter(bytes[wordStart - 1]) || bytes[wordStart - 1] == UInt8(ascii: ".") { wordStart -= 1 }
        guard wordStart < stop else {
            // A list's number, `1. text`, is no sentence.
            var digit = stop
            while digit > start, stop - digit < 4, ASCII.isDigit(bytes[digit - 1]) { digit -= 1 }
            if (1...2).contains(stop - digit), stop + 1 < end, bytes[stop + 1] == 0x20, !bytes[start..<digit].isEmpty {
                var scanner = TokenScanner(bytes, span(stop + 1, min(end, stop + 24)))
                if let next = scanner.next(), afterOrdinals.contains(next.exact) { return true }
            }
            return digit < stop && stop - digit < 4 && bytes[start..<digit].suffix(80).allSatisfy { ASCII.isSpace($0) || $0 == UInt8(ascii: ">") }
        }
        if stop - wordStart == 1, ASCII.isUpper(bytes[wordStart]) { return true }
        // `z. B.`, `d. h.`: letters with stops, and spaces between them.
        if stop - wordStart == 1, stop + 3 < end, bytes[stop + 1] == 0x20, ASCII.isLetter(bytes[stop + 2]), bytes[stop + 3] == UInt8(ascii: ".") { return true }
        let word = Tokenizer.hash(bytes[wordStart..<stop].lazy.map(ASCII.lowered))
        guard abbreviations.contains(word) else { return false }
        return word != no || (stop + 2 < bytes.count && ASCII.isDigit(bytes[stop + 2]))
    }
}
