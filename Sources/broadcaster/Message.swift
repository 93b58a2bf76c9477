// Small messages of the broadcaster's own: control frames, and the JSON of refusals.
import HTTP
import JSON

enum Message {
    static func error(_ sentence: String) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("error", sentence)
        json.endObject()
        return json.bytes
    }

    /// A ping or pong; its payload is a control frame's, 125 bytes at most.
    static func frame(_ opcode: WebSocketOpcode, _ payload: borrowing RawSpan) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 160, alignment: 1) { room in
            var sink = unsafe ByteSink(room)
            sink.appendFrame(opcode, payload)
            return Array(room[..<sink.count])
        }
    }

    static func closeFrame(_ code: UInt16?, _ reason: StaticString) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 160, alignment: 1) { room in
            var sink = unsafe ByteSink(room)
            sink.appendCloseFrame(code, reason: reason)
            return Array(room[..<sink.count])
        }
    }
}
