// What a dashboard asks for: where it goes on, by the query of its URL, and which events it wants, by a message:
//
//     {"type":"subscribe","types":["audit_result","audit_started"],"grade_at_most":"C","path":"/v1/*","model":"gpt-4o"}
//
// Every member but `type` may be missing or null. A subscription replaces the one before; an empty one is the default again.
import JSON

/// Why something a client asked for is not to be had, for people.
struct SubscriptionError: Error, Equatable {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// The query of the URL: `?since=EPOCH:SEQ&envelope=payload`. Other members are not ours.
struct DashboardQuery: Equatable {
    var envelope: Envelope
    /// All up to this event is there already.
    var since: EventNumber?

    init(_ query: some StringProtocol, default envelope: Envelope) throws(SubscriptionError) {
        self.envelope = envelope
        for member in query.split(separator: "&") {
            let parts = member.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "envelope":
                guard let chosen = Envelope(name: parts[1]) else { throw SubscriptionError("unknown envelope: use envelope=data or envelope=payload") }
                self.envelope = chosen
            case "since":
                // Browsers' URLSearchParams escape the colon.
                let number = parts[1].split(separator: "%3A", maxSplits: 1, omittingEmptySubsequences: false).joined(separator: ":")
                guard let since = EventNumber(number) else { throw SubscriptionError("malformed since: use since=EPOCH:SEQ of the last event that was received") }
                self.since = since
            default: continue
            }
        }
    }
}

/// Which messages a client gets. Greeting, answers to its own messages and `history_lost` are not filtered.
struct Subscription: Equatable {
    static let mostPatternBytes = 1024

    var kinds: Set<MessageKind>
    /// Only results of this grade or worse. Ungraded ones are no better and no worse: not these.
    var gradeAtMost: Grade?
    /// Only audits of requests of this path.
    var path: Pattern?
    /// Only results of this model.
    var model: Pattern?

    init(_ envelope: Envelope) { kinds = envelope.defaultKinds }

    /// A whole text, or with `*` at its end the beginning of one.
    struct Pattern: Equatable, CustomStringConvertible {
        let text: String
        let isPrefix: Bool

        init(_ text: String) {
            isPrefix = text.hasSuffix("*")
            self.text = isPrefix ? String(text.dropLast()) : text
        }

        var description: String { isPrefix ? text + "*" : text }

        func matches(_ candidate: String) -> Bool { isPrefix ? candidate.hasPrefix(text) : candidate == text }
    }

    /// What is not known of an event does not match.
    func wants(_ kind: MessageKind, _ facts: EventFacts) -> Bool {
        guard kinds.contains(kind) else { return false }
        if let path, !path.matches(facts.path) { return false }
        guard kind == .auditComplete else { return true }
        if let gradeAtMost {
            guard let grade = facts.grade, grade >= gradeAtMost else { return false }
        }
        if let model, !model.matches(facts.model) { return false }
        return true
    }

    /// What a client's message asks for. An unknown member is an error: it would not filter what its sender thinks it does.
    init(message: borrowing RawSpan, _ envelope: Envelope) throws(SubscriptionError) {
        self.init(envelope)
        guard let members = Self.members(of: message), let type = members.last(where: { $0.name == "type" })?.value.string else {
            throw SubscriptionError("not understood: send a JSON object such as {\"type\":\"subscribe\",\"types\":[\"audit_complete\"]}")
        }
        guard type == "subscribe" else { throw SubscriptionError("unknown type \(Self.quoted(type)): send {\"type\":\"subscribe\"} with what to filter by") }
        for member in members where member.value != .null {
            switch member.name {
            case "type": continue
            case "types": kinds = try Self.kinds(member.value)
            case "grade_at_most":
                guard let grade = member.value.string.flatMap({ Grade($0) }) else { throw SubscriptionError("grade_at_most: use A, B, C, D or F") }
                gradeAtMost = grade
            case "path": path = try Self.pattern(member)
            case "model": model = try Self.pattern(member)
            default: throw SubscriptionError("unknown member \(Self.quoted(member.name)): use types, grade_at_most, path, model")
            }
        }
    }

    private static func members(of message: borrowing RawSpan) -> [JSONValue.Member]? {
        message.withUnsafeBytes { bytes in
            // What a subscription needs is far less than this many values.
            try? JSONValue(parsing: bytes.bindMemory(to: UInt8.self).span, valueLimit: 256).members
        }
    }

    private static func kinds(_ value: JSONValue) throws(SubscriptionError) -> Set<MessageKind> {
        guard let names = value.array else { throw SubscriptionError("types: use an array of names") }
        var kinds: Set<MessageKind> = []
        for name in names {
            guard let name = name.string else { throw SubscriptionError("types: use an array of names") }
            guard let kind = MessageKind(name: name), selectable.contains(kind) else {
                throw SubscriptionError(
                    "unknown type \(quoted(name)) in types: use audit_started, audit_complete, audit_failed, audit_skipped, health_update, stats_update")
            }
            kinds.insert(kind)
        }
        return kinds
    }

    private static var selectable: Set<MessageKind> { Envelope.payload.defaultKinds }

    private static func pattern(_ member: JSONValue.Member) throws(SubscriptionError) -> Pattern {
        guard let text = member.value.string, text.utf8.count <= mostPatternBytes else {
            throw SubscriptionError("\(member.name): use a text, with * at its end for a beginning")
        }
        return Pattern(text)
    }

    /// A client's own words in an answer to it, cut.
    private static func quoted(_ text: String) -> String { "\"\(text.prefix(64))\"" }

    /// The subscription as it is now in force.
    func json(_ envelope: Envelope) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.name("types")
        json.beginArray()
        for kind in MessageKind.allCases where kinds.contains(kind) { json.string("\(kind.name(in: envelope))") }
        json.endArray()
        if let gradeAtMost { json.member("grade_at_most", gradeAtMost.name) }
        if let path { json.member("path", path.description) }
        if let model { json.member("model", model.description) }
        json.endObject()
        return json.bytes
    }
}
