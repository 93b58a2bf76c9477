// What clients hand in for an audit: taken as it is meant, or refused with the sentence that says why.
import Testing

@testable import Auditing

private func decode(_ body: String) -> Decoded {
    CaptureDecoder.decode(
        CapturedExchange(
            requestID: "r", auditID: "a", path: "/v1/audits", requestBody: Array(body.utf8), responseBody: [], isSubmission: true, traceID: "0f"))
}

@Suite struct SubmissionTests {
    @Test func `question, answer and documents are those that were handed in`() throws {
        guard
            case .auditable(let found) = decode(
                #"{"query":"q","response":"An answer.","model":"m","context":["one",{"id":"d","content":"two","source":"s","metadata":{"k":"v"}}]}"#)
        else {
            Issue.record("not taken")
            return
        }
        #expect(found.query == "q" && found.answer == "An answer." && found.model == "m" && found.path == "/v1/audits")
        #expect(found.requestID == "r" && found.auditID == "a" && found.traceID == "0f")
        #expect(found.documents.map(\.content) == ["one", "two"])
        #expect(found.documents.last?.id == "d" && found.documents.last?.source == "s" && found.documents.last?.metadata["k"] == "v")
    }

    @Test(arguments: [
        #"{"response":"x"}"#, #"{"response":"x","query":null,"context":null,"model":null}"#, #"{"response":"x","context":[]}"#,
        #"{"response":"x","else":[1,{}]}"#,
    ])
    func `only the response is needed`(_ body: String) {
        guard case .auditable(let found) = decode(body) else {
            Issue.record("not taken")
            return
        }
        #expect(found.answer == "x" && found.query == "" && found.documents.isEmpty)
    }

    @Test(arguments: [
        ("", "the body must be a JSON object"), ("{", "the body must be a JSON object"), ("[1]", "the body must be a JSON object"),
        ("{}", "response is missing"), (#"{"response":null}"#, "response is missing"), (#"{"response":["x"]}"#, "response must be a string"),
        (#"{"response":" \n"}"#, "response holds no text"), (#"{"response":"x","query":1}"#, "query must be a string"),
        (#"{"response":"x","model":{}}"#, "model must be a string"), (#"{"response":"x","context":"y"}"#, "context must be a list"),
        (#"{"response":"x","context":{}}"#, "context must be a list"), (#"{"response":"x","context":[[]]}"#, "context must be a list"),
    ])
    func `what is wrong is said`(_ body: String, _ words: String) {
        guard case .refused(let sentence) = decode(body) else {
            Issue.record("taken")
            return
        }
        #expect(sentence.hasPrefix(words))
    }
}
