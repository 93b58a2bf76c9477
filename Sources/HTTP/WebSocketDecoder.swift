// WebSocket frames, read (RFC 6455 §5): bytes in any pieces in, whole messages and control frames out.
//
//     header --complete--> payload --complete--> header … --close frame--> closed
//     any --violation--> failed
//
// Strict: every MUST of the sender is checked as early as its bytes are there. Fragments are collected in an owned
// buffer up to a limit; control frames may come between them.
// Leaves to others: answering pings and closes, inflating, time limits.

package struct WebSocketDecoder: ~Copyable {
    /// Whom the decoder works for.
    package enum Role: Sendable {
        /// Frames come from clients: all masked.
        case server
        /// Frames come from a server: none masked.
        case client
    }

    package static let defaultMessageLimitBytes = 512 << 10
    package static let controlLimitBytes = 125

    private enum State {
        case header, payload, closed
        case failed(WebSocketError)
    }

    package let role: Role
    package let messageLimitBytes: Int
    /// An extension was agreed on that uses RSV1 (permessage-deflate, RFC 7692).
    package let allowsCompression: Bool

    private var state = State.header
    /// The bytes of an unfinished header: two, then up to eight of length, then four of mask.
    private var header = InlineArray<14, UInt8>(repeating: 0)
    private var headerCount = 0
    // The present frame.
    private var opcode = WebSocketOpcode.continuation
    private var isFinal = false
    private var mask = WebSocketMask.none
    private var frameBytes = 0
    private var remainingBytes = 0
    // The present message, perhaps of many frames.
    private var messageOpcode: WebSocketOpcode?
    private var isCompressed = false
    private var validator = UTF8Validator()
    private var messageBuffer = PayloadBuffer()
    private var controlBuffer = PayloadBuffer()
    /// The last event's payload is still lent.
    private var lendsMessage = false
    private var lendsControl = false

    package init(
        role: Role, messageLimitBytes: Int = Self.defaultMessageLimitBytes, allowsCompression: Bool = false
    ) {
        self.role = role
        self.messageLimitBytes = max(0, messageLimitBytes)
        self.allowsCompression = allowsCompression
    }

    /// The payload of the last `text` or `binary`.
    package var message: RawSpan {
        @_lifetime(borrow self)
        get { messageBuffer.bytes }
    }

    /// The payload of the last `ping` or `pong`, the reason of a `close`.
    package var control: RawSpan {
        @_lifetime(borrow self)
        get { controlBuffer.bytes }
    }

    /// The next event of `bytes` from `position` on, which moves past what was used. After an error every call throws
    /// it again; after a close all bytes are dropped.
    package mutating func next(
        _ bytes: borrowing RawSpan, from position: inout Int
    ) throws(WebSocketError) -> WebSocketEvent {
        takeBack()
        guard position >= 0 else { return .needMore }
        do throws(WebSocketError) {
            while true {
                switch state {
                case .header:
                    guard position < bytes.byteCount else { return .needMore }
                    let isWhole = try acceptHeader(bytes.byte(position))
                    position &+= 1
                    if isWhole {
                        try beginFrame()
                        state = .payload
                    }
                case .payload:
                    try acceptPayload(bytes, from: &position)
                    if remainingBytes > 0 { return .needMore }
                    state = .header
                    headerCount = 0
                    if let event = try endFrame() { return event }
                case .closed:
                    position = max(position, bytes.byteCount)
                    return .needMore
                case .failed(let error):
                    throw error
                }
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    private mutating func takeBack() {
        if lendsMessage {
            messageBuffer.removeAll()
            lendsMessage = false
        }
        if lendsControl {
            controlBuffer.removeAll()
            lendsControl = false
        }
    }

    /// One more byte of a header; whether it is whole. The first two decide nearly everything.
    private mutating func acceptHeader(_ byte: UInt8) throws(WebSocketError) -> Bool {
        header[headerCount] = byte
        headerCount += 1
        if headerCount == 1 { return false }
        if headerCount == 2 { try checkStart() }
        return headerCount == 2 + lengthBytes + (role == .server ? 4 : 0)
    }

    private var lengthBytes: Int {
        switch header[1] & 0x7F {
        case 126: 2
        case 127: 8
        default: 0
        }
    }

    private mutating func checkStart() throws(WebSocketError) {
        let (first, second) = (header[0], header[1])
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else { throw .unknownOpcode }
        self.opcode = opcode
        isFinal = first & 0x80 != 0
        let reserved = first & 0x70
        if reserved != 0 {
            // RSV1 marks a whole message, on its first frame (RFC 7692 §6).
            guard reserved == 0x40, allowsCompression, opcode == .text || opcode == .binary else { throw .reservedBits }
        }
        if (second & 0x80 != 0) != (role == .server) { throw role == .server ? .maskMissing : .maskForbidden }
        switch opcode {
        case .close, .ping, .pong:
            guard isFinal else { throw .controlFragmented }
            guard second & 0x7F <= UInt8(Self.controlLimitBytes) else { throw .controlTooLong }
        case .continuation:
            guard messageOpcode != nil else { throw .unexpectedContinuation }
        case .text, .binary:
            guard messageOpcode == nil else { throw .unfinishedMessage }
            messageOpcode = opcode
            isCompressed = reserved != 0
            validator = UTF8Validator()
        }
    }

    /// The header is whole: length and mask.
    private mutating func beginFrame() throws(WebSocketError) {
        var length = UInt64(header[1] & 0x7F)
        let lengthBytes = lengthBytes
        if lengthBytes > 0 {
            length = 0
            for index in 0..<lengthBytes { length = length << 8 | UInt64(header[2 + index]) }
            guard length >> 63 == 0 else { throw .lengthTooLarge }
            guard length > (lengthBytes == 2 ? 125 : 65_535) else { throw .lengthNotMinimal }
        }
        if !opcode.isControl, length > UInt64(messageLimitBytes - messageBuffer.count) { throw .messageTooLarge }
        mask = .none
        if role == .server {
            var key: UInt32 = 0
            for index in 0..<4 { key |= UInt32(header[2 + lengthBytes + index]) << UInt32(index * 8) }
            mask = WebSocketMask(key: key)
        }
        frameBytes = Int(length)
        remainingBytes = frameBytes
    }

    private mutating func acceptPayload(
        _ bytes: borrowing RawSpan, from position: inout Int
    ) throws(WebSocketError) {
        let count = min(remainingBytes, max(0, bytes.byteCount - position))
        if count == 0 { return }
        let piece = bytes.extracting(position..<position + count)
        let mask = mask.advanced(by: frameBytes - remainingBytes)
        position += count
        remainingBytes -= count
        if opcode.isControl {
            controlBuffer.append(piece, mask)
            return
        }
        let before = messageBuffer.count
        messageBuffer.append(piece, mask)
        guard messageOpcode == .text, !isCompressed else { return }
        var validator = validator
        let isValid = validator.accept(messageBuffer.bytes.extracting(before..<messageBuffer.count))
        self.validator = validator
        guard isValid else { throw .invalidUTF8 }
    }

    private mutating func endFrame() throws(WebSocketError) -> WebSocketEvent? {
        switch opcode {
        case .ping, .pong:
            lendsControl = true
            return opcode == .ping ? .ping : .pong
        case .close:
            lendsControl = true
            let code = try takeCloseCode()
            state = .closed
            return .close(code: code)
        case .continuation, .text, .binary:
            guard isFinal else { return nil }
            let isText = messageOpcode == .text
            if isText, !isCompressed, !validator.isComplete { throw .invalidUTF8 }
            messageOpcode = nil
            lendsMessage = true
            return isText ? .text(isCompressed: isCompressed) : .binary(isCompressed: isCompressed)
        }
    }

    /// The code; leaves the reason in `controlBuffer` (§5.5.1: none, or two bytes and UTF-8).
    private mutating func takeCloseCode() throws(WebSocketError) -> UInt16? {
        let count = controlBuffer.count
        if count == 0 { return nil }
        guard count >= 2 else { throw .badClose }
        let code = UInt16(controlBuffer.bytes.byte(0)) << 8 | UInt16(controlBuffer.bytes.byte(1))
        guard WebSocketCloseCode.isValid(code) else { throw .badClose }
        controlBuffer.removeFirst(2)
        var reason = UTF8Validator()
        guard reason.accept(controlBuffer.bytes), reason.isComplete else { throw .invalidUTF8 }
        return code
    }
}
