// Answers in the shapes of OpenAI's responses, Anthropic's messages and Gemini's contents, whole and as events; and tools that are
// called in streams of OpenAI's chat and Ollama's.
import JSON

extension ModelAnswer {
    // MARK: Whole

    func writeToolCall(_ json: inout JSONWriter, _ name: String, _ arguments: [UInt8]) {
        json.beginObject()
        json.member("id", "call_" + id)
        json.member("type", "function")
        json.name("function")
        json.beginObject()
        json.member("name", name)
        json.member("arguments", String(decoding: arguments, as: UTF8.self))
        json.endObject()
        json.endObject()
    }

    func writeAnthropic(_ json: inout JSONWriter, isDone: Bool) {
        json.member("id", "msg_" + id)
        json.member("type", "message")
        json.member("role", "assistant")
        json.member("model", model)
        json.name("content")
        json.beginArray()
        if isDone { writeBlock(&json, isDone: true) }
        json.endArray()
        json.name("stop_reason")
        if isDone { json.string(stopReason) } else { json.null() }
        json.name("stop_sequence")
        json.null()
        json.name("usage")
        json.beginObject()
        json.member("input_tokens", promptTokens)
        json.member("output_tokens", isDone ? completionTokens : 0)
        json.endObject()
    }

    private var stopReason: String { tool != nil ? "tool_use" : finishReason == "length" ? "max_tokens" : "end_turn" }

    private func writeBlock(_ json: inout JSONWriter, isDone: Bool) {
        json.beginObject()
        if let tool {
            json.member("type", "tool_use")
            json.member("id", "toolu_" + id)
            json.member("name", tool.name)
            json.name("input")
            json.raw(isDone ? tool.arguments : Array("{}".utf8))
        } else {
            json.member("type", "text")
            json.member("text", longText: isDone ? text : "")
        }
        json.endObject()
    }

