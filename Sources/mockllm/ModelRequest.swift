// What a request asks for, whichever API it speaks (OpenAI's, Anthropic's, Ollama's, Gemini's, or any JSON with a query).
import JSON

struct ModelRequest {
    var model = "mock-llm"
    /// Nil: as the API has it by default.
    var stream: Bool?
    var includesUsage = false
    var maxTokens: Int?
    /// The last thing that the user said, or the prompt, query or input.
    var question = ""
    var promptTokens = 0
    /// Inputs to embed.
    var inputs: [String] = []
    /// The first tool that may be called.
    var tool: String?
    /// A tool has been called, and this is what it gave.
    var hasToolResult = false
    var controls: JSONValue?

    /// Unknown members are passed over; members of another kind than expected, too: a mock is no validator.
    init(parsing body: [UInt8]) throws(JSONError) {
        var reader = JSONReader(body.span)
        guard try reader.peek() == .object else {
            try reader.skip()
            try reader.finish()
            return
        }
        try reader.beginObject()
        while let name = try reader.nextMember() {
            switch (name, try reader.peek()) {
            case ("model", .string): model = try reader.string()
            case ("stream", .bool): stream = try reader.bool()
            case ("stream_options", .object):
                try reader.beginObject()
                while let option = try reader.nextMember() {
                    if option == "include_usage", try reader.peek() == .bool { includesUsage = try reader.bool() } else { try reader.skip() }
                }
            case ("max_tokens", .number), ("max_completion_tokens", .number):
                if let number = Int(try reader.numberLiteral()), number > 0 { maxTokens = number }
            case ("messages", .array), ("contents", .array): try readMessages(&reader)
            case ("tools", .array): try readTools(&reader)
            case ("prompt", .string), ("query", .string), ("input", .string):
                let text = try reader.string()
                question = text
                promptTokens += AnswerText.tokenCount(text)
                inputs = [text]
            case ("prompt", .array), ("input", .array):
                try reader.beginArray()
                while try reader.nextElement() {
                    guard try reader.peek() == .string else {
                        try readMessage(&reader)
                        continue
                    }
                    let text = try reader.string()
                    question = text
                    promptTokens += AnswerText.tokenCount(text)
                    inputs.append(text)
                }
            case ("mock", _): controls = try Self.readTree(&reader)
            default: try reader.skip()
            }
        }
        try reader.finish()
    }

    private mutating func readMessages(_ reader: inout JSONReader) throws(JSONError) {
        try reader.beginArray()
        while try reader.nextElement() { try readMessage(&reader) }
    }

    private mutating func readMessage(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.peek() == .object else { return try reader.skip() }
        var role = ""
        var text = ""
        try reader.beginObject()
        while let name = try reader.nextMember() {
            switch (name, try reader.peek()) {
            case ("role", .string): role = try reader.string()
            case ("type", .string): if try reader.string() == "function_call_output" { hasToolResult = true }
            case ("content", .string): text = try reader.string()
            case ("content", .array), ("parts", .array): text = try readParts(&reader)
            default: try reader.skip()
            }
        }
        promptTokens += AnswerText.tokenCount(text)
        if role == "tool" { hasToolResult = true }
        if role == "user", !text.isEmpty { question = text }
    }

    /// `{"function": {"name": …}}` as OpenAI and Ollama have it, `{"name": …}` as the others.
    private mutating func readTools(_ reader: inout JSONReader) throws(JSONError) {
        try reader.beginArray()
        while try reader.nextElement() {
            guard try reader.peek() == .object else {
                try reader.skip()
                continue
            }
            try reader.beginObject()
            while let member = try reader.nextMember() {
                switch (member, try reader.peek()) {
                case ("name", .string): offer(try reader.string())
                case ("function", .object):
                    try reader.beginObject()
                    while let name = try reader.nextMember() {
                        if name == "name", try reader.peek() == .string { offer(try reader.string()) } else { try reader.skip() }
                    }
                default: try reader.skip()
                }
            }
        }
    }

    private mutating func offer(_ name: String) { tool = tool ?? name }

    /// Content in parts: the texts of `{"type": "text", "text": …}`.
    private mutating func readParts(_ reader: inout JSONReader) throws(JSONError) -> String {
        var texts: [String] = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard try reader.peek() == .object else {
                try reader.skip()
                continue
            }
            try reader.beginObject()
            while let name = try reader.nextMember() {
                switch (name, try reader.peek()) {
                case ("text", .string): texts.append(try reader.string())
                case ("type", .string): if try reader.string() == "tool_result" { hasToolResult = true }
                default: try reader.skip()
                }
            }
        }
        return texts.joined(separator: "\n")
    }

    /// The member `mock`: one object of scalars; what is nested becomes null, which no control takes.
    private static func readTree(_ reader: inout JSONReader) throws(JSONError) -> JSONValue {
        guard try reader.peek() == .object else {
            try reader.skip()
            return .null
        }
        var members: [JSONValue.Member] = []
        try reader.beginObject()
        while let name = try reader.nextMember() {
            let value: JSONValue
            switch try reader.peek() {
            case .string: value = .string(try reader.string())
            case .number: value = .number(try reader.numberLiteral())
            default:
                try reader.skip()
                value = .null
            }
            members.append(JSONValue.Member(name: name, value: value))
        }
        return .object(members)
    }
}
