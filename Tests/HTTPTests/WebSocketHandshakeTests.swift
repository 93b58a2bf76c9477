// The opening handshake of WebSockets, and Base64.

import HTTP
import Testing

struct WebSocketHandshakeTests {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    static let fields = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

    private func validate(_ text: String) throws -> String {
        let bytes = Array(text.utf8)
        var parser = HeadParser()
        var position = 0
        _ = try parser.parseRequest(bytes.span.bytes, from: &position)
        return bytes.text(try WebSocketHandshake.validate(request: parser, bytes.span.bytes))
    }

    @Test func `a handshake names its key`() throws {
        let key = try validate("GET /ws HTTP/1.1\r\n\(Self.fields)Sec-WebSocket-Key: \(Self.key)\r\n\r\n")
        #expect(key == Self.key && key.utf8.count == WebSocketHandshake.keyBytes)
    }

    static let refused: [(name: String, text: String, error: WebSocketHandshakeError)] = [
        ("POST", "POST / HTTP/1.1\r\n\(fields)Sec-WebSocket-Key: \(key)\r\n\r\n", .methodNotGet),
        ("HTTP/1.0", "GET / HTTP/1.0\r\n\(fields)Sec-WebSocket-Key: \(key)\r\n\r\n", .noUpgrade),
        ("no upgrade", "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key)\r\n\r\n", .noUpgrade),
        ("body", "GET / HTTP/1.1\r\n\(fields)Sec-WebSocket-Key: \(key)\r\nContent-Length: 1\r\n\r\n", .hasBody),
        ("no version", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: \(key)\r\n\r\n", .unsupportedVersion),
        ("version 8", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: \(key)\r\n\r\n", .unsupportedVersion),
        ("two versions", "GET / HTTP/1.1\r\n\(fields)Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key)\r\n\r\n", .unsupportedVersion),
        ("no key", "GET / HTTP/1.1\r\n\(fields)\r\n", .badKey),
        ("two keys", "GET / HTTP/1.1\r\n\(fields)Sec-WebSocket-Key: \(key)\r\nSec-WebSocket-Key: \(key)\r\n\r\n", .badKey),
        ("short key", "GET / HTTP/1.1\r\n\(fields)Sec-WebSocket-Key: YWJj\r\n\r\n", .badKey),
        ("17 bytes", "GET / HTTP/1.1\r\n\(fields)Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXg=\r\n\r\n", .badKey),
        ("no Base64", "GET / HTTP/1.1\r\n\(fields)Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==\r\n\r\n", .badKey),
    ]

    @Test(arguments: refused) func `a bad handshake is refused`(
        _ row: (name: String, text: String, error: WebSocketHandshakeError)
    ) {
        #expect(throws: row.error, "\(row.name)") { try validate(row.text) }
    }

    @Test func `each refusal has a status`() {
        #expect(WebSocketHandshakeError.methodNotGet.status == 405 && WebSocketHandshakeError.badKey.status == 400)
        #expect(WebSocketHandshakeError.unsupportedVersion.status == 426)
    }

    @Test(arguments: [
        ("101 Switching Protocols", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", true), ("101 x", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", false),
        ("101 x", "s3pP", false), ("200 OK", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", false),
    ]) func `a client knows its own accept value`(_ status: String, _ value: String, _ isAccepted: Bool) throws {
        let text = "HTTP/1.1 \(status)\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: \(value)\r\n\r\n"
        let bytes = Array(text.utf8)
        let expected = Array("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".utf8)
        var parser = HeadParser()
        var position = 0
        _ = try parser.parseResponse(bytes.span.bytes, to: .get, from: &position)
        let outcome = WebSocketHandshake.isAccepted(by: parser, bytes.span.bytes, accept: expected.span.bytes)
        #expect(outcome == isAccepted)
    }

    /// RFC 4648 §10, and the SHA-1 of RFC 6455 §1.3.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ]) func `base64`(_ text: String, _ encoded: String) {
        #expect(written { $0.append(base64: Array(text.utf8).span.bytes) } == encoded)
    }

    @Test func `base64 of a digest`() {
        let digest: [UInt8] = [
            0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6, 0x46, 0x06, 0xcf, 0x38, 0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea,
        ]
        let encoded = written(capacity: WebSocketHandshake.acceptBytes) { $0.append(base64: digest.span.bytes) }
        #expect(encoded == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }
}
