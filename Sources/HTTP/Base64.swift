// Base64 (RFC 4648 §4): what Sec-WebSocket-Accept is written in.

extension ByteSink {
    /// With padding; `(count + 2) / 3 * 4` bytes.
    package mutating func append(base64 bytes: borrowing RawSpan) {
        var offset = 0
        while offset < bytes.byteCount {
            let left = bytes.byteCount &- offset
            let second = left > 1 ? bytes.byte(offset &+ 1) : 0
            let third = left > 2 ? bytes.byte(offset &+ 2) : 0
            let group = UInt32(bytes.byte(offset)) << 16 | UInt32(second) << 8 | UInt32(third)
            append(Base64.letter(group >> 18))
            append(Base64.letter(group >> 12))
            append(left > 1 ? Base64.letter(group >> 6) : UInt8(ascii: "="))
            append(left > 2 ? Base64.letter(group) : UInt8(ascii: "="))
            offset &+= 3
        }
    }
}

enum Base64 {
    /// The letter of the lowest six bits.
    static func letter(_ bits: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: bits & 63)
        return switch value {
        case 0..<26: UInt8(ascii: "A") &+ value
        case 26..<52: UInt8(ascii: "a") &+ (value &- 26)
        case 52..<62: UInt8(ascii: "0") &+ (value &- 52)
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    static func isLetter(_ byte: UInt8) -> Bool {
        CharacterClass.isAlphanumeric(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
    }
}
