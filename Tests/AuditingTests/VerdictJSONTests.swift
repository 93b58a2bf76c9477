// The rendered object: its members, its size, its offsets.

import JSON
import Testing

@testable import Auditing

struct VerdictJSONTests {
    @Test func `all members are there`() throws {
        var found = auditCase(answer: "Ünder 😀 the bridge. The Harlow footbridge opened in 1968.", documents: ["The Harlow footbridge opened in 1964."])
        found.model = "m"
        found.usage = TokenUsage(prompt: 1, completion: 2)
        let verdict = try #require(audit(found))
        let bytes = VerdictJSON.render(verdict, of: found, processingTimeMilliseconds: 12, timestampMilliseconds: 1_700_000_000_000)
        let value = try JSONValue(parsing: bytes.span)
        #expect(value["request_id"]?.string == "req_1")
        #expect(value["total_claims"]?.int == 2)
        #expect(value["contradicted_claims"]?.int == 1)
        #expect(value["processing_time_ms"]?.int == 12)
        #expect(value["timestamp"]?.int == 1_700_000_000_000)
        #expect(value["documents"]?["count"]?.int == 1)
        #expect(value["usage"]?["completion_tokens"]?.int == 2)
        #expect(value["cut"] == .bool(false))
        #expect(value["answer"]?.string == found.answer && value["answer_length"]?.int == found.answer.utf16.count)
        let claim = try #require(value["verifications"]?.array?.last)
        #expect(claim["evidence"]?.array?.first?.string == "The Harlow footbridge opened in 1964.")
        #expect(claim["evidence_details"]?.array?.first?["document_id"]?.string == "doc-1")
        let start = try #require(claim["start"]?.int)
        let end = try #require(claim["end"]?.int)
        let units = Array(found.answer.utf16)
        #expect(String(decoding: units[start..<end], as: UTF16.self) == "The Harlow footbridge opened in 1968.")
    }

    @Test(arguments: [2_000, 5_000, 20_000, 60 << 10]) func `the object keeps to its size and says what it cut`(_ limit: Int) throws {
        let sentence = "Number \u{1} 1964 \"quoted\" 😀 is a long sentence about the bridge in the town. "
        let found = auditCase(answer: String(repeating: sentence, count: 600), documents: [String(repeating: sentence, count: 100)])
        let verdict = try #require(audit(found))
        let bytes = VerdictJSON.render(verdict, of: found, processingTimeMilliseconds: 1, timestampMilliseconds: 2, limitBytes: limit)
        #expect(bytes.count <= limit)
        let value = try JSONValue(parsing: bytes.span)
        #expect(value["cut"] == .bool(true))
        #expect(value["answer_length"]?.int == found.answer.utf16.count, "of the whole answer")
        #expect(found.answer.hasPrefix(try #require(value["answer"]?.string)))
        #expect(value["total_claims"]?.int == 600)
        let shown = try #require(value["verifications"]?.array?.count)
        #expect(value["omitted_claims"]?.int == 600 - shown)
    }
}
