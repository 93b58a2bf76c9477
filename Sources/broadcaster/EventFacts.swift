// What the broadcaster itself must know of an event's JSON: for filters, for its log, to notice audits that got lost.
// The rest of the JSON passes through as it came; here it is only checked to be JSON, so that no client gets anything else.
import HTTP
import JSON

/// Grades from best to worst; `N/A` is none.
enum Grade: UInt8, CaseIterable, Comparable {
    case a, b, c, d, f

    init?(_ text: String) {
        switch text {
        case "A", "a": self = .a
        case "B", "b": self = .b
        case "C", "c": self = .c
        case "D", "d": self = .d
        case "F", "f": self = .f
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .a: "A"
        case .b: "B"
        case .c: "C"
        case .d: "D"
        case .f: "F"
        }
    }

    static func < (x: Grade, y: Grade) -> Bool { x.rawValue < y.rawValue }
}

struct EventFacts: Equatable {
    var requestID = ""
    var auditID = ""
    /// Nil where nothing was graded.
    var grade: Grade?
    /// As it stands in the JSON.
    var trustScore = "null"
    var path = ""
    var model = ""

    init() {}

    /// Nil when `json` is not one JSON object in UTF-8: a browser ends a connection that brings it anything else. Members of
    /// unexpected kinds count as absent.
    init?(_ json: UnsafeRawBufferPointer) {
        let bytes = json.bindMemory(to: UInt8.self)
        var utf8 = UTF8Validator()
        guard utf8.accept(json.bytes), utf8.isComplete else { return nil }
        do throws(JSONError) {
            var reader = JSONReader(bytes.span)
            try reader.beginObject()
            while let name = try reader.nextMember() {
                let kind = try reader.peek()
                switch (name, kind) {
                case ("request_id", .string): requestID = try reader.string()
                case ("audit_id", .string): auditID = try reader.string()
                case ("grade", .string): grade = Grade(try reader.string())
                case ("trust_score", .number): trustScore = try reader.numberLiteral()
                case ("path", .string): path = try reader.string()
                case ("model", .string): model = try reader.string()
                default: try reader.skip()
                }
            }
            try reader.finish()
        } catch {
            return nil
        }
    }
}
