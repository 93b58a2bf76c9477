// Answers, questions and reasons to skip, by API and by form of the body.

import Testing

@testable import Auditing

private let question = #"{"model":"asked","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"When?"}]}"#

struct DecodingTests {
    struct Row: Sendable {
        var name: String
        var response: String
        var answer: String
        var type = "application/json"
        var model = "asked"
    }

    static let rows = [
        Row(name: "chat completion", response: #"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"In 1964."}}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#, answer: "In 1964.", model: "m"),
        Row(name: "content parts", response: #"{"choices":[{"message":{"content":[{"type":"text","text":"In "},{"type":"image_url"},{"type":"text","text":"1964."}]}}]}"#, answer: "In 1964."),
        Row(name: "several choices", response: #"{"choices":[{"index":1,"message":{"content":"Later."}},{"index":0,"message":{"content":"In 1964."}}]}"#, answer: "In 1964."),
        Row(name: "legacy completion", response: #"{"object":"text_completion","choices":[{"text":"In 1964.","index":0}]}"#, answer: "In 1964."),
        Row(name: "response and model", response: #"{"response":"In 1964.","model":"m"}"#, answer: "In 1964.", model: "m"),
        Row(name: "answer", response: #"{"answer":"Yes"}"#, answer: "Yes"),
        Row(name: "longest text", response: #"{"id":"a very very long name of nothing","data":{"title":"A b","body":{"html":["In May 1964.","no"]}}}"#, answer: "In May 1964."),
        Row(name: "Ollama chat", response: #"{"model":"m","message":{"role":"assistant","content":"In 1964."},"done":true,"prompt_eval_count":5,"eval_count":2}"#, answer: "In 1964.", model: "m"),
        Row(name: "Ollama generate, stream", response: "{\"model\":\"m\",\"response\":\"In \",\"done\":false}\n{\"model\":\"m\",\"response\":\"1964.\",\"done\":true,\"context\":[1,2]}\n", answer: "In 1964.", type: "application/x-ndjson", model: "m"),
        Row(name: "NDJSON called JSON", response: "{\"message\":{\"content\":\"In \"}}\r\n\r\n{\"message\":{\"content\":\"1964.\"}}", answer: "In 1964."),
        Row(name: "Anthropic", response: #"{"type":"message","model":"m","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"In 1964."},{"type":"tool_use","id":"t","input":{}}],"usage":{"input_tokens":1,"output_tokens":2}}"#, answer: "In 1964.", model: "m"),
        Row(name: "Anthropic, stream", response: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"content\":[]}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"In \"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"1964.\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n", answer: "In 1964.", type: "text/event-stream", model: "m"),
        Row(name: "Responses", response: #"{"model":"m","output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"In 1964."}]}]}"#, answer: "In 1964.", model: "m"),
        Row(name: "Responses, stream", response: "data: {\"type\":\"response.output_text.delta\",\"delta\":\"In \"}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"1964.\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"m\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"In 1964.\"}]}]}}\n\n", answer: "In 1964.", type: "text/event-stream", model: "m"),
        Row(name: "Gemini", response: #"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hm.","thought":true},{"text":"In 1964."}]}}],"modelVersion":"m"}"#, answer: "In 1964.", model: "m"),
    ]

    @Test(arguments: rows) func `answers are found in every shape`(_ row: Row) {
        let found = auditCase(exchange(question, row.response, type: row.type))
        #expect(found?.answer == row.answer, "\(row.name)")
        #expect(found?.model == row.model, "\(row.name)")
        #expect(found?.query == "When?", "\(row.name)")
    }

    @Test(arguments: ["\n", "\r\n", "\r"]) func `streams are put together with any line end`(_ end: String) {
        let chunks = ["In", " May", " 1964", "."].map { "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\($0)\"}}]}" + end + end }
        let two = "data: {\"choices\":" + end + "data:  [{\"delta\":{\"content\":\" Yes.\"}}]}" + end + end
        let stream = ": comment" + end + end + chunks.joined() + two + "event: x" + end + "data: [DONE]" + end + end
        let found = auditCase(exchange(question, stream, type: "text/event-stream; charset=utf-8"))
        #expect(found?.answer == "In May 1964. Yes.")
        #expect(found?.model == "m")
        // Every truncation gives the beginning of the answer, or nothing to audit.
        let bytes = Array(stream.utf8)
        for cut in 0..<bytes.count {
            var part = exchange(question, "", type: "text/event-stream")
            part.responseBody = Array(bytes[..<cut])
            part.responseTruncated = true
            if let found = auditCase(part) {
                #expect("In May 1964. Yes.".hasPrefix(found.answer), "cut at \(cut)")
                #expect(found.truncated)
            }
        }
    }

    static let skips: [(String, String, SkipReason)] = [
        (#"{"object":"list","data":[{"object":"embedding","embedding":[0.1,0.2],"index":0}],"model":"text-embedding-3-small"}"#, "application/json", .notAuditable),
        (#"{"object":"list","data":[{"id":"gpt-4","object":"model","owned_by":"system of owners"}]}"#, "application/json", .notAuditable),
        (#"{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":\"a b c\"}"}}]}}]}"#, "application/json", .notAuditable),
        (#"{"choices":[{"message":{"role":"assistant","refusal":"I will not do that.","content":null}}]}"#, "application/json", .notAuditable),
        ("", "application/json", .notAuditable), ("{}", "application/json", .notAuditable), ("[]", "application/json", .notAuditable),
        ("data: [DONE]\n\n", "text/event-stream", .notAuditable), ("<html>", "application/json", .malformed), (#"{"a":"b c" "d"}"#, "application/json", .malformed),
    ]

    @Test(arguments: skips.indices) func `what holds no text is skipped with a reason`(_ index: Int) {
        let (response, type, reason) = Self.skips[index]
        #expect(skip(exchange(question, response, type: type)) == reason, "\(response)")
    }

    @Test func `bodies in an unknown content coding are skipped`() {
        var coded = exchange(question, #"{"answer":"Yes"}"#)
        coded.responseContentEncoding = "zstd"
        #expect(skip(coded) == .contentEncoding)
        coded.responseContentEncoding = "identity"
        #expect(auditCase(coded) != nil)
    }

    static let queries: [(String, String)] = [
        (#"{"query":"Q","prompt":"P","messages":[{"role":"user","content":"M"}]}"#, "Q"), (#"{"prompt":"P","messages":[{"role":"user","content":"M"}]}"#, "P"),
        (#"{"messages":[{"role":"user","content":"M1"},{"role":"assistant","content":"A"},{"role":"user","content":[{"type":"text","text":"M2"}]}]}"#, "M2"),
        (#"{"messages":[{"role":"user","content":"M1"},{"role":"assistant","content":"A"}]}"#, "M1"), ("not json", ""), ("", ""), ("{}", ""), ("[1]", ""),
        (#"{"prompt":["P1","P2"]}"#, "P1"), (#"{"input":"I"}"#, "I"), (#"{"contents":[{"role":"user","parts":[{"text":"G"}]}]}"#, "G"),
    ]

    @Test(arguments: queries.indices) func `the question is query, prompt or the last user message`(_ index: Int) {
        let (request, query) = Self.queries[index]
        let found = auditCase(exchange(request, #"{"answer":"Yes"}"#))
        #expect(found?.query == query, "\(request)")
        #expect(found?.contextState == ContextState.none)
    }

    @Test func `cut JSON is audited as far as it goes`() {
        var cut = exchange(#"{"model":"m","messages":[{"role":"user","content":"Context:\nThe bridge is 182 metres long"#, #"{"choices":[{"message":{"content":"It is 182 met"#)
        cut.requestTruncated = true
        cut.responseTruncated = true
        let found = auditCase(cut)
        #expect(found?.answer == "It is 182 met")
        #expect(found?.documents.first?.content == "The bridge is 182 metres long")
        #expect(found?.truncated == true)
        #expect(found?.contextIsPartial == true)
    }

    @Test func `mutated captures give a case or a reason`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("DecodingTests seed \(seed)")
        var generator = SeededGenerator(state: seed)
        let request = Array(#"{"messages":[{"role":"system","content":"Context:\n[1] A b.\n\n[2] C d.\n<doc id=\"1\">x</doc>\n----\ny\n----\n```\nz\n```\nQuestion: q"},{"role":"tool","content":"[{\"text\":\"t\"}]"},{"role":"user","content":"Q: When?"}],"documents":["d"]}"#.utf8)
        let alphabet = Array("{}[],:\"\\un<>/`-=#[1](.)?! \n".utf8) + [0x00, 0xFF, 0xE2, 0x80, 0xEF]
        for _ in 0..<3000 {
            func mutate(_ bytes: [UInt8]) -> [UInt8] {
                var bytes = bytes
                for _ in 0..<Int.random(in: 0...6, using: &generator) where !bytes.isEmpty {
                    let index = Int.random(in: 0..<bytes.count, using: &generator)
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: bytes[index] = alphabet.randomElement(using: &generator) ?? 0
                    case 1: bytes.insert(alphabet.randomElement(using: &generator) ?? 0, at: index)
                    default: bytes.remove(at: index)
                    }
                }
                return bytes
            }
            let row = Self.rows.randomElement(using: &generator) ?? Self.rows[0]
            var mutated = exchange("", "", type: row.type)
            mutated.requestBody = mutate(request)
            mutated.responseBody = mutate(Array(row.response.utf8))
            mutated.requestTruncated = Bool.random(using: &generator)
            mutated.responseTruncated = Bool.random(using: &generator)
            guard let found = auditCase(mutated) else { continue }
            let verdict = audit(found)
            #expect(verdict != nil, "seed \(seed)")
            if let verdict {
                let bytes = VerdictJSON.render(verdict, of: found, processingTimeMilliseconds: 1, timestampMilliseconds: 2)
                #expect(json(bytes) != nil, "seed \(seed)")
            }
        }
    }
}
