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
        var decoder = try decoder(of: value)
        while true {
            switch decoder.step() {
            case .auditable(let found)?: return found
            case .notAuditable(let reason)?: throw .skipped(reason)
            case .refused?: throw .nothingToAudit  // of submissions only
            case nil: break
            }
        }
    }

    /// The question and the documents of a request, whatever its response; `response` may be missing.
    package static func context(from value: JSONValue) throws(SavedExchangeError) -> AuditCase {
        guard value.members != nil else { throw .notAnObject }
        guard value["request"] != nil else { throw .nothingToAudit }
        var decoder = try decoder(of: value)
        return decoder.context()
    }

    /// The name of the line, for people who have many: a string or a number.
    package static func id(of value: JSONValue) -> String? {
        switch value["id"] {
        case .string(let text)?: text
        case .number(let literal)?: literal
        default: nil
        }
    }

    /// The exchange as an auditor gets it: with bodies in bytes.
    package static func capture(from value: JSONValue) throws(SavedExchangeError) -> CapturedExchange {
        guard let request = value["request"], let response = value["response"] else { throw .nothingToAudit }
        func bytes(_ body: JSONValue) -> [UInt8] {
            if case .string(let text) = body { return Array(text.utf8) }
            var writer = JSONWriter(reservingCapacity: 4096)
            writer.value(body)
            return writer.bytes
        }
        return CapturedExchange(
            requestID: id(of: value) ?? "", path: value["path"]?.string ?? "", responseContentType: response.string == nil ? "application/json" : "",
            requestBody: bytes(request), responseBody: bytes(response))
    }

    /// Bodies stand in it as JSON, or as the text that they were on the wire (a stream of events).
    private static func decoder(of value: JSONValue) throws(SavedExchangeError) -> CaptureDecoder {
        guard value["response"] != nil || value["request"] != nil else { throw .nothingToAudit }
        if let path = value["path"], path.string == nil, path != .null { throw .wrongType("path") }
        var exchange = CapturedExchange(
            requestID: id(of: value) ?? "", path: value["path"]?.string ?? "", responseContentType: "", requestBody: [], responseBody: [])
        var bodies: (request: JSONValue?, response: JSONValue?) = (value["request"] ?? .null, value["response"] ?? .null)
        if case .string(let text)? = bodies.request {
            exchange.requestBody = Array(text.utf8)
            bodies.request = nil
        }
        switch bodies.response {
        case .string(let text)?:
            exchange.responseBody = Array(text.utf8)
            bodies.response = nil
        case .null?: bodies.response = nil
        default: break
        }
        return CaptureDecoder(exchange, request: bodies.request, response: bodies.response)
    }

    /// A text, or an object that may hold one.
    private static func isText(_ value: JSONValue) -> Bool { value.string != nil || value.members != nil }

    /// A case of parts that are told apart already.
    static func parts(of value: JSONValue, answer: String) throws(SavedExchangeError) -> AuditCase {
        let query: String
        switch value["query"] ?? value["question"] {
        case .string(let text)?: query = text
        case nil, .null?: query = ""
        default: throw .wrongType("query")
        }
        let context = value["context"] ?? value["contexts"] ?? value["documents"] ?? .null
        guard context == .null || isText(context) || context.array?.allSatisfy({ $0 == .null || isText($0) || $0.array != nil }) == true else { throw .wrongType("context") }
        var extraction = ContextExtractor(Prompt(.object([.init(name: "context", value: context)])), responseDocuments: [])
        while extraction.step() != nil {}
        return AuditCase(
            requestID: id(of: value) ?? "", path: value["path"]?.string ?? "", model: value["model"]?.string, query: query, documents: extraction.documents,
            contextState: extraction.state, contextIsPartial: extraction.isPartial, answer: CaptureDecoder.cut(answer))
    }
}
