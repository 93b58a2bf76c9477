// An answer as a stream: server-sent events in OpenAI's shapes, lines of JSON in Ollama's. Events are made as they are sent;
// those of other shapes, and of tools that are called, were made before.
import JSON

/// role (chat only) → tokens → finish → usage (if asked for) → `[DONE]`; Ollama: tokens → end.
struct AnswerStream {
    private enum Part { case prepared, role, tokens, finish, usage, done, over }

    private let answer: ModelAnswer
    private let includesUsage: Bool
    private let text: [UInt8]
    private let tokens: [Range<Int>]
    private let tokensPerEvent: Int
    private var position = 0
    private var part: Part
    private let prepared: [[UInt8]]
    /// What stands before and after the text of an event, the same in all.
    private let before: [UInt8]
    private let after: [UInt8]

    /// All events that there will be.
    let eventCount: Int

    private var isOllama: Bool { answer.dialect == .ollamaChat || answer.dialect == .ollamaGenerate }

    init(_ answer: ModelAnswer, tokensPerEvent: Int, includesUsage: Bool) {
        self.answer = answer
        self.includesUsage = includesUsage
        self.tokensPerEvent = max(1, tokensPerEvent)
        text = Array(answer.text.utf8)
        tokens = AnswerText.tokens(text)
        prepared = answer.preparedEvents(tokensPerEvent: self.tokensPerEvent, tokens)
        part = prepared.isEmpty ? (answer.dialect == .chat ? .role : .tokens) : .prepared
        let textEvents = (tokens.count + self.tokensPerEvent - 1) / self.tokensPerEvent
        switch answer.dialect {
        case .chat: eventCount = textEvents + 3 + (includesUsage ? 1 : 0)
        case .completion: eventCount = textEvents + 2 + (includesUsage ? 1 : 0)
        default: eventCount = prepared.isEmpty ? textEvents + 1 : prepared.count
        }
        // An event with a text that is written like no other, cut around it.
        let mark = "\u{1}"
        let event = Self.event(answer, text: mark, finish: nil, includesUsage: includesUsage)
        let escaped = Array(#""\u0001""#.utf8)
        let start = (0...max(0, event.count - escaped.count)).last { event[$0...].starts(with: escaped) } ?? 0
        before = Array(event[..<start])
        after = Array(event[min(start + escaped.count, event.count)...])
    }

    /// Makes the next event, with its line ends, the content of `event`; false when the stream is over.
    mutating func next(into event: inout [UInt8]) -> Bool {
        event.removeAll(keepingCapacity: true)
        if part == .tokens, position == tokens.count { part = .finish }
        switch part {
        case .prepared:
            guard position < prepared.count else { return false }
            event += prepared[position]
            position += 1
        case .role:
            part = .tokens
            event += Self.event(answer, text: nil, finish: nil, includesUsage: includesUsage)
        case .tokens:
            let end = min(position + tokensPerEvent, tokens.count)
            event += before
            event.appendJSONString(text[tokens[position].lowerBound..<tokens[end - 1].upperBound])
            event += after
            position = end
        case .finish:
            part = isOllama ? .over : includesUsage ? .usage : .done
            event += Self.event(answer, text: "", finish: answer.finishReason, includesUsage: includesUsage)
        case .usage:
            part = .done
            var json = JSONWriter()
            json.beginObject()
            answer.writeHead(&json, isChunk: true)
            json.name("choices")
            json.beginArray()
            json.endArray()
            answer.writeUsage(&json)
            json.endObject()
            event += "data: ".utf8
            event += json.bytes
            event += "\n\n".utf8
        case .done:
            part = .over
            event += "data: [DONE]\n\n".utf8
        case .over: return false
        }
        return true
    }

    /// One event; `text` nil is the one that tells the role.
    private static func event(_ answer: ModelAnswer, text: String?, finish: String?, includesUsage: Bool) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 320)
        json.beginObject()
        if answer.dialect == .ollamaChat || answer.dialect == .ollamaGenerate {
            answer.writeOllamaHead(&json)
            answer.writeOllamaText(&json, text ?? "")
            if finish == nil { json.member("done", false) } else { answer.writeOllamaEnd(&json) }
            json.endObject()
            return json.bytes + Array("\n".utf8)
        }
        answer.writeHead(&json, isChunk: true)
        json.name("choices")
        json.beginArray()
        json.beginObject()
        json.member("index", 0)
        if answer.dialect == .chat {
            json.name("delta")
            json.beginObject()
            if text == nil { json.member("role", "assistant") }
            if finish == nil { json.member("content", text ?? "") }
            json.endObject()
        } else {
            json.member("text", text ?? "")
        }
        json.name("logprobs")
        json.null()
        json.name("finish_reason")
        if let finish { json.string(finish) } else { json.null() }
        json.endObject()
        json.endArray()
        if includesUsage {
            json.name("usage")
            json.null()
        }
        json.endObject()
        return Array("data: ".utf8) + json.bytes + Array("\n\n".utf8)
    }
}
