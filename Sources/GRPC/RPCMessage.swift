// Messages in the bodies of gRPC: a flag, a length, the bytes, gzipped or not (PROTOCOL-HTTP2.md, Length-Prefixed-Message).
import CZlib

enum RPCMessage {
    static let prefixBytes = 5

    static func encode(_ message: [UInt8]) -> [UInt8] {
        let count = UInt32(clamping: message.count)
        return [0, UInt8(truncatingIfNeeded: count >> 24), UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] + message
    }

    /// The one message that a whole body of an unary call holds.
    static func decode(_ body: [UInt8], encoding: String, limit: Int) throws(RPCStatus) -> [UInt8] {
        guard body.count >= prefixBytes else { throw RPCStatus(.internal, "the answer holds no message") }
        let count = body[1..<prefixBytes].reduce(0) { $0 << 8 | Int($1) }
        guard count <= limit else { throw tooLarge(limit) }
        guard body.count == prefixBytes + count else { throw RPCStatus(.internal, "the answer is not one whole message") }
        let content = body[prefixBytes...]
        switch (body[0], encoding) {
        case (0, _): return Array(content)
        case (1, "gzip"): return try gunzip(content, limit: limit)
        case (1, _): throw RPCStatus(.internal, "the answer is compressed as \(encoding.isEmpty ? "nothing" : encoding), which was not offered")
        default: throw RPCStatus(.internal, "the answer's message has an unknown flag")
        }
    }

    static func tooLarge(_ limit: Int) -> RPCStatus { RPCStatus(.resourceExhausted, "the answer is longer than \(limit) bytes") }

    /// All of it or nothing: half a message is none.
    private static func gunzip(_ bytes: ArraySlice<UInt8>, limit: Int) throws(RPCStatus) -> [UInt8] {
        var stream = z_stream()
        guard czlib_inflate_init(&stream, 15 + 16) == Z_OK else { throw RPCStatus(.internal, "cannot begin to decompress") }
        defer { inflateEnd(&stream) }
        var input = Array(bytes)
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        var message: [UInt8] = []
        var state = Z_OK
        input.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(clamping: input.count)
            while state == Z_OK, message.count <= limit {
                piece.withUnsafeMutableBufferPointer { room in
                    stream.next_out = room.baseAddress
                    stream.avail_out = UInt32(clamping: room.count)
                    state = inflate(&stream, Z_NO_FLUSH)
                }
                message += piece.prefix(piece.count - Int(stream.avail_out))
            }
        }
        guard message.count <= limit else { throw tooLarge(limit) }
        guard state == Z_STREAM_END, stream.avail_in == 0 else { throw RPCStatus(.internal, "the answer's compression is broken") }
        return message
    }
}
