// The shapes of the mock's answers, and that the same request has the same answer.
import JSON
import Testing

@testable import mockllm

@Suite struct ShapeTests {
    static let hello = #""model":"gpt-x","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say \"hello\" ü"}]"#
    static let helloAnswer = "This is a mock language model; it has no answer to a question that ends with: Say \"hello\" ü"

    @Test func `a chat completion`() throws {
        let answer = try Harness().chat(Self.hello)
        #expect(answer.status == 200 && answer.head.contains("\r\nContent-Type: application/json\r\n"))
        let json = try answer.json()
        #expect(json["id"]?.string?.hasPrefix("chatcmpl-") == true)
        #expect(json["object"]?.string == "chat.completion")
        #expect(json["created"]?.int == 1_700_000_000)
        #expect(json["model"]?.string == "gpt-x")
        let choice = try #require(json["choices"]?.array?.first)
        #expect(choice["index"]?.int == 0 && choice["finish_reason"]?.string == "stop")
        #expect(choice["message"]?["role"]?.string == "assistant")
        #expect(choice["message"]?["content"]?.string == Self.helloAnswer)
        #expect(json["usage"]?["prompt_tokens"]?.int == 5)
        #expect(json["usage"]?["total_tokens"]?.int == 5 + (json["usage"]?["completion_tokens"]?.int ?? 0))
    }

