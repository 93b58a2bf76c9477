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

/// The query of the URL: `?since=EPOCH:SEQ&envelope=payload`, and what a subscription may say, by the same names:
/// `types=audit_result,error&grade_at_most=C&path=/v1/*&model=gpt-4o`. Other members are not ours.
struct DashboardQuery: Equatable {
    var envelope: Envelope
    /// All up to this event is there already.
    var since: EventNumber?
    var subscription: Subscription

    /// Members of the query by name, decoded; nil where there is none.
    init(default envelope: Envelope, _ member: (StaticString) -> String?) throws(SubscriptionError) {
        self.envelope = envelope
        if let name = member("envelope") {
            guard let chosen = Envelope(name: name) else { throw SubscriptionError("unknown envelope: use envelope=data or envelope=payload") }
            self.envelope = chosen
        }
        if let number = member("since") { since = try Self.number(number, "since: use since=EPOCH:SEQ") }
        subscription = Subscription(self.envelope)
        if let names = member("types") { subscription.kinds = try Subscription.kinds(names.split(separator: ",")) }
        if let grade = member("grade_at_most") { subscription.gradeAtMost = try Subscription.grade(grade) }
        if let path = member("path") { subscription.path = try Subscription.pattern("path", path) }
        if let model = member("model") { subscription.model = try Subscription.pattern("model", model) }
    }

    /// The last event that a stream's client got, by `Last-Event-ID`; it is newer than what its URL says.
    mutating func resume(after id: String) throws(SubscriptionError) {
        since = try Self.number(id, "Last-Event-ID: use EPOCH:SEQ")
    }

    private static func number(_ text: String, _ cure: String) throws(SubscriptionError) -> EventNumber {
        guard let number = EventNumber(text) else { throw SubscriptionError("malformed \(cure) of the last event that was received") }
        return number
    }
}

/// Which messages a client gets. Greeting, answers to its own messages and `history_lost` are not filtered.
struct Subscription: Equatable {
    static let mostPatternBytes = 1024

    var kinds: MessageKinds
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

    /// Whether the event at a position is wanted. What is not known of an event does not match.
    func wants(_ kind: MessageKind, at position: UInt64, of events: borrowing RecentEvents) -> Bool {
        guard kinds.contains(kind) else { return false }
        if gradeAtMost == nil, path == nil, model == nil { return true }
        guard let facts = events.facts(at: position) else { return false }
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
            case "types":
                guard let names = member.value.array?.map({ $0.string }), !names.contains(nil) else { throw SubscriptionError("types: use an array of names") }
                kinds = try Self.kinds(names.compactMap(\.self))
            case "grade_at_most": gradeAtMost = try Self.grade(member.value.string)
            case "path": path = try Self.pattern("path", member.value.string)
            case "model": model = try Self.pattern("model", member.value.string)
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

    fileprivate static func kinds(_ names: [some StringProtocol]) throws(SubscriptionError) -> MessageKinds {
        var kinds: MessageKinds = []
        for name in names {
            guard let kind = MessageKind(name: name), selectable.contains(kind) else {
                throw SubscriptionError(
                    "unknown type \(quoted(name)) in types: use audit_started, audit_complete, audit_failed, audit_skipped, health_update, stats_update")
            }
            kinds.insert(kind)
        }
        return kinds
    }

    private static var selectable: MessageKinds { Envelope.payload.defaultKinds }

    fileprivate static func grade(_ text: String?) throws(SubscriptionError) -> Grade {
        guard let grade = text.flatMap({ Grade($0) }) else { throw SubscriptionError("grade_at_most: use A, B, C, D or F") }
        return grade
    }

    fileprivate static func pattern(_ name: String, _ text: String?) throws(SubscriptionError) -> Pattern {
        guard let text, text.utf8.count <= mostPatternBytes else { throw SubscriptionError("\(name): use a text, with * at its end for a beginning") }
        return Pattern(text)
    }

    /// A client's own words in an answer to it, cut.
    private static func quoted(_ text: some StringProtocol) -> String { "\"\(text.prefix(64))\"" }

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
