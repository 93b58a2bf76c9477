// Which values never leave the edge in a copy: those of secret-looking header fields and query parameters.
import HTTP

/// Decides by name, in any case: authorization, cookie, and whatever contains key, token, secret, password or signature.
enum Redaction {
    static let replacement: StaticString = "[redacted]"

    private static let words: [StaticString] = ["authorization", "cookie", "key", "token", "secret", "password", "signature"]

    /// A field of a head: names that the parser knows are decided without a look at their letters.
    static func isSecret(_ field: HeadField, in bytes: borrowing RawSpan) -> Bool {
        switch field.name {
        case .other: isSecret(bytes.extracting(field.nameRange))
        case .authorization, .proxyAuthorization, .cookie, .setCookie, .xAPIKey, .secWebSocketKey: true
        default: false
        }
    }

    /// A name that stands in `name`.
    static func isSecret(_ name: borrowing RawSpan) -> Bool {
        name.withUnsafeBytes { name in
            var position = 0
            while position < name.count {
                switch name[position] | 0x20 {
                case UInt8(ascii: "a"), UInt8(ascii: "c"), UInt8(ascii: "k"), UInt8(ascii: "t"), UInt8(ascii: "s"), UInt8(ascii: "p"):
                    let rest = UnsafeRawBufferPointer(rebasing: name[position...])
                    for word in words where begins(rest, word) { return true }
                default: break
                }
                position += 1
            }
            return false
        }
    }

    private static func begins(_ name: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard name.count >= length else { return false }
        for offset in 0..<length where name[offset] | 0x20 != word.utf8Start[offset] { return false }
        return true
    }
}
