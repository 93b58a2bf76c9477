// The opening handshake of a WebSocket (RFC 6455 §4.2.1 and §4.1), checked on parsed heads.
// Leaves to others: the SHA-1 of key and GUID, origins, subprotocols, extensions.

package enum WebSocketHandshakeError: Error, Equatable, Sendable {
    case methodNotGet
    /// Older than HTTP/1.1, or without both `Connection: upgrade` and `Upgrade: websocket`.
    case noUpgrade
    case hasBody
    /// Answer with `Sec-WebSocket-Version: 13`.
    case unsupportedVersion
    case badKey

    package var status: UInt16 {
        switch self {
        case .methodNotGet: 405
        case .noUpgrade, .unsupportedVersion: 426
        case .hasBody, .badKey: 400
        }
    }
}

package enum WebSocketHandshake {
    /// Appended to the key before the SHA-1 that the server answers with (§1.3).
    package static var keySuffix: StaticString { "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" }
    package static let keyBytes = 24
    /// Base64 of a SHA-1.
    package static let acceptBytes = 28

    /// Where the client's key lies in the bytes of a request that asks for a WebSocket.
    package static func validate(
        request head: borrowing HeadParser, _ bytes: borrowing RawSpan
    ) throws(WebSocketHandshakeError) -> ByteRange {
        guard head.method == .get else { throw .methodNotGet }
        guard head.version == .http11, head.upgrade == .webSocket else { throw .noUpgrade }
        // Its bytes would be taken for frames by one side only.
        guard head.framing == .none else { throw .hasBody }
        guard let version = single(.secWebSocketVersion, head),
            FoldedWord(bytes, version.lowerBound, version.upperBound).isExactly("13")
        else { throw .unsupportedVersion }
        guard let key = single(.secWebSocketKey, head), isKey(bytes.extracting(key)) else { throw .badKey }
        return key
    }

    /// Whether a response accepts the handshake, with the accept value computed from our key.
    package static func isAccepted(
        by head: borrowing HeadParser, _ bytes: borrowing RawSpan, accept expected: borrowing RawSpan
    ) -> Bool {
        guard head.status == 101, head.upgrade == .webSocket, let value = single(.secWebSocketAccept, head),
            Int(value.count) == expected.byteCount
        else { return false }
        var offset = 0
        while offset < expected.byteCount {
            guard bytes.byte(value.lowerBound &+ offset) == expected.byte(offset) else { return false }
            offset &+= 1
        }
        return true
    }

    private static func single(_ name: FieldName, _ head: borrowing HeadParser) -> ByteRange? {
        guard let index = head.firstIndex(of: name), head.nextIndex(of: name, after: index) == nil else { return nil }
        return head.field(index).valueRange
    }

    /// Base64 of 16 bytes: 22 letters and two pads. Bits beyond the 16 bytes may be anything, as in many examples.
    private static func isKey(_ value: borrowing RawSpan) -> Bool {
        guard value.byteCount == keyBytes else { return false }
        for offset in 0..<22 {
            guard Base64.isLetter(value.byte(offset)) else { return false }
        }
        return value.byte(22) == UInt8(ascii: "=") && value.byte(23) == UInt8(ascii: "=")
    }
}
