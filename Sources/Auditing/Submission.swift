// What a client hands in for an audit: `{"query","response","context":[…]}`, with the model's name if it likes. Strict, because
// somebody waits to hear what is wrong with it.

import JSON

/// Reads what is handed in.
enum Submission {
    static func decode(_ exchange: CapturedExchange) -> Decoded {
        guard let body = try? JSONValue(parsing: exchange.requestBody.span), body.members != nil else { return .refused("the body must be a JSON object") }
        guard let response = body["response"], response != .null else { return .refused("response is missing: the answer to audit, as a string") }
        for name in ["response", "query", "model"] {
            if let value = body[name], value.string == nil, value != .null { return .refused("\(name) must be a string") }
        }
        if let context = body["context"], context != .null {
            guard let items = context.array, items.allSatisfy({ $0.string != nil || $0.members != nil }) else {
                return .refused("context must be a list of strings or of objects {id, content, source, metadata}")
            }
        }
        guard let answer = response.string, answer.utf8.contains(where: { !ASCII.isSpace($0) }), var auditCase = try? SavedExchange.parts(of: body, answer: answer) else {
            return .refused("response holds no text")
        }
        auditCase.requestID = exchange.requestID
        auditCase.auditID = exchange.auditID
        auditCase.path = exchange.path
        auditCase.traceID = exchange.traceID
        return .auditable(auditCase)
    }
}
