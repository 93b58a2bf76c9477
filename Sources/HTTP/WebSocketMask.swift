// Masking of WebSocket payloads (RFC 6455 §5.3): every byte of a client's payload is xored with one of four key bytes.

package struct WebSocketMask: Equatable, Sendable {
    /// The four bytes as they are sent, the first one lowest.
    package let key: UInt32

    /// From fresh, unpredictable bits for every frame (§5.3).
    package init(key: UInt32) { self.key = key }

    /// No change.
    static let none = WebSocketMask(key: 0)

    /// The mask for what comes `count` bytes further on.
    func advanced(by count: Int) -> WebSocketMask {
        let bits = UInt32(truncatingIfNeeded: count & 3) &* 8
        return bits == 0 ? self : WebSocketMask(key: key &>> bits | key &<< (32 &- bits))
    }

    /// What the payload's byte at this offset is xored with.
    func byte(_ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: key &>> (UInt32(truncatingIfNeeded: offset & 3) &* 8))
    }

    /// Masks or unmasks while copying; `target` has room for all of `bytes`.
    @unsafe func copy(_ bytes: borrowing RawSpan, to target: UnsafeMutableRawPointer) {
        let wide = UInt64(key) | UInt64(key) &<< 32
        var offset = 0
        while offset &+ 8 <= bytes.byteCount {
            let word = (bytes.word(offset) ^ wide).littleEndian
            unsafe target.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
            offset &+= 8
        }
        while offset < bytes.byteCount {
            unsafe target.storeBytes(of: bytes.byte(offset) ^ byte(offset), toByteOffset: offset, as: UInt8.self)
            offset &+= 1
        }
    }
}
