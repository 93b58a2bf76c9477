// How one answer is to be given: by options of the process, overruled by the JSON member `mock` of the request's body,
// overruled by its fields `X-Mock-…`. So a test steers each exchange through whatever stands between.
import Inbound
import JSON

struct Controls: Equatable, Sendable {
    /// Ways to answer wrongly or oddly.
    enum Failure: String, CaseIterable, Sendable {
        /// The connection ends without an answer.
        case refuse
        /// It is reset: without an answer, or after `after` bytes or events of one.
        case reset
        /// The head and `after` bytes or events (none by default), then nothing more.
        case stall
        /// The connection ends after `after` bytes or events of the body (half of it by default).
        case cut
        /// As `cut`, in the middle of a chunk.
        case cutChunk = "cut_chunk"
        /// Bytes that are no HTTP, then the end.
        case garbage
        /// A body that ends with the connection, announced by `Connection: close`.
        case closeDelimited = "close_delimited"
        /// The same without a word.
        case noLength = "no_length"
        /// No failure: the body in two chunks although its length is known.
        case chunked
    }

    var status: UInt16 = 200
    /// Before the first byte of the answer.
    var delayMilliseconds = 0
    /// Between two events of a stream.
    var paceMilliseconds = 0
    /// Tokens in one event of a stream.
    var chunkTokens = 1
    /// Bytes of the answer's text.
    var size: Int?
    var failure: Failure?
    var after: Int?
    /// Said instead of what the mock would say.
    var answer: String?

    static let sizeLimit = 32 << 20
    static let timeLimitMilliseconds = 600_000

    /// Takes `value` for the control `name`; false when one of them is unknown or out of range.
    mutating func set(_ name: String, _ value: String) -> Bool {
        switch name {
        case "status":
            guard let number = UInt16(value), 200...599 ~= number else { return false }
            status = number
        case "delay_ms":
            guard let number = Int(value), 0...Self.timeLimitMilliseconds ~= number else { return false }
            delayMilliseconds = number
        case "pace_ms":
            guard let number = Int(value), 0...Self.timeLimitMilliseconds ~= number else { return false }
            paceMilliseconds = number
        case "chunk":
            guard let number = Int(value), 1...Self.sizeLimit ~= number else { return false }
            chunkTokens = number
        case "size":
            guard let number = Int(value), 0...Self.sizeLimit ~= number else { return false }
            size = number
        case "after":
            guard let number = Int(value), 0...Self.sizeLimit ~= number else { return false }
            after = number
        case "fail":
            guard let known = Failure(rawValue: value) else { return false }
            failure = known
        case "answer": answer = value
        default: return false
        }
        return true
    }

    /// The fields of a request: `X-Mock-Delay-Ms: 5` is `delay_ms`. The first bad one, if any.
    mutating func apply(fieldsOf request: HTTPRequest) -> String? {
        var bad: String?
        request.forEachField { name, value in
            guard name.utf8.count > 7, name.utf8.prefix(7).elementsEqual("x-mock-".utf8, by: { $0 | 0x20 == $1 | 0x20 }) else { return }
            let control = name.dropFirst(7).lowercased().split(separator: "-").joined(separator: "_")
            if !set(control, value), bad == nil { bad = name }
        }
        return bad
    }

    /// The member `mock` of a body: an object of the same controls. The first bad one, if any.
    mutating func apply(_ value: JSONValue) -> String? {
        guard let members = value.members else { return "mock" }
        for member in members {
            let isTaken: Bool
            switch member.value {
            case .string(let text): isTaken = set(member.name, text)
            case .number(let literal): isTaken = set(member.name, literal)
            default: isTaken = false
            }
            if !isTaken { return "mock.\(member.name)" }
        }
        return nil
    }
}
