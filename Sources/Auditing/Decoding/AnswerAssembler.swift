// Puts the model's answer together, from one body or from the chunks of a stream, whatever API they belong to: OpenAI chat
// and legacy completions, Responses, Anthropic messages, Ollama, Gemini, plain `{response}` and `{answer}`. Shapes are told
// by their members, not by the path, because gateways serve any API under any path. Tool calls, refusals and thinking are
// no part of an answer.

import JSON

/// Collects text, model, usage and the upstream's own documents.
struct AnswerAssembler {
    private(set) var text = ""
    private(set) var model: String?
    private(set) var usage: TokenUsage?
    private(set) var documents: [ContextDocument] = []
    /// A shape was recognised, so that the longest text is not looked for.
    private(set) var isRecognised = false
    /// The longest text of shapes that are not known.
    private var longest = ""

    /// The answer after the last chunk.
    var answer: String { isRecognised ? text : longest }

    /// Adds a whole body or the next chunk of a stream.
    mutating func add(_ body: JSONValue) {
        guard body.members != nil else {
            if case .array(let elements) = body, elements.allSatisfy({ $0["candidates"] != nil }) {
                for element in elements { add(element) }  // Gemini streams one array
            } else {
                addLongest(of: body)
            }
            return
        }
        if let name = body["model"]?.string ?? body["modelVersion"]?.string { model = model ?? name }
        addUsage(body["usage"] ?? body["usageMetadata"])
        if let choices = body["choices"]?.array { return addChoices(choices) }
        if let candidates = body["candidates"]?.array { return addCandidates(candidates) }
        if let type = body["type"]?.string, addTyped(type, body) { return }
        if let message = body["message"], message.members != nil {  // Ollama chat, Cohere
            isRecognised = true
            addUsageOfOllama(body)
            return append(contentOf: message["content"])
        }
        if let output = body["output"]?.array { return addOutput(output) }
        for name in ["response", "answer", "output_text", "generated_text", "completion", "output"] {
            guard let answer = body[name]?.string else { continue }
            isRecognised = true
            addUsageOfOllama(body)
            addDocuments(body)
            text += answer
            return
        }
        if body["object"]?.string == "list" || body["embedding"] != nil || body["embeddings"] != nil || body["error"] != nil {
            isRecognised = true  // known to hold no answer
            return
        }
        if let delta = body["token"]?["text"]?.string ?? body["delta"]?["text"]?.string {
            isRecognised = true
            text += delta
            return
        }
        addLongest(of: body)
    }

    /// Adds a chunk that is no JSON, such as a stream of plain text.
    mutating func add(plain chunk: [UInt8]) {
        longest += String(decoding: chunk, as: UTF8.self)
    }

    // MARK: Shapes

    /// Chat and legacy completions. Several choices are alternatives: the first is audited.
    private mutating func addChoices(_ choices: [JSONValue]) {
        isRecognised = true
        for choice in choices where (choice["index"]?.int ?? 0) == 0 {
            if let message = choice["delta"] ?? choice["message"] {
                append(contentOf: message["content"])
                for citation in message["context"]?["citations"]?.array ?? [] {  // Azure OpenAI on your data
                    documents += Records.documents(in: citation, origin: .response)
                }
            } else if let piece = choice["text"]?.string {
                text += piece
            }
            return
        }
    }

    private mutating func addCandidates(_ candidates: [JSONValue]) {
        isRecognised = true
        guard let first = candidates.first else { return }
        for part in first["content"]?["parts"]?.array ?? [] where part["thought"] != .bool(true) {
            if let piece = part["text"]?.string { text += piece }
        }
        for chunk in first["groundingMetadata"]?["groundingChunks"]?.array ?? [] {
            if let source = chunk["retrievedContext"] { documents += Records.documents(in: source, origin: .response) }
        }
    }

