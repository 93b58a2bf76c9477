// Records in JSON: an object is a row, an array of objects is a table. Objects within objects are records of their own. The places of
// values are kept, which the reader of JSON does not tell; what is not JSON yields what was read before it went wrong.

struct JSONTables {
    private static let depthLimit = 6
    private static let tableLimit = 50

    private let text: [UInt8]
    private let document: Int
    private var index = 0
    private(set) var tables: [Table] = []

    init(_ text: [UInt8], document: Int) {
        self.text = text
        self.document = document
        _ = value(depth: 0)
        tables.reverse()  // the outer come last
    }

    private mutating func skipSpace() { while index < text.count, ASCII.isSpace(text[index]) { index += 1 } }

    /// Passes a sign, if it is next.
    private mutating func take(_ sign: UInt8) -> Bool {
        skipSpace()
        guard index < text.count, text[index] == sign else { return false }
        index += 1
        return true
    }

    private enum Value { case plain(Range<Int>), object([(key: Range<Int>, value: Range<Int>)]) }

    /// The next value, nil if there is none.
    private mutating func value(depth: Int) -> Value? {
        skipSpace()
        guard index < text.count, depth < Self.depthLimit else { return nil }
        switch text[index] {
        case UInt8(ascii: "\""): return string().map { .plain($0) }
        case UInt8(ascii: "{"):
            guard let members = members(depth: depth) else { return nil }
            if depth <= 1 { add([members]) }
            return .object(members)
        case UInt8(ascii: "["): return elements(depth: depth).map { .plain($0) }
        default:
            let start = index
            while index < text.count, !ASCII.is(text[index], oneOf: ",]}"), !ASCII.isSpace(text[index]) { index += 1 }
            return index > start ? .plain(start..<index) : nil
        }
    }

    private mutating func string() -> Range<Int>? {
        index += 1
        let start = index
        while index < text.count, text[index] != UInt8(ascii: "\"") { index += text[index] == UInt8(ascii: "\\") ? 2 : 1 }
        guard index < text.count else { return nil }
        index += 1
        return start..<(index - 1)
    }

    private mutating func members(depth: Int) -> [(key: Range<Int>, value: Range<Int>)]? {
        index += 1
        var members: [(key: Range<Int>, value: Range<Int>)] = []
        while !take(UInt8(ascii: "}")) {
            if !members.isEmpty, !take(UInt8(ascii: ",")) { return nil }
            skipSpace()
            guard index < text.count, text[index] == UInt8(ascii: "\""), let key = string(), take(UInt8(ascii: ":")) else { return nil }
            let start = index
            guard let value = value(depth: depth + 1) else { return nil }
            if case .plain(let range) = value { members.append((key, range)) } else { members.append((key, start..<start)) }
        }
        return members
    }

    /// What stands between the brackets.
    private mutating func elements(depth: Int) -> Range<Int>? {
        index += 1
        let start = index
        var rows: [[(key: Range<Int>, value: Range<Int>)]] = []
        var count = 0
        while !take(UInt8(ascii: "]")) {
            if count > 0, !take(UInt8(ascii: ",")) { return nil }
            skipSpace()
            if index < text.count, text[index] == UInt8(ascii: "{") {
                guard depth + 1 < Self.depthLimit, let members = members(depth: depth + 1) else { return nil }
                if rows.count < Table.rowLimit { rows.append(members) }
            } else if value(depth: depth + 1) == nil {
                return nil
            }
            count += 1
        }
        add(rows)
        return start..<(index - 1)
    }

    /// Rows whose keys are those of the first are a table.
    private mutating func add(_ rows: [[(key: Range<Int>, value: Range<Int>)]]) {
        guard let first = rows.first, !first.isEmpty, tables.count < Self.tableLimit else { return }
        let names = first.map { Array(text[$0.key]) }
        var table = Table(headers: first.map(\.key), in: text)
        for row in rows {
            table.add(names.map { name in row.first { text[$0.key].elementsEqual(name) }?.value ?? 0..<0 }, document: document, in: text)
        }
        tables.append(table)
    }
}
