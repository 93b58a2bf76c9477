// Answers in the exact shapes of the APIs: OpenAI chat completions, completions, embeddings and models, Ollama's chat and
// generate, and a plain one; those of OpenAI's responses, Anthropic and Gemini are in OtherShapes. The same request has the same answer, byte for byte: ids come from its bytes, times are fixed.
import JSON

/// The API that a path belongs to.
enum Dialect {
    case chat, completion, responses, anthropic, gemini, ollamaChat, ollamaGenerate, plain

    init(path: String) {
        self =
            if path.hasSuffix("/chat/completions") { .chat }
            else if path.hasSuffix("/completions") { .completion }
            else if path.hasSuffix("/responses") { .responses }
            else if path.hasSuffix("/messages") { .anthropic }
            else if path.hasSuffix("enerateContent") { .gemini }
            else if path.hasSuffix("/api/chat") { .ollamaChat }
            else if path.hasSuffix("/api/generate") { .ollamaGenerate }
            else { .plain }
    }

    var streamsByDefault: Bool { self == .ollamaChat || self == .ollamaGenerate }

    var canStream: Bool { self != .plain }
}

struct ModelAnswer {
    /// 14 November 2023, 22:13:20 UTC.
    static let created = 1_700_000_000
    static let createdText = "2023-11-14T22:13:20Z"

    let dialect: Dialect
    let id: String
    let model: String
    let text: String
    let finishReason: String
    let promptTokens: Int
    let completionTokens: Int
    /// Called instead of an answer in words: a tool that the request offers and has no result of yet, with its arguments.
    let tool: (name: String, arguments: [UInt8])?

    init(_ dialect: Dialect, _ request: ModelRequest, _ controls: Controls, body: [UInt8]) {
        self.dialect = dialect
        model = request.model
        if let name = request.tool, !request.hasToolResult {
            var json = JSONWriter()
            json.beginObject()
            json.member("query", request.question)
            json.endObject()
            tool = (name, json.bytes)
        } else {
            tool = nil
        }
        promptTokens = request.promptTokens
        id = Self.hash(body)
        var text = controls.answer ?? AnswerText.answer(to: request.question)
        if let size = controls.size { text = AnswerText.sized(text, size) }
        let count = AnswerText.tokenCount(text)
        if let limit = request.maxTokens, limit < count {
            let bytes = Array(text.utf8)
            text = String(decoding: bytes[..<AnswerText.tokens(bytes)[limit - 1].upperBound], as: UTF8.self)
            finishReason = "length"
            completionTokens = limit
        } else {
            finishReason = "stop"
            completionTokens = count
        }
        self.text = text
    }

