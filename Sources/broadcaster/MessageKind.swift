// What messages to dashboards are about, and their names in both envelopes.
import IPC

enum MessageKind: UInt8, CaseIterable {
    case auditStarted, auditComplete, auditFailed, auditSkipped
    case healthUpdate, statsUpdate
    case connected, historyLost, subscribed, error

    /// Nil for a kind of event that dashboards are not shown.
    init?(_ kind: EventKind) {
        self.init(name: "\(kind.name)")
    }

    /// By a name of either envelope.
    init?(name: some StringProtocol) {
        guard let kind = Self.allCases.first(where: { "\($0.name(in: .data))" == name || "\($0.name(in: .payload))" == name }) else { return nil }
        self = kind
    }

    func name(in envelope: Envelope) -> StaticString {
        switch (self, envelope) {
        case (.auditStarted, _): "audit_started"
        case (.auditComplete, .data): "audit_result"
        case (.auditComplete, .payload): "audit_complete"
        case (.auditFailed, .data): "error"
        case (.auditFailed, .payload): "audit_failed"
        case (.auditSkipped, _): "audit_skipped"
        case (.healthUpdate, _): "health_update"
        case (.statsUpdate, _): "stats_update"
        case (.connected, _): "connected"
        case (.historyLost, _): "history_lost"
        case (.subscribed, _): "subscribed"
        case (.error, _): "error"
        }
    }
}

/// Some of them: a bit each, because every client is asked at every event.
struct MessageKinds: Equatable, ExpressibleByArrayLiteral {
    private var bits: UInt16 = 0

    init(arrayLiteral kinds: MessageKind...) {
        for kind in kinds { insert(kind) }
    }

    mutating func insert(_ kind: MessageKind) { bits |= 1 << UInt16(kind.rawValue) }
    func contains(_ kind: MessageKind) -> Bool { bits & 1 << UInt16(kind.rawValue) != 0 }
}
