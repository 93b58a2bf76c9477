// Exchanges as people save them in files, for audits without a running product: `{"request":…,"response":…}` as a client and
// an API exchanged them, or `{"query","context":[…],"answer"}` with the parts already told apart.

import JSON

/// What is wrong with a saved exchange.
package enum SavedExchangeError: Error, Equatable {
    case notAnObject
    /// Neither an answer nor a response is there.
    case nothingToAudit
    /// A member is there and of another type than it must be.
    case wrongType(String)
    /// The response holds nothing that can be audited.
    case skipped(SkipReason)
}

/// Reads saved exchanges.
package enum SavedExchange {
    /// A case from either form. `claim` stands for `answer` too.
    package static func auditCase(from value: JSONValue) throws(SavedExchangeError) -> AuditCase {
        guard value.members != nil else { throw .notAnObject }
        guard value["answer"] == nil, value["claim"] == nil else {
            guard let answer = (value["answer"] ?? value["claim"])?.string else { throw .wrongType(value["answer"] == nil ? "claim" : "answer") }
            return try parts(of: value, answer: answer)
        }
        let exchange = try capture(from: value)
        switch CaptureDecoder.decode(exchange) {
        case .auditable(let found): return found
        case .notAuditable(let reason): throw .skipped(reason)
        case .refused: throw .nothingToAudit  // of submissions only
        }
    }

    /// The question and the documents of a request, whatever its response; `response` may be missing.
    package static func context(from value: JSONValue) throws(SavedExchangeError) -> AuditCase {
        guard value.members != nil else { throw .notAnObject }
        guard value["request"] != nil else { throw .nothingToAudit }
        return CaptureDecoder.context(of: try capture(from: value))
    }

    /// The name of the line, for people who have many: a string or a number.
    package static func id(of value: JSONValue) -> String? {
        switch value["id"] {
        case .string(let text)?: text
        case .number(let literal)?: literal
        default: nil
        }
    }

    private static func capture(from value: JSONValue) throws(SavedExchangeError) -> CapturedExchange {
        guard value["response"] != nil || value["request"] != nil else { throw .nothingToAudit }
        if let path = value["path"], path.string == nil, path != .null { throw .wrongType("path") }
        let request = body(value["request"])
        let response = body(value["response"])
        return CapturedExchange(
            requestID: id(of: value) ?? "", path: value["path"]?.string ?? "", responseContentType: response.type, requestBody: request.bytes,
            responseBody: response.bytes)
    }

    /// A body that was saved as JSON, or as the text that it was on the wire (a stream of events).
    private static func body(_ value: JSONValue?) -> (bytes: [UInt8], type: String) {
        switch value {
        case nil, .null?: return ([], "application/json")
        case .string(let text)?: return (Array(text.utf8), "")
        case let value?:
            var writer = JSONWriter(reservingCapacity: 4096)
            writer.value(value)
            return (writer.bytes, "application/json")
        }
    }

    /// A case of parts that are told apart already.
    static func parts(of value: JSONValue, answer: String) throws(SavedExchangeError) -> AuditCase {
        let query: String
        switch value["query"] ?? value["question"] {
        case .string(let text)?: query = text
        case nil, .null?: query = ""
        default: throw .wrongType("query")
        }
        let context = value["context"] ?? value["contexts"] ?? value["documents"] ?? .null
        guard context == .null || context.string != nil || context.array != nil || context.members != nil else { throw .wrongType("context") }
        var extraction = ContextExtractor()
        extraction.extract(from: Prompt(.object([.init(name: "context", value: context)])), responseDocuments: [])
        return AuditCase(
            requestID: id(of: value) ?? "", path: value["path"]?.string ?? "", model: value["model"]?.string, query: query, documents: extraction.documents,
            contextState: extraction.state, contextIsPartial: extraction.isPartial, answer: CaptureDecoder.cut(answer))
    }
}
