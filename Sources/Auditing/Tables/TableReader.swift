// Claims against the tables of the documents: which row a claim speaks of, and what its fields say.

struct TableReader {
    private let tables: [Table]
    private let texts: [[UInt8]]

    init(_ tables: [Table], in texts: [[UInt8]]) {
        self.texts = texts
        self.tables = tables.map { table in
            var table = table
            table.nameRows(in: texts)
            return table
        }
    }

    /// What the tables say to a claim, if any of them speaks of it, and bits of its words that they hold in any case.
    func finding(for text: ClaimText) -> (finding: TableFinding?, held: UInt64) {
        guard !tables.isEmpty, text.readsAsEnglish else { return (nil, 0) }
        let claim = FieldClaim(text)
        var held: UInt64 = 0
        for table in tables {
            if let found = read(claim, table, &held).finding { return (found, held) }
        }
        return (nil, held)
    }

    /// Whether some text of a document is of a table.
    func hold(_ range: Range<Int>, in document: Int) -> Bool {
        tables.contains { $0.rows.contains { $0.document == document && $0.range.overlaps(range) } }
    }

    private func read(_ claim: FieldClaim, _ table: Table, _ held: inout UInt64) -> Reading {
        guard table.rows.count == 1, let row = table.rows.first else {
            let reading = TableReading(claim: claim, table: table, texts: texts)
            held |= reading.held
            return reading.read()
        }
        let subject = claim.bits(of: row.key)
        // Of several records the one that is named.
        guard tables.count == 1 || subject != 0 else { return .foreign }
        return RecordReading(claim: claim, table: table, row: row, text: texts[row.document], subject: subject, isOneOfMany: false).read()
    }
}
