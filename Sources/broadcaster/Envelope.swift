// What stands around the JSON of a message to a dashboard (DESIGN §6, "two WebSocket envelopes"):
//
//     data:     {"type":"audit_result","epoch":"7","seq":12,"timestamp":"2026-11-25T21:52:50.123Z","data":{…}}
//     payload:  {"type":"audit_complete","epoch":"7","seq":12,"timestamp":"2026-11-25T21:52:50.123Z","payload":{…}}
//
// The inner JSON is the dispatcher's, byte for byte. What stands before it, frame header included, is made at most once per
// event and envelope and shared by all clients; behind it stands one `}`.
// An epoch is a string because it is larger than the integers that JavaScript can hold.
import HTTP
import IPC
import Telemetry

/// What a message is about.
enum MessageKind: UInt8, CaseIterable {
    case auditStarted, auditComplete, auditFailed, auditSkipped
    case healthUpdate, statsUpdate
    case connected, historyLost, subscribed, error

    /// Nil for a kind of event that dashboards are not shown.
    init?(_ kind: EventKind) {
        self.init(name: "\(kind.name)")
    }

    /// By a name of either envelope.
    init?(name: String) {
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

    /// Whether it ends an audit.
    var isFinal: Bool { self == .auditComplete || self == .auditFailed || self == .auditSkipped }
}

enum Envelope: UInt8, CaseIterable {
    case data, payload

    init?(name: some StringProtocol) {
        switch name {
        case "data": self = .data
        case "payload": self = .payload
        default: return nil
        }
    }

    /// What a client of this envelope gets that has not subscribed to anything.
    var defaultKinds: Set<MessageKind> {
        switch self {
        case .data: [.auditComplete, .auditFailed]
        case .payload: [.auditStarted, .auditComplete, .auditFailed, .auditSkipped, .healthUpdate, .statsUpdate]
        }
    }

    static let tail = UInt8(ascii: "}")

    /// The frame's header and all of the text before the inner JSON, appended to `front`.
    func write(_ kind: MessageKind, _ number: EventNumber?, milliseconds: UInt64, bodyBytes: Int, to front: inout [UInt8]) {
        // The longest: two numbers of 20 digits and the names come to less than 200 bytes.
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { room in
            let text = UnsafeMutableRawBufferPointer(rebasing: room[WebSocketFrame.serverHeaderLimitBytes...])
            var head = unsafe ByteSink(text)
            head.append("{\"type\":\"")
            head.append(kind.name(in: self))
            if let number {
                head.append("\",\"epoch\":\"")
                head.append(decimal: number.epoch)
                head.append("\",\"seq\":")
                head.append(decimal: number.sequence)
                head.append(",\"timestamp\":\"")
            } else {
                head.append("\",\"timestamp\":\"")
            }
            var time = InlineArray<24, UInt8>(repeating: 0)
            let stamp = Timestamp(milliseconds: Int64(clamping: milliseconds))
            var bytes = time.mutableSpan
            bytes.withUnsafeMutableBytes { _ = stamp.write(to: $0) }
            head.append(time.span.bytes)
            head.append(self == .data ? "\",\"data\":" : "\",\"payload\":")
            let textBytes = head.count
            var header = unsafe ByteSink(UnsafeMutableRawBufferPointer(rebasing: room[..<WebSocketFrame.serverHeaderLimitBytes]))
            header.appendFrameHeader(.text, count: textBytes + bodyBytes + 1)
            front.append(contentsOf: room[..<header.count])
            front.append(contentsOf: text[..<textBytes])
        }
    }
}

/// The fronts of the newest events, so that a thousand clients share one rendering. By position, round and round.
struct EnvelopeCache {
    static let slots = 256

    private var positions: [UInt64]
    private var fronts: [[UInt8]]
    /// For tests: how often something was rendered.
    private(set) var renderings = 0

    init() {
        positions = [UInt64](repeating: .max, count: Self.slots * Envelope.allCases.count)
        fronts = [[UInt8]](repeating: [], count: Self.slots * Envelope.allCases.count)
    }

    /// Lends the front of an event.
    mutating func withFront<R>(
        _ entry: RecentEvents.Entry, at position: UInt64, bodyBytes: Int, _ envelope: Envelope, _ body: (UnsafeRawBufferPointer) -> R
    ) -> R {
        let index = Int(position % UInt64(Self.slots)) * Envelope.allCases.count + Int(envelope.rawValue)
        if positions[index] != position {
            positions[index] = position
            fronts[index].removeAll(keepingCapacity: true)
            envelope.write(entry.kind, entry.number, milliseconds: entry.milliseconds, bodyBytes: bodyBytes, to: &fronts[index])
            renderings += 1
        }
        return fronts[index].withUnsafeBytes(body)
    }
}
