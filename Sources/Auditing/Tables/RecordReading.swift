// One record, or one row of a table, against a claim about it: dates, ages and durations, members of lists, numbers in any unit, one
// field with another. It says that the record says otherwise only where each word of the claim has its part in what was compared.

struct RecordReading {
    let claim: FieldClaim
    let table: Table
    let row: Table.Row
    let text: [UInt8]
    /// Bits of the words that name the record.
    let subject: UInt64
    /// Others of its kind are there, so that it must be named.
    let isOneOfMany: Bool

    private static let cellTokens = 60
    private static let later = Tokenizer.forms("after later following since before earlier prior")
    private static let ageForms = Tokenizer.forms("age aged old")
    private static let lived = Tokenizer.forms("lived live lives life lifespan")
    private static let ago = Tokenizer.forms("ago existed exists existence been has have around")
    private static let vague = Tokenizer.forms("almost nearly close roughly around about approximately")
    private static let agedForms = Tokenizer.forms("age aged ages")
    private static let persons = Tokenizer.forms("people person persons men women man woman individuals different separate total name names")
    /// What ends a period.
    private static let ends = Tokenizer.forms("stopped ended ends end disbanded retired quit until broke closed left dissolved")

    /// What it says to the claim; the first reading that applies.
    func read() -> Reading {
        guard !claim.denies else { return .foreign }
        return durations().or(comparison()).or(times()).or(counts()).or(numbers())
    }

    // MARK: What fields hold

    private func cell(_ column: Int) -> Range<Int> { row.cells.indices.contains(column) ? row.cells[column] : 0..<0 }

    private func dates(_ column: Int) -> [DateSpan] { table.columns[column].scale.isUnit ? [] : Dates.all(in: text, Tokenizer.tokens(of: text, cell(column), limit: Self.cellTokens)) }

    private func measures(_ column: Int) -> [Measure] {
        let tokens = Tokenizer.tokens(of: text, cell(column), limit: Self.cellTokens)
        return Measures.all(in: text, tokens, Quantities.all(in: text, tokens)).map(table.columns[column].scale.of)
    }

    /// The date of a field, if it holds one.
    private func date(_ column: Int) -> DateSpan? { dates(column).first { $0.days != nil } }

    /// How many a field lists: its number, or its parts between semicolons, or the elements of its JSON array; nil where it is not plain.
    private func count(_ column: Int) -> Int? {
        let cell = cell(column)
        guard !cell.isEmpty else { return nil }
        if cell.lowerBound > 0, text[cell.lowerBound - 1] == UInt8(ascii: "[") {
            let commas = text[cell].count { $0 == UInt8(ascii: ",") }
            let quotes = text[cell].count { $0 == UInt8(ascii: "\"") }
            return quotes == 0 || quotes == 2 * commas + 2 ? commas + 1 : nil
        }
        let tokens = Tokenizer.tokens(of: text, cell, limit: Self.cellTokens)
        let isList = text[cell].contains(UInt8(ascii: ";"))
        if let first = Quantities.all(in: text, tokens).first, first.token == 0 {
            return first.kind == .plain && first.value < 1000 && first.value == first.value.rounded() && !isList ? Int(first.value) : nil
        }
        let hasAnd = tokens.contains { $0.range.count == 3 && text.has("and", at: $0.range.lowerBound) }
        guard !hasAnd, !text[cell].contains(where: { ASCII.is($0, oneOf: ",(&") }) else { return nil }
        return text[cell].split(separator: UInt8(ascii: ";")).count { $0.contains(where: ASCII.isWord) }
    }

    /// The year when the record was written, if it tells (`1958 (age 60)`, `1975; 44 years ago`), and the latest that it speaks of.
    private var writing: (told: Int?, latest: Int) {
        var told: Int?
        var latest = 0
        for column in table.columns.indices {
            for date in dates(column) { if let days = date.end ?? date.days { latest = max(latest, days.lowerBound) } }
            guard told == nil, let first = date(column)?.days else { continue }
            let cell = text.text(cell(column)).lowercased()
            for mark in ["(age ", "; "] {
                guard let start = cell.range(after: mark), mark == "(age " || cell.contains("years ago"), let years = Int(cell[start...].prefix { $0.isNumber }), years < 1000 else { continue }
                if mark == "(age " || cell[start...].drop(while: \.isNumber).hasPrefix(" years ago") { told = first.lowerBound + years * 365 + years / 4 + 180 }
            }
        }
        return (told, latest)
    }

    // MARK: Findings