    @Test func `a streamed chat completion`() throws {
        let answer = try Harness().chat(#""stream":true,"stream_options":{"include_usage":true},"# + Self.hello, "X-Mock-Chunk: 4\r\n")
        #expect(answer.head.contains("\r\nContent-Type: text/event-stream\r\n"))
        let events = answer.events
        #expect(events.last == "[DONE]")
        let chunks = try events.dropLast().map { try JSONValue(parsing: Array($0.utf8).span) }
        #expect(chunks.allSatisfy { $0["object"]?.string == "chat.completion.chunk" && $0["id"] == chunks[0]["id"] })
        let deltas = chunks.compactMap { $0["choices"]?.array?.first?["delta"] }
        #expect(deltas.first?["role"]?.string == "assistant")
        #expect(deltas.compactMap { $0["content"]?.string }.joined() == Self.helloAnswer)
        let last = try #require(chunks.dropLast().last?["choices"]?.array?.first)
        #expect(last["finish_reason"]?.string == "stop" && last["delta"]?.members?.isEmpty == true)
        #expect(chunks.last?["choices"]?.array?.isEmpty == true && chunks.last?["usage"]?["completion_tokens"]?.int == 19)
        #expect(chunks[0]["usage"] == .null)
        #expect(deltas.count == 1 + 5 + 1)
    }

    @Test func `a stream without usage has none`() throws {
        let events = try Harness().chat(#""stream":true,"# + Self.hello).events
        #expect(!events.contains { $0.contains("usage") })
    }

    @Test func `answers are cut at max_tokens`() throws {
        let choice = try #require(try Harness().chat(#""max_tokens":3,"# + Self.hello).json()["choices"]?.array?.first)
        #expect(choice["message"]?["content"]?.string == "This is a" && choice["finish_reason"]?.string == "length")
    }

    @Test func `completions, embeddings and models`() throws {
        let harness = try Harness()
        let completion = try harness.exchange("/v1/completions", #"{"prompt":"one two"}"#).json()
        #expect(completion["object"]?.string == "text_completion")
        #expect(completion["choices"]?.array?.first?["text"]?.string?.hasSuffix("one two") == true)
        let streamed = try harness.exchange("/v1/completions", #"{"prompt":"one two","stream":true}"#)
        #expect(streamed.events.last == "[DONE]" && streamed.events[0].contains(#""object":"text_completion""#))
        let embeddings = try harness.exchange("/v1/embeddings", #"{"input":["a","b"]}"#).json()
        #expect(embeddings["data"]?.array?.count == 2 && embeddings["data"]?.array?[1]["embedding"]?.array?.count == 8)
        #expect(try harness.exchange("/v1/models", "", method: "GET").json()["data"]?.array?.first?["id"]?.string == "mock-llm")
    }

    @Test func `Ollama's chat streams lines by default`() throws {
        let harness = try Harness()
        let body = #"{"model":"m","messages":[{"role":"user","content":"x"}]"#
        let lines = try harness.exchange("/api/chat", body + "}").body.split(separator: "\n")
        let chunks = try lines.map { try JSONValue(parsing: Array($0.utf8).span) }
        let text = chunks.compactMap { $0["message"]?["content"]?.string }.joined()
        #expect(text.hasSuffix("with: x"))
        #expect(chunks.last?["done"] == .bool(true) && chunks.first?["done"] == .bool(false))
        let whole = try harness.exchange("/api/chat", body + #","stream":false}"#).json()
        #expect(whole["done"] == .bool(true) && whole["message"]?["content"]?.string?.hasSuffix("with: x") == true)
    }

    @Test func `anything else`() throws {
        let harness = try Harness()
        #expect(try harness.exchange("/any", "", method: "GET").body == #"{"status": "ok"}"#)
        let plain = try harness.exchange("/any", #"{"query":"what is it"}"#).json()
        #expect(plain["response"]?.string?.hasSuffix("what is it") == true && plain["model"]?.string == "mock-llm")
        #expect(try harness.exchange("/any", "", method: "DELETE").status == 405)
    }

    @Test(arguments: ["{", "", "{\"a\":1}x", "[1,]", "\u{1}"])
    func `what is no JSON is refused in OpenAI's shape`(_ body: String) throws {
        let answer = try Harness().exchange("/v1/chat/completions", body)
        #expect(answer.status == 400)
        #expect(try answer.json()["error"]?["type"]?.string == "invalid_request_error")
    }

    @Test(arguments: ["[]", "3", "null", #"{"messages":[3,{"content":[{"type":"text","text":"a"},5]}],"model":5,"stream":"yes"}"#])
    func `any JSON is answered`(_ body: String) throws {
        #expect(try Harness().exchange("/v1/chat/completions", body).status == 200)
    }

    @Test func `the same request has the same answer`() throws {
        let harness = try Harness()
        for members in [Self.hello, #""stream":true,"# + Self.hello] {
            let first = try harness.chat(members)
            #expect(try harness.chat(members).raw == first.raw)
            #expect(try Harness().chat(members).raw == first.raw)
            #expect(try harness.chat(members + #","n":1"#).raw != first.raw, "another request has another id")
        }
    }

    @Test func `built-in questions are answered by their claims`() throws {
        let harness = try Harness()
        let bodies = QuestionList.bodies().split(separator: "\n")
        #expect(bodies.count == Question.all.count)
        for (body, question) in zip(bodies, Question.all) {
            let content = try harness.exchange("/v1/chat/completions", String(body)).json()["choices"]?.array?.first?["message"]?["content"]?.string
            #expect(content == question.claims.map(\.text).joined(separator: " "))
            let wrong = question.claims.filter { $0.fault != nil }.count
            #expect(wrong <= 2 && question.claims.count - wrong >= 3)
            #expect(try harness.chat(#""messages":[{"role":"user","content":"Please: \#(question.question) Thanks."}]"#).body.contains(question.claims[0].text))
        }
        let document = try JSONValue(parsing: Array(QuestionList.document().utf8).span)
        #expect(document.array?.count == Question.all.count)
        #expect(document.array?[0]["claims"]?.array?[1]["fault"]?.string == "wrong_number")
        #expect(document.array?[0]["claims"]?.array?[0]["true"] == .bool(true))
    }

    @Test func `tokens are the text`() {
        for text in ["", " ", "a", "a b", " a  b\nc ", "über alles\n\n"] {
            let bytes = Array(text.utf8)
            let tokens = AnswerText.tokens(bytes)
            #expect(tokens.count == AnswerText.tokenCount(text), "\(text.debugDescription)")
            if let first = tokens.first, let last = tokens.last { #expect(first.lowerBound == 0 && last.upperBound == bytes.count) }
        }
    }
}
