// Finds the regions of a prompt's text that hold documents: between tags, rules, fences and markers, under labels and
// headings. The text is read from top to bottom; the outermost region wins, so that a document may hold anything.
// `DocumentSplitter` cuts regions into documents, `QuestionFinder` looks for the question in what is left.

/// A part of a text that holds documents.
struct Region {
    enum Form { case tag, rule, fence, marker, heading, label, headers, instruction, structured }

    var form: Form
    /// With the signs around it and the line that announces it.
    var outer: Range<Int>
    var inner: Range<Int>
    var attributes: [String: String] = [:]
    /// Named as one text (`Article:`, a fence): blank lines separate nothing.
    var isOneDocument = false
}

/// Scans one text.
struct TemplateScanner {
    /// Lines looked at in search of ends, so that many beginnings without an end cost no more than a long text.
    private static let searchLimit = 40_000
    /// More than there can be documents.
    private static let regionLimit = 400

    let text: PromptText
    private(set) var regions: [Region] = []
    /// A place for documents was found, perhaps with nothing in it.
    private(set) var isTemplate = false
    private let tagPairs: [TagPair]
    private var searchesLeft = searchLimit
    /// The text was too long or too strange to be read to its end.
    var isExhausted: Bool { searchesLeft <= 0 || text.isExhausted || regions.count >= Self.regionLimit }
    /// Questions are looked for once: offsets of the lines that begin with a question's label.
    private let questionLines: [Int]
    /// Whether the text is the user's own turn, in which a lone fence or table is the thing asked about.
    private let isUser: Bool

    private var bytes: [UInt8] { text.bytes }

    init(_ text: PromptText, isUser: Bool) {
        self.text = text
        self.isUser = isUser
        tagPairs = Tags(text.bytes, in: 0..<text.bytes.count).pairs { Markers.isContextTag($0) || Markers.isOtherTag($0) }
        questionLines = text.lines.indices.filter { QuestionFinder.isQuestion(text, text.lines[$0]) }
        scan()
    }

    private mutating func scan() {
        var index = firstLineAfterExamples()
        var pair = tagPairs.startIndex
        while index < text.lines.count, searchesLeft > 0, regions.count < Self.regionLimit {
            let line = text.lines[index]
            while pair < tagPairs.endIndex, tagPairs[pair].outer.lowerBound < line.range.lowerBound { pair += 1 }
            if pair < tagPairs.endIndex, tagPairs[pair].outer.lowerBound < line.next {
                let tag = tagPairs[pair]
                pair += 1
                index = take(tag, at: index)
                continue
            }
            guard !line.isBlank else {
                index += 1
                continue
            }
            guard
                let region = rule(at: index) ?? fence(at: index) ?? marker(at: index) ?? heading(at: index) ?? label(at: index) ?? headers(at: index)
                    ?? instruction(at: index) ?? structured(at: index)
            else {
                index += 1
                continue
            }
            add(region)
            index = max(index + 1, text.line(at: region.outer.upperBound))
        }
    }

    /// A tag at its place: context becomes a region, others are passed over. The next line to look at.
    private mutating func take(_ tag: TagPair, at index: Int) -> Int {
        if Markers.isContextTag(tag.name) {
            let inner = bytes.trimmed(tag.inner)
            isTemplate = true
            if !inner.isEmpty {
                // Neighbours of the same name, `<document>` … `<document>` …, are one region each.
                add(Region(form: .tag, outer: tag.outer, inner: inner, attributes: tag.attributes))
            }
        } else {
            guard !Markers.isQuestionTag(tag.name) else { return text.line(at: tag.outer.upperBound - 1) + 1 }
        }
        let last = text.line(at: tag.outer.upperBound - 1)
        return bytes.trimmed(span(tag.outer.upperBound, text.lines.indices.contains(last) ? text.lines[last].range.upperBound : 0)).isEmpty
            || last == index ? last + 1 : max(last, index + 1)
    }

    private mutating func add(_ region: Region) {
        isTemplate = true
        guard !bytes.trimmed(region.inner).isEmpty else { return }
        regions.append(region)
    }

    /// Worked examples end where the prompt says that it is the model's turn.
    private func firstLineAfterExamples() -> Int {
        let index = text.lines.lastIndex { line in
            bytes.first("your turn", in: line.trimmed) != nil
                && (bytes.first("now it's your turn", in: line.trimmed) != nil || bytes.first("now it is your turn", in: line.trimmed) != nil)
        }
        return index ?? 0
    }

