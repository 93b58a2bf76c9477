// A table of several rows against a claim: the row that it names, rows compared with each other, extremes, totals, counts of rows. Where
// a cell is missing or another row would do as well, it says nothing.

struct TableReading {
    private let claim: FieldClaim
    private let table: Table
    private let texts: [[UInt8]]
    /// Rows that are not sums of others.
    private let plain: [Int]
    /// The rows that the claim names, in its order.
    private let named: [(row: Int, words: UInt64)]
    /// The claim's numbers but those that say of how many rows it speaks (`the longest of the three`), and the words of these, where
    /// they are as many as there are rows.
    private let measures: [Measure]
    private let allRows: UInt64

    private static let maximum = Tokenizer.forms("highest longest tallest largest biggest greatest heaviest deepest widest fastest most latest newest youngest dearest")
    private static let minimum = Tokenizer.forms("lowest shortest smallest lightest shallowest narrowest slowest earliest oldest fewest least cheapest")
    private static let greater = Tokenizer.forms("more higher taller longer larger bigger greater heavier deeper wider faster later newer younger")
    private static let smaller = Tokenizer.forms("less fewer lower shorter smaller lighter shallower narrower slower earlier older cheaper")
    /// Of ages they say the contrary of what they say of years.
    private static let ages = Tokenizer.forms("oldest youngest newest older younger newer")
    private static let age = Tokenizer.stem(of: "age")
    private static let sizes = Tokenizer.forms("largest biggest smallest larger bigger smaller")
    private static let population = FieldNames.topics(of: Tokenizer.stem(of: "population"))
    private static let ordinals = [(Tokenizer.forms("second"), 1), (Tokenizer.forms("third"), 2), (Tokenizer.forms("fourth"), 3), (Tokenizer.forms("fifth"), 4)]
    private static let of = Tokenizer.forms("of")
    private static let among = Tokenizer.forms("of among amongst")
    private static let the = Tokenizer.forms("the these those")
    private static let all = Tokenizer.forms("all")
    private static let one = Tokenizer.forms("one")
    private static let sums = Tokenizer.forms("total sum combined together altogether overall")
    private static let means = Tokenizer.forms("average mean")
    private static let difference = Tokenizer.forms("difference gap")
    private static let totals = Set(["total", "sum", "average", "mean", "all"].map { Tokenizer.stem(of: $0) })
    private static let rowWords = Tokenizer.forms("row rows entry entries item items record records list lists listed contains there table of are")

    init(claim: FieldClaim, table: Table, texts: [[UInt8]]) {
        self.claim = claim
        self.table = table
        self.texts = texts
        plain = table.rows.indices.filter { !Self.totals.isSuperset(of: table.rows[$0].key.prefix(1)) || table.rows[$0].key.isEmpty }
        let count = Double(plain.count)
        let numbers = claim.measures.filter {
            $0.dimension == .plain
                && (claim.has(Self.all, before: $0.token, within: 1)
                    || (claim.has(Self.the, before: $0.token, within: 1) && ($0.value == count || claim.has(Self.among, before: $0.token, within: 2))))
        }
        measures = claim.measures.filter { measure in !numbers.contains { $0.token == measure.token } }
        allRows = numbers.reduce(0) { $1.value == count ? $0 | claim.bits($1) : $0 }
        var found: [(row: Int, words: UInt64)] = []
        for (row, entry) in table.rows.enumerated() where !entry.key.isEmpty {
            guard entry.key.allSatisfy({ stem in claim.text.words.contains { $0.token.stem == stem } }) else { continue }
            found.append((row, claim.bits(of: entry.key)))
        }
        // Not those whose words are part of another's name.
        named = found.filter { one in !found.contains { $0.row != one.row && $0.words & one.words == one.words && $0.words != one.words } }
            .sorted { $0.words.trailingZeroBitCount < $1.words.trailingZeroBitCount }
    }

    func read() -> Reading {
        guard !claim.denies else { return .foreign }
        return extreme().or(comparison()).or(sum()).or(row()).or(name()).or(count())
    }

    /// The words of the claim's numbers that stand in a row which it names, whatever they are said of, or say how many rows there are.
    var held: UInt64 {
        measures.reduce(table.isWhole ? allRows : 0) { bits, measure in
            let isHeld = named.contains { name in table.rows[name.row].values.contains { $0.map { measure.isComparable(to: $0.measure) && measure.admits($0.measure) == true } ?? false } }
            return isHeld ? bits | claim.bits(measure.token..<(measure.token + 1)) : bits
        }
    }

