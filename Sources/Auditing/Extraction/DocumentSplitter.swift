// Cuts a region into its documents: elements, markers, headers and numbers, `Source:`/`Content:` pairs, heads of metadata,
// rules, indented lines, blank lines, in this order; and takes ids and sources from what names them.

/// A document in a text.
struct Passage {
    var range: Range<Int>
    var id = ""
    var source = ""
    var metadata: [String: String] = [:]
}

struct DocumentSplitter {
    enum NumberForm { case bracket, parenthesis, dot }

    /// Elements within elements: `<documents>`, `<document>`, `<document_content>`, and one to spare.
    private static let depthLimit = 4

    let text: PromptText
    private var bytes: [UInt8] { text.bytes }

    init(_ text: PromptText) { self.text = text }

    func passages(in region: Region) -> [Passage] {
        let inner = bytes.trimmed(region.inner)
        guard !inner.isEmpty else { return [] }
        let lines = text.lines(in: span(region.inner.lowerBound, inner.upperBound)).drop(while: \.isBlank)
        var found = elements(in: inner, of: region) ?? marked(lines) ?? headed(lines, inner) ?? numbered(lines, inner) ?? labelled(lines, inner)
        if found == nil {
            if region.isOneDocument || (region.form == .tag && !region.attributes.isEmpty) {
                found = [Passage(range: inner)]
            } else {
                found = described(lines) ?? ruled(lines) ?? indented(lines, region) ?? paragraphs(lines, isOne: region.form == .tag && false)
            }
        }
        return (found ?? []).compactMap { passage in
            var passage = passage
            if region.form == .tag, (found ?? []).count == 1 { describe(&passage, by: region.attributes) }
            passage.range = bytes.trimmed(passage.range)
            return passage.range.isEmpty ? nil : passage
        }
    }

    // MARK: Elements

    private func elements(in inner: Range<Int>, of region: Region, depth: Int = 0) -> [Passage]? {
        guard depth < Self.depthLimit else { return nil }
        let children = Tags(bytes, in: inner).pairs { Markers.isContextTag($0) || ["item", "metadata", "title", "url", "name", "id"].contains($0) }
        guard !children.isEmpty else { return nil }
        let naming: Set<String> = ["source", "title", "url", "name", "id", "metadata", "document_metadata", "filename", "file_name"]
        if let content = children.first(where: { $0.name.contains("content") || $0.name == "text" }) {
            // The region itself is a document with named parts.
            guard children.contains(where: { naming.contains($0.name) && $0.attributes.isEmpty }) || children.count == 1 else { return split(children, depth) }
            var passage = Passage(range: content.inner)
            describe(&passage, by: region.attributes)
            for child in children where naming.contains(child.name) { name(&passage, child.name, bytes.text(bytes.trimmed(child.inner))) }
            return [passage]
        }
        let rest = span(children.last?.outer.upperBound ?? inner.lowerBound, inner.upperBound)
        if !bytes.trimmed(rest).isEmpty, children.allSatisfy({ naming.contains($0.name) && $0.attributes.isEmpty }) {
            var passage = Passage(range: rest)
            describe(&passage, by: region.attributes)
            for child in children { name(&passage, child.name, bytes.text(bytes.trimmed(child.inner))) }
            return [passage]
        }
        return split(children, depth)
    }

    private func split(_ children: [TagPair], _ depth: Int) -> [Passage] {
        children.filter { Markers.isContextTag($0.name) || $0.name == "item" }.flatMap { child in
            let nested = elements(in: bytes.trimmed(child.inner), of: Region(form: .tag, outer: child.outer, inner: child.inner, attributes: child.attributes), depth: depth + 1)
            if let nested { return nested }
            var passage = Passage(range: child.inner)
            describe(&passage, by: child.attributes)
            return [passage]
        }
    }

    private func describe(_ passage: inout Passage, by attributes: [String: String]) {
        for (key, value) in attributes { passage.metadata[key] = value }
        if passage.id.isEmpty { passage.id = ["id", "index", "n", "number"].lazy.compactMap { attributes[$0] }.first ?? "" }
        if passage.source.isEmpty {
            passage.source = ["source", "filename", "file", "path", "url", "href", "name", "title"].lazy.compactMap { attributes[$0] }.first ?? ""
        }
    }