    // MARK: Signs that come in pairs

    /// Between two rules of the same sign and length: the last such rule before the question closes, so that rules may also separate.
    private mutating func rule(at index: Int) -> Region? {
        guard let rule = text.rule(text.lines[index]) else { return nil }
        let before = text.lines[..<index].reversed().prefix(6).filter { !$0.isBlank }.prefix(3)
        let isAnnounced = before.contains { line in
            Markers.mentionsContext(Markers.words(bytes, line.trimmed)) || QuestionFinder.isQuestion(text, line)
        }
        let limit = lastQuestion(after: index) ?? text.lines.count
        var closing: Int?
        for candidate in span(index + 1, limit) where isSame(rule, candidate) { closing = candidate }
        guard isAnnounced || (closing != nil && rule.length >= 5) else { return nil }
        let start = text.lines[index].next
        let end = closing.map { text.lines[$0].range.lowerBound } ?? end(ofOpenRegionFrom: index + 1)
        let outerEnd = closing.map { text.lines[$0].next } ?? end
        return Region(form: .rule, outer: span(text.lines[index].range.lowerBound, outerEnd), inner: span(start, end))
    }

    private mutating func isSame(_ rule: (sign: UInt8, length: Int), _ candidate: Int) -> Bool {
        searchesLeft -= 1
        guard searchesLeft > 0, let other = text.rule(text.lines[candidate]) else { return false }
        return other == rule
    }

    /// Between fences or triple quotes, unless they hold a program.
    private mutating func fence(at index: Int) -> Region? {
        guard let fence = text.fence(text.lines[index]), !fence.info.utf8.contains(fence.sign) else { return nil }
        var closing: Int?
        for candidate in span(index + 1, text.lines.count) {
            searchesLeft -= 1
            guard searchesLeft > 0 else { return nil }
            if let other = text.fence(text.lines[candidate]), other.sign == fence.sign, other.length >= fence.length, other.info.isEmpty {
                closing = candidate
                break
            }
        }
        guard let closing else { return nil }
        let announcement = self.announcement(before: index)
        guard Markers.isProse(fenceInfo: fence.info), isUser || announcement != nil else { return nil }
        return Region(
            form: .fence, outer: span(announcement ?? text.lines[index].range.lowerBound, text.lines[closing].next),
            inner: span(text.lines[index].next, text.lines[closing].range.lowerBound), isOneDocument: true)
    }

    /// Where the line begins that announces what follows, `Here is the text:`; blank lines may stand between.
    private func announcement(before index: Int) -> Int? {
        guard let line = text.lines[..<index].reversed().prefix(3).first(where: { !$0.isBlank }), bytes[line.trimmed].last == UInt8(ascii: ":") else {
            return nil
        }
        let words = Markers.words(bytes, line.trimmed)
        return words.count <= 6 && Markers.announcesContext(words) ? line.range.lowerBound : nil
    }

    /// `BEGIN_CONTEXT` … `END_CONTEXT`, `[CONTEXT 0]:` … `[END CONTEXT 0]`.
    private mutating func marker(at index: Int) -> Region? {
        guard let name = Self.openingMarker(text, text.lines[index]) else { return nil }
        for candidate in span(index + 1, text.lines.count) {
            searchesLeft -= 1
            guard searchesLeft > 0 else { return nil }
            guard Self.isClosingMarker(text, text.lines[candidate], of: name) else { continue }
            return Region(
                form: .marker, outer: span(text.lines[index].range.lowerBound, text.lines[candidate].next),
                inner: span(text.lines[index].next, text.lines[candidate].range.lowerBound), isOneDocument: true)
        }
        return nil
    }

    /// The words that the closing marker must repeat.
    static func openingMarker(_ text: PromptText, _ line: PromptText.Line) -> [String]? {
        guard line.trimmed.count <= 60, let first = text.bytes[line.trimmed].first,
            first == UInt8(ascii: "[") || startsWord("begin", text, line) || startsWord("start", text, line)
        else { return nil }
        var words = Markers.words(text.bytes, line.trimmed).flatMap { $0.split(separator: "_").map(String.init) }
        if words.first == "begin" || words.first == "start" {
            words.removeFirst()
            if words.first == "of" { words.removeFirst() }
            return words.isEmpty || words.count > 4 ? nil : words
        }
        guard first == UInt8(ascii: "["), words.count <= 4, words.first != "end", words.contains(where: Markers.isContextWord) else { return nil }
        return words
    }

