// Tags in prompts, `<document index="1">` … `</document>`: pairs, attributes. No XML: what stands between is plain text.

/// A pair of tags in a text.
struct TagPair {
    var name: String
    /// From the `<` of the first to the `>` of the second.
    var outer: Range<Int>
    /// What stands between them.
    var inner: Range<Int>
    var attributes: [String: String]
}

/// All tags of a text, found in one pass.
struct Tags {
    /// Beyond these a text is markup, and what is left is read as plain text.
    private static let tagLimit = 5000
    private static let nameLimitBytes = 40
    private static let tagLimitBytes = 2000
    private static let attributeLimit = 16

    private struct Tag {
        var name: String
        var isClosing: Bool
        var isEmpty: Bool
        var range: Range<Int>
    }

    private let bytes: [UInt8]
    private var tags: [Tag] = []
    /// For each opening tag the index of the tag that closes it.
    private var partner: [Int?] = []

    init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        var index = range.lowerBound
        let end = min(range.upperBound, bytes.count)
        while tags.count < Self.tagLimit, let start = bytes.place(of: UInt8(ascii: "<"), from: index, before: end) {
            guard let tag = tag(at: start, before: end) else {
                index = start + 1
                continue
            }
            tags.append(tag)
            index = tag.range.upperBound
        }
        partner = Self.partners(of: tags)
    }

    /// Each name has its own stack; an opening tag whose stack never comes back to its level has no partner. When tags are left open,
    /// the inner ones win: a name mentioned in an instruction has no end.
    private static func partners(of tags: [Tag]) -> [Int?] {
        var partner = [Int?](repeating: nil, count: tags.count)
        var open: [String: [Int]] = [:]
        for (index, tag) in tags.enumerated() where !tag.isEmpty {
            if tag.isClosing {
                if let start = open[tag.name]?.popLast() { partner[start] = index }
            } else {
                open[tag.name, default: []].append(index)
            }
        }
        return partner
    }

    private func tag(at start: Int, before end: Int) -> Tag? {
        var index = start + 1
        let isClosing = index < end && bytes[index] == UInt8(ascii: "/")
        if isClosing { index += 1 }
        let nameStart = index
        while index < end, ASCII.isWord(bytes[index]) || bytes[index] == UInt8(ascii: "_") || bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: ":") {
            index += 1
        }
        guard index > nameStart, index - nameStart <= Self.nameLimitBytes, ASCII.isLetter(bytes[nameStart]) || bytes[nameStart] >= 0x80 else { return nil }
        let name = bytes.lowercased(nameStart..<index)
        var quote: UInt8?
        while index < end, index - start < Self.tagLimitBytes {
            let byte = bytes[index]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: ">") {
                return Tag(name: name, isClosing: isClosing, isEmpty: bytes[index - 1] == UInt8(ascii: "/"), range: start..<(index + 1))
            } else if byte == UInt8(ascii: "<") || byte == 0x0A {
                return nil
            }
            index += 1
        }
        return nil
    }

    /// Outermost pairs in the order of the text of which `isWanted` likes the name; pairs of other names are looked into.
    func pairs(where isWanted: (String) -> Bool) -> [TagPair] {
        var result: [TagPair] = []
        var index = 0
        while index < tags.count {
            guard let closing = partner[index], isWanted(tags[index].name) else {
                index += 1
                continue
            }
            let tag = tags[index]
            let close = tags[closing]
            result.append(
                TagPair(
                    name: tag.name, outer: span(tag.range.lowerBound, close.range.upperBound), inner: span(tag.range.upperBound, close.range.lowerBound),
                    attributes: attributes(of: tag)))
            index = closing + 1
        }
        return result
    }

    /// `name="value"`, `name='value'` and `name=value`; names in lower case.
    private func attributes(of tag: Tag) -> [String: String] {
        var result: [String: String] = [:]
        let end = tag.range.upperBound - 1
        var index = tag.range.lowerBound + 1 + tag.name.utf8.count
        for _ in 0..<Self.attributeLimit where index < end {
            while index < end, !ASCII.isWord(bytes[index]) { index += 1 }
            let nameStart = index
            while index < end, ASCII.isWord(bytes[index]) || bytes[index] == UInt8(ascii: "_") || bytes[index] == UInt8(ascii: "-") { index += 1 }
            let name = bytes.lowercased(nameStart..<index)
            while index < end, bytes[index] == 0x20 { index += 1 }
            guard index < end, bytes[index] == UInt8(ascii: "=") else { continue }
            index += 1
            while index < end, bytes[index] == 0x20 { index += 1 }
            guard index < end else { break }
            let quote = bytes[index]
            let isQuoted = quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
            if isQuoted { index += 1 }
            let valueStart = index
            while index < end, isQuoted ? bytes[index] != quote : !ASCII.isSpace(bytes[index]) { index += 1 }
            result[name] = bytes.text(valueStart..<index)
            index += 1
        }
        return result
    }
}