    /// - Parameter agrees: nil where the record does not tell. Where it would say otherwise, all words must have their part in it.
    private func reading(_ agrees: Bool?, _ words: UInt64, said: Range<Int>, columns: [Int], found: String? = nil) -> Reading {
        guard let agrees, let column = columns.first, agrees || claim.isWhole(words, subject: subject, isNamed: isOneOfMany || (subject == 0 && !row.key.isEmpty)) else { return .open }
        let names = columns.map { "'\(table.columns[$0].name)'" }.joined(separator: " and ")
        let field = columns.count > 1 ? "fields \(names)" : "field \(names)"
        let prefix = isOneOfMany ? table.keyColumn.map { "row '\(text.text(row.cells[$0]))', " } ?? "" : ""
        return .found(
            TableFinding(
                agrees: agrees, words: words | subject, said: claim.text.bytes.text(said), found: found ?? Self.short(columns.map { text.text(cell($0)) }.joined(separator: " and ")),
                place: prefix + field, document: row.document, evidence: columns.count > 1 || isOneOfMany ? row.range : cell(column)))
    }

    private func bindings(without used: UInt64) -> [FieldClaim.Binding] { claim.bindings(table, without: used | subject) }

    private static func short(_ text: String) -> String { text.count > 80 ? text.prefix(79) + "…" : text }

    // MARK: Times

    private func times() -> Reading {
        guard claim.dates.count == 1, let time = claim.dates.first, !time.isOpen else { return .foreign }
        let used = claim.bits(time.tokens) | claim.bits(in: FieldClaim.before) | claim.bits(in: FieldClaim.after)
        let said = span(claim.tokens[time.tokens.lowerBound].range.lowerBound, claim.tokens[time.tokens.upperBound - 1].range.upperBound)
        let bindings = bindings(without: used)
        guard let binding = claim.column(bindings, where: { !dates($0).isEmpty }) else {
            // A work `of the 19th century`: whatever its date is called.
            guard bindings.isEmpty, let days = time.days, days.count > 400, claim.relation(time) == .within else { return .foreign }
            let fits = table.columns.indices.compactMap { column in date(column).map { (column, claim.fit($0, time)) } }
            guard let first = fits.first?.0 else { return .foreign }
            return reading(fits.allSatisfy { $0.1 == true } ? true : fits.allSatisfy { $0.1 == false } ? false : nil, used, said: said, columns: [first])
        }
        var spans = dates(binding.column)
        if claim.has(Self.ends, in: 0..<claim.tokens.count) {
            // The end of a period, if it is told.
            guard spans.count == 1, let end = spans[0].end else { return .open }
            spans = [DateSpan(days: end, tokens: spans[0].tokens)]
        }
        let fits = spans.map { claim.fit($0, time) }
        return reading(fits.contains(true) ? true : fits.allSatisfy { $0 == false } ? false : nil, used | binding.words, said: said, columns: [binding.column])
    }

    // MARK: Ages and durations

    private func durations() -> Reading {
        guard claim.dates.isEmpty else { return .foreign }
        guard let measure = claim.measures.first(where: { $0.dimension == .time }) ?? singleUnit() else { return ageWithoutUnit() }
        let tokens = claim.tokens(in: measure.range)
        let used = claim.bits(measure) | claim.bits(tokens)
        let bindings = bindings(without: used)
        let isAge = claim.has(Self.ageForms, in: span(max(0, tokens.lowerBound - 3), tokens.upperBound + 2))
        if isAge || claim.has(Self.lived, in: 0..<claim.tokens.count) { return age(measure, used, bindings) }
        if claim.has(Self.later, in: span(tokens.upperBound, tokens.upperBound + 2)) { return distance(measure, used, bindings) }
        guard let binding = claim.column(bindings, where: { column in dates(column).first.map { $0.days != nil } ?? false }), let date = date(binding.column), let begin = date.days else { return .foreign }
        if let end = date.end { return reading(fits(measure, from: begin, to: end), used | binding.words, said: measure.range, columns: [binding.column]) }
        guard date.isOpen || claim.has(Self.ago, in: 0..<claim.tokens.count) else { return .open }
        return reading(fitsNow(measure, since: begin), used | binding.words, said: measure.range, columns: [binding.column])
    }

    /// `a decade`, `a year`: one of a unit.
    private func singleUnit() -> Measure? {
        for place in claim.tokens.indices.dropFirst() {
            guard let unit = Measures.unit(claim.tokens[place]), unit.dimension == .time, unit.factor >= 86400, claim.text.wordOf[place] >= 0,
                claim.has(Self.one, before: place, within: 1), !claim.has(Self.half, before: place, within: 2)
            else { continue }
            let range = span(claim.tokens[place - 1].range.lowerBound, claim.tokens[place].range.upperBound)
            let bound: Quantity.Bound = claim.has(FieldClaim.more, before: place - 1, within: 2) ? .atLeast : claim.has(FieldClaim.less, before: place - 1, within: 2) ? .atMost : .about
            return Measure(value: unit.factor, raw: 1, dimension: .time, unit: claim.tokens[place].exact, range: range, token: place - 1, bound: bound)
        }
        return nil
    }

