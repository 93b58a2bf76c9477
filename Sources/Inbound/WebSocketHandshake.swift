// The server's answer to a WebSocket handshake (RFC 6455 §4.2.2).
// Leaves to others: whether the request is a valid one, extensions, frames.
import COpenSSL
import HTTP

package enum WebSocketHandshake {
    /// The value of `Sec-WebSocket-Accept`: base64 of the SHA-1 of the client's key and a fixed text.
    package static func accept(key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: 20)
        SHA1(text, text.count, &digest)
        return withUnsafeTemporaryAllocation(byteCount: 28, alignment: 1) { room in
            var sink = ByteSink(room)
            sink.append(base64: digest.span.bytes)
            return String(decoding: room[..<sink.count], as: UTF8.self)
        }
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
}
