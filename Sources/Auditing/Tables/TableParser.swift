// Finds the tables and records in the text of a document: Markdown and HTML tables, lines separated by commas or tabs, lines of
// `Key: value`, JSON objects and arrays of them. What is not plainly one of these stays text.

struct TableParser {
    /// Cells of all documents; what lies beyond is read as text only.
    static let cellLimit = 2000
    private static let tableLimit = 100
    /// A line of a table is no paragraph.
    private static let lineLimitBytes = 1000
    /// Lines of one document that are looked at, and of one table: the first that are too many tell that it is not whole.
    private static let lineLimit = 4000
    private static let blockLimit = Table.rowLimit + 2
    private static let keyLimitBytes = 48
    private static let keyLimitWords = 5

    private enum Form: Equatable { case markdown, tabs, commas, labelled }

    private(set) var tables: [Table] = []
    private(set) var cells = 0

    /// Adds what a document holds; the work done, in bytes.
    mutating func add(_ text: [UInt8], document: Int) -> Int {
        guard cells < Self.cellLimit, tables.count < Self.tableLimit else { return 0 }
        let before = cells
        find(in: text, document)
        return text.count / 4 + (cells - before) * 250
    }

    private mutating func find(in text: [UInt8], _ document: Int) {
        let whole = text.trimmed(0..<text.count)
        guard let first = text[whole].first else { return }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            for table in JSONTables(text, document: document).tables { add(table) }
            return
        }
        if text.first("<tr", in: whole) != nil { for table in HTMLTables.tables(in: text, document: document) { add(table) } }
        lines(text, whole, document)
    }

    private mutating func add(_ table: Table) {
        guard !table.rows.isEmpty, table.columns.count > 1, tables.count < Self.tableLimit else { return }
        cells += table.columns.count * table.rows.count
        if table.rows.count == 1, let last = tables.indices.last, tables[last].merge(table) { return }
        tables.append(table)
    }

    // MARK: Lines

    private mutating func lines(_ text: [UInt8], _ whole: Range<Int>, _ document: Int) {
        let hasPipes = text.place(of: UInt8(ascii: "|"), from: whole.lowerBound, before: whole.upperBound) != nil
        var block: [Range<Int>] = []
        var form: Form?
        var start = whole.lowerBound
        var left = Self.lineLimit
        while start < whole.upperBound, left > 0, cells < Self.cellLimit {
            left -= 1
            let end = text.place(of: 0x0A, from: start, before: whole.upperBound) ?? whole.upperBound
            let line = text.trimmed(start..<end)
            let next = Self.form(of: line, in: text, hasPipes: hasPipes)
            if next != form {
                finish(block, form, text, document)
                block = []
                form = next
            }
            if next != nil, block.count < Self.blockLimit { block.append(next == .tabs ? start..<max(start, line.upperBound) : line) }
            start = end + 1
        }
        finish(block, form, text, document)
    }

    private static func form(of line: Range<Int>, in text: [UInt8], hasPipes: Bool) -> Form? {
        guard !line.isEmpty, line.count <= lineLimitBytes else { return nil }
        if hasPipes, text.place(of: UInt8(ascii: "|"), from: line.lowerBound, before: line.upperBound) != nil { return .markdown }
        if text.place(of: 0x09, from: line.lowerBound, before: line.upperBound) != nil { return .tabs }
        if colon(of: line, in: text) != nil { return .labelled }
        guard let comma = text.place(of: UInt8(ascii: ","), from: line.lowerBound, before: line.upperBound), comma + 1 < line.upperBound, text[comma + 1] != 0x20 else { return nil }
        return .commas
    }

    /// The colon after a key of few words, with a value behind it.
    private static func colon(of line: Range<Int>, in text: [UInt8]) -> Int? {
        var words = 1
        var index = line.lowerBound
        let limit = min(line.upperBound - 1, line.lowerBound + keyLimitBytes)
        while index < limit, text[index] != UInt8(ascii: ":") {
            if ASCII.is(text[index], oneOf: "!?,") || (text[index] == UInt8(ascii: ".") && text[index + 1] == 0x20) { return nil }
            if text[index] == 0x20 { words += 1 }
            index += 1
        }
        guard index < limit, index > line.lowerBound, words <= keyLimitWords, text[index + 1] == 0x20 else { return nil }
        return index
    }

    private mutating func finish(_ block: [Range<Int>], _ form: Form?, _ text: [UInt8], _ document: Int) {
        guard let form, block.count > 1 else { return }
        switch form {
        case .markdown: markdown(block, text, document)
        case .tabs: separated(block, by: 0x09, text, document)
        case .commas: separated(block, by: UInt8(ascii: ","), text, document)
        case .labelled: labelled(block, text, document)
        }
    }

    private mutating func markdown(_ block: [Range<Int>], _ text: [UInt8], _ document: Int) {
        guard let rule = block.indices.dropFirst().first(where: { text[block[$0]].allSatisfy { ASCII.is($0, oneOf: "|-: ") } && text[block[$0]].contains(UInt8(ascii: "-")) })
        else { return }
        var table = Table(headers: Self.pipes(block[rule - 1], text), in: text)
        for line in block[(rule + 1)...] { table.add(Self.pipes(line, text), document: document, in: text) }
        add(table)
    }

    /// The cells of a row, `| a | b |`; emphasis around them is no part of them.
    private static func pipes(_ line: Range<Int>, _ text: [UInt8]) -> [Range<Int>] {
        var inner = line
        if text[inner].first == UInt8(ascii: "|") { inner = span(inner.lowerBound + 1, inner.upperBound) }
        if text[inner].last == UInt8(ascii: "|") { inner = span(inner.lowerBound, inner.upperBound - 1) }
        return split(inner, by: UInt8(ascii: "|"), text).map { cell in
            var cell = cell
            while cell.count > 2, text[cell].first == UInt8(ascii: "*"), text[cell].last == UInt8(ascii: "*") { cell = span(cell.lowerBound + 1, cell.upperBound - 1) }
            return cell
        }
    }

    /// Lines of equally many cells under a line of headers.
    private mutating func separated(_ block: [Range<Int>], by sign: UInt8, _ text: [UInt8], _ document: Int) {
        let rows = block.map { Self.split($0, by: sign, text) }
        guard rows.count > 2, let headers = rows.first, headers.count > 1, rows.allSatisfy({ $0.count == headers.count }) else { return }
        guard headers.allSatisfy({ !text[$0].isEmpty && !text[$0].prefix(1).contains(where: ASCII.isDigit) }) else { return }
        var table = Table(headers: headers, in: text)
        for row in rows.dropFirst() { table.add(row, document: document, in: text) }
        add(table)
    }

    /// Parts between signs that stand outside of quotes, trimmed.
    private static func split(_ line: Range<Int>, by sign: UInt8, _ text: [UInt8]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = line.lowerBound
        var isQuoted = false
        func end(at end: Int) {
            var cell = text.trimmed(span(start, end))
            if cell.count > 1, text[cell].first == UInt8(ascii: "\""), text[cell].last == UInt8(ascii: "\"") { cell = span(cell.lowerBound + 1, cell.upperBound - 1) }
            result.append(cell)
        }
        for index in line where result.count < Table.columnLimit {
            if text[index] == UInt8(ascii: "\""), sign == UInt8(ascii: ",") { isQuoted.toggle() }
            guard text[index] == sign, !isQuoted else { continue }
            end(at: index)
            start = index + 1
        }
        end(at: line.upperBound)
        return result
    }

    /// Keys that differ and values that are no sentences: not what people say to each other.
    private mutating func labelled(_ block: [Range<Int>], _ text: [UInt8], _ document: Int) {
        var keys: [Range<Int>] = []
        var values: [Range<Int>] = []
        for line in block {
            guard let colon = Self.colon(of: line, in: text) else { continue }
            keys.append(text.trimmed(span(line.lowerBound, colon)))
            values.append(text.trimmed(span(colon + 1, line.upperBound)))
        }
        let distinct = Set(keys.map { Array(text[$0]) }).count
        let sentences = values.count { ASCII.is(text[$0].last ?? 0, oneOf: ".!?") && text[$0].count > 40 }
        guard distinct * 10 >= keys.count * 8, sentences * 3 <= values.count else { return }
        var table = Table(headers: keys, in: text)
        table.add(values, document: document, in: text)
        add(table)
    }
}
