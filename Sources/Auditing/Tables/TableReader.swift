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

    /// What the tables say to a claim, if any of them speaks of it.
    func finding(for text: ClaimText) -> TableFinding? {
        guard !tables.isEmpty, text.readsAsEnglish else { return nil }
        let claim = FieldClaim(text)
        for table in tables {
            if let found = read(claim, table).finding { return found }
        }
        return nil
    }

    private func read(_ claim: FieldClaim, _ table: Table) -> Reading {
        guard table.rows.count == 1, let row = table.rows.first else { return TableReading(claim: claim, table: table, texts: texts).read() }
        let subject = claim.bits(of: row.key)
        // Of several records the one that is named.
        guard tables.count == 1 || subject != 0 else { return .foreign }
        return RecordReading(claim: claim, table: table, row: row, text: texts[row.document], subject: subject, isOneOfMany: false).read()
    }
}
