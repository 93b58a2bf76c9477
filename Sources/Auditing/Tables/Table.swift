// A table or record of a document, as rows and columns of places in its text. An info box, a JSON object and lines of `Key: value`
// are tables of one row whose headers are the keys.

struct Table {
    struct Column {
        /// Stems of the header's words, without common ones.
        var words: [UInt32]
        /// What the header speaks of, by `FieldNames`.
        var topics: UInt64
        /// The header's text.
        var name: String
        var scale: Measures.Scale
    }

    /// The only number of a cell, or the first day of its date.
    struct Value {
        var measure: Measure
        var isDate: Bool
    }

    struct Row {
        /// Its place among the indexed texts.
        var document: Int
        /// One for each column, empty where nothing stands.
        var cells: [Range<Int>]
        /// What of them can be computed with.
        var values: [Value?]
        /// Stems of the words that name the row; none in a record without a name.
        var key: [UInt32] = []

        /// What it covers of its document.
        var range: Range<Int> {
            let filled = cells.filter { !$0.isEmpty }
            return span(filled.map(\.lowerBound).min() ?? 0, filled.map(\.upperBound).max() ?? 0)
        }
    }

    static let columnLimit = 32
    static let rowLimit = 200
    private static let headerWords = 8
    private static let keyWords = 12
    private static let valueWords = 20

    let columns: [Column]
    private(set) var rows: [Row] = []
    /// The column whose cells name the rows.
    private(set) var keyColumn: Int?

    /// - Parameter headers: places in the text.
    init(headers: [Range<Int>], in text: [UInt8]) {
        columns = headers.prefix(Self.columnLimit).map { header in
            let tokens = Tokenizer.tokens(of: text, header, limit: Self.headerWords)
            let words = tokens.filter { !$0.isStop }.map(\.stem)
            return Column(words: words, topics: words.reduce(0) { $0 | FieldNames.topics(of: $1) }, name: text.text(header), scale: Measures.Scale(header: header, in: text, tokens))
        }
    }

    /// No row was left out, and none is known to: rows of several documents may be a choice of more.
    var isWhole: Bool { rows.count < Self.rowLimit && rows.allSatisfy { $0.document == rows[0].document } }

    /// - Parameter cells: places in the text; those of columns that have no header are left out.
    mutating func add(_ cells: [Range<Int>], document: Int, in text: [UInt8]) {
        guard rows.count < Self.rowLimit else { return }
        var cells = Array(cells.prefix(columns.count))
        while cells.count < columns.count { cells.append(0..<0) }
        rows.append(Row(document: document, cells: cells, values: zip(cells, columns).map { Self.value(of: $0, under: $1, in: text) }))
    }

    private static func value(of cell: Range<Int>, under column: Column, in text: [UInt8]) -> Value? {
        guard text[cell].contains(where: ASCII.isDigit) else { return nil }
        let tokens = Tokenizer.tokens(of: text, cell, limit: valueWords)
        if !column.scale.isUnit, let days = Dates.all(in: text, tokens).first?.days {
            return Value(measure: Measure(value: Double(days.lowerBound), raw: 0, dimension: .plain, unit: 0, range: 0..<0, token: 0, bound: .exact), isDate: true)
        }
        let measures = Measures.all(in: text, tokens, Quantities.all(in: text, tokens))
        return measures.count == 1 ? measures.first.map { Value(measure: column.scale.of($0), isDate: false) } : nil
    }

    /// Takes the rows of a table with the same headers.
    mutating func merge(_ other: Table) -> Bool {
        guard columns.count > 1, columns.count == other.columns.count, zip(columns, other.columns).allSatisfy({ $0.name == $1.name }) else { return false }
        rows += other.rows.prefix(Self.rowLimit - rows.count)
        return true
    }

    /// Finds what names the rows: the first column whose cells begin with letters and differ, one without digits before others (`K-100`
    /// stands for what another column calls a kettle); in a record the field for its name.
    mutating func nameRows(in texts: [[UInt8]]) {
        let names = columns.indices.filter { columns[$0].topics & FieldNames.name != 0 && columns[$0].words.count == 1 }
        if rows.count == 1 {
            keyColumn = names.first
        } else {
            let keys = (names + columns.indices.prefix(4)).filter { column in
                let cells = rows.map { texts[$0.document][$0.cells[column]] }
                return cells.allSatisfy { $0.first.map { ASCII.isLetter($0) || $0 >= 0x80 } ?? false } && Set(cells.map(Array.init)).count == cells.count
            }
            keyColumn = keys.first { column in !rows.contains { texts[$0.document][$0.cells[column]].contains(where: ASCII.isDigit) } } ?? keys.first
        }
        guard let keyColumn else { return }
        for row in rows.indices {
            let tokens = Tokenizer.tokens(of: texts[rows[row].document], rows[row].cells[keyColumn], limit: Self.keyWords)
            rows[row].key = tokens.filter { !$0.isStop }.map(\.stem)
        }
    }
}