    private func row() -> Reading {
        guard named.count == 1, let (row, words) = named.first else { return .foreign }
        return RecordReading(claim: claim, table: table, row: table.rows[row], text: texts[table.rows[row].document], subject: words, isOneOfMany: true).read()
    }

    /// `Corvo was designed by Edwin Pascoe`, whose name stands there in another row.
    private func name() -> Reading {
        guard named.count == 1, let (row, words) = named.first else { return .foreign }
        let bindings = claim.bindings(table, without: words)
        guard let binding = claim.column(bindings, where: { column in plain.allSatisfy { table.rows[$0].values[column] == nil } }) else { return .foreign }
        func stems(_ row: Int) -> [UInt32] { tokens(row, binding.column).filter { !$0.isStop }.map(\.stem) }
        func isSaid(_ stems: [UInt32]) -> Bool { !stems.isEmpty && stems.allSatisfy { claim.bits(of: [$0]) & ~(words | binding.words | header) != 0 } }
        let own = stems(row)
        if isSaid(own) { return reading(true, words | binding.words | claim.bits(of: own), said: range(claim.bits(of: own)), found: text(row, binding.column), column: binding.column, row: row) }
        guard !own.isEmpty, let other = plain.first(where: { isSaid(stems($0)) }), Set(own).isDisjoint(with: stems(other)) else { return .foreign }
        let said = claim.bits(of: stems(other))
        return reading(false, words | binding.words | said, said: range(said), found: "\(text(row, binding.column)) for \(name(row))", column: binding.column, row: row)
    }

    // MARK: Columns

    private func tokens(_ row: Int, _ column: Int) -> [Token] { Tokenizer.tokens(of: texts[table.rows[row].document], table.rows[row].cells[column], limit: 20) }

    private func value(_ row: Int, _ column: Int) -> Measure? { table.rows[row].values[column]?.measure }

    /// The values of a column in the plain rows; nil if one is missing or of another kind.
    private func values(_ column: Int) -> [Measure]? {
        var values: [Measure] = []
        for row in plain {
            guard let value = value(row, column), value.dimension == values.first?.dimension ?? value.dimension else { return nil }
            values.append(value)
        }
        return values.count > 1 ? values : nil
    }

    /// The column that the claim speaks of, or the only one that holds values where no word names one.
    private func column(without used: UInt64) -> FieldClaim.Binding? {
        let bindings = claim.bindings(table, without: used)
        if let named = claim.column(bindings, where: { values($0) != nil }) {
            // `the largest city` may be the one of most inhabitants.
            let isSize = named.score < 1 && claim.has(Self.sizes, in: 0..<claim.tokens.count)
            return isSize && table.columns.contains { $0.topics & Self.population != 0 } ? nil : named
        }
        guard bindings.isEmpty else { return nil }
        let columns = table.columns.indices.filter { $0 != table.keyColumn && values($0) != nil }
        return columns.count == 1 ? FieldClaim.Binding(column: columns[0], words: 0, score: 0) : nil
    }

    /// The same where some words tell of how much rather than of what: they count only where no other names a column (`the largest
    /// population`, `the largest country`).
    private func column(besides degree: UInt64, without used: UInt64) -> FieldClaim.Binding? {
        claim.bindings(table, without: used | degree).isEmpty ? column(without: used) : column(without: used | degree)
    }

    /// The direction that one of its words gives, turned for ages.
    private func rises(_ up: HashSet, _ down: HashSet, _ column: Int) -> Bool {
        let rises = claim.has(up, in: 0..<claim.tokens.count)
        return claim.has(Self.ages, in: 0..<claim.tokens.count) && table.columns[column].words.contains(Self.age) ? !rises : rises
    }

    private var header: UInt64 { table.keyColumn.map { claim.bits(of: table.columns[$0].words) } ?? 0 }

    private func name(_ row: Int) -> String { table.keyColumn.map { texts[table.rows[row].document].text(table.rows[row].cells[$0]) } ?? "" }

    private func text(_ row: Int, _ column: Int) -> String { texts[table.rows[row].document].text(table.rows[row].cells[column]) }

    /// - Parameter row: what is shown for it.
    private func reading(_ agrees: Bool?, _ words: UInt64, said: Range<Int>, found: String, column: Int, row: Int) -> Reading {
        let words = words | header | allRows
        guard let agrees, agrees || claim.isWhole(words) else { return .open }
        return .found(
            TableFinding(
                agrees: agrees, words: words, said: claim.text.bytes.text(said), found: found, place: "column '\(table.columns[column].name)'", document: table.rows[row].document,
                evidence: table.rows[row].range))
    }

