// Names of exchanges: unique, sortable by time, made without a system call.
import CLinux
import HTTP

/// 24 hexadecimal digits: 48 bits of milliseconds since 1970, 16 random bits of the process, a 32-bit count. Written behind
/// a prefix: `req_…` names the exchange for its client, `aud_…` its audit.
struct ExchangeName {
    static let digits = 24
    static let length = 4 + digits

    fileprivate var text = InlineArray<24, UInt8>(repeating: 0)

    /// No exchange's.
    static var none: ExchangeName { ExchangeName() }

    fileprivate init() {}

    @inline(__always)
    func write(_ prefix: StaticString, into sink: inout ByteSink) {
        sink.append(prefix)
        sink.append(text.span.bytes)
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
    private var last = ExchangeName()
    /// That of the last name: there are many in one, and they begin alike.
    private var millisecond: UInt64?

    init() {
        var bits: UInt16 = 0
        _ = cl_random(&bits, 2)
        salt = UInt64(bits)
    }

    mutating func next(milliseconds: UInt64) -> ExchangeName {
        count &+= 1
        let (count, salt, isFirst) = (count, salt, milliseconds != millisecond)
        millisecond = milliseconds
        withUnsafeMutableBytes(of: &last.text) { room in
            if isFirst {
                var sink = ByteSink(room)
                sink.append(digitsOf: (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | salt)
            }
            var sink = ByteSink(room, count: 16)
            sink.append(digitsOf: count)
        }
        return last
    }
}
