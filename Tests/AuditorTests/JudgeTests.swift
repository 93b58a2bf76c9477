// What the judge is asked, and what of its answer is believed.
import Auditing
import JSON
import Testing

@testable import auditor

private func entry(_ id: Int, verdict: String = "\"supported\"", confidence: String = "0.9", document: String = "1", quote: String = "\"148 metres\"", reasoning: String = "\"So.\"") -> String {
    "{\"id\":\(id),\"verdict\":\(verdict),\"confidence\":\(confidence),\"document\":\(document),\"quote\":\(quote),\"reasoning\":\(reasoning)}"
}

private func completion(_ content: String, finish: String = "stop") -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("model", "m-1")
    json.name("choices")
    json.beginArray()
    json.beginObject()
    json.name("message")
    json.beginObject()
    json.member("content", content)
    json.endObject()
    json.member("finish_reason", finish)
    json.endObject()
    json.endArray()
    json.name("usage")
    json.beginObject()
    json.member("prompt_tokens", 7)
    json.member("completion_tokens", 3)
    json.endObject()
    json.endObject()
    return json.bytes
}

private func flaw(_ content: String, finish: String = "stop") -> String? {
    if case .failure(let flaw) = JudgeReply.read(completion(content, finish: finish), claims: [0, 1][...], documents: 2).result { flaw.complaint } else { nil }
}

@Test func `a good answer is read`() throws {
    let (account, result) = JudgeReply.read(completion("{\"claims\":[\(entry(2, document: "null", quote: "null")),\(entry(1))]}"), claims: [0, 1][...], documents: 2)
    #expect(account == JudgeReply.Account(promptTokens: 7, completionTokens: 3, model: "m-1"))
    let reply = try result.get()
    #expect(reply.judgements[0] == Judgement(outcome: .supported, confidence: 0.9, document: 0, quote: "148 metres", reasoning: "So."))
    #expect(reply.judgements[1]?.document == nil && reply.judgements[1]?.quote == "")
}

private let flaws: [(content: String, complaint: String)] = [
    ("I think so.", "it is not one JSON object"), ("[]", "it is not one JSON object"), ("```json\n{}\n```", "it is not one JSON object"), ("{}", "it has no array \"claims\""),
    ("{\"claims\":[]}", "claim 1 is not judged"), ("{\"claims\":[\(entry(1))]}", "claim 2 is not judged"), ("{\"claims\":[\(entry(3))]}", "an entry's \"id\" is none of the claims'"),
    ("{\"claims\":[\(entry(Int.min))]}", "an entry's \"id\" is none of the claims'"), ("{\"claims\":[\(entry(Int.max))]}", "an entry's \"id\" is none of the claims'"),
    ("{\"claims\":[\(entry(1)),\(entry(1))]}", "claim 1 is judged twice"),
    ("{\"claims\":[\(entry(1, verdict: "\"true\""))]}", "the \"verdict\" of claim 1 is none of supported, contradicted, unsupported"),
    ("{\"claims\":[\(entry(1, verdict: "\"unverifiable\""))]}", "the \"verdict\" of claim 1 is none of supported, contradicted, unsupported"),
    ("{\"claims\":[\(entry(1, confidence: "90"))]}", "the \"confidence\" of claim 1 is no number from 0 to 1"),
    ("{\"claims\":[\(entry(1, confidence: "\"0.9\""))]}", "the \"confidence\" of claim 1 is no number from 0 to 1"),
    ("{\"claims\":[\(entry(1, document: "3"))]}", "the \"document\" of claim 1 is none of the documents' numbers"),
    ("{\"claims\":[\(entry(1, document: "0"))]}", "the \"document\" of claim 1 is none of the documents' numbers"),
    ("{\"claims\":[\(entry(1, quote: "7"))]}", "the \"quote\" of claim 1 is no passage"), ("{\"claims\":[\(entry(1, reasoning: "\"\""))]}", "the \"reasoning\" of claim 1 is no sentence"),
]

@Test(arguments: flaws) private func `an answer that breaks the schema is named`(_ row: (content: String, complaint: String)) {
    #expect(flaw(row.content) == row.complaint)
    #expect(flaw(row.content, finish: "length") == "it was cut at its longest length")
}

@Test func `an answer that is no completion has no account but nothing traps`() {
    for body in ["", "{}", "[]", "{\"choices\":[]}", "{\"choices\":[{\"message\":{\"content\":null}}]}", "{\"usage\":{\"prompt_tokens\":-5}}"] {
        let (account, result) = JudgeReply.read(Array(body.utf8), claims: [0][...], documents: 1)
        #expect(account.promptTokens == 0)
        #expect(throws: JudgeReply.Flaw.self) { try result.get() }
    }
}