    func writeResponse(_ json: inout JSONWriter, isDone: Bool) {
        json.member("id", "resp_" + id)
        json.member("object", "response")
        json.member("created_at", Self.created)
        json.member("status", isDone ? "completed" : "in_progress")
        json.member("model", model)
        for name in ["error", "incomplete_details", "instructions"] {
            json.name(name)
            json.null()
        }
        json.name("output")
        json.beginArray()
        if isDone { writeItem(&json, isDone: true) }
        json.endArray()
        json.member("parallel_tool_calls", true)
        json.member("tool_choice", "auto")
        json.name("tools")
        json.beginArray()
        json.endArray()
        json.name("usage")
        guard isDone else { return json.null() }
        json.beginObject()
        json.member("input_tokens", promptTokens)
        json.name("input_tokens_details")
        json.raw(Array(#"{"cached_tokens":0}"#.utf8))
        json.member("output_tokens", completionTokens)
        json.name("output_tokens_details")
        json.raw(Array(#"{"reasoning_tokens":0}"#.utf8))
        json.member("total_tokens", promptTokens + completionTokens)
        json.endObject()
    }

    private func writeItem(_ json: inout JSONWriter, isDone: Bool) {
        json.beginObject()
        json.member("id", (tool == nil ? "msg_" : "fc_") + id)
        json.member("status", isDone ? "completed" : "in_progress")
        if let tool {
            json.member("type", "function_call")
            json.member("call_id", "call_" + id)
            json.member("name", tool.name)
            json.member("arguments", isDone ? String(decoding: tool.arguments, as: UTF8.self) : "")
        } else {
            json.member("type", "message")
            json.member("role", "assistant")
            json.name("content")
            json.beginArray()
            if isDone { writePart(&json, text) }
            json.endArray()
        }
        json.endObject()
    }

    private func writePart(_ json: inout JSONWriter, _ text: String) {
        json.beginObject()
        json.member("type", "output_text")
        json.member("text", longText: text)
        json.name("annotations")
        json.beginArray()
        json.endArray()
        json.endObject()
    }

    func writeGemini(_ json: inout JSONWriter, _ text: String, isLast: Bool) {
        json.name("candidates")
        json.beginArray()
        json.beginObject()
        json.name("content")
        json.beginObject()
        json.member("role", "model")
        json.name("parts")
        json.beginArray()
        json.beginObject()
        json.member("text", longText: text)
        json.endObject()
        json.endArray()
        json.endObject()
        if isLast { json.member("finishReason", finishReason == "length" ? "MAX_TOKENS" : "STOP") }
        json.member("index", 0)
        json.endObject()
        json.endArray()
        json.name("usageMetadata")
        json.beginObject()
        json.member("promptTokenCount", promptTokens)
        json.member("candidatesTokenCount", completionTokens)
        json.member("totalTokenCount", promptTokens + completionTokens)
        json.endObject()
        json.member("modelVersion", model)
    }

    // MARK: Streams

    /// All events of a stream of these shapes; empty for those that `AnswerStream` makes one by one.
    func preparedEvents(tokensPerEvent: Int, _ tokens: [Range<Int>]) -> [[UInt8]] {
        let bytes = Array(text.utf8)
        let pieces = stride(from: 0, to: tokens.count, by: tokensPerEvent).map { first in
            String(decoding: bytes[tokens[first].lowerBound..<tokens[min(first + tokensPerEvent, tokens.count) - 1].upperBound], as: UTF8.self)
        }
        switch dialect {
        case .anthropic: return anthropicEvents(pieces)
        case .responses: return responseEvents(pieces)
        case .gemini: return (pieces.isEmpty ? [""] : pieces).enumerated().map { index, piece in Self.event(nil) { writeGemini(&$0, piece, isLast: index >= pieces.count - 1) } }
        case .chat: return tool.map { toolEvents($0.name, $0.arguments) } ?? []
        case .ollamaChat: return tool == nil ? [] : ollamaToolLines
        default: return []
        }
    }

    private static func event(_ name: String?, _ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 320)
        json.beginObject()
        if let name { json.member("type", name) }
        write(&json)
        json.endObject()
        return Array((name.map { "event: \($0)\n" } ?? "").utf8) + Array("data: ".utf8) + json.bytes + Array("\n\n".utf8)
    }

    private func anthropicEvents(_ pieces: [String]) -> [[UInt8]] {
        func delta(_ type: String, _ member: String, _ text: String) -> [UInt8] {
            Self.event("content_block_delta") { json in
                json.member("index", 0)
                json.name("delta")
                json.beginObject()
                json.member("type", type)
                json.member(member, longText: text)
                json.endObject()
            }
        }
        var events = [
            Self.event("message_start") { json in
                json.name("message")
                json.beginObject()
                writeAnthropic(&json, isDone: false)
                json.endObject()
            },
            Self.event("content_block_start") { json in
                json.member("index", 0)
                json.name("content_block")
                writeBlock(&json, isDone: false)
            },
        ]
        if let tool {
            events.append(delta("input_json_delta", "partial_json", String(decoding: tool.arguments, as: UTF8.self)))
        } else {
            events += pieces.map { delta("text_delta", "text", $0) }
        }
        events.append(Self.event("content_block_stop") { $0.member("index", 0) })
        events.append(
            Self.event("message_delta") { json in
                json.name("delta")
                json.beginObject()
                json.member("stop_reason", stopReason)
                json.name("stop_sequence")
                json.null()
                json.endObject()
                json.name("usage")
                json.beginObject()
                json.member("output_tokens", completionTokens)
                json.endObject()
            })
        events.append(Self.event("message_stop") { _ in })
        return events
    }

    private func responseEvents(_ pieces: [String]) -> [[UInt8]] {
        var events: [[UInt8]] = []
        func add(_ name: String, _ write: (inout JSONWriter) -> Void) {
            let number = events.count
            events.append(
                Self.event(name) { json in
                    json.member("sequence_number", number)
                    write(&json)
                })
        }
        func response(_ name: String, isDone: Bool) {
            add(name) { json in
                json.name("response")
                json.beginObject()
                writeResponse(&json, isDone: isDone)
                json.endObject()
            }
        }
        func item(_ name: String, isDone: Bool) {
            add(name) { json in
                json.member("output_index", 0)
                json.name("item")
                writeItem(&json, isDone: isDone)
            }
        }
        func place(_ json: inout JSONWriter) {
            json.member("item_id", (tool == nil ? "msg_" : "fc_") + id)
            json.member("output_index", 0)
            if tool == nil { json.member("content_index", 0) }
        }
        response("response.created", isDone: false)
        item("response.output_item.added", isDone: false)
        if let tool {
            for (name, member) in [("response.function_call_arguments.delta", "delta"), ("response.function_call_arguments.done", "arguments")] {
                add(name) { json in
                    place(&json)
                    json.member(member, String(decoding: tool.arguments, as: UTF8.self))
                }
            }
        } else {
            func part(_ name: String, _ text: String) {
                add(name) { json in
                    place(&json)
                    json.name("part")
                    writePart(&json, text)
                }
            }
            part("response.content_part.added", "")
            for piece in pieces {
                add("response.output_text.delta") { json in
                    place(&json)
                    json.member("delta", piece)
                    json.name("logprobs")
                    json.beginArray()
                    json.endArray()
                }
            }
            add("response.output_text.done") { json in
                place(&json)
                json.member("text", longText: text)
                json.name("logprobs")
                json.beginArray()
                json.endArray()
            }
            part("response.content_part.done", text)
        }
        item("response.output_item.done", isDone: true)
        response("response.completed", isDone: true)
        return events
    }

    /// The call in one line, the end in another.
    private var ollamaToolLines: [[UInt8]] {
        [false, true].map { isEnd in
            var json = JSONWriter()
            json.beginObject()
            writeOllamaHead(&json)
            writeOllamaText(&json, "", callsTool: !isEnd)
            if isEnd { writeOllamaEnd(&json) } else { json.member("done", false) }
            json.endObject()
            return json.bytes + Array("\n".utf8)
        }
    }

    private func toolEvents(_ name: String, _ arguments: [UInt8]) -> [[UInt8]] {
        func chunk(finish: String? = nil, _ delta: (inout JSONWriter) -> Void) -> [UInt8] {
            Self.event(nil) { json in
                writeHead(&json, isChunk: true)
                json.name("choices")
                json.beginArray()
                json.beginObject()
                json.member("index", 0)
                json.name("delta")
                json.beginObject()
                delta(&json)
                json.endObject()
                json.name("finish_reason")
                if let finish { json.string(finish) } else { json.null() }
                json.endObject()
                json.endArray()
            }
        }
        func call(_ json: inout JSONWriter, isFirst: Bool) {
            json.name("tool_calls")
            json.beginArray()
            json.beginObject()
            json.member("index", 0)
            if isFirst {
                json.member("id", "call_" + id)
                json.member("type", "function")
            }
            json.name("function")
            json.beginObject()
            if isFirst { json.member("name", name) }
            json.member("arguments", isFirst ? "" : String(decoding: arguments, as: UTF8.self))
            json.endObject()
            json.endObject()
            json.endArray()
        }
        return [
            chunk { json in
                json.member("role", "assistant")
                json.name("content")
                json.null()
                call(&json, isFirst: true)
            },
            chunk { json in call(&json, isFirst: false) },
            chunk(finish: "tool_calls") { _ in },
            Array("data: [DONE]\n\n".utf8),
        ]
    }
}
