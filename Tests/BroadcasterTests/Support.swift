// Named events and clients for the tests, and readers of what clients get.
import EventLoop
import Glibc
import HTTP
import IPC
import JSON
import Telemetry

@testable import broadcaster

let start = Instant(nanoseconds: 1_000_000_000_000)
let wall: UInt64 = 1_764_107_570_123  // 2025-11-25T21:52:50.123Z

func json(_ id: String, _ more: String = "") -> String { "{\"request_id\":\"\(id)\",\"audit_id\":\"aud_\(id)\",\"timestamp\":\(wall)\(more)}" }

/// A hub with small conveniences.
struct TestHub: ~Copyable {
    var hub: Hub
    var now = start

    init(count: Int = 100, bytes: Int = 1 << 20, attached: Bool = true) {
        hub = Hub(countLimit: count, byteLimit: bytes)
        if attached { catchUp() }
    }

    /// As after a second with a dispatcher that has no events.
    mutating func catchUp() {
        hub.attached(at: now, wall: wall)
        tick(after: .seconds(1))
    }

    mutating func tick(after time: Duration, health: HealthReading = healthy, stats: StatsReading = noStats) {
        now = now + time
        hub.tick(at: now, wall: wall, health: { health }, stats: { stats })
    }

    static let healthy = HealthReading(auditService: "up", queueDepth: 0, queueSize: 1000, workers: 2, running: 0, connections: 1)
    static let noStats = StatsReading(completed: 0, failed: 0, scored: 0, scoreSum: 0, timed: 0, timeSumMicroseconds: 0, ledger: noLedger)
    static let noLedger = {
        let (scoreboard, descriptor) = try! Scoreboard.create()
        close(descriptor)
        return scoreboard.ledger
    }()

    @discardableResult
    mutating func event(_ epoch: UInt64, _ sequence: UInt64, _ kind: EventKind, _ text: String, milliseconds: UInt64 = wall) -> Hub.Taken {
        let now = now
        return Array(text.utf8).withUnsafeBytes { bytes in
            hub.take(Event(epoch: epoch, sequence: sequence, kind: kind, milliseconds: milliseconds, json: bytes.bytes), at: now, wall: wall)
        }
    }

    mutating func join(_ envelope: Envelope = .payload, since: EventNumber? = nil, id: String = "c", framing: Framing = .webSocket) -> Int {
        var query = try! DashboardQuery(default: envelope) { _ in nil }
        query.since = since
        return hub.join(id, query, framing, at: now)
    }

    /// All bytes that a client gets now.
    mutating func bytes(_ key: Int) -> [UInt8] {
        var all: [UInt8] = []
        while hub.write(key, limit: 4096, wall: wall, { all += $0; return true }) > 0 {}
        return all
    }

    /// The texts of all messages that a client gets now.
    mutating func messages(_ key: Int) -> [String] { bytes(key).withUnsafeBytes { frames($0) } }

    /// Without the greeting and updates: short forms like `audit_complete 1:2 r1`.
    mutating func brief(_ key: Int) -> [String] {
        messages(key).map(short).filter { !["connected", "health_update", "stats_update"].contains($0) }
    }

    mutating func say(_ key: Int, _ text: String) {
        Array(text.utf8).withUnsafeBytes { hub.receive($0.bytes, from: key) }
    }
}

/// The payloads of whole text frames of a server; compressed ones inflated, with a mark.
func frames(_ bytes: UnsafeRawBufferPointer) -> [String] {
    var decoder = WebSocketDecoder(role: .client, allowsCompression: true)
    var inflater = MessageInflater()
    var position = 0
    var texts: [String] = []
    while let event = try? decoder.next(bytes.bytes, from: &position), event != .needMore {
        if event == .text(isCompressed: true) {
            let text = try? inflater.inflateText(decoder.message, limit: 1 << 20)
            texts.append("compressed " + String(decoding: text ?? [], as: UTF8.self))
        } else {
            texts.append(decoder.message.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
        }
    }
    return texts
}

/// Compressed, for what gets smaller by that.
func deflate(_ message: [UInt8]) -> [UInt8] {
    var deflater = MessageDeflater(windowBits: 15)
    return deflater.deflate(message.span.bytes) ? deflater.message.withUnsafeBytes { Array($0) } : []
}

/// The query of a URL without anything encoded.
func dashboardQuery(_ query: String) throws(SubscriptionError) -> DashboardQuery {
    let members = query.split(separator: "&").map { $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init) }
    return try DashboardQuery(default: .data) { name in members.first { $0.count == 2 && $0[0] == "\(name)" }?[1] }
}

func parse(_ text: String) -> JSONValue? { try? JSONValue(parsing: Array(text.utf8).span) }

func short(_ text: String) -> String {
    guard let value = parse(text), let type = value["type"]?.string else { return "no JSON: \(text)" }
    let body = value["data"] ?? value["payload"]
    var words = [type]
    if let epoch = value["epoch"]?.string, let sequence = value["seq"]?.int { words.append("\(epoch):\(sequence)") }
    if let id = body?["request_id"]?.string { words.append(id) }
    return words.joined(separator: " ")
}
