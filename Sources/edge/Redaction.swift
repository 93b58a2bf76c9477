// Which values never leave the edge in a copy: those of secret-looking header fields and query parameters.
import HTTP

/// Decides by name, in any case: authorization, cookie, and whatever contains key, token, secret, password or signature.
enum Redaction {
    static let replacement: StaticString = "[redacted]"

    /// A field of a head: names that the parser knows are decided without a look at their letters.
    static func isSecret(_ field: HeadField, in bytes: borrowing RawSpan) -> Bool {
        switch field.name {
        case .other: isSecret(bytes.extracting(field.nameRange))
        case .authorization, .proxyAuthorization, .cookie, .setCookie, .xAPIKey, .secWebSocketKey: true
        default: false
        }
    }

    /// A name of which nothing is known but its letters.
    static func isSecret(_ name: borrowing RawSpan) -> Bool {
        name.withUnsafeBytes { name in
            var position = 0
            while position < name.count {
                let isFound =
                    switch name[position] | 0x20 {
                    case UInt8(ascii: "a"): stands("authorization", in: name, at: position)
                    case UInt8(ascii: "c"): stands("cookie", in: name, at: position)
                    case UInt8(ascii: "k"): stands("key", in: name, at: position)
                    case UInt8(ascii: "t"): stands("token", in: name, at: position)
                    case UInt8(ascii: "p"): stands("password", in: name, at: position)
                    case UInt8(ascii: "s"): stands("secret", in: name, at: position) || stands("signature", in: name, at: position)
                    default: false
                    }
                if isFound { return true }
                position += 1
            }
            return false
        }
    }

    @inline(__always)
    private static func stands(_ word: StaticString, in name: UnsafeRawBufferPointer, at position: Int) -> Bool {
        let length = word.utf8CodeUnitCount
        guard name.count - position >= length else { return false }
        var offset = 1  // the first letter has been compared
        while offset < length {
            if name[position + offset] | 0x20 != word.utf8Start[offset] { return false }
            offset += 1
        }
        return true
    }
}