    private func name(_ passage: inout Passage, _ key: String, _ value: String) {
        switch key {
        case "id": if passage.id.isEmpty { passage.id = value }
        case "source", "url", "filename", "file_name", "name": passage.source = value
        case "title": if passage.source.isEmpty { passage.source = value } else { passage.metadata[key] = value }
        default: passage.metadata[key] = value
        }
    }

    // MARK: Lines

    /// `[CONTEXT 0]:` … `[END CONTEXT 0]`, perhaps with a head of metadata.
    private func marked(_ lines: ArraySlice<PromptText.Line>) -> [Passage]? {
        guard let first = lines.first, TemplateScanner.openingMarker(text, first) != nil else { return nil }
        var passages: [Passage] = []
        var open: (name: [String], start: Int)?
        for line in lines {
            if let marker = open {
                guard TemplateScanner.isClosingMarker(text, line, of: marker.name) else { continue }
                var passage = Passage(range: span(marker.start, line.range.lowerBound))
                if let number = marker.name.last, Int(number) != nil { passage.id = number }
                takeHead(of: &passage)
                passages.append(passage)
                open = nil
            } else if let name = TemplateScanner.openingMarker(text, line) {
                open = (name, line.next)
            }
        }
        return passages.isEmpty ? nil : passages
    }

    /// `<document_metadata>` with `key: value` lines before the text.
    private func takeHead(of passage: inout Passage) {
        let inner = bytes.trimmed(passage.range)
        guard let head = Tags(bytes, in: inner).pairs(where: { $0.contains("metadata") }).first, head.outer.lowerBound == inner.lowerBound else { return }
        for line in text.lines(in: head.inner) { takeMetadata(line, into: &passage) }
        passage.range = span(head.outer.upperBound, inner.upperBound)
    }

    private func takeMetadata(_ line: PromptText.Line, into passage: inout Passage) {
        guard let label = text.label(line, wordLimit: 3) else { return }
        let key = bytes.text(label.words)
        let value = bytes.text(label.rest)
        passage.metadata[key] = value
        let name = key.lowercased()
        if ["source", "file_path", "filepath", "file_name", "filename", "sourcedocument", "url", "path", "title"].contains(name),
            passage.source.isEmpty || name == "file_path"
        { passage.source = value }
    }

    private static let headerWords: Set<String> = [
        "document", "doc", "passage", "chunk", "source", "context", "article", "excerpt", "snippet", "result", "text", "reference",
    ]

    /// `Document 1 (Title: …): text`, `Source 1:`; the words, the number, the title and where the text begins.
    static func header(_ text: PromptText, _ line: PromptText.Line) -> (number: String, title: String, start: Int)? {
        let bytes = text.bytes
        var index = line.trimmed.lowerBound
        let end = line.trimmed.upperBound
        while index < end, ASCII.is(bytes[index], oneOf: "#*[ ") { index += 1 }
        let wordStart = index
        while index < end, ASCII.isLetter(bytes[index]) { index += 1 }
        guard index > wordStart, index - wordStart <= 10,
            headerWords.contains(bytes.lowercased(wordStart..<index))
        else { return nil }
        while index < end, ASCII.is(bytes[index], oneOf: " #") { index += 1 }
        let numberStart = index
        while index < end, ASCII.isDigit(bytes[index]), index - numberStart < 6 { index += 1 }
        guard index > numberStart else { return nil }
        let number = bytes.text(numberStart..<index)
        while index < end, ASCII.is(bytes[index], oneOf: " *]") { index += 1 }
        var title = ""
        if index < end, bytes[index] == UInt8(ascii: "(") {
            guard let close = bytes[index..<end].firstIndex(of: UInt8(ascii: ")")) else { return nil }
            var start = index + 1
            for label in ["title:", "source:"] where bytes.has(label, at: start) { start += label.utf8.count }
            title = bytes.text(bytes.trimmed(span(start, close)))
            index = close + 1
        }
        while index < end, ASCII.is(bytes[index], oneOf: " *]") { index += 1 }
        guard index < end else { return nil }
        guard bytes[index] == UInt8(ascii: ":") else { return nil }
        index += 1
        while index < end, ASCII.is(bytes[index], oneOf: "* ") { index += 1 }
        return (number, title, index)
    }

