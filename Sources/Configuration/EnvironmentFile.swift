// Environment files: lines of NAME=VALUE. What common readers agree on, and nothing that needs a shell:
//
//     # comment                      NAME=value            NAME=value # comment after a blank
//     export NAME=value              NAME='as it is, \' too'
//     NAME="with \" \\ \$ \n \r \t"  NAME=                 (empty: the default)
//
// Blanks around name and value are dropped, `$` stands for itself, a value ends with its line, the last of equal names counts.

package enum EnvironmentFile {
    /// More is another kind of file given by mistake.
    package static let limitBytes = 1 << 20

    package struct Assignment: Equatable, Sendable {
        package let name: String
        package let value: String
        package let line: Int
    }

    /// What is wrong with a line.
    package enum Flaw: Equatable, Sendable {
        case noEquals, name, unclosedQuote, afterQuote, escape, controlCharacter, encoding

        var complaint: String {
            switch self {
            case .noEquals: "has no =: write NAME=VALUE, or # in front of a comment"
            case .name: "has no valid name before =: letters, digits and _ only"
            case .unclosedQuote: "has a quote that is not closed on its line"
            case .afterQuote: "has text after the closing quote: quote the whole value"
            case .escape: "has an unknown escape: in double quotes write \\\\ for a backslash, or use single quotes"
            case .controlCharacter: "has a control character"
            case .encoding: "is not UTF-8 text"
            }
        }
    }

    package struct Problem: Equatable, Sendable {
        package let line: Int
        package let flaw: Flaw
        /// Whether the line is about a setting of ours; a `.env` may hold lines for other programs in their own syntax.
        package let isOurs: Bool
    }

    package static func parse(_ bytes: [UInt8]) -> (assignments: [Assignment], problems: [Problem]) {
        var assignments: [Assignment] = []
        var problems: [Problem] = []
        var content = bytes[...]
        if content.starts(with: [0xEF, 0xBB, 0xBF]) { content = content.dropFirst(3) }  // byte order mark
        for (index, part) in content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        {
            let text = part.last == UInt8(ascii: "\r") ? part.dropLast() : part
            var line = Line(rest: text)
            do throws(Flaw) {
                guard let (name, value) = try line.assignment() else { continue }
                assignments.append(Assignment(name: name, value: value, line: index + 1))
            } catch {
                problems.append(Problem(line: index + 1, flaw: error, isOurs: Line.mentionsSetting(text)))
            }
        }
        return (assignments, problems)
    }
}

extension EnvironmentFile.Flaw: Error {}

/// One line being read.
private struct Line {
    var rest: ArraySlice<UInt8>

    /// Nil for an empty line and a comment.
    mutating func assignment() throws(EnvironmentFile.Flaw) -> (name: String, value: String)? {
        skipBlanks()
        guard let first = rest.first, first != UInt8(ascii: "#") else { return nil }
        if rest.starts(with: "export".utf8), let after = rest.dropFirst(6).first, Notation.isBlank(after) {
            rest = rest.dropFirst(6)
            skipBlanks()
        }
        guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else { throw .noEquals }
        var name = rest[..<equals]
        while let last = name.last, Notation.isBlank(last) { name = name.dropLast() }
        guard let start = name.first, !Notation.isDigit(start), name.allSatisfy(Self.isNameByte) else { throw .name }
        rest = rest[equals...].dropFirst()
        let value = try value()
        guard value.allSatisfy({ $0 != 0 }) else { throw .controlCharacter }
        guard let text = String(validating: value, as: UTF8.self) else { throw .encoding }
        return (String(decoding: name, as: UTF8.self), text)
    }

    private mutating func value() throws(EnvironmentFile.Flaw) -> [UInt8] {
        skipBlanks()
        switch rest.first {
        case UInt8(ascii: "\""): return try quoted(by: UInt8(ascii: "\""))
        case UInt8(ascii: "'"): return try quoted(by: UInt8(ascii: "'"))
        default: return bare()
        }
    }

    /// Up to a comment that follows a blank.
    private func bare() -> [UInt8] {
        var value: [UInt8] = []
        var before = UInt8(ascii: " ")
        for byte in rest {
            if byte == UInt8(ascii: "#"), Notation.isBlank(before) { break }
            value.append(byte)
            before = byte
        }
        while let last = value.last, Notation.isBlank(last) { value.removeLast() }
        return value
    }

    private mutating func quoted(by quote: UInt8) throws(EnvironmentFile.Flaw) -> [UInt8] {
        rest = rest.dropFirst()
        var value: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == quote {
                skipBlanks()
                guard rest.isEmpty || rest.first == UInt8(ascii: "#") else { throw .afterQuote }
                return value
            }
            guard byte == UInt8(ascii: "\\") else {
                value.append(byte)
                continue
            }
            if quote == UInt8(ascii: "'") {
                if rest.first == quote {
                    value.append(quote)
                    rest = rest.dropFirst()
                } else {
                    value.append(byte)
                }
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): value.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "r"): value.append(UInt8(ascii: "\r"))
            case UInt8(ascii: "t"): value.append(UInt8(ascii: "\t"))
            case let escaped? where "\\\"$'`".utf8.contains(escaped): value.append(escaped)
            case nil: throw .unclosedQuote
            default: throw .escape
            }
        }
        throw .unclosedQuote
    }

    private mutating func skipBlanks() {
        rest = rest.drop(while: Notation.isBlank)
    }

    /// Other programs' names may have dots and dashes.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        Notation.isLetter(byte) || Notation.isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-")
    }

    static func mentionsSetting(_ line: ArraySlice<UInt8>) -> Bool {
        let prefix = Array(SettingsTable.prefix.utf8)
        return line.indices.contains { line[$0...].starts(with: prefix) }
    }
}