    private static let one = Tokenizer.forms("a an one single")
    private static let half = Tokenizer.forms("half")

    /// `at the age of 48`, `aged 48`.
    private func ageWithoutUnit() -> Reading {
        guard let measure = claim.measures.first(where: { $0.dimension == .plain && $0.value < 130 && claim.has(Self.agedForms, before: $0.token, within: 3) }) else { return .foreign }
        var years = measure
        years.value *= 31_556_952
        years.unit = Tokenizer.hash("years".utf8)
        let used = claim.bits(measure)
        return age(years, used, bindings(without: used))
    }

    private func age(_ measure: Measure, _ used: UInt64, _ bindings: [FieldClaim.Binding]) -> Reading {
        let birth = table.columns.indices.filter { table.columns[$0].topics & FieldNames.born != 0 && date($0) != nil }
        guard birth.count == 1, let born = date(birth[0])?.days else { return .open }
        let words = used | claim.bits(in: Self.ageForms) | claim.bits(in: Self.lived)
        let others = bindings.filter { $0.column != birth[0] && date($0.column) != nil }
        let death = table.columns.indices.filter { table.columns[$0].topics & FieldNames.died != 0 && date($0) != nil }
        if let other = others.first, others.count == 1 || others[1].score < other.score, let days = date(other.column)?.days {
            return reading(fits(measure, from: born, to: days, isAge: true), words | other.words, said: measure.range, columns: [birth[0], other.column])
        }
        guard bindings.isEmpty || bindings[0].column == birth[0] else { return .open }
        if death.count == 1, let days = date(death[0])?.days, claim.has(Self.lived, in: 0..<claim.tokens.count) {
            return reading(fits(measure, from: born, to: days, isAge: true), words, said: measure.range, columns: [birth[0], death[0]])
        }
        guard death.isEmpty else { return .open }
        return reading(fitsNow(measure, since: born, isAge: true), words, said: measure.range, columns: birth)
    }

    /// `16 years after he began his career`: two fields are named.
    private func distance(_ measure: Measure, _ used: UInt64, _ bindings: [FieldClaim.Binding]) -> Reading {
        let dated = bindings.filter { date($0.column) != nil }
        guard dated.count == 2, dated[0].words & dated[1].words == 0, let one = date(dated[0].column), let other = date(dated[1].column), let first = one.days, let second = other.days else { return .open }
        let (begin, end) = first.lowerBound <= second.lowerBound ? (one.end ?? first, second) : (other.end ?? second, first)
        guard begin.lowerBound <= end.upperBound else { return .open }
        return reading(fits(measure, from: begin, to: end), used | dated[0].words | dated[1].words | claim.bits(in: Self.later), said: measure.range, columns: [dated[0].column, dated[1].column])
    }

    /// Whether a duration fits two days that are known within bounds; whole years have passed for ages.
    private func fits(_ measure: Measure, from begin: ClosedRange<Int>, to end: ClosedRange<Int>, isAge: Bool = false) -> Bool? {
        let unit = measure.unitSeconds / 86400
        let least = Double(end.lowerBound - begin.upperBound) / unit
        let most = Double(end.upperBound - begin.lowerBound) / unit
        guard most >= 0 else { return nil }
        let value = measure.value / 86400 / unit
        // What is counted in units is known to one of them, on either side.
        let slack = isAge ? 0.1 : 1.1
        switch measure.bound {
        case .atLeast: return least >= value - 0.01 ? true : most < value - 0.05 ? false : nil
        case .atMost: return most <= value + 0.01 ? true : least > value + 0.05 ? false : nil
        case .about: return most >= value * 0.85 - 1 && least <= value * 1.15 + 1 ? true : most < value * 0.75 - 1 || least > value * 1.3 + 1 ? false : nil
        case .exact:
            if most >= value - 0.1, least <= value + 1 { return true }
            return most < value - slack || least > value + 1 + slack ? false : nil
        }
    }

    /// The same up to the time of writing, if that is told; otherwise it went on at least to the latest time that the record knows of.
    private func fitsNow(_ measure: Measure, since begin: ClosedRange<Int>, isAge: Bool = false) -> Bool? {
        let writing = self.writing
        if let told = writing.told { return fits(measure, from: begin, to: told...(told + 500), isAge: isAge) }
        let known = fits(measure, from: begin, to: max(begin.lowerBound, writing.latest)...max(begin.lowerBound, writing.latest), isAge: isAge)
        return measure.bound == .atLeast && known == true ? true : measure.bound == .atMost && known == false ? false : nil
    }

    // MARK: Lists