    private func headed(_ lines: ArraySlice<PromptText.Line>, _ inner: Range<Int>) -> [Passage]? {
        guard let first = lines.first, Self.header(text, first) != nil else { return nil }
        var passages: [Passage] = []
        for line in lines {
            guard let header = Self.header(text, line) else { continue }
            close(&passages, at: line.range.lowerBound)
            passages.append(Passage(range: span(header.start, inner.upperBound), id: header.number, source: header.title))
        }
        return passages
    }

    /// `[1] text`, `(1) text`, `1. text`.
    static func number(_ text: PromptText, _ line: PromptText.Line) -> (number: String, start: Int, form: NumberForm)? {
        let bytes = text.bytes
        let end = line.trimmed.upperBound
        var index = line.trimmed.lowerBound
        guard index < end else { return nil }
        let open = bytes[index]
        if open == UInt8(ascii: "[") || open == UInt8(ascii: "(") { index += 1 }
        let start = index
        while index < end, ASCII.isDigit(bytes[index]), index - start < 4 { index += 1 }
        guard index > start, index < end else { return nil }
        let number = bytes.text(start..<index)
        switch (open, bytes[index]) {
        case (UInt8(ascii: "["), UInt8(ascii: "]")):
            var next = index + 1
            if next < end, bytes[next] == UInt8(ascii: ":") { next += 1 }
            return (number, next, .bracket)
        case (UInt8(ascii: "("), UInt8(ascii: ")")): return (number, index + 1, .parenthesis)
        case (_, UInt8(ascii: ".")), (_, UInt8(ascii: ")")):
            guard ASCII.isDigit(open), index + 1 < end, bytes[index + 1] == 0x20 else { return nil }
            return (number, index + 1, .dot)
        default: return nil
        }
    }

    private func numbered(_ lines: ArraySlice<PromptText.Line>, _ inner: Range<Int>) -> [Passage]? {
        guard let first = lines.first, let form = Self.number(text, first)?.form else { return nil }
        var passages: [Passage] = []
        var blankAfterFirst = false
        var blank: Int?
        for line in lines {
            if line.isBlank { blank = blank ?? line.range.lowerBound }
            guard let number = Self.number(text, line), number.form == form else { continue }
            if passages.count == 1 { blankAfterFirst = blank != nil }
            blank = nil
            close(&passages, at: line.range.lowerBound)
            passages.append(Passage(range: span(number.start, inner.upperBound), id: number.number))
        }
        guard passages.count >= 2 || form == .bracket else { return nil }
        // Where items follow each other without blank lines, a blank line ends the last.
        if let blank, !blankAfterFirst, passages.count >= 2 { close(&passages, at: blank) }
        return passages
    }

    private func close(_ passages: inout [Passage], at end: Int) {
        guard let last = passages.indices.last else { return }
        passages[last].range = span(passages[last].range.lowerBound, end)
    }

    /// `Source:` and `Content:` lines, in either order.
    private func labelled(_ lines: ArraySlice<PromptText.Line>, _ inner: Range<Int>) -> [Passage]? {
        var passages: [Passage] = []
        var source: String?
        var firstKey: String?
        var isOpen = false
        for line in lines where !line.isBlank {
            guard let label = text.label(line, wordLimit: 2) else {
                if firstKey == nil { return nil }
                continue
            }
            let key = bytes.lowercased(label.words)
            guard key == "source" || key == "content" || key == "page_content" || key == "url" || key == "title" else {
                if firstKey == nil { return nil }
                continue
            }
            let isContent = key.hasSuffix("content")
            if firstKey == nil { firstKey = isContent ? "content" : "source" }
            if isOpen { close(&passages, at: line.range.lowerBound) }
            isOpen = isContent
            if isContent {
                passages.append(Passage(range: span(label.rest.lowerBound, inner.upperBound), source: source ?? ""))
                source = nil
            } else if firstKey == "content", let last = passages.indices.last, passages[last].source.isEmpty {
                passages[last].source = Self.sourceName(bytes.text(label.rest))
                // What follows on the next lines belongs to nothing until the next content.
            } else {
                source = Self.sourceName(bytes.text(label.rest))
            }
        }
        return passages.isEmpty || passages.contains(where: { bytes.trimmed($0.range).isEmpty }) && passages.count == 1 ? nil : passages
    }

