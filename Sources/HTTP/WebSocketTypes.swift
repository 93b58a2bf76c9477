// The vocabulary of WebSocket framing (RFC 6455 §5.2, §7.4): opcodes, close codes, what a decoder tells, why it
// refuses.

package enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    package var isControl: Bool { rawValue & 0x8 != 0 }
}

package enum WebSocketCloseCode {
    package static let normal: UInt16 = 1000
    package static let goingAway: UInt16 = 1001
    package static let protocolError: UInt16 = 1002
    package static let invalidPayload: UInt16 = 1007
    package static let policyViolation: UInt16 = 1008
    package static let messageTooLarge: UInt16 = 1009
    package static let internalError: UInt16 = 1011
    package static let tryAgainLater: UInt16 = 1013

    /// May stand in a close frame (§7.4.1 and IANA's register: 1004 is reserved, 1005, 1006 and 1015 are for reports
    /// only; 3000 to 4999 belong to libraries and applications).
    package static func isValid(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

/// What the bytes so far amount to. Payloads are the decoder's `message` and `control` until it is asked again.
package enum WebSocketEvent: Equatable, Sendable {
    /// All bytes are used up.
    case needMore
    /// A whole message. Compressed ones (RSV1, when an extension allows it) are handed over as they came, and the UTF-8
    /// of a text is then for the caller to check once it is inflated.
    case text(isCompressed: Bool)
    case binary(isCompressed: Bool)
    /// Answer with a pong of the same payload.
    case ping
    case pong
    /// The peer closes; nothing after it is read. `control` holds the reason. Answer with the same code.
    case close(code: UInt16?)
}

/// A violation: send a close frame with `closeCode`, then end the connection.
package enum WebSocketError: Error, Equatable, Sendable {
    case maskMissing
    case maskForbidden
    case reservedBits
    case unknownOpcode
    case controlFragmented
    case controlTooLong
    case lengthNotMinimal
    case lengthTooLarge
    case unexpectedContinuation
    case unfinishedMessage
    case badClose
    case invalidUTF8
    case messageTooLarge
    /// A compressed message that is none.
    case badCompression

    package var closeCode: UInt16 {
        switch self {
        case .invalidUTF8, .badCompression: WebSocketCloseCode.invalidPayload
        case .messageTooLarge: WebSocketCloseCode.messageTooLarge
        default: WebSocketCloseCode.protocolError
        }
    }
}