@Test func `counts of tokens that cannot be are held to a limit`() {
    let body = "{\"usage\":{\"prompt_tokens\":\(Int.max),\"completion_tokens\":\(Int.max)}}"
    let account = JudgeReply.read(Array(body.utf8), claims: [0][...], documents: 1).account
    #expect(account.promptTokens == JudgeReply.tokenLimit && account.completionTokens == JudgeReply.tokenLimit)
}

private func judged(_ outcome: ClaimOutcome, document: Int?, quote text: String, evidence: [EvidenceQuote] = [quote(1, "Ilse")], partial: Bool = false) -> ClaimVerdict {
    var auditCase = bridge
    auditCase.contextIsPartial = partial
    var places = TextPlaces(auditCase)
    let judgement = Judgement(outcome: outcome, confidence: 0.7, document: document, quote: text, reasoning: "So.")
    return Judgements.apply(judgement, to: claim("Ilse designed it.", .unsupported, probability: 0.3, evidence: evidence), of: auditCase, &places)
}

@Test func `a quote counts if it stands in its document`() {
    let found = judged(.contradicted, document: 0, quote: "148 metres")
    #expect(found.verdict == .contradicted && found.probability.map { abs($0 - 0.3) < 1e-9 } == true && found.confidence == 0.7 && found.reasoning == "So.")
    #expect(found.evidence.map(\.documentID) == ["doc-1"] && found.evidence[0].source == "a.txt")
    #expect(String(decoding: Array(bridge.documents[0].content.utf8)[found.evidence[0].start..<found.evidence[0].end], as: UTF8.self) == "148 metres")
    // An invented one leaves what the first engine found.
    #expect(judged(.supported, document: 0, quote: "made up").evidence.map(\.documentID) == ["doc-2"])
    #expect(judged(.supported, document: nil, quote: "148 metres").evidence.map(\.documentID) == ["doc-2"])
}

@Test func `no claim is supported without a passage, none unsupported where part was not seen`() {
    let bare = judged(.supported, document: 0, quote: "made up", evidence: [])
    #expect(bare.verdict == .unverifiable && bare.probability == nil && bare.confidence == 0)
    #expect(judged(.unsupported, document: nil, quote: "", partial: true).verdict == .unverifiable)
    #expect(judged(.unsupported, document: nil, quote: "").verdict == .unsupported)
    #expect(judged(.contradicted, document: nil, quote: "", partial: true).verdict == .contradicted)
}

@Test func `a question holds the claims that are asked about, and the documents`() throws {
    let task = task([claim("One."), claim("Two.", evidence: [quote(1, "Ilse")]), claim("Three.")])
    let body = JudgePrompt.body(task, claims: [1, 2][...], model: "m", contextBytes: 10_000, complaint: nil)
    let messages = try #require(json(body)?["messages"]?.array)
    #expect(messages.map { $0["role"]?.string } == ["system", "user"])
    let material = try #require(json(Array((messages[1]["content"]?.string ?? "").utf8)))
    #expect(material["claims"]?.array?.map { $0["id"]?.int } == [2, 3] && material["claims"]?.array?.first?["passage"]?.string == "Ilse")
    #expect(material["documents"]?.array?.map { $0["text"]?.string } == bridge.documents.map(\.content))
    let again = JudgePrompt.body(task, claims: [1][...], model: "m", contextBytes: 10_000, complaint: "it is not one JSON object")
    #expect(json(again)?["messages"]?.array?.last?["content"]?.string?.contains("it is not one JSON object") == true)
}

@Test func `of long documents the judge gets what stands around the evidence, within the limit`() {
    var auditCase = bridge
    let text = String(repeating: "ü", count: 5000) + "needle" + String(repeating: "é", count: 5000)
    auditCase.documents = [ContextDocument(id: "doc-1", content: text), ContextDocument(id: "doc-2", content: "", isOpaque: true)]
    let evidence = EvidenceQuote(document: 0, documentID: "doc-1", source: "", start: 10_000, end: 10_006, quote: "needle", unmatched: [])
    for limit in [1, 300, 601, 1207, 5000] {
        let passages = JudgePrompt.passages(of: auditCase, around: [evidence, evidence], limit)
        let bytes = passages.reduce(0) { $0 + $1.text.utf8.count }
        #expect(bytes <= limit && !passages.contains { $0.text.contains("\u{FFFD}") }, "limit \(limit)")
        if limit >= 1207 { #expect(passages.count == 1 && passages[0].text.contains("needle")) }
    }
    #expect(JudgePrompt.passages(of: auditCase, around: [], 50_000) == [JudgePrompt.Passage(document: 0, text: text)], "the opaque one is left out")
}