    /// The name in `{'source': 'town.pdf', 'page': 3}`, otherwise the text itself.
    private static func sourceName(_ text: String) -> String {
        guard text.hasPrefix("{") else { return text }
        let parts = text.split(whereSeparator: { $0 == "'" || $0 == "\"" }).map(String.init)
        guard let key = parts.firstIndex(where: { ["source", "file_path", "filename", "url"].contains($0) }), key + 2 < parts.count else { return text }
        return parts[key + 2]
    }

    /// Heads of `key: value` lines before each text, as LlamaIndex writes them.
    private func described(_ lines: ArraySlice<PromptText.Line>) -> [Passage]? {
        func isHead(_ line: PromptText.Line) -> Bool {
            guard let label = text.label(line, wordLimit: 1), !label.rest.isEmpty else { return false }
            return bytes[label.words].contains(UInt8(ascii: "_")) || ["source", "title", "url", "filename"].contains(bytes.lowercased(label.words))
        }
        guard let first = lines.first, isHead(first) else { return nil }
        var passages: [Passage] = []
        var isInHead = false
        for line in lines {
            if isHead(line) {
                if !isInHead {
                    close(&passages, at: line.range.lowerBound)
                    passages.append(Passage(range: span(line.next, lines.last?.range.upperBound ?? line.next)))
                    isInHead = true
                }
                guard let last = passages.indices.last else { continue }
                takeMetadata(line, into: &passages[last])
                passages[last].range = span(line.next, passages[last].range.upperBound)
            } else if !line.isBlank {
                isInHead = false
            }
        }
        return passages
    }

    /// Rules between documents: at least two of one kind, or one that stands alone between blank lines.
    private func ruled(_ lines: ArraySlice<PromptText.Line>) -> [Passage]? {
        let rules = lines.filter { text.rule($0) != nil || bytes[$0.trimmed].elementsEqual("---".utf8) }
        guard let first = rules.first, rules.allSatisfy({ $0.trimmed.count == first.trimmed.count }), rules.count >= 2 else { return nil }
        var passages = [Passage(range: span(lines.first?.range.lowerBound ?? 0, lines.last?.range.upperBound ?? 0))]
        for rule in rules {
            close(&passages, at: rule.range.lowerBound)
            passages.append(Passage(range: span(rule.next, lines.last?.range.upperBound ?? 0)))
        }
        return passages
    }

    /// Lines of the same deep indentation, as template loops leave them: one document each.
    private func indented(_ lines: ArraySlice<PromptText.Line>, _ region: Region) -> [Passage]? {
        guard region.form == .label, let first = lines.first, first.range.lowerBound > region.outer.lowerBound,
            lines.count >= 2, first.indent >= 4, lines.allSatisfy({ !$0.isBlank && $0.indent == first.indent })
        else { return nil }
        return lines.map { Passage(range: $0.trimmed) }
    }

    private func paragraphs(_ lines: ArraySlice<PromptText.Line>, isOne: Bool) -> [Passage] {
        var passages: [Passage] = []
        var start: Int?
        var end = 0
        for line in lines {
            if line.isBlank {
                if let start, !isOne { passages.append(Passage(range: span(start, end))) }
                start = nil
            } else {
                start = start ?? line.range.lowerBound
                end = line.range.upperBound
            }
        }
        if let start { passages.append(Passage(range: span(start, end))) }
        return passages
    }
}
