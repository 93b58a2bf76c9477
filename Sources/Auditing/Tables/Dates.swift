// Times in texts, `25 December 1763`, `May 2000`, `the 1970s`, `19th century`, `the spring of 1987`, `in August`, and periods between
// two of them: as days from the first to the last that they may mean.

/// A time that a text speaks of.
struct DateSpan: Equatable {
    /// First and last day, counted from 1 March of the year 0; nil for a month or season of no year.
    var days: ClosedRange<Int>?
    /// Bits of the months, the lowest of them January; 0 if none is told.
    var months: UInt16 = 0
    /// Where it stands, in tokens.
    var tokens: Range<Int>
    /// From one time to another, or open: `1962–1997`, `1994–present`. `days` is the beginning then.
    var end: ClosedRange<Int>?
    var isOpen = false

    /// Whether another time falls within this one; nil if it is not told exactly enough.
    func holds(_ other: DateSpan) -> Bool? {
        var isWhole = true
        if let days {
            guard let its = other.days else { return nil }
            guard days.overlaps(its) else { return false }
            isWhole = days.lowerBound <= its.lowerBound && its.upperBound <= days.upperBound
        }
        if months != 0 {
            guard other.months != 0 else { return nil }
            guard months & other.months != 0 else { return false }
            isWhole = isWhole && other.months & ~months == 0
        }
        return isWhole ? true : nil
    }
}

