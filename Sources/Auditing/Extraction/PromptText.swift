// A text of a prompt with its lines and what they look like: the scanner's view.

/// The lines of a text.
struct PromptText {
    struct Line {
        /// Without its end.
        var range: Range<Int>
        /// Also without white space around it.
        var trimmed: Range<Int>
        /// Where the next line begins.
        var next: Int

        var isBlank: Bool { trimmed.isEmpty }
        var indent: Int { trimmed.lowerBound - range.lowerBound }
    }

    /// More than any prompt or answer has: what lies beyond is one line, so that a text of line ends costs no more than an honest one.
    private static let lineLimit = 10_000

    let bytes: [UInt8]
    let lines: [Line]
    /// Not all lines are told apart.
    let isExhausted: Bool

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var lines: [Line] = []
        var start = 0
        while start < bytes.count {
            let newline = lines.count == Self.lineLimit ? bytes.count : bytes.place(of: 0x0A, from: start, before: bytes.count) ?? bytes.count
            let end = newline > start && bytes[newline - 1] == 0x0D ? newline - 1 : newline
            lines.append(Line(range: start..<end, trimmed: bytes.trimmed(start..<end), next: Swift.min(newline + 1, bytes.count)))
            start = newline + 1
        }
        self.lines = lines
        isExhausted = lines.count > Self.lineLimit
    }

    /// The index of the line that holds an offset (the last line for offsets at the end).
    func line(at offset: Int) -> Int {
        var low = 0
        var high = lines.count
        while low < high {
            let middle = (low + high) / 2
            if lines[middle].next <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Lines that begin within a range, cut to it.
    func lines(in range: Range<Int>) -> [Line] {
        var result: [Line] = []
        var index = line(at: range.lowerBound)
        while index < lines.count, lines[index].range.lowerBound < range.upperBound {
            let part = lines[index].range.clamped(to: range)
            result.append(Line(range: part, trimmed: bytes.trimmed(part), next: Swift.min(lines[index].next, range.upperBound)))
            index += 1
        }
        return result
    }

    /// A line of four or more equal signs of `-=_*~#+`, with its sign and length.
    func rule(_ line: Line) -> (sign: UInt8, length: Int)? {
        guard line.trimmed.count >= 4, let sign = bytes[line.trimmed].first, ASCII.is(sign, oneOf: "-=_*~#+"),
            bytes[line.trimmed].allSatisfy({ $0 == sign })
        else { return nil }
        return (sign, line.trimmed.count)
    }

    /// A fence of three or more backticks or tildes, or three quotes, with what follows it on its line.
    func fence(_ line: Line) -> (sign: UInt8, length: Int, info: String)? {
        guard let sign = bytes[line.trimmed].first, sign == UInt8(ascii: "`") || sign == UInt8(ascii: "~") || sign == UInt8(ascii: "\"") || sign == UInt8(ascii: "'")
        else { return nil }
        let length = bytes[line.trimmed].prefix { $0 == sign }.count
        guard length >= 3, length <= 16 else { return nil }
        return (sign, length, bytes.lowercased(bytes.trimmed(span(line.trimmed.lowerBound + length, line.trimmed.upperBound))))
    }

    /// The level and title of a Markdown heading.
    func heading(_ line: Line) -> (level: Int, title: Range<Int>)? {
        let level = bytes[line.trimmed].prefix { $0 == UInt8(ascii: "#") }.count
        guard (1...6).contains(level), line.indent < 4 else { return nil }
        let start = line.trimmed.lowerBound + level
        guard start < line.trimmed.upperBound, bytes[start] == 0x20 else { return nil }
        var title = bytes.trimmed(start..<line.trimmed.upperBound)
        while let last = bytes[title].last, last == UInt8(ascii: "#") || last == UInt8(ascii: ":") || ASCII.isSpace(last) {
            title = title.lowerBound..<(title.upperBound - 1)
        }
        return (level, title)
    }

    /// A label at the start of a line: up to `wordLimit` words before a colon, free of Markdown signs, and what follows it.
    func label(_ line: Line, wordLimit: Int = 6) -> (words: Range<Int>, rest: Range<Int>)? {
        var start = line.trimmed.lowerBound
        let end = line.trimmed.upperBound
        while start < end, ASCII.is(bytes[start], oneOf: "#*_>-` ") { start += 1 }
        var words = 1
        var index = start
        while index < end, index - start < 160 {
            switch bytes[index] {
            case UInt8(ascii: ":"):
                guard index > start else { return nil }
                var rest = index + 1
                while rest < end, ASCII.is(bytes[rest], oneOf: "*_ \t") { rest += 1 }
                var last = index
                while last > start, ASCII.is(bytes[last - 1], oneOf: "*_ `") { last -= 1 }
                return last > start ? (start..<last, span(rest, end)) : nil
            case 0xEF where index + 2 < end && bytes[index + 1] == 0xBC && bytes[index + 2] == 0x9A:  // the full-width colon
                guard index > start else { return nil }
                return (start..<index, span(index + 3, end))
            case 0x20:
                words += 1
                if words > wordLimit { return nil }
            default: break
            }
            index += 1
        }
        return nil
    }
}
