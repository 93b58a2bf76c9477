// Tables in HTML: rows of `<tr>` with cells of `<th>` and `<td>`. A table with merged cells is left alone: its columns are not where they seem.

enum HTMLTables {
    static func tables(in text: [UInt8], document: Int) -> [Table] {
        let tags = Tags(text, in: 0..<text.count)
        var regions = tags.pairs { $0 == "table" }.map(\.inner)
        if regions.isEmpty { regions = [0..<text.count] }
        return regions.compactMap { region in
            let rows = Tags(text, in: region).pairs { $0 == "tr" }.prefix(Table.rowLimit + 1).map { Tags(text, in: $0.inner).pairs { $0 == "th" || $0 == "td" } }.filter { !$0.isEmpty }
            guard !rows.contains(where: { $0.contains { $0.attributes["colspan"] ?? $0.attributes["rowspan"] ?? "1" != "1" } }) else { return nil }
            let cells = rows.map { $0.map { bare($0.inner, text) } }
            // Two cells per row of which the first is a heading: an info box.
            if rows.count > 1, rows.allSatisfy({ $0.count == 2 && $0[0].name == "th" && $0[1].name == "td" }) {
                var table = Table(headers: cells.map { $0[0] }, in: text)
                table.add(cells.map { $0[1] }, document: document, in: text)
                return table
            }
            guard let headers = cells.first, headers.count > 1, cells.dropFirst().allSatisfy({ $0.count == headers.count }) else { return nil }
            var table = Table(headers: headers, in: text)
            for row in cells.dropFirst() { table.add(row, document: document, in: text) }
            return table
        }
    }

    /// A cell without the tags around its text.
    private static func bare(_ cell: Range<Int>, _ text: [UInt8]) -> Range<Int> {
        var cell = text.trimmed(cell)
        while text[cell].first == UInt8(ascii: "<"), let end = text.place(of: UInt8(ascii: ">"), from: cell.lowerBound, before: cell.upperBound) {
            cell = text.trimmed(span(end + 1, cell.upperBound))
        }
        while text[cell].last == UInt8(ascii: ">"), let start = text[cell].lastIndex(of: UInt8(ascii: "<")) { cell = text.trimmed(span(cell.lowerBound, start)) }
        return cell
    }
}