    /// Whether the first word of a line begins so: asked of every line, before its words are told apart.
    private static func startsWord(_ word: String, _ text: PromptText, _ line: PromptText.Line) -> Bool {
        guard let start = text.bytes[line.trimmed].firstIndex(where: ASCII.isWord) else { return false }
        return text.bytes.has(word, at: start)
    }

    static func isClosingMarker(_ text: PromptText, _ line: PromptText.Line, of name: [String]) -> Bool {
        guard line.trimmed.count <= 66, startsWord("end", text, line) else { return false }
        var words = Markers.words(text.bytes, line.trimmed).flatMap { $0.split(separator: "_").map(String.init) }
        guard words.first == "end" else { return false }
        words.removeFirst()
        if words.first == "of" { words.removeFirst() }
        return words == name
    }

    // MARK: Signs that only begin

    /// Under a heading, up to the next heading of its level or above.
    private mutating func heading(at index: Int) -> Region? {
        guard let heading = text.heading(text.lines[index]) else { return nil }
        let words = Markers.words(bytes, heading.title)
        guard words.count <= 6, Markers.announcesContext(words) else { return nil }
        var end = index + 1
        while end < text.lines.count {
            searchesLeft -= 1
            if let other = text.heading(text.lines[end]), other.level <= heading.level { break }
            if QuestionFinder.isQuestion(text, text.lines[end]), lastQuestion(after: index) == end { break }
            end += 1
        }
        let limit = end < text.lines.count ? text.lines[end].range.lowerBound : bytes.count
        return Region(form: .heading, outer: span(text.lines[index].range.lowerBound, limit), inner: span(text.lines[index].next, limit))
    }

    /// After a label such as `Context:`, on its line or below, up to the question, the answer or an instruction.
    private mutating func label(at index: Int) -> Region? {
        let line = text.lines[index]
        guard let label = text.label(line, wordLimit: 30) else { return nil }
        var words = Markers.words(bytes, label.words)
        let bare = bytes[label.words]
        if let dot = bare.lastIndex(of: UInt8(ascii: ".")) { words = Markers.words(bytes, span(dot, label.words.upperBound)) }
        guard Markers.announcesContext(words), words.count <= 3 || label.rest.isEmpty || words.first == "using" else { return nil }
        guard !QuestionFinder.isQuestion(text, line), DocumentSplitter.header(text, line) == nil else { return nil }
        // Signs of their own say better where the documents stand; they take the label for their announcement.
        if label.rest.isEmpty, let next = text.lines[(index + 1)...].prefix(3).first(where: { !$0.isBlank }), text.fence(next) != nil || text.rule(next) != nil {
            return nil
        }
        let isOne = ["text", "article", "transcript", "email"].contains(words.last ?? "")
        let start = label.rest.isEmpty ? line.next : label.rest.lowerBound
        var end = end(ofOpenRegionFrom: index + 1)
        if let inline = bytes.first("respond to this prompt:", in: line.trimmed), inline > start {
            end = inline
            // The template's full stop after that of the text.
            let last = bytes.trimmed(span(start, end)).upperBound - 1
            if last > start, bytes[last] == UInt8(ascii: "."), bytes[last - 1] == UInt8(ascii: ".") { end = last }
        }
        return Region(form: .label, outer: span(line.range.lowerBound, end), inner: span(start, end), isOneDocument: isOne)
    }

    /// Documents with headers of their own, `Document 1 (Title: …):`, `[1] …`, without a label above.
    private mutating func headers(at index: Int) -> Region? {
        let line = text.lines[index]
        guard DocumentSplitter.header(text, line) != nil || (DocumentSplitter.number(text, line) ?? ("", 0, .dot)) .form == .bracket else { return nil }
        let end = end(ofOpenRegionFrom: index + 1)
        return Region(form: .headers, outer: span(line.range.lowerBound, end), inner: span(line.range.lowerBound, end))
    }