    /// `has three children`, `was directed by two people`, `more than one label`.
    private func counts() -> Reading {
        guard claim.measures.count <= 1, claim.dates.isEmpty, let said = claim.count else { return .foreign }
        let number = claim.bits(said.place..<(said.place + 1))
        // What is counted stands right behind the number, or it is persons.
        let counted = span(said.place + 1, min(claim.tokens.count, said.place + 4))
        let isPersons = claim.has(Self.persons, in: counted)
        let bindings = bindings(without: number).filter { isPersons || $0.words & claim.bits(counted) != 0 }
        guard let binding = claim.column(bindings, where: { _ in true }) else { return .foreign }
        guard date(binding.column) == nil, let count = count(binding.column) else { return .open }
        var words = number | binding.words | claim.bits(in: Self.persons)
        for forms in [FieldClaim.only, FieldClaim.several, FieldClaim.multiple, FieldClaim.more, FieldClaim.less] { words |= claim.bits(in: forms) }
        let agrees = said.range.contains(count)
        let range = span(claim.tokens[said.place].range.lowerBound, claim.tokens[min(claim.tokens.count - 1, said.place + 1)].range.upperBound)
        return reading(agrees, words, said: range, columns: [binding.column], found: agrees ? nil : "\(count)")
    }

    // MARK: Numbers

    /// `longer than two hours` against `121 minutes`.
    private func numbers() -> Reading {
        guard claim.measures.count == 1, claim.dates.isEmpty, let measure = claim.measures.first else { return .foreign }
        let used = claim.bits(measure)
        let bindings = bindings(without: used)
        func comparable(_ column: Int) -> [Measure] { measures(column).filter { measure.isComparable(to: $0) } }
        var binding = claim.column(bindings, where: { !comparable($0).isEmpty && dates($0).isEmpty })
        if binding == nil, bindings.isEmpty, measure.dimension != .plain {
            // Only one field holds the like.
            let columns = table.columns.indices.filter { !comparable($0).isEmpty }
            if columns.count == 1 { binding = FieldClaim.Binding(column: columns[0], words: 0, score: 0) }
        }
        guard let binding else { return .foreign }
        let others = comparable(binding.column)
        // From one number to another is a range, within which nothing is certain.
        guard others.count == 1 || !text[cell(binding.column)].contains(0xE2) else { return .open }
        let fits = others.map { measure.admits($0) }
        let isBound = measure.bound == .atLeast || measure.bound == .atMost
        let agrees = (isBound ? fits.allSatisfy { $0 == true } : fits.contains(true)) ? true : fits.allSatisfy { $0 == false } ? false : nil
        let words = used | binding.words | claim.bits(in: FieldClaim.more) | claim.bits(in: FieldClaim.less) | claim.bits(in: Self.vague)
        return reading(agrees, words, said: measure.range, columns: [binding.column])
    }

    // MARK: One field with another

    /// `more points scored than matches played`, `the box office was 400 million more than the budget`.
    private func comparison() -> Reading {
        guard let than = claim.tokens.indices.first(where: { FieldClaim.than.contains(claim.tokens[$0].exact) }), claim.dates.isEmpty else { return .foreign }
        let isMore = claim.has(FieldClaim.more, before: than, within: 4)
        guard isMore != claim.has(FieldClaim.less, before: than, within: 4) else { return .foreign }
        let bindings = bindings(without: 0).filter { !measures($0.column).isEmpty }
        let left = bindings.filter { $0.words & claim.bits(0..<than) != 0 }
        let right = bindings.filter { $0.words & claim.bits(0..<than) == 0 }
        guard let one = left.first, let other = right.first else { return .foreign }
        guard left.count == 1 || left[1].score < one.score, right.count == 1 || right[1].score < other.score, one.column != other.column,
            let first = measures(one.column).first, let second = measures(other.column).first, first.dimension == second.dimension
        else { return .open }
        let difference = isMore ? first.value - second.value : second.value - first.value
        var agrees: Bool? = difference > 0
        var words = one.words | other.words | claim.bits(in: FieldClaim.more) | claim.bits(in: FieldClaim.less)
        if let said = claim.measures.first(where: { $0.token < than && $0.dimension == first.dimension }) {
            agrees = said.admits(difference, isConverted: false)
            words |= claim.bits(said) | claim.bits(in: Self.vague)
        }
        return reading(agrees, words, said: claim.text.range, columns: [one.column, other.column])
    }
}

extension Measure {
    /// Seconds of one of its units of time; a year where none is known.
    fileprivate var unitSeconds: Double { Measures.seconds(unit) ?? 31_556_952 }
}

extension String {
    /// Where a text that follows a mark begins.
    fileprivate func range(after mark: String) -> Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(mark) { return index(start, offsetBy: mark.count) }
            formIndex(after: &start)
        }
        return nil
    }
}
