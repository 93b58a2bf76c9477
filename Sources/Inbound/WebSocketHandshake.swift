// The server's answer to a WebSocket handshake (RFC 6455 §4.2.2).
// Leaves to others: whether the request is a valid one, extensions, frames.
import COpenSSL

package enum WebSocketHandshake {
    /// The value of `Sec-WebSocket-Accept`: base64 of the SHA-1 of the client's key and a fixed text.
    package static func accept(key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: 20)
        SHA1(text, text.count, &digest)
        return base64(digest)
    }

    /// The head of the answer, for `HTTPServer.upgrade`; `fields` for a subprotocol or extensions.
    package static func responseHead(key: String, _ fields: HTTPFields = .none) -> [UInt8] {
        var head = Array("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".utf8)
        var accepted = HTTPFields()
        accepted.append("Sec-WebSocket-Accept", accept(key: key))
        head += accepted.lines
        head += fields.lines
        head += "\r\n".utf8
        return head
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func base64(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for index in 0..<3 { bits = bits << 8 | (index < group.count ? UInt32(group[start + index]) : 0) }
            for index in 0..<4 {
                result.append(index <= group.count ? alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