    private func range(_ words: UInt64) -> Range<Int> {
        let places = claim.text.words.indices.filter { words >> UInt64($0) & 1 == 1 }.map { claim.text.words[$0].token.range }
        return span(places.map(\.lowerBound).min() ?? 0, places.map(\.upperBound).max() ?? 0)
    }

    // MARK: Extremes

    /// `the highest is Mount Aldan`, `the second longest is 12 km`.
    private func extreme() -> Reading {
        guard let place = claim.tokens.indices.first(where: { Self.maximum.contains(claim.tokens[$0].exact) || Self.minimum.contains(claim.tokens[$0].exact) }),
            claim.has(Self.maximum, in: 0..<claim.tokens.count) != claim.has(Self.minimum, in: 0..<claim.tokens.count)
        else { return .foreign }
        let superlative = claim.bits(in: Self.maximum) | claim.bits(in: Self.minimum)
        guard !(claim.has(Self.one, before: place, within: 4) && claim.has(Self.of, before: place, within: 3)), table.rows.count < Table.rowLimit, let binding = column(besides: superlative, without: 0), let values = values(binding.column)
        else { return .open }
        let rank = Self.ordinals.first { claim.has($0.0, before: place, within: 1) }
        let rises = rises(Self.maximum, Self.minimum, binding.column)
        let order = plain.indices.sorted { rises ? values[$0].value > values[$1].value : values[$0].value < values[$1].value }
        guard let place = rank?.1 ?? Optional(0), place < order.count else { return .open }
        let wanted = values[order[place]].value
        let tied = plain.indices.filter { values[$0].value == wanted }
        let words = superlative | binding.words | (rank.map { claim.bits(in: $0.0) } ?? 0)
        let row = plain[order[place]]
        let found = "\(name(row)) (\(text(row, binding.column)))"
        if named.count == 1 {
            let isRight = tied.contains { plain[$0] == named[0].row }
            guard isRight || tied.count == 1 else { return .open }
            if isRight, let measure = measures.first, measure.isComparable(to: values[order[place]]), measure.admits(values[order[place]]) == false {
                return reading(false, words | named[0].words | claim.bits(measure), said: measure.range, found: found, column: binding.column, row: row)
            }
            let number = isRight ? measures.filter { $0.isComparable(to: values[order[place]]) }.reduce(0) { $0 | claim.bits($1) } : 0
            return reading(isRight, words | named[0].words | number, said: range(named[0].words), found: found, column: binding.column, row: row)
        }
        guard named.isEmpty, measures.count == 1, let measure = measures.first, measure.isComparable(to: values[order[place]]) else { return .open }
        return reading(measure.admits(values[order[place]]), words | claim.bits(measure), said: measure.range, found: found, column: binding.column, row: row)
    }

    // MARK: Rows with each other

    /// `Aldan is 200 m higher than Brekke`, `the difference between Aldan and Brekke is 200 m`.
    private func comparison() -> Reading {
        let than = claim.tokens.indices.first { FieldClaim.than.contains(claim.tokens[$0].exact) }
        let isDifference = claim.has(Self.difference, in: 0..<claim.tokens.count)
        guard named.count == 2, than != nil || isDifference else { return .foreign }
        let comparatives = claim.bits(in: Self.greater) | claim.bits(in: Self.smaller)
        let names = named[0].words | named[1].words
        guard named[0].words & named[1].words == 0, let binding = column(besides: comparatives, without: names), let first = value(named[0].row, binding.column), let second = value(named[1].row, binding.column),
            first.dimension == second.dimension
        else { return .open }
        let found = "\(text(named[0].row, binding.column)) for \(name(named[0].row)) and \(text(named[1].row, binding.column)) for \(name(named[1].row))"
        var words = names | binding.words | comparatives | claim.bits(in: Self.difference)
        let measure = measures.first { $0.token < than ?? .max }
        var distance = abs(first.value - second.value)
        var agrees: Bool?
        if let than {
            guard claim.place(ofFirst: named[0].words) < than, than < claim.place(ofFirst: named[1].words), claim.has(Self.greater, in: 0..<than) != claim.has(Self.smaller, in: 0..<than)
            else { return .open }
            distance = rises(Self.greater, Self.smaller, binding.column) ? first.value - second.value : second.value - first.value
            agrees = distance > 0
        }
        if let measure {
            words |= claim.bits(measure)
            guard measure.isComparable(to: first), !isDate(binding.column), first.unit == second.unit else { return .open }
            agrees = measure.dimension == .plain && first.value != 0 ? measure.admits(distance * first.raw / first.value, isConverted: false) : measure.admits(distance, isConverted: measure.unit != first.unit)
        }
        return reading(agrees, words, said: range(words), found: found, column: binding.column, row: named[0].row)
    }

