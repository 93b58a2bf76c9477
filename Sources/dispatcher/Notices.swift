// What the dispatcher itself has to say about an audit: the JSON of its events, and facts for the log.
import IPC
import JSON

/// The JSON objects of the events that no auditor makes.
enum Notices {
    /// Of the request's path; longer ones are cut.
    static let mostPathBytes = 512
    /// Of an auditor's words about a failure.
    static let mostDetailBytes = 1024

    static func started(requestID: String, auditID: String, responseBytes: UInt64, path: String, traceID: String, at wall: UInt64) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("request_id", requestID)
        json.member("audit_id", auditID)
        json.member("response_size", responseBytes)
        json.member("timestamp", wall)
        json.member("path", path)
        if !traceID.isEmpty { json.member("trace_id", traceID) }
        json.endObject()
        return json.bytes
    }

    static func skipped(requestID: String, auditID: String, reason: SkipReason, detail: String, at wall: UInt64) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("request_id", requestID)
        json.member("audit_id", auditID)
        if !detail.isEmpty { json.member("error", detail) }
        json.member("reason", reason.rawValue)
        json.member("timestamp", wall)
        json.endObject()
        return json.bytes
    }

    static func failed(requestID: String, auditID: String, error: String, reason: String, at wall: UInt64) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("request_id", requestID)
        json.member("audit_id", auditID)
        json.member("error", error)
        json.member("reason", reason)
        json.member("timestamp", wall)
        json.endObject()
        return json.bytes
    }

    // MARK: For whoever asked

    /// How things stand with an audit of which no event tells.
    static func standing(_ status: String, requestID: String, auditID: String, reason: String = "") -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("status", status)
        json.member("request_id", requestID)
        json.member("audit_id", auditID)
        if !reason.isEmpty { json.member("reason", reason) }
        json.endObject()
        return json.bytes
    }

    /// An event's object with the audit's status as its first member.
    static func told(_ status: AuditStatus, _ object: RawSpan) -> [UInt8] {
        let begin = "{\"status\":\"\(status.rawValue)\""
        return object.withUnsafeBytes { bytes in
            let members = bytes.dropFirst()
            return Array(begin.utf8) + (members.first == UInt8(ascii: "}") ? [] : [UInt8(ascii: ",")]) + members
        }
    }

    /// A path as people know it: without the query, cut, no UTF-8 errors.
    static func path(of target: RawSpan) -> String {
        target.withUnsafeBytes { bytes in
            String(decoding: bytes.prefix(while: { $0 != UInt8(ascii: "?") }).prefix(mostPathBytes), as: UTF8.self)
        }
    }

    /// What an auditor said of a failure, cut.
    static func detail(_ text: String) -> String {
        text.utf8.count <= mostDetailBytes ? text : String(decoding: text.utf8.prefix(mostDetailBytes), as: UTF8.self)
    }

    /// One sentence for people.
    static func sentence(_ reason: FailureReason, detail: String) -> String {
        switch reason {
        case .timeout: "audit timed out"
        case .engineError: detail.isEmpty ? "the audit engine failed" : detail
        case .auditorLost: "the auditors that worked on it ended before they were done"
        case .dispatcherLost: "the dispatcher ended before the audit was done"
        }
    }

    static func quarantineSentence(signal: UInt8) -> String {
        signal == 0
            ? "quarantined: each auditor that worked on it ended"
            : "quarantined: each auditor that worked on it was killed by signal \(signal)"
    }

    static let shutdownSentence = "the product was stopped before the audit was done"
}

/// Something that belongs in the log; the sentence is made there.
enum LogFact: Equatable {
    case auditCompleted(requestID: String, scoreTenths: UInt16?, grade: String, milliseconds: UInt32)
    case auditSkipped(requestID: String, reason: SkipReason)
    case auditFailed(requestID: String, reason: FailureReason, error: String)
    /// `unlogged` others were dropped for the same reason since the last such fact.
    case queueFullDropped(requestID: String, unlogged: UInt64)
    case quarantined(requestID: String, signal: UInt8)
    case droppedAtShutdown(requestID: String)
    /// An auditor ended; so many jobs go to others.
    case auditorLost(place: UInt16, signal: UInt8, ordered: Bool, jobs: Int)
    case capturesLost(edge: UInt16, count: UInt64)
}

/// Facts that wait for the log. Bounded twice: a full queue under load would fill any log with drops.
struct LogFacts {
    static let most = 1024
    /// Facts about a full queue in any second; the rest is counted.
    static let mostDropsPerSecond = 10

    private var facts: [LogFact] = []
    private var second: UInt64 = 0
    private var dropsThisSecond = 0
    private var unloggedDrops: UInt64 = 0

    /// False when there is no room.
    mutating func add(_ fact: LogFact) -> Bool {
        guard facts.count < Self.most else { return false }
        facts.append(fact)
        return true
    }

    /// The queue is full; text is made of the id only if it is to be logged.
    mutating func addQueueFull(_ requestID: RawSpan, at moment: Moment) {
        let second = moment.now.nanoseconds / 1_000_000_000
        if second != self.second {
            self.second = second
            dropsThisSecond = 0
        }
        guard dropsThisSecond < Self.mostDropsPerSecond, facts.count < Self.most else {
            unloggedDrops += 1
            return
        }
        dropsThisSecond += 1
        facts.append(.queueFullDropped(requestID: text(requestID), unlogged: unloggedDrops))
        unloggedDrops = 0
    }

    /// All that wait, in order.
    mutating func takeAll() -> [LogFact] {
        guard !facts.isEmpty else { return [] }
        defer { facts = [] }
        return facts
    }
}

/// Bytes as text; those that are no UTF-8 are replaced.
func text(_ bytes: RawSpan) -> String { bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
