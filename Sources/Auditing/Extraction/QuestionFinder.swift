// The question in a prompt's text: what follows the last question's label outside the documents, otherwise what is left of
// the text when the documents are taken out.

enum QuestionFinder {
    /// A line that begins with a question's label.
    static func isQuestion(_ text: PromptText, _ line: PromptText.Line) -> Bool {
        guard let label = text.label(line, wordLimit: 7) else { return false }
        return Markers.isQuestionLabel(text.bytes.lowercased(label.words))
    }

    /// The question after a label or in a tag; nil if the text has none outside its regions.
    static func labelled(in text: PromptText, outside regions: [Region]) -> String? {
        let bytes = text.bytes
        let tag = Tags(bytes, in: 0..<bytes.count).pairs(where: Markers.isQuestionTag).last { pair in
            !regions.contains { $0.outer.overlaps(pair.outer) } && !bytes.trimmed(pair.inner).isEmpty
        }
        if let tag { return bytes.text(bytes.trimmed(tag.inner)) }
        for index in text.lines.indices.reversed() {
            let line = text.lines[index]
            if let inline = bytes.first("respond to this prompt:", in: line.range) {
                return bytes.text(bytes.trimmed(span(inline + 23, bytes.count)))
            }
            guard let label = text.label(line, wordLimit: 7), Markers.isQuestionLabel(bytes.lowercased(label.words)) else { continue }
            guard !regions.contains(where: { $0.outer.contains(line.trimmed.lowerBound) }) else { continue }
            let question = question(in: text, from: label.rest.lowerBound, firstLine: index, outside: regions)
            if !question.isEmpty { return question }
        }
        return nil
    }

    /// From a label to the next label, region or blank line (the label's own line may be blank).
    private static func question(in text: PromptText, from start: Int, firstLine: Int, outside regions: [Region]) -> String {
        let bytes = text.bytes
        var end = bytes.count
        if let region = regions.first(where: { $0.outer.lowerBound >= start }) { end = region.outer.lowerBound }
        var hasText = !bytes.trimmed(span(start, text.lines[firstLine].range.upperBound)).isEmpty
        for line in text.lines[(firstLine + 1)...] {
            guard line.range.lowerBound < end else { break }
            let isLabel = text.label(line, wordLimit: 8) != nil && !bytes[line.trimmed].contains(UInt8(ascii: "?"))
            if (line.isBlank && hasText) || isLabel || text.rule(line) != nil {
                end = line.range.lowerBound
                break
            }
            if !line.isBlank { hasText = true }
        }
        return bytes.text(bytes.trimmed(span(start, end)))
    }

    /// The text without its documents.
    static func rest(of text: PromptText, outside regions: [Region]) -> String {
        let bytes = text.bytes
        var pieces: [String] = []
        var start = 0
        for region in regions + [Region(form: .tag, outer: bytes.count..<bytes.count, inner: 0..<0)] {
            let piece = bytes.trimmed(span(start, region.outer.lowerBound))
            if !piece.isEmpty { pieces.append(bytes.text(piece)) }
            start = max(start, region.outer.upperBound)
        }
        return pieces.joined(separator: "\n")
    }
}
