// The built-in questions as they are printed: ready request bodies for a demo, or all that is known of them for tests.
import JSON

enum QuestionList {
    /// One chat completion request a line.
    static func bodies() -> String {
        Question.all.map { String(decoding: body($0), as: UTF8.self) + "\n" }.joined()
    }

    static func body(_ question: Question, stream: Bool = false) -> [UInt8] {
        var json = JSONWriter()
        write(question, stream, &json)
        return json.bytes
    }

    private static func write(_ question: Question, _ stream: Bool, _ json: inout JSONWriter) {
        json.beginObject()
        json.member("model", "mock-llm")
        json.name("messages")
        json.beginArray()
        for (role, content) in [("system", question.prompt), ("user", question.question)] {
            json.beginObject()
            json.member("role", role)
            json.member("content", content)
            json.endObject()
        }
        json.endArray()
        if stream { json.member("stream", true) }
        json.endObject()
    }

    /// An array of questions with request, answer and claims; a false claim names its fault.
    static func document() -> String {
        var json = JSONWriter()
        json.beginArray()
        for question in Question.all {
            json.beginObject()
            json.member("name", question.name)
            json.member("question", question.question)
            json.name("request")
            write(question, false, &json)
            json.member("answer", question.answer)
            json.name("claims")
            json.beginArray()
            for claim in question.claims {
                json.beginObject()
                json.member("text", claim.text)
                json.member("true", claim.fault == nil)
                if let fault = claim.fault { json.member("fault", fault.rawValue) }
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
        json.endArray()
        return String(decoding: json.bytes, as: UTF8.self) + "\n"
    }
}
