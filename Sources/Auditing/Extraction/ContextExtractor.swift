// The question and the documents of a prompt, from its fields, blocks, tool results and texts, in this order of trust. All
// that is found is kept; every document tells where it came from. What a document says is never followed.

import JSON

/// Extracts from one prompt, a message at a time.
struct ContextExtractor {
    /// More documents than models are given; further ones are not looked at, and the context counts as partial.
    static let documentLimit = 200
    /// A document's text is cut here, all texts together there: what the engine can hold against an answer in its time.
    static let documentLimitBytes = 256 << 10
    static let totalLimitBytes = 1 << 20

    private(set) var query = ""
    private(set) var documents: [ContextDocument] = []
    private(set) var isPartial = false
    private var hasTemplate = false
    private var bytesLeft = totalLimitBytes
    private var scansLeft = 64  // texts of a conversation, the latest first

    var state: ContextState {
        if documents.contains(where: { !$0.isOpaque }) { return .found }
        if !documents.isEmpty { return .opaque }
        return hasTemplate ? .empty : .none
    }

    private let prompt: Prompt
    /// Messages before this one are still to be read; the last one comes first.
    private var position: Int
    /// The last user message with text asks; documents before the message that precedes it belong to earlier turns.
    private let current: Int?
    private var inPrompt: [ContextDocument] = []
    private var earlier: [ContextDocument] = []
    private var question: String?

    init(_ prompt: Prompt, responseDocuments: [ContextDocument]) {
        self.prompt = prompt
        position = prompt.messages.count
        current = prompt.messages.lastIndex { $0.role == .user && Self.hasText($0) }
        hasTemplate = prompt.hasDocumentField
        for document in prompt.documents { add(document) }
        for document in responseDocuments { add(document) }
    }

    /// Reads one message; the bytes read, nil when all are and the result stands.
    mutating func step() -> Int? {
        guard position > 0 else {
            finish()
            return nil
        }
        position -= 1
        return read(prompt.messages[position], at: position)
    }

    private mutating func read(_ message: Prompt.Message, at position: Int) -> Int {
        let isEarlier = current.map { position < $0 && message.role != .system && Self.hasAnswer(prompt.messages[position..<$0]) } ?? false
        var found: [ContextDocument] = []
        var bytes = 256
        for part in message.parts {
            switch part {
            case .document(let document): found.append(document)
            case .toolResult(let id, let text):
                bytes += text.utf8.count
                found += toolDocuments(id, text)
            case .toolValue(let id, let value):
                bytes += 1024
                found += Self.named(id, Records.documents(in: value, origin: .tool))
            case .text(let text):
                guard message.role == .user || message.role == .system else { continue }
                bytes += text.utf8.count
                let isCurrent = position == current
                let scanned = scan(text, message, isCurrent: isCurrent)
                found += scanned.documents
                if isCurrent {
                    question = [question, scanned.question].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: "\n")
                }
            }
        }
        for index in found.indices {
            found[index].messageIndex = message.index
            found[index].isEarlierTurn = isEarlier
        }
        if isEarlier { earlier = found + earlier } else { inPrompt = found + inPrompt }
        return bytes
    }

    private mutating func finish() {
        for document in inPrompt + earlier { add(document) }
        query = prompt.query ?? question ?? ""
        for index in documents.indices where documents[index].id.isEmpty { documents[index].id = "doc-\(index + 1)" }
    }

    private static func hasText(_ message: Prompt.Message) -> Bool {
        message.parts.contains { if case .text(let text) = $0 { text.utf8.contains { !ASCII.isSpace($0) } } else { false } }
    }

    /// An answer of the model between two messages separates turns; a call of a tool does not.
    private static func hasAnswer(_ messages: ArraySlice<Prompt.Message>) -> Bool {
        messages.contains { $0.role == .assistant && hasText($0) }
    }

    private mutating func add(_ document: ContextDocument) {
        guard document.isOpaque || document.content.utf8.contains(where: { !ASCII.isSpace($0) }) else { return }
        guard documents.count < Self.documentLimit, document.isOpaque || bytesLeft > 0 else {
            isPartial = true
            return
        }
        var document = document
        let limit = min(Self.documentLimitBytes, bytesLeft)
        if document.content.utf8.count > limit {
            isPartial = true
            let bytes = Array(document.content.utf8.prefix(limit + 1))
            document.content = String(decoding: bytes[..<ASCII.boundary(in: bytes, atMost: limit)], as: UTF8.self)
        }
        if document.isOpaque { isPartial = true }
        bytesLeft -= document.content.utf8.count
        documents.append(document)
    }

    // MARK: Texts

    private mutating func scan(_ text: String, _ message: Prompt.Message, isCurrent: Bool) -> (documents: [ContextDocument], question: String?) {
        guard scansLeft > 0 else {
            isPartial = true
            return ([], isCurrent ? text : nil)
        }
        scansLeft -= 1
        let promptText = PromptText(Array(text.utf8))
        let scanner = TemplateScanner(promptText, isUser: message.role == .user)
        hasTemplate = hasTemplate || scanner.isTemplate
        isPartial = isPartial || scanner.isExhausted
        let splitter = DocumentSplitter(promptText)
        let documents = scanner.regions.flatMap { region in
            // One more than the limit says that there are more.
            splitter.passages(in: region).prefix(Self.documentLimit + 1).map { passage in
                ContextDocument(
                    id: passage.id, content: promptText.bytes.text(passage.range), source: passage.source, metadata: passage.metadata,
                    origin: .prompt, offset: passage.range.lowerBound)
            }
        }
        guard isCurrent else { return (documents, nil) }
        let question = QuestionFinder.labelled(in: promptText, outside: scanner.regions)
            ?? QuestionFinder.rest(of: promptText, outside: scanner.regions)
        return (documents, question)
    }

    /// What a tool gave back: records of JSON, or a text with parts that are named, or one document.
    private mutating func toolDocuments(_ id: String, _ text: String) -> [ContextDocument] {
        let bytes = Array(text.utf8)
        let trimmed = bytes.trimmed(0..<bytes.count)
        guard let first = bytes[trimmed].first else { return [] }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            do throws(JSONError) {
                return Self.named(id, Records.documents(in: try JSONValue(parsing: bytes.span, valueLimit: CaptureDecoder.valueLimit), origin: .tool))
            } catch {
                guard error != .tooManyValues else {
                    isPartial = true
                    return []
                }
            }
        }
        if ["error:", "error executing", "exception:", "traceback (most"].contains(where: { bytes.has($0, at: trimmed.lowerBound) }) { return [] }
        let promptText = PromptText(bytes)
        let passages = DocumentSplitter(promptText).passages(
            in: Region(form: .marker, outer: trimmed, inner: trimmed, isOneDocument: true))
        return Self.named(id, passages.map { passage in
            ContextDocument(
                id: passage.id, content: bytes.text(passage.range), source: passage.source, metadata: passage.metadata, origin: .tool,
                offset: passage.range.lowerBound)
        })
    }

    /// A lone document takes the id of the tool's call.
    private static func named(_ id: String, _ documents: [ContextDocument]) -> [ContextDocument] {
        guard documents.count == 1, documents[0].id.isEmpty else { return documents }
        var document = documents[0]
        document.id = id
        return [document]
    }
}