    private func isDate(_ column: Int) -> Bool { plain.first.flatMap { table.rows[$0].values[column]?.isDate } ?? false }

    // MARK: Totals

    /// `together they have 120 beds`, `the average is 40`: of all rows, or of those that are named.
    private func sum() -> Reading {
        let isMean = claim.has(Self.means, in: 0..<claim.tokens.count)
        guard isMean || claim.has(Self.sums, in: 0..<claim.tokens.count), named.count != 1 else { return .foreign }
        let names = named.reduce(0) { $0 | $1.words }
        guard table.isWhole || !named.isEmpty, measures.count == 1, let measure = measures.first, let binding = column(without: names), !isDate(binding.column), let values = values(binding.column), let first = values.first,
            measure.isComparable(to: first), values.allSatisfy({ $0.unit == first.unit })
        else { return .open }
        let rows = named.isEmpty ? plain : named.map(\.row)
        var total = rows.reduce(0.0) { sum, row in sum + (value(row, binding.column).map { measure.dimension == .plain && $0.dimension != .plain ? $0.raw : $0.value } ?? .nan) }
        if isMean { total /= Double(rows.count) }
        guard total.isFinite else { return .open }
        let agrees = measure.admits(total, isConverted: isMean || (measure.dimension != .plain && measure.unit != first.unit))
        let words = names | binding.words | claim.bits(in: Self.sums) | claim.bits(in: Self.means) | claim.bits(measure)
        let shown = measure.dimension == first.dimension && first.value != 0 ? total * first.raw / first.value : total
        return reading(agrees, words, said: measure.range, found: "numbers whose \(isMean ? "mean" : "sum") is \(SelfChecks.shown(shown))", column: binding.column, row: rows[0])
    }

    // MARK: Counts

    /// `three of the stations opened before 1900`, `the table lists five stations`.
    private func count() -> Reading {
        guard let keyColumn = table.keyColumn, named.isEmpty, let said = claim.count else { return .foreign }
        let number = claim.bits(said.place..<(said.place + 1))
        let near = span(said.place + 1, min(claim.tokens.count, said.place + 5))
        guard header & claim.bits(near) != 0 || claim.has(Self.rowWords, in: near) && header == 0 else { return .foreign }
        guard table.isWhole else { return .open }
        let words = number | header | allRows | claim.bits(in: Self.rowWords)
        let others = measures.filter { $0.token != said.place }
        guard others.count + claim.dates.count <= 1 else { return .open }
        var matching: [Int]?
        var used: UInt64 = 0
        if let time = claim.dates.first {
            guard let binding = claim.column(claim.bindings(table, without: words | claim.bits(time.tokens)), where: { isDate($0) }) else { return .open }
            used = claim.bits(time.tokens) | binding.words | claim.bits(in: FieldClaim.before) | claim.bits(in: FieldClaim.after)
            matching = rows { row in Dates.all(in: texts[table.rows[row].document], tokens(row, binding.column)).first.flatMap { claim.fit($0, time) } }
        } else if let measure = others.first {
            guard let binding = claim.column(claim.bindings(table, without: words | claim.bits(measure)), where: { values($0)?.first.map(measure.isComparable) ?? false }) else { return .open }
            used = claim.bits(measure) | binding.words | claim.bits(in: FieldClaim.more) | claim.bits(in: FieldClaim.less)
            matching = rows { row in value(row, binding.column).flatMap { measure.admits($0) } }
        } else if claim.all & ~words == 0 {
            matching = plain
        } else {
            // What the cells of one column say.
            for column in table.columns.indices where column != keyColumn {
                let said = plain.filter { row in
                    let stems = tokens(row, column).filter { !$0.isStop }.map(\.stem)
                    return !stems.isEmpty && stems.allSatisfy { claim.bits(of: [$0]) & ~words != 0 }
                }
                guard let first = said.first else { continue }
                guard matching == nil else { return .open }
                matching = said
                used = claim.bits(of: tokens(first, column).map(\.stem)) | claim.bits(of: table.columns[column].words)
            }
        }
        guard let matching, let row = matching.first ?? plain.first, claim.isWhole(words | used) else { return .open }
        let range = span(claim.tokens[said.place].range.lowerBound, claim.tokens[said.place].range.upperBound)
        return reading(said.range.contains(matching.count), words | used, said: range, found: "\(matching.count) such rows", column: keyColumn, row: row)
    }

    /// The plain rows that fit; nil if it is not certain of one.
    private func rows(where fits: (Int) -> Bool?) -> [Int]? {
        var result: [Int] = []
        for row in plain {
            guard let fits = fits(row) else { return nil }
            if fits { result.append(row) }
        }
        return result
    }
}
