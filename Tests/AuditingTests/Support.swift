// What the tests of this module share.

import JSON

@testable import Auditing

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

func exchange(_ request: String, _ response: String, type: String = "application/json", path: String = "/v1/chat/completions") -> CapturedExchange {
    CapturedExchange(requestID: "req_1", path: path, responseContentType: type, requestBody: Array(request.utf8), responseBody: Array(response.utf8))
}

func auditCase(_ exchange: CapturedExchange) -> AuditCase? {
    if case .auditable(let found) = CaptureDecoder.decode(exchange) { found } else { nil }
}

func skip(_ exchange: CapturedExchange) -> SkipReason? {
    if case .notAuditable(let reason) = CaptureDecoder.decode(exchange) { reason } else { nil }
}

/// A case with documents beside an answer.
func auditCase(answer: String, documents: [String], state: ContextState? = nil, partial: Bool = false) -> AuditCase {
    AuditCase(
        requestID: "req_1", query: "q", documents: documents.enumerated().map { ContextDocument(id: "doc-\($0 + 1)", content: $1) },
        contextState: state ?? (documents.isEmpty ? .none : .found), contextIsPartial: partial, answer: answer)
}

/// Runs the engine to its end; the number of steps is bounded so that a test never hangs.
func audit(_ auditCase: AuditCase, limits: EngineLimits = EngineLimits()) -> AuditVerdict? {
    var engine = EmbeddedEngine(auditCase, limits: limits)
    for _ in 0..<100_000 { if let verdict = engine.step() { return verdict } }
    return nil
}

func json(_ bytes: [UInt8]) -> JSONValue? { try? JSONValue(parsing: bytes.span) }

/// A JSON string of a text.
func quoted(_ text: String) -> String {
    var writer = JSONWriter()
    writer.string(text)
    return String(decoding: writer.bytes, as: UTF8.self)
}