    /// After a paragraph such as "Use the following pieces of context to answer the question at the end.", up to the question.
    private mutating func instruction(at index: Int) -> Region? {
        let line = text.lines[index]
        guard bytes.first("following", in: line.trimmed) != nil || bytes.first("below", in: line.trimmed) != nil,
            Markers.mentionsContext(Markers.words(bytes, line.trimmed)), let question = lastQuestion(after: index)
        else { return nil }
        guard let blank = text.lines[index..<question].firstIndex(where: \.isBlank) else { return nil }
        // A sign of its own further down says it better.
        for candidate in span(blank, question) {
            searchesLeft -= 1
            let other = text.lines[candidate]
            guard searchesLeft > 0, text.rule(other) == nil, text.heading(other) == nil, text.fence(other) == nil, Self.openingMarker(text, other) == nil,
                label(at: candidate) == nil, headers(at: candidate) == nil
            else { return nil }
        }
        let start = text.lines[blank].next
        guard !tagPairs.contains(where: { $0.outer.lowerBound >= start }) else { return nil }
        let end = end(ofOpenRegionFrom: blank)
        return Region(form: .instruction, outer: span(start, end), inner: span(start, end))
    }

    /// A Markdown table, or lines of JSON, in the user's own text.
    private mutating func structured(at index: Int) -> Region? {
        let line = text.lines[index]
        guard isUser, let first = bytes[line.trimmed].first else { return nil }
        var end = index
        if first == UInt8(ascii: "|") {
            while end < text.lines.count, bytes[text.lines[end].trimmed].first == UInt8(ascii: "|") { end += 1 }
            guard end >= index + 3 else { return nil }
        } else if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            var depth = 0
            var isInString = false
            let limit = min(bytes.count, line.trimmed.lowerBound + 64 * max(0, searchesLeft))
            search: for offset in span(line.trimmed.lowerBound, limit) {
                if offset & 63 == 0 { searchesLeft -= 1 }
                switch bytes[offset] {
                case UInt8(ascii: "\"") where offset == 0 || bytes[offset - 1] != UInt8(ascii: "\\"): isInString.toggle()
                case UInt8(ascii: "{"), UInt8(ascii: "["): if !isInString { depth += 1 }
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if !isInString { depth -= 1 }
                    if depth == 0 {
                        end = text.line(at: offset) + 1
                        break search
                    }
                default: break
                }
            }
            guard end > index, bytes[line.trimmed.lowerBound..<text.lines[end - 1].range.upperBound].contains(UInt8(ascii: ":")) else { return nil }
        }
        guard end > index else { return nil }
        let range = span(line.range.lowerBound, text.lines[end - 1].range.upperBound)
        return Region(form: .structured, outer: span(range.lowerBound, text.lines[end - 1].next), inner: range, isOneDocument: true)
    }

    // MARK: Ends

    /// The last line after `index` that begins with a question's label.
    private func lastQuestion(after index: Int) -> Int? {
        questionLines.last.flatMap { $0 > index ? $0 : nil }
    }

    /// Where a region ends that nothing closes: at the last question, else at an answer's or instruction's label; instructions
    /// at its end are cut off.
    private mutating func end(ofOpenRegionFrom first: Int) -> Int {
        var end = text.lines.count
        if let question = lastQuestion(after: first - 1) {
            end = question
        } else {
            for index in span(first, text.lines.count) {
                searchesLeft -= 1
                guard let label = text.label(text.lines[index], wordLimit: 4) else { continue }
                let name = bytes.lowercased(label.words)
                let isLast = label.rest.isEmpty && text.lines[(index + 1)...].allSatisfy(\.isBlank)
                if Markers.isInstructionLabel(name) || (Markers.isAnswerLabel(name) && isLast) {
                    end = index
                    break
                }
            }
        }
        // The last paragraphs, as long as they speak to the model.
        while true {
            while end > first, text.lines[end - 1].isBlank { end -= 1 }
            var start = end
            while start > first, !text.lines[start - 1].isBlank { start -= 1 }
            guard start > first, start < end, text.lines[start - 1].isBlank, Markers.startsInstruction(bytes, at: text.lines[start].trimmed.lowerBound) else { break }
            searchesLeft -= end - start
            end = start
        }
        return end < text.lines.count ? text.lines[end].range.lowerBound : bytes.count
    }
}
