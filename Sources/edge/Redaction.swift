// Which values never leave the edge in a copy: those of secret-looking header fields and query parameters.

/// Decides by name, in any case: authorization, cookie, and whatever contains key, token, secret, password or signature.
enum Redaction {
    static let replacement: StaticString = "[redacted]"

    private static let words: [StaticString] = ["authorization", "cookie", "key", "token", "secret", "password", "signature"]

    /// `sec-websocket-key` and the like are no secrets, but are of no use to an audit either.
    static func isSecret(_ name: borrowing RawSpan) -> Bool {
        name.withUnsafeBytes { name in
            for word in words where contains(name, word) { return true }
            return false
        }
    }

    private static func contains(_ name: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard name.count >= length else { return false }
        let first = word.utf8Start[0]
        for start in 0...(name.count - length) where name[start] | 0x20 == first {
            var matched = 1
            while matched < length, name[start + matched] | 0x20 == word.utf8Start[matched] { matched += 1 }
            if matched == length { return true }
        }
        return false
    }
}
