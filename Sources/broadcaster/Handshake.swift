// Whether a request opens a WebSocket (RFC 6455 §4.2.1), what is agreed on with it, and how it is refused when it does not.
import HTTP
import Inbound

struct HandshakeRefusal: Error {
    let status: UInt16
    let sentence: String
}

struct Handshake {
    /// The head of the answer that opens it.
    let answer: [UInt8]
    /// Compression, if the client offers what we do.
    let deflate: DeflateAgreement?

    init(_ request: HTTPRequest) throws(HandshakeRefusal) {
        guard request.method == .get, request.body.isEmpty else {
            throw HandshakeRefusal(status: 405, sentence: "this is a WebSocket: open it with GET and no body")
        }
        guard request.version == .http11, request.upgrade == .webSocket else {
            throw HandshakeRefusal(status: 426, sentence: "this is a WebSocket: open it with a WebSocket client")
        }
        guard request[.secWebSocketVersion] == "13" else {
            throw HandshakeRefusal(status: 426, sentence: "unknown Sec-WebSocket-Version: use 13")
        }
        guard let key = request[.secWebSocketKey], Self.isKey(key) else {
            throw HandshakeRefusal(status: 400, sentence: "Sec-WebSocket-Key is no base64 of 16 bytes")
        }
        do throws(DeflateAgreement.Malformed) {
            deflate = try DeflateAgreement.choose(request.values(of: .secWebSocketExtensions))
        } catch {
            throw HandshakeRefusal(status: 400, sentence: "Sec-WebSocket-Extensions is no list of extensions")
        }
        var fields = HTTPFields.none
        if let deflate { fields.append("Sec-WebSocket-Extensions", deflate.answer) }
        answer = WebSocketHandshake.responseHead(key: key, fields)
    }

    /// Base64 of 16 bytes: 22 letters and two pads.
    private static func isKey(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        return bytes.count == 24 && bytes.suffix(2) == [0x3D, 0x3D]
            && bytes.dropLast(2).allSatisfy {
                switch $0 {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "+"), UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }
}