    /// FNV-1a with 64 bits: to tell requests apart, not to keep them secret.
    static func hash(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// The answer in one piece.
    func whole() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: text.utf8.count + 512)
        json.beginObject()
        switch dialect {
        case .chat, .completion:
            writeHead(&json, isChunk: false)
            json.name("choices")
            json.beginArray()
            json.beginObject()
            json.member("index", 0)
            if dialect == .chat {
                json.name("message")
                json.beginObject()
                json.member("role", "assistant")
                if let tool {
                    json.name("content")
                    json.null()
                    json.name("tool_calls")
                    json.beginArray()
                    writeToolCall(&json, tool.name, tool.arguments)
                    json.endArray()
                } else {
                    json.member("content", longText: text)
                }
                json.name("refusal")
                json.null()
                json.endObject()
            } else {
                json.member("text", longText: text)
            }
            json.name("logprobs")
            json.null()
            json.member("finish_reason", tool != nil && dialect == .chat ? "tool_calls" : finishReason)
            json.endObject()
            json.endArray()
            writeUsage(&json)
        case .responses: writeResponse(&json, isDone: true)
        case .anthropic: writeAnthropic(&json, isDone: true)
        case .gemini: writeGemini(&json, text, isLast: true)
        case .ollamaChat, .ollamaGenerate:
            writeOllamaHead(&json)
            writeOllamaText(&json, text)
            writeOllamaEnd(&json)
        case .plain:
            json.member("response", longText: text)
            json.member("model", model)
        }
        json.endObject()
        return json.bytes
    }

    // MARK: Parts that streams share

    func writeHead(_ json: inout JSONWriter, isChunk: Bool) {
        json.member("id", (dialect == .chat ? "chatcmpl-" : "cmpl-") + id)
        json.member("object", dialect == .chat ? (isChunk ? "chat.completion.chunk" : "chat.completion") : "text_completion")
        json.member("created", Self.created)
        json.member("model", model)
        json.member("system_fingerprint", "fp_mock")
    }

    func writeUsage(_ json: inout JSONWriter) {
        json.name("usage")
        json.beginObject()
        json.member("prompt_tokens", promptTokens)
        json.member("completion_tokens", completionTokens)
        json.member("total_tokens", promptTokens + completionTokens)
        json.endObject()
    }

    func writeOllamaHead(_ json: inout JSONWriter) {
        json.member("model", model)
        json.member("created_at", Self.createdText)
    }

    func writeOllamaText(_ json: inout JSONWriter, _ text: String, callsTool: Bool = true) {
        guard dialect == .ollamaChat else { return json.member("response", longText: text) }
        json.name("message")
        json.beginObject()
        json.member("role", "assistant")
        json.member("content", longText: tool == nil ? text : "")
        if callsTool, let tool {
            json.name("tool_calls")
            json.beginArray()
            json.beginObject()
            json.name("function")
            json.beginObject()
            json.member("name", tool.name)
            json.name("arguments")
            json.raw(tool.arguments)
            json.endObject()
            json.endObject()
            json.endArray()
        }
        json.endObject()
    }

    func writeOllamaEnd(_ json: inout JSONWriter) {
        json.member("done", true)
        json.member("done_reason", finishReason)
        json.member("total_duration", 0)
        json.member("prompt_eval_count", promptTokens)
        json.member("eval_count", completionTokens)
    }

    // MARK: Other answers

    static let status = Array(#"{"status": "ok"}"#.utf8)

    static func models() -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("object", "list")
        json.name("data")
        json.beginArray()
        json.beginObject()
        json.member("id", "mock-llm")
        json.member("object", "model")
        json.member("created", created)
        json.member("owned_by", "truthtable")
        json.endObject()
        json.endArray()
        json.endObject()
        return json.bytes
    }

    /// Eight numbers for each input, from its hash.
    static func embeddings(_ request: ModelRequest) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("object", "list")
        json.name("data")
        json.beginArray()
        for (index, input) in request.inputs.enumerated() {
            json.beginObject()
            json.member("object", "embedding")
            json.member("index", index)
            json.name("embedding")
            json.beginArray()
            for digit in hash(Array(input.utf8)).utf8.prefix(8) { json.double(Double(digit) / 128 - 0.5) }
            json.endArray()
            json.endObject()
        }
        json.endArray()
        json.member("model", request.model)
        json.name("usage")
        json.beginObject()
        json.member("prompt_tokens", request.promptTokens)
        json.member("total_tokens", request.promptTokens)
        json.endObject()
        json.endObject()
        return json.bytes
    }

    /// OpenAI's shape of an error.
    static func error(_ status: UInt16, _ message: String, code: String? = nil) -> [UInt8] {
        let type =
            switch status {
            case 401: "authentication_error"
            case 403: "permission_error"
            case 429: "rate_limit_error"
            case 500...: "server_error"
            default: "invalid_request_error"
            }
        var json = JSONWriter()
        json.beginObject()
        json.name("error")
        json.beginObject()
        json.member("message", message)
        json.member("type", type)
        json.name("param")
        json.null()
        json.name("code")
        if let code { json.string(code) } else { json.null() }
        json.endObject()
        json.endObject()
        return json.bytes
    }
}
