// A caller's key: 256 random bits, written so that people and secret scanners know it, and so that a typing error shows.
//
//     ttk_ 43 letters and digits (the bits in base 62) 6 more (their CRC-32)
//
// Leaves to others: which keys there are (Configuration's CallerKeyFile), what they may do.
import CLinux
import COpenSSL
import CZlib

package enum CallerKey {
    package static let prefix = "ttk_"
    private static let bodyLength = 43
    private static let checkLength = 6
    private static let length = 4 + bodyLength + checkLength
    private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// SHA-256 of the key's text.
    package struct Hash: Hashable, Sendable {
        package let first: UInt64
        private let second: UInt64
        private let third: UInt64
        private let fourth: UInt64

        package init(of key: UnsafeRawBufferPointer) {
            var words = InlineArray<4, UInt64>(repeating: 0)
            withUnsafeMutableBytes(of: &words) { co_sha256(key.baseAddress, key.count, $0.baseAddress) }
            (first, second, third, fourth) = (words[0], words[1], words[2], words[3])
        }

        /// `bytes` has 32 of them; others make a hash that no key has.
        package init(_ bytes: [UInt8]) {
            var words = InlineArray<4, UInt64>(repeating: 0)
            withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes.prefix(32)) }
            (first, second, third, fourth) = (words[0], words[1], words[2], words[3])
        }

        package var bytes: [UInt8] { withUnsafeBytes(of: (first, second, third, fourth)) { Array($0) } }

        /// Takes as long wherever they differ.
        package static func == (a: Hash, b: Hash) -> Bool {
            (a.first ^ b.first) | (a.second ^ b.second) | (a.third ^ b.third) | (a.fourth ^ b.fourth) == 0
        }
    }

    /// A new key; nil when the system has no randomness.
    package static func make() -> String? {
        var bits = [UInt8](repeating: 0, count: 32)
        guard cl_random(&bits, bits.count) >= 0 else { return nil }
        let body = base62(bits, bodyLength)
        return prefix + String(decoding: body + check(body), as: UTF8.self)
    }

    /// Whether a text has the form of a key and its checksum: one that has not was damaged on its way, or is another product's.
    package static func isWellFormed(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == length, text.prefix(4).elementsEqual(prefix.utf8) else { return false }
        let body = Array(text[4..<(4 + bodyLength)])
        return body.allSatisfy(digits.contains) && text.suffix(checkLength).elementsEqual(check(body))
    }

    private static func check(_ body: [UInt8]) -> [UInt8] {
        let sum = crc32(0, body, UInt32(body.count))
        return base62((0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) }, checkLength)
    }

    /// A big-endian number by long division; `length` digits, zeros in front.
    private static func base62(_ number: [UInt8], _ length: Int) -> [UInt8] {
        var rest = number
        return (0..<length).map { _ in
            var remainder = 0
            for index in rest.indices {
                let value = remainder << 8 | Int(rest[index])
                rest[index] = UInt8(value / 62)
                remainder = value % 62
            }
            return digits[remainder]
        }.reversed()
    }
}
