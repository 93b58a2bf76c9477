// WebSocket frames, written (RFC 6455 §5.2). A server's header goes apart from its payload, so that one payload is sent
// to many clients without a copy each.
// Leaves to others: keys for masks, compressing, fragmenting.

package enum WebSocketFrame {
    /// The longest header of a server, and of a client with its mask.
    package static let serverHeaderLimitBytes = 10
    package static let clientHeaderLimitBytes = 14

    /// The length of the header of a server's whole frame.
    package static func serverHeaderBytes(of frame: borrowing RawSpan) -> Int {
        guard frame.byteCount >= 2 else { return frame.byteCount }
        return switch frame.byte(1) {
        case ...125: 2
        case 126: 4
        default: 10
        }
    }
}

extension ByteSink {
    /// The header of a frame of `count` bytes of payload, with a mask for what a client sends.
    package mutating func appendFrameHeader(
        _ opcode: WebSocketOpcode, count: Int, mask: WebSocketMask? = nil, isFinal: Bool = true,
        isCompressed: Bool = false
    ) {
        append((isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue)
        let masked: UInt8 = mask == nil ? 0 : 0x80
        let length = UInt64(max(0, count))
        if length <= 125 {
            append(masked | UInt8(truncatingIfNeeded: length))
        } else if length <= 65_535 {
            append(masked | 126)
            appendBigEndian(length, byteCount: 2)
        } else {
            append(masked | 127)
            appendBigEndian(length, byteCount: 8)
        }
        if let mask {
            for index in 0..<4 { append(mask.byte(index)) }
        }
    }

    /// A whole frame, for small payloads and for clients.
    package mutating func appendFrame(
        _ opcode: WebSocketOpcode, _ payload: borrowing RawSpan, mask: WebSocketMask? = nil, isFinal: Bool = true,
        isCompressed: Bool = false
    ) {
        appendFrameHeader(
            opcode, count: payload.byteCount, mask: mask, isFinal: isFinal, isCompressed: isCompressed)
        append(payload, masked: mask ?? .none)
    }

    /// A close frame with a valid code, or the answer to one without (`nil`). The reason is cut to what a control frame
    /// holds; it must be ASCII for the cut not to break a character.
    package mutating func appendCloseFrame(_ code: UInt16?, reason: StaticString = "", mask: WebSocketMask? = nil) {
        guard let code else { return appendFrameHeader(.close, count: 0, mask: mask) }
        let reasonBytes = min(reason.utf8CodeUnitCount, WebSocketDecoder.controlLimitBytes - 2)
        appendFrameHeader(.close, count: 2 + reasonBytes, mask: mask)
        let mask = mask ?? .none
        append(UInt8(truncatingIfNeeded: code >> 8) ^ mask.byte(0))
        append(UInt8(truncatingIfNeeded: code) ^ mask.byte(1))
        for index in 0..<reasonBytes { append(unsafe reason.utf8Start[index] ^ mask.byte(index + 2)) }
    }

    private mutating func append(_ payload: borrowing RawSpan, masked mask: WebSocketMask) {
        let length = payload.byteCount
        guard length > 0, reserve(length), let start = unsafe start else { return }
        unsafe mask.copy(payload, to: start.advanced(by: count))
        advance(length)
    }

    private mutating func appendBigEndian(_ number: UInt64, byteCount: Int) {
        for index in 0..<byteCount {
            append(UInt8(truncatingIfNeeded: number &>> UInt64((byteCount &- 1 &- index) &* 8)))
        }
    }
}
