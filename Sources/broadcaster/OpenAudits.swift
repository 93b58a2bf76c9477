// Audits whose beginning dashboards were shown and whose end they were not. When a dispatcher dies, what it had open will
// never end; dashboards must not wait for it for ever.
import JSON

/// By audit id: request ids are chosen by clients and need not differ. Bounded: beyond the limit a beginning is forgotten, and only its loss would go unannounced.
struct OpenAudits {
    /// More than a dispatcher of the default settings can have (its queue is 1,000).
    static let most = 65_536
    static let lostSentence = "audit lost: the dispatcher was restarted"

    private struct Open {
        let epoch: UInt64
        /// Of the beginning, so that losses are told in order.
        let sequence: UInt64
        let requestID: String
        let path: String
    }

    private var open: [String: Open] = [:]

    var count: Int { open.count }

    mutating func began(_ facts: EventFacts, _ number: EventNumber) {
        guard !facts.auditID.isEmpty, open.count < Self.most else { return }
        open[facts.auditID] = Open(epoch: number.epoch, sequence: number.sequence, requestID: facts.requestID, path: facts.path)
    }

    /// Forgets an audit that ended and adds to `facts` what only its beginning told.
    mutating func ended(_ facts: inout EventFacts) {
        guard let began = open.removeValue(forKey: facts.auditID) else { return }
        if facts.path.isEmpty { facts.path = began.path }
    }

    /// Takes out those of epochs before `epoch`, in the order in which they began.
    mutating func takeLost(before epoch: UInt64) -> [EventFacts] {
        let lost = open.filter { $0.value.epoch < epoch }.sorted { ($0.value.epoch, $0.value.sequence) < ($1.value.epoch, $1.value.sequence) }
        return lost.map { auditID, began in
            open.removeValue(forKey: auditID)
            var facts = EventFacts()
            facts.requestID = began.requestID
            facts.auditID = auditID
            facts.path = began.path
            return facts
        }
    }

    /// The `audit_failed` of one that was lost.
    static func lostJSON(_ facts: EventFacts, milliseconds: UInt64) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("request_id", facts.requestID)
        json.member("audit_id", facts.auditID)
        json.member("error", lostSentence)
        json.member("reason", "dispatcher_lost")
        json.member("timestamp", milliseconds)
        json.endObject()
        return json.bytes
    }
}