enum Dates {
    private static let ordinals: HashTable = numbered(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth", from: 1)
    private static let decades: HashTable = numbered("twenties thirties forties fifties sixties seventies eighties nineties", from: 2)
    /// Bits of the months of spring, summer, autumn, winter, both ways to count them.
    private static let seasons: [(words: HashSet, months: UInt16)] = [
        (Tokenizer.forms("spring springtime"), 0b0000_0011_1100), (Tokenizer.forms("summer summertime"), 0b0001_1110_0000), (Tokenizer.forms("autumn fall"), 0b1111_0000_0000),
        (Tokenizer.forms("winter wintertime"), 0b1100_0000_0111),
    ]
    private static let century = Tokenizer.stem(of: "century")
    private static let of = Tokenizer.hash("of".utf8)
    private static let open = Tokenizer.forms("present now today current currently ongoing")

    private static func numbered(_ words: String, from first: Int) -> HashTable {
        var table = HashTable(capacity: 40)
        for (number, word) in words.split(separator: " ").enumerated() { table.set(Tokenizer.hash(word.utf8), Int32(first + number)) }
        return table
    }

    /// Days since 1 March of the year 0, by the calendar of today.
    static func day(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month > 2 ? year : year - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + ((month + 9) % 12 * 306 + 5) / 10 + day - 1
    }

    private static func lastDay(_ year: Int, _ month: Int) -> Int { month == 12 ? day(year + 1, 1, 1) - 1 : day(year, month + 1, 1) - 1 }

    /// The times of a text, in order.
    static func all(in bytes: [UInt8], _ tokens: [Token]) -> [DateSpan] {
        var found: [Part] = []
        var index = 0
        while index < tokens.count {
            if let part = part(bytes, tokens, index) {
                found.append(part)
                index = max(part.tokens.upperBound, index + 1)
            } else {
                index += 1
            }
        }
        return joined(found, bytes, tokens)
    }

    /// A time before it is known whether the next one lends it its year.
    private struct Part {
        var year: Int?
        var years = 1
        var month: Int?
        var day: Int?
        var season: UInt16 = 0
        var tokens: Range<Int>

        func span(year lent: Int? = nil) -> DateSpan {
            guard let year = year ?? lent else { return DateSpan(days: nil, months: season != 0 ? season : month.map { 1 << UInt16($0 - 1) } ?? 0, tokens: tokens) }
            var span = DateSpan(days: Dates.day(year, 1, 1)...(Dates.day(year + years, 1, 1) - 1), tokens: tokens)
            if let month {
                span.months = 1 << UInt16(month - 1)
                span.days = day.map { Dates.day(year, month, $0)...Dates.day(year, month, $0) } ?? Dates.day(year, month, 1)...Dates.lastDay(year, month)
            } else if season != 0 {
                span.months = season
            }
            return span
        }
    }

    private static func part(_ bytes: [UInt8], _ tokens: [Token], _ index: Int) -> Part? {
        let token = tokens[index]
        if token.isNumber {
            guard let number = whole(bytes, token) else { return nil }
            if number.suffix == "s", (1000...2190).contains(number.value), number.value % 10 == 0 {
                return Part(year: number.value, years: number.value % 100 == 0 ? 100 : 10, tokens: index..<(index + 1))
            }
            if number.suffix == "s", number.digits == 2, number.value % 10 == 0 { return Part(year: 1900 + number.value, years: 10, tokens: index..<(index + 1)) }
            if index + 1 < tokens.count, !number.suffix.isEmpty, number.suffix != "s", tokens[index + 1].stem == century, (1...22).contains(number.value) {
                return Part(year: number.value * 100 - 100, years: 101, tokens: index..<(index + 2))
            }
            let isDay = (1...31).contains(number.value) && number.digits <= 2 && number.suffix != "s"
            if isDay, var next = month(bytes, tokens, index + 1) {
                next.day = number.value
                next.tokens = index..<next.tokens.upperBound
                return next
            }
            // `1500 metres` is no year.
            if index + 1 < tokens.count, gap(bytes, tokens, index + 1).count <= 1, Measures.unit(tokens[index + 1]) != nil { return nil }
            return number.suffix.isEmpty && number.digits == 4 && (1000...2190).contains(number.value) ? Part(year: number.value, tokens: index..<(index + 1)) : nil
        }
        if let month = month(bytes, tokens, index) { return month }
        let ordinal = ordinals[token.exact]
        if ordinal >= 0, index + 1 < tokens.count, tokens[index + 1].stem == century {
            let isTwenty = index > 0 && bytes[tokens[index - 1].range].count == 6 && bytes.has("twenty", at: tokens[index - 1].range.lowerBound)
            return Part(year: (Int(ordinal) + (isTwenty ? 20 : 0)) * 100 - 100, years: 101, tokens: index..<(index + 2))
        }
        // `in his thirties` is an age.
        if decades[token.exact] >= 0, index == 0 || !possessives.contains(tokens[index - 1].exact) { return Part(year: 1900 + Int(decades[token.exact]) * 10, years: 10, tokens: index..<(index + 1)) }
        guard let season = seasons.first(where: { $0.words.contains(token.exact) }), isSeason(tokens, index) else { return nil }
        var part = Part(season: season.months, tokens: index..<(index + 1))
        takeYear(&part, bytes, tokens)
        return part
    }

    private static let possessives = Tokenizer.forms("his her their early mid late")

    /// `fall` and `spring` are verbs too: a year follows, or an article or a preposition stands before them.
    private static let beforeSeasons = Tokenizer.forms("the in during of this last late early")
    private static func isSeason(_ tokens: [Token], _ index: Int) -> Bool { index == 0 || beforeSeasons.contains(tokens[index - 1].exact) || tokens[index].isCapitalised }

    private static func month(_ bytes: [UInt8], _ tokens: [Token], _ index: Int) -> Part? {
        guard index < tokens.count, Quantities.isMonth(tokens[index]), let month = Quantities.month(tokens[index]) else { return nil }
        var part = Part(month: month, tokens: index..<(index + 1))
        if index + 1 < tokens.count, tokens[index + 1].isNumber, let number = whole(bytes, tokens[index + 1]), number.digits <= 2, (1...31).contains(number.value), number.suffix != "s",
            gap(bytes, tokens, index + 1).count <= 2
        {
            part.day = number.value
            part.tokens = index..<(index + 2)
        }
        takeYear(&part, bytes, tokens)
        return part
    }

    private static func takeYear(_ part: inout Part, _ bytes: [UInt8], _ tokens: [Token]) {
        var next = part.tokens.upperBound
        if next < tokens.count, tokens[next].exact == of { next += 1 }
        guard next < tokens.count, tokens[next].isNumber, gap(bytes, tokens, next).count <= 2, let year = whole(bytes, tokens[next]), year.digits == 4, year.suffix.isEmpty,
            (1000...2190).contains(year.value)
        else { return }
        part.year = year.value
        part.tokens = part.tokens.lowerBound..<(next + 1)
    }

    private static func gap(_ bytes: [UInt8], _ tokens: [Token], _ index: Int) -> ArraySlice<UInt8> { bytes[span(tokens[index - 1].range.upperBound, tokens[index].range.lowerBound)] }

    private static func whole(_ bytes: [UInt8], _ token: Token) -> (value: Int, digits: Int, suffix: String)? {
        let digits = bytes[token.range].prefix(while: ASCII.isDigit)
        let suffix = bytes[token.range].dropFirst(digits.count)
        guard digits.count <= 4, suffix.count <= 2, suffix.allSatisfy(ASCII.isLetter), let value = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
        return (value, digits.count, bytes.lowercased(suffix.startIndex..<suffix.endIndex))
    }

    private static let dashes = ["-", "–", "—", "to", "until", "till", ") –", ") -"]

    /// Puts times together that a dash joins: a period; `1873-74` and `1958/1959` are one uncertain time.
    private static func joined(_ parts: [Part], _ bytes: [UInt8], _ tokens: [Token]) -> [DateSpan] {
        var result: [DateSpan] = []
        var index = 0
        while index < parts.count {
            var span = parts[index].span()
            let end = tokens[parts[index].tokens.upperBound - 1].range.upperBound
            let following = parts[index].tokens.upperBound
            if index + 1 < parts.count {
                let next = parts[index + 1]
                let between = bytes.text(bytes.trimmed(Auditing.span(end, tokens[next.tokens.lowerBound].range.lowerBound)))
                if dashes.contains(between), let days = parts[index].span(year: next.year).days, let last = next.span().days, days.lowerBound <= last.upperBound {
                    span = parts[index].span(year: next.year)
                    span.end = last
                    span.tokens = span.tokens.lowerBound..<next.tokens.upperBound
                    index += 1
                } else if between == "/", let days = span.days, let last = next.span().days, days.lowerBound <= last.upperBound {
                    span.days = days.lowerBound...last.upperBound
                    span.tokens = span.tokens.lowerBound..<next.tokens.upperBound
                    index += 1
                }
            }
            if span.end == nil, following < tokens.count, following == span.tokens.upperBound {
                let between = bytes.text(bytes.trimmed(Auditing.span(end, tokens[following].range.lowerBound)))
                if dashes.contains(between), open.contains(tokens[following].exact) {
                    span.isOpen = true
                } else if between == "-" || between == "–", let year = parts[index].year, let days = span.days, let short = whole(bytes, tokens[following]), short.digits == 2,
                    short.value > year % 100
                {
                    span.days = days.lowerBound...(Dates.day(year - year % 100 + short.value + 1, 1, 1) - 1)
                    span.tokens = span.tokens.lowerBound..<(following + 1)
                }
            }
            result.append(span)
            index += 1
        }
        return result
    }
}
