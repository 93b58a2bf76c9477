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

    /// No exchange's.
    static var none: ExchangeName { ExchangeName(high: 0, low: 0) }

    fileprivate init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    func write(_ prefix: StaticString, into sink: inout ByteSink) {
        sink.append(prefix)
        sink.append(digitsOf: high)
        sink.append(digitsOf: low)
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
