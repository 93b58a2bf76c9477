// Names of exchanges: unique, sortable by time, made without a system call.
import CLinux
import HTTP

/// 24 hexadecimal digits: 48 bits of milliseconds since 1970, 16 random bits of the process, a 32-bit count. Written behind
/// a prefix: `req_…` names the exchange for its client, `aud_…` its audit.
struct ExchangeName {
    static let digits = 24
    static let length = 4 + digits

    private let high: UInt64
    private let low: UInt32

    fileprivate init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    func write(_ prefix: StaticString, into sink: inout ByteSink) {
        sink.append(prefix)
        let digits = (Self.digits(UInt32(truncatingIfNeeded: high >> 32)), Self.digits(UInt32(truncatingIfNeeded: high)), Self.digits(low))
        withUnsafeBytes(of: digits) { sink.append($0.bytes) }
    }

    /// Eight hexadecimal digits as eight bytes, the highest first: all at once instead of one by one.
    static func digits(_ value: UInt32) -> UInt64 {
        // A nibble per byte, then `0`…`9` or `a`…`f` by whether adding 6 carries out of the nibble.
        var nibbles = UInt64(value)
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
        let letters = ((nibbles &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).bigEndian
    }

    /// Whether a client's own request id may be taken over: 1 to 64 letters, digits, `-`, `_` and `.`.
    static func accepts(_ value: borrowing RawSpan) -> Bool {
        guard (1...64).contains(value.byteCount) else { return false }
        for offset in 0..<value.byteCount {
            switch value.unsafeLoad(fromByteOffset: offset, as: UInt8.self) {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"), UInt8(ascii: "."):
                continue
            default: return false
            }
        }
        return true
    }
}

/// Gives names out. Different processes differ in their random bits.
struct ExchangeNamer {
    private let salt: UInt64
    private var count: UInt32 = 0

    init() {
        var bits: UInt16 = 0
        _ = cl_random(&bits, 2)
        salt = UInt64(bits)
    }

    mutating func next(milliseconds: UInt64) -> ExchangeName {
        count &+= 1
        return ExchangeName(high: (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | salt, low: count)
    }
}
