// The request, with the differences between APIs gone: messages with roles, fields that hold documents, the question if a
// field names it. What stands inside the texts is left to Extraction.

import JSON

/// What the model was given.
struct Prompt {
    enum Role { case system, user, assistant, tool }

    enum Part {
        case text(String)
        case document(ContextDocument)
        /// What a tool gave back, with the id of its call.
        case toolResult(id: String, text: String)
        case toolValue(id: String, value: JSONValue)
    }

    struct Message {
        var role: Role
        /// Its place in the list of the request; nil for fields such as `instructions`.
        var index: Int?
        var parts: [Part]
    }

    /// More messages than any conversation has; further ones are not looked at, the oldest are dropped first.
    static let messageLimit = 1000

    private(set) var model: String?
    private(set) var query: String?
    private(set) var messages: [Message] = []
    private(set) var documents: [ContextDocument] = []
    /// A field for documents is there, perhaps with nothing in it.
    private(set) var hasDocumentField = false
    private(set) var isPartial = false

    init(_ body: JSONValue) {
        model = body["model"]?.string
        query = body["query"]?.string
        if query == nil, let text = body["message"]?.string ?? body["question"]?.string { query = text }  // Cohere; RAG services
        for name in ["system", "instructions", "preamble", "systemInstruction", "system_instruction"] {
            if let value = body[name] { add(.system, index: nil, content: value) }
        }
        if let list = body["messages"]?.array ?? body["chat_history"]?.array {
            isPartial = list.count > Self.messageLimit
            for (index, message) in list.enumerated().suffix(Self.messageLimit) { add(message, index: index) }
        }
        switch body["input"] {
        case .string(let text)?: messages.append(Message(role: .user, index: nil, parts: [.text(text)]))
        case .array(let items)?:
            for (index, item) in items.enumerated().suffix(Self.messageLimit) { add(item, index: index) }
        default: break
        }
        for (index, content) in (body["contents"]?.array ?? []).enumerated().suffix(Self.messageLimit) { add(gemini: content, index: index) }
        switch body["prompt"] {
        case .string(let text)?: messages.append(Message(role: .user, index: nil, parts: [.text(text)]))
        case .array(let texts)?:
            if let text = texts.first?.string { messages.append(Message(role: .user, index: nil, parts: [.text(text)])) }
        default: break
        }
        addFields(of: body)
    }

    /// `documents`, `context` and their like beside the messages.
    private mutating func addFields(of body: JSONValue) {
        for name in ["documents", "context", "contexts", "context_documents", "retrieved_documents", "passages", "sources", "docs"] {
            guard let value = body[name], value != .null else { continue }
            if case .array(let elements) = value, !elements.isEmpty, elements.allSatisfy({ $0.int != nil }) { continue }  // Ollama: tokens
            if case .bool = value { continue }
            hasDocumentField = true
            documents += Records.documents(in: value, origin: .field)
        }
    }

    // MARK: Messages

    private mutating func add(_ message: JSONValue, index: Int) {
        switch message["type"]?.string {
        case "function_call_output", "custom_tool_call_output":
            let id = message["call_id"]?.string ?? ""
            messages.append(Message(role: .tool, index: index, parts: toolParts(id, message["output"])))
            return
        case "message", nil: break
        default: if message["role"] == nil { return }  // calls, reasoning
        }
        let role = role(named: message["role"]?.string ?? "")
        guard role == .tool else { return add(role, index: index, content: message["content"] ?? message["message"] ?? .null) }
        let id = message["tool_call_id"]?.string ?? ""
        messages.append(Message(role: .tool, index: index, parts: toolParts(id, message["content"])))
    }

    private func role(named name: String) -> Role {
        switch name.lowercased() {
        case "system", "developer": .system
        case "assistant", "model", "chatbot": .assistant
        case "tool", "function": .tool
        default: .user
        }
    }

    private mutating func add(_ role: Role, index: Int?, content: JSONValue) {
        var parts: [Part] = []
        switch content {
        case .string(let text): parts.append(.text(text))
        case .array(let elements): for element in elements.prefix(Self.messageLimit) { parts += self.parts(of: element) }
        case .object: for part in content["parts"]?.array ?? [content] { parts += self.parts(of: part) }
        default: break
        }
        let isResult = parts.contains { if case .toolResult = $0 { true } else if case .toolValue = $0 { true } else { false } }
        let hasText = parts.contains { if case .text = $0 { true } else { false } }
        messages.append(Message(role: isResult && !hasText ? .tool : role, index: index, parts: parts))
    }

    private func parts(of part: JSONValue) -> [Part] {
        if case .string(let text) = part { return [.text(text)] }
        switch part["type"]?.string {
        case "text", "input_text", "output_text": return part["text"]?.string.map { [.text($0)] } ?? []
        case "tool_result": 
            guard part["is_error"] != .bool(true) else { return [] }
            return toolParts(part["tool_use_id"]?.string ?? "", part["content"])
        case "document": return [.document(Self.document(ofBlock: part))]
        case "search_result":
            let content = Self.text(of: part["content"])
            let source = part["source"]?.string ?? part["title"]?.string ?? ""
            return [.document(ContextDocument(content: content, source: source, origin: .block, isOpaque: content.isEmpty))]
        case "image", "image_url", "input_image", "input_file", "file", "input_audio":
            let name = part["filename"]?.string ?? part["file"]?["filename"]?.string ?? part["file_id"]?.string ?? ""
            return [.document(ContextDocument(content: "", source: name, origin: .block, isOpaque: true))]
        case nil:
            if let text = part["text"]?.string { return [.text(text)] }
            if let response = part["functionResponse"]?["response"] { return [.toolValue(id: "", value: response)] }
            if part["inlineData"] != nil || part["fileData"] != nil {
                return [.document(ContextDocument(content: "", origin: .block, isOpaque: true))]
            }
            return []
        default: return []
        }
    }

    private mutating func add(gemini content: JSONValue, index: Int) {
        add(role(named: content["role"]?.string ?? "user"), index: index, content: content)
    }

    private func toolParts(_ id: String, _ content: JSONValue?) -> [Part] {
        switch content {
        case .string(let text): return [.toolResult(id: id, text: text)]
        case .array(let elements):
            var parts: [Part] = []
            for element in elements.prefix(Self.messageLimit) {
                switch element["type"]?.string {
                case "text", "input_text", "output_text": if let text = element["text"]?.string { parts.append(.toolResult(id: id, text: text)) }
                case "document", "search_result", "image", "image_url", "input_image", "input_file": parts += self.parts(of: element)
                default: parts.append(.toolValue(id: id, value: element))
                }
            }
            return parts
        case .object(let members): return [.toolValue(id: id, value: .object(members))]
        default: return []
        }
    }

    /// A document block of Anthropic's API.
    private static func document(ofBlock block: JSONValue) -> ContextDocument {
        let source = block["source"]
        let title = block["title"]?.string ?? ""
        var content = ""
        switch source?["type"]?.string {
        case "text": content = source?["data"]?.string ?? ""
        case "content": content = text(of: source?["content"])
        default: break
        }
        return ContextDocument(content: content, source: title, origin: .block, isOpaque: content.isEmpty)
    }

    /// The text blocks of a content, each on its own lines.
    private static func text(of content: JSONValue?) -> String {
        switch content {
        case .string(let text): text
        case .array(let blocks): blocks.compactMap { $0["text"]?.string }.joined(separator: "\n")
        default: ""
        }
    }
}
