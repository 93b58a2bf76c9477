// Small messages of the broadcaster's own: frames outside the ring, and the JSON of refusals.
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

    static func frame(_ opcode: WebSocketOpcode, _ payload: borrowing RawSpan, isCompressed: Bool = false) -> [UInt8] {
        var frame: [UInt8] = []
        append(opcode, payload, isCompressed: isCompressed, to: &frame)
        return frame
    }

    static func append(_ opcode: WebSocketOpcode, _ payload: borrowing RawSpan, isCompressed: Bool, to bytes: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: WebSocketFrame.serverHeaderLimitBytes, alignment: 8) { room in
            var header = unsafe ByteSink(room)
            header.appendFrameHeader(opcode, count: payload.byteCount, isCompressed: isCompressed)
            bytes.append(contentsOf: room[..<header.count])
        }
        payload.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }

    static func closeFrame(_ code: UInt16?, _ reason: StaticString) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: 160, alignment: 1) { room in
            var sink = unsafe ByteSink(room)
            sink.appendCloseFrame(code, reason: reason)
            return Array(room[..<sink.count])
        }
    }
}