    /// Anthropic messages and the events of their streams and of the Responses API; false if the type is none of them.
    private mutating func addTyped(_ type: String, _ body: JSONValue) -> Bool {
        switch type {
        case "message": append(contentOf: body["content"])
        case "message_start":
            model = model ?? body["message"]?["model"]?.string
            addUsage(body["message"]?["usage"])
        case "content_block_start": append(contentOf: body["content_block"].map { .array([$0]) })
        case "content_block_delta":
            if body["delta"]?["type"]?.string == "text_delta", let piece = body["delta"]?["text"]?.string { text += piece }
        case "response.output_text.delta":
            if let piece = body["delta"]?.string { text += piece }
        case "response.completed", "response.incomplete", "response.failed":
            guard let response = body["response"] else { break }
            model = model ?? response["model"]?.string
            addUsage(response["usage"])
            if let output = response["output"]?.array { addOutput(output, withText: text.isEmpty) }
        case "message_delta", "message_stop", "content_block_stop", "ping", "error": break
        default: guard type.hasPrefix("response.") else { return false }
        }
        isRecognised = true
        return true
    }

    /// The items of the Responses API.
    private mutating func addOutput(_ items: [JSONValue], withText: Bool = true) {
        isRecognised = true
        for item in items {
            switch item["type"]?.string {
            case "file_search_call":
                for result in item["results"]?.array ?? [] { documents += Records.documents(in: result, origin: .response) }
            case "message", nil: if withText { append(contentOf: item["content"]) }
            default: break
            }
        }
    }

    // MARK: Pieces

    /// Content as a string or as an array of parts, of which only those of text count.
    private mutating func append(contentOf content: JSONValue?) {
        switch content {
        case .string(let piece): text += piece
        case .array(let parts):
            for part in parts {
                if case .string(let piece) = part { text += piece }
                switch part["type"]?.string {
                case "text", "output_text", nil: if let piece = part["text"]?.string { text += piece }
                default: break
                }
            }
        default: break
        }
    }

    private mutating func addDocuments(_ body: JSONValue) {
        for name in ["context", "contexts", "documents", "sources", "source_documents", "citations"] {
            guard let value = body[name], value.array?.contains(where: { $0.int == nil }) == true else { continue }  // Ollama: numbers
            documents += Records.documents(in: value, origin: .response)
        }
    }

    private mutating func addUsage(_ value: JSONValue?) {
        guard let value, value.members != nil else { return }
        var sum = usage ?? TokenUsage()
        sum.prompt = value["prompt_tokens"]?.int ?? value["input_tokens"]?.int ?? value["promptTokenCount"]?.int ?? sum.prompt
        sum.completion =
            value["completion_tokens"]?.int ?? value["output_tokens"]?.int ?? value["candidatesTokenCount"]?.int ?? sum.completion
        sum.total = value["total_tokens"]?.int ?? value["totalTokenCount"]?.int ?? sum.total
        usage = sum
    }

    private mutating func addUsageOfOllama(_ body: JSONValue) {
        guard body["prompt_eval_count"] != nil || body["eval_count"] != nil else { return }
        usage = TokenUsage(prompt: body["prompt_eval_count"]?.int, completion: body["eval_count"]?.int)
    }

    /// Members that name things and are never an answer.
    private static let names: Set<String> = ["id", "model", "object", "type", "role", "created_at", "url", "path", "system_fingerprint"]

    private mutating func addLongest(of value: JSONValue) {
        let found = Self.longest(in: value)
        guard found.utf8.contains(where: { $0 == 0x20 || $0 >= 0x80 }) else { return }
        if found.utf8.count > longest.utf8.count { longest = found }
    }

    private static func longest(in value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .array(let elements): elements.lazy.map(longest).max { $0.utf8.count < $1.utf8.count } ?? ""
        case .object(let members):
            members.lazy.filter { !names.contains($0.name) }.map { longest(in: $0.value) }.max { $0.utf8.count < $1.utf8.count } ?? ""
        default: ""
        }
    }
}
