// Whether bytes that arrive in pieces are UTF-8 (RFC 3629 §4): no overlong forms, no surrogates, nothing above
// U+10FFFF. Tells at the first byte that cannot be right.

package struct UTF8Validator: Sendable {
    /// Bytes that the present character still needs, and what the next of them may be.
    private var missing: UInt8 = 0
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    package init() {}

    /// No character is cut in two here.
    package var isComplete: Bool { missing == 0 }

    /// Whether all bytes so far can be UTF-8. After a no, nothing more may be asked.
    package mutating func accept(_ bytes: borrowing RawSpan) -> Bool {
        var offset = 0
        while offset < bytes.byteCount {
            if missing == 0, offset &+ 8 <= bytes.byteCount, bytes.word(offset) & 0x8080_8080_8080_8080 == 0 {
                offset &+= 8
                continue
            }
            guard accept(bytes.byte(offset)) else { return false }
            offset &+= 1
        }
        return true
    }

    private mutating func accept(_ byte: UInt8) -> Bool {
        if missing > 0 {
            guard byte >= lowest, byte <= highest else { return false }
            missing &-= 1
            (lowest, highest) = (0x80, 0xBF)
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: missing = 1
        case 0xE0: (missing, lowest) = (2, 0xA0)  // shorter forms exist below
        case 0xED: (missing, highest) = (2, 0x9F)  // surrogates above
        case 0xE1...0xEF: missing = 2
        case 0xF0: (missing, lowest) = (3, 0x90)
        case 0xF1...0xF3: missing = 3
        case 0xF4: (missing, highest) = (3, 0x8F)  // the last plane
        default: return false
        }
        return true
    }
}
