// Test mode (FEATURES T5): a `test_response` field in a chat request answers with that text, and is audited; no upstream is
// asked. Only with TRUTHTABLE_TEST_MODE: it is the one case in which the edge looks into a body.
import EventLoop
import Glibc
import HTTP
import JSON

extension Proxy {
    /// A body beyond this size is forwarded without a look.
    static var testModeLimit: Int { 64 << 10 }

    /// Whether the request at hand is held back until its body tells if it is a test.
    mutating func holdForTestMode(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let client = clients.at(index)
        guard requestHead.method == .post, !client.pointee.exchange.requestBody.isDone, requestHead.upgrade == .none, !requestHead.expectsContinue else {
            return false
        }
        if case .length(let count) = requestHead.framing, count > UInt64(Self.testModeLimit) { return false }
        hold(index, bytes)
        return true
    }

    /// True when the body that was held is a test's, and has been answered.
    mutating func answerTestMode(_ index: Int) -> Bool {
        let client = clients.at(index)
        guard client.pointee.exchange.requestBody.isDone, let test = TestRequest(Array(client.pointee.exchange.heldBody.bytes)) else { return false }
        client.pointee.exchange.isHeld = false
        answerTest(index, test)
        return true
    }

    private mutating func answerTest(_ index: Int, _ test: TestRequest) {
        let client = clients.at(index)
        let id = "chatcmpl-" + withRequestID(client) { String(decoding: $0, as: UTF8.self) }
        let created = wallClock.milliseconds(now) / 1000
        let body = test.stream ? test.streamedBody(id: id, created: created) : test.body(id: id, created: created)
        if client.pointee.exchange.capture.isActive {
            client.pointee.exchange.capture.mark(.testMode)
            client.pointee.exchange.capture.localAnswer(status: 200, contentType: test.contentType)
        }
        client.pointee.exchange.firstByte = now
        writeAnswer(index, 200, body, type: test.contentType)
        finishLocalAnswer(index)
    }
}

/// What test mode needs of a chat request.
struct TestRequest {
    let text: String
    let model: String
    let stream: Bool
    /// A stream ends with a chunk that tells the usage (`stream_options.include_usage`).
    private let tellsUsage: Bool
    private let promptTokens: Int

    /// Nil where the body is no JSON object or has no `test_response` text.
    init?(_ body: [UInt8]) {
        guard let value = try? JSONValue(parsing: body.span), let text = value["test_response"]?.string else { return nil }
        self.text = text
        model = value["model"]?.string ?? "test"
        if case .bool(let flag)? = value["stream"] { stream = flag } else { stream = false }
        tellsUsage = value["stream_options"]?["include_usage"] == .bool(true)
        let texts = (value["messages"]?.array ?? []).flatMap { message in
            message["content"]?.string.map { [$0] } ?? (message["content"]?.array ?? []).compactMap { $0["text"]?.string }
        }
        promptTokens = texts.reduce(0) { $0 + Self.tokens($1) }
    }

    var contentType: String { stream ? "text/event-stream" : "application/json" }

    /// An estimate: a token is about four letters of English.
    private static func tokens(_ text: String) -> Int { (text.utf8.count + 3) / 4 }

    /// One `chat.completion` object.
    func body(id: String, created: UInt64) -> [UInt8] {
        var json = JSONWriter()
        begin(&json, id, created, "chat.completion")
        json.name("choices")
        json.beginArray()
        json.beginObject()
        json.member("index", 0)
        json.name("message")
        json.beginObject()
        json.member("role", "assistant")
        json.member("content", text)
        json.endObject()
        json.member("finish_reason", "stop")
        json.endObject()
        json.endArray()
        usage(&json)
        json.endObject()
        return json.bytes
    }

    private func usage(_ json: inout JSONWriter) {
        json.name("usage")
        json.beginObject()
        let completion = Self.tokens(text)
        json.member("prompt_tokens", promptTokens)
        json.member("completion_tokens", completion)
        json.member("total_tokens", promptTokens + completion)
        json.endObject()
    }

    /// `chat.completion.chunk` events, a word each, and `[DONE]`.
    func streamedBody(id: String, created: UInt64) -> [UInt8] {
        var events: [UInt8] = []
        func event(_ finish: String?, _ delta: (inout JSONWriter) -> Void) {
            var json = JSONWriter()
            begin(&json, id, created, "chat.completion.chunk")
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
            json.endObject()
            events += Array("data: ".utf8) + json.bytes + Array("\n\n".utf8)
        }
        event(nil) {
            $0.member("role", "assistant")
            $0.member("content", "")
        }
        var rest = text[...]
        while !rest.isEmpty {
            let space = rest.dropFirst().firstIndex(of: " ") ?? rest.endIndex
            let word = String(rest[..<space])
            event(nil) { $0.member("content", word) }
            rest = rest[space...]
        }
        event("stop") { _ in }
        if tellsUsage {
            var json = JSONWriter()
            begin(&json, id, created, "chat.completion.chunk")
            json.name("choices")
            json.beginArray()
            json.endArray()
            usage(&json)
            json.endObject()
            events += Array("data: ".utf8) + json.bytes + Array("\n\n".utf8)
        }
        return events + Array("data: [DONE]\n\n".utf8)
    }

    private func begin(_ json: inout JSONWriter, _ id: String, _ created: UInt64, _ object: String) {
        json.beginObject()
        json.member("id", id)
        json.member("object", object)
        json.member("created", Int64(clamping: created))
        json.member("model", model)
    }
}
