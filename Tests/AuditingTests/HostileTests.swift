// Captures and answers made to cost time or memory: each is decoded and audited in a bounded number of bounded steps, and ends in a
// verdict or a reason. What is counted is work, not time.

import Testing

@testable import Auditing

/// Steps of decoding and of the audit, the most work of one of each, and the verdict if the capture was auditable.
private struct Steps {
    var decoding = 0
    var auditing = 0
    var decodingWork = 0
    var auditingWork = 0
    var verdict: AuditVerdict?

    init(_ capture: CapturedExchange) {
        var decoder = CaptureDecoder(capture)
        var decoded: Decoded?
        while decoded == nil, decoding < 100_000 {
            decoded = decoder.step()
            decoding += 1
            decodingWork = max(decodingWork, decoder.workOfStep)
        }
        guard case .auditable(let auditCase)? = decoded else { return }
        var engine = EmbeddedEngine(auditCase)
        while verdict == nil, auditing < 100_000 {
            verdict = engine.step()
            auditing += 1
            auditingWork = max(auditingWork, engine.workOfStep)
        }
    }
}

private func steps(_ capture: CapturedExchange) -> Steps { Steps(capture) }

private func chat(_ answer: String) -> String { #"{"choices":[{"index":0,"message":{"role":"assistant","content":"# + quoted(answer) + "}}]}" }

struct HostileTests {
    static let request = #"{"query":"When?","documents":["The bridge opened in 1964."]}"#

    static let answers: [(name: String, text: String)] = [
        ("one line", String(repeating: "word ", count: 100_000)), ("one word", String(repeating: "x", count: 500_000)),
        ("tiny claims", String(repeating: "A b 1. ", count: 50_000)), ("cells", String(repeating: "| a | 1 | b | 2 |\n", count: 25_000)),
        ("stops", String(repeating: ".", count: 300_000)), ("abbreviations", String(repeating: "Mr. ", count: 60_000)), ("blank", String(repeating: "\n", count: 300_000) + "It opened."),
        ("announcements", String(repeating: "There are three things:\n- a\n- b\n", count: 10_000)), ("brackets", String(repeating: "[", count: 300_000)),
        ("characters", String(repeating: "世界。", count: 30_000)), ("fences", String(repeating: "```\n", count: 60_000)),
    ]

    @Test(arguments: answers.indices) func `hostile answers end in a verdict, in bounded steps`(_ index: Int) {
        let (name, text) = Self.answers[index]
        let found = steps(exchange(Self.request, chat(text)))
        #expect(found.verdict != nil, "\(name)")
        #expect((found.verdict?.claims.count ?? 0) <= EngineLimits().claims * 2, "\(name)")
        #expect(found.auditing < 2000, "\(name): \(found.auditing) steps")
        // The answer is held against itself at once; a claim or a document may add what `EngineLimits.stepWork` says.
        let limits = EngineLimits()
        #expect(found.auditingWork <= limits.stepWork * 6 + text.utf8.count * 2 + limits.claims * 32, "\(name): \(found.auditingWork)")
    }

    @Test func `hostile bodies end in a case or a reason`() {
        let rows: [(name: String, request: String, response: String)] = [
            ("deep", Self.request, String(repeating: "[", count: 200_000)), ("values", Self.request, "[" + String(repeating: "[],", count: 150_000) + "[]]"),
            ("tiny events", Self.request, String(repeating: "data: {}\n\n", count: 50_000)), ("comments", Self.request, String(repeating: ":\n", count: 200_000)),
            ("members", "{" + (0..<60_000).map { "\"a\($0)\":1" }.joined(separator: ",") + "}", #"{"answer":"It opened in 1964."}"#),
            ("tags", #"{"messages":[{"role":"user","content":""# + String(repeating: "<doc>a b.</doc>", count: 30_000) + #""}]}"#, #"{"answer":"It opened in 1964."}"#),
            ("markers", #"{"messages":[{"role":"user","content":""# + String(repeating: "BEGIN X\\n", count: 50_000) + #""}]}"#, #"{"answer":"It opened in 1964."}"#),
        ]
        for (name, request, response) in rows {
            let found = steps(exchange(request, response))
            #expect(found.decoding < 1000, "\(name): \(found.decoding) steps")
            // A body is parsed at once, a message is read twice; never more than that in one step.
            #expect(found.decodingWork <= CaptureDecoder.stepBytes + 2 * max(request.utf8.count, response.utf8.count), "\(name): \(found.decodingWork)")
        }
    }

    @Test func `a request of too many values is not read, and the context is partial`() throws {
        let request = #"{"documents":["It opened in 1964."],"x":["# + String(repeating: "0,", count: 60_000) + "0]}"
        let found = try #require(auditCase(exchange(request, #"{"answer":"It opened in 1964."}"#)))
        #expect(found.documents.isEmpty)
        #expect(found.contextIsPartial)
    }

    @Test func `a tool's result of too many values is not read, and the context is partial`() throws {
        let result = #"[{"text":"It opened in 1964."},["# + String(repeating: "[],", count: 60_000) + "[]]]"
        let request = #"{"messages":[{"role":"user","content":"When?"},{"role":"tool","content":"# + quoted(result) + "}]}"
        let found = try #require(auditCase(exchange(request, #"{"answer":"It opened in 1964."}"#)))
        #expect(found.documents.isEmpty)
        #expect(found.contextIsPartial)
    }

    @Test func `a record of many members stands as it is, whole`() throws {
        let record = "{" + (0..<150).map { "\"a\($0)\":1" }.joined(separator: ",") + "}"
        let found = try #require(auditCase(exchange(#"{"query":"When?","documents":["# + record + "]}", #"{"answer":"It opened in 1964."}"#)))
        #expect(found.documents.map(\.content) == [record])
    }

    @Test func `a response of too many values is not read`() {
        let response = #"{"answer":"It opened in 1964.","x":["# + String(repeating: "[],", count: 60_000) + "[]]}"
        #expect(skip(exchange(Self.request, response)) == .malformed)
    }

    @Test func `a long stream is read in many steps`() {
        let chunk = #"data: {"choices":[{"index":0,"delta":{"content":"ab. "}}]}"# + "\n\n"
        #expect(steps(exchange(Self.request, String(repeating: chunk, count: 100))).decoding == 1)
        let found = steps(exchange(Self.request, String(repeating: chunk, count: 10_000)))
        #expect(found.decoding > 20)
        #expect(found.verdict != nil)
    }

    @Test func `bytes that are no text are audited as far as they can be read`() {
        var capture = exchange(Self.request, "")
        capture.responseBody = Array(#"{"answer":"It opened in "#.utf8) + [0xFF, 0xC0, 0x80, 0xED, 0xA0, 0x80] + Array(#" 1964."}"#.utf8)
        #expect(steps(capture).verdict != nil)
    }
}
