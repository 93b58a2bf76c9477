// What stands around the JSON of a message to a dashboard (DESIGN §6, "two WebSocket envelopes"):
//
//     data:     {"type":"audit_result","epoch":"7","seq":12,"timestamp":"2026-11-25T21:52:50.123Z","data":{…}}
//     payload:  {"type":"audit_complete","epoch":"7","seq":12,"timestamp":"2026-11-25T21:52:50.123Z","payload":{…}}
//
// and around that: a WebSocket frame (RFC 6455 §5.2), or an event of a stream with its number as its id (HTML, "Server-sent
// events"). The inner JSON is the dispatcher's, byte for byte.
// An epoch is a string because it is larger than the integers that JavaScript can hold.
import HTTP
import Telemetry

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
    var defaultKinds: MessageKinds {
        switch self {
        case .data: [.auditComplete, .auditFailed]
        case .payload: [.auditStarted, .auditComplete, .auditFailed, .auditSkipped, .healthUpdate, .statsUpdate]
        }
    }
}

/// How the messages of a client are written.
enum Framing: UInt8, CaseIterable {
    case webSocket
    /// WebSocket frames that may be compressed, by the agreed window: those of `DeflateAgreement.windows` in order.
    case deflated15, deflated12, deflated9
    case eventStream

    init(_ agreement: DeflateAgreement?) {
        switch agreement?.windowBits {
        case nil: self = .webSocket
        case 15: self = .deflated15
        case 12: self = .deflated12
        default: self = .deflated9
        }
    }

    /// Index of the agreed window.
    var window: Int? {
        switch self {
        case .webSocket, .eventStream: nil
        case .deflated15: 0
        case .deflated12: 1
        case .deflated9: 2
        }
    }
}

/// All that tells the bytes of one client's messages from another's.
struct MessageForm: Equatable {
    static let count = Envelope.allCases.count * Framing.allCases.count

    var envelope: Envelope
    var framing: Framing

    var index: Int { Int(envelope.rawValue) * Framing.allCases.count + Int(framing.rawValue) }

    /// The same without compression.
    var plain: MessageForm { framing == .eventStream ? self : MessageForm(envelope: envelope, framing: .webSocket) }

    /// Appends one whole message, uncompressed.
    func write(_ kind: MessageKind, _ number: EventNumber?, milliseconds: UInt64, json: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        // The longest text before the JSON: two numbers of 20 digits and the names come to less than 200 bytes.
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { room in
            let text = UnsafeMutableRawBufferPointer(rebasing: room[64...])
            var front = unsafe ByteSink(text)
            writeFront(kind, number, milliseconds: milliseconds, to: &front)
            var head = unsafe ByteSink(UnsafeMutableRawBufferPointer(rebasing: room[..<64]))
            if framing == .eventStream {
                if let number {
                    head.append("id: ")
                    head.append(decimal: number.epoch)
                    head.append(":")
                    head.append(decimal: number.sequence)
                    head.append("\n")
                }
                head.append("data: ")
            } else {
                head.appendFrameHeader(.text, count: front.count + json.count + 1)
            }
            bytes.append(contentsOf: room[..<head.count])
            bytes.append(contentsOf: text[..<front.count])
        }
        let start = bytes.count
        bytes.append(contentsOf: json)
        bytes.append(UInt8(ascii: "}"))
        guard framing == .eventStream else { return }
        // A line is a part of an event; in JSON line ends only stand between values.
        for index in start..<bytes.count where bytes[index] == 0x0A || bytes[index] == 0x0D { bytes[index] = 0x20 }
        bytes.append(contentsOf: "\n\n".utf8)
    }

    private func writeFront(_ kind: MessageKind, _ number: EventNumber?, milliseconds: UInt64, to front: inout ByteSink) {
        front.append("{\"type\":\"")
        front.append(kind.name(in: envelope))
        if let number {
            front.append("\",\"epoch\":\"")
            front.append(decimal: number.epoch)
            front.append("\",\"seq\":")
            front.append(decimal: number.sequence)
            front.append(",\"timestamp\":\"")
        } else {
            front.append("\",\"timestamp\":\"")
        }
        var time = InlineArray<24, UInt8>(repeating: 0)
        let stamp = Timestamp(milliseconds: Int64(clamping: milliseconds))
        var bytes = time.mutableSpan
        bytes.withUnsafeMutableBytes { _ = stamp.write(to: $0) }
        front.append(time.span.bytes)
        front.append(envelope == .data ? "\",\"data\":" : "\",\"payload\":")
    }
}
