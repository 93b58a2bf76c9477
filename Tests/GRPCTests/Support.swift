// A server's part of HTTP/2 as bytes, so that tests say every frame (RFC 9113 §4, RFC 7541 §6.2.2).
import EventLoop

@testable import GRPC

enum Frames {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), type, flags] + bigEndian(stream) + payload
    }

    static func settings(_ pairs: [(UInt16, UInt32)] = []) -> [UInt8] {
        var payload: [UInt8] = []
        for (name, value) in pairs { payload += [UInt8(name >> 8), UInt8(name & 0xFF)] + bigEndian(value) }
        return frame(4, payload)
    }

    /// Literal fields that are not indexed, without Huffman's coding.
    static func headers(_ stream: UInt32, _ fields: [(String, String)], ends: Bool = false) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields { block += [0] + text(name) + text(value) }
        return frame(1, flags: 4 | (ends ? 1 : 0), stream: stream, block)
    }

    static func data(_ stream: UInt32, _ bytes: [UInt8], ends: Bool = false) -> [UInt8] { frame(0, flags: ends ? 1 : 0, stream: stream, bytes) }
    static func reset(_ stream: UInt32, _ code: UInt32) -> [UInt8] { frame(3, stream: stream, bigEndian(code)) }
    static func goAway(last: UInt32, _ code: UInt32) -> [UInt8] { frame(7, bigEndian(last) + bigEndian(code)) }
    static func pong(_ payload: [UInt8] = [UInt8](repeating: 0, count: 8)) -> [UInt8] { frame(6, flags: 1, payload) }

    static let head = [(":status", "200"), ("content-type", "application/grpc+proto")]

    /// A whole good answer.
    static func answer(_ stream: UInt32, _ message: [UInt8]) -> [UInt8] {
        headers(stream, head) + data(stream, RPCMessage.encode(message)) + headers(stream, [("grpc-status", "0")], ends: true)
    }

    private static func text(_ text: String) -> [UInt8] {
        var count = text.utf8.count
        guard count >= 127 else { return [UInt8(count)] + Array(text.utf8) }
        var prefix: [UInt8] = [127]
        count -= 127
        while count >= 128 {
            prefix.append(UInt8(count & 127) | 128)
            count >>= 7
        }
        return prefix + [UInt8(count)] + Array(text.utf8)
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
}

/// The types of the frames that a client sent, behind its preface.
func frameTypes(_ bytes: [UInt8]) -> [UInt8] {
    var rest = bytes[...]
    if rest.starts(with: Frames.preface) { rest = rest.dropFirst(Frames.preface.count) }
    var types: [UInt8] = []
    while rest.count >= 9 {
        let start = rest.startIndex
        types.append(rest[start + 3])
        rest = rest.dropFirst(9 + Int(rest[start]) << 16 + Int(rest[start + 1]) << 8 + Int(rest[start + 2]))
    }
    return types
}

func seconds(_ count: Double) -> Instant { Instant(nanoseconds: UInt64(count * 1e9) + 1_000_000_000) }

extension ClientChannel {
    func receive(_ bytes: [UInt8], now: Instant) { bytes.withUnsafeBytes { receive($0, now: now) } }
}

extension ClientSession {
    func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { receive($0) } }
}

/// A session with one call under way, on stream 1.
func sessionWithCall(_ limits: ClientSession.Limits = .init()) -> ClientSession {
    let session = ClientSession(authority: "engine:1", isTLS: false, userAgent: "test", limits: limits)
    session.begin(7, path: "/a.B/C", message: [1, 2, 3], timeoutMilliseconds: 1000)
    _ = session.takeOutput()
    return session
}

extension Result where Failure == RPCStatus {
    var status: RPCStatus? { if case .failure(let status) = self { status } else { nil } }
}
