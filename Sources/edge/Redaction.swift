// Which values never leave the edge in a copy: those of secret-looking header fields and query parameters.
import HTTP

/// Decides by name, in any case: authorization, cookie, whatever contains key, token, secret, password or signature, and the
/// words of TRUTHTABLE_REDACT_NAMES.
struct Redaction {
    static let replacement: StaticString = "[redacted]"
    /// ... behind the name of a field.
    static let replacedValue: StaticString = ": [redacted]\r\n"

    private struct Word {
        let text: UnsafeRawBufferPointer
        let pairs: UInt64
    }

    /// In lower case. Made once per process, and never freed: a copy of this costs nothing.
    private let words: UnsafeBufferPointer<Word>
    /// Fields that are secret by their name, and those whose letters decide: all others are cleared without a look.
    private let suspects: FieldNames

    private static var secrets: FieldNames {
        .none.with(.authorization).with(.proxyAuthorization).with(.cookie).with(.setCookie).with(.apiKey).with(.xAPIKey).with(.xGoogAPIKey).with(.secWebSocketKey)
    }

    init(furtherWords: [String]) {
        let texts = ["authorization", "cookie", "key", "token", "secret", "password", "signature"] + furtherWords
        let memory = UnsafeMutableBufferPointer<Word>.allocate(capacity: texts.count)
        _ = memory.initialize(from: texts.map(\.keptBytes).map { Word(text: $0, pairs: Self.pairs(in: $0)) })
        words = UnsafeBufferPointer(memory)
        suspects = furtherWords.isEmpty ? Self.secrets.with(.other) : FieldName.allCases.reduce(.none) { $0.with($1) }
    }

    /// A field of a head: names that the parser knows are decided without a look at their letters, unless there are further words.
    @inline(__always)
    func isSecret(_ field: HeadField, in bytes: borrowing RawSpan) -> Bool {
        guard suspects.contains(field.name) else { return false }
        return Self.secrets.contains(field.name) || isSecret(bytes.extracting(field.nameRange))
    }

    /// A name of which nothing is known but its letters.
    func isSecret(_ name: borrowing RawSpan) -> Bool {
        name.withUnsafeBytes { isSecret($0) }
    }

    /// The name of a query parameter: as the server will read it, percent-encoding decoded (RFC 3986 §2.1).
    func isSecretParameter(_ name: borrowing RawSpan) -> Bool {
        name.withUnsafeBytes { name in
            guard name.contains(UInt8(ascii: "%")) else { return isSecret(name) }
            return withUnsafeTemporaryAllocation(byteCount: name.count, alignment: 1) { room in
                var count = 0
                var position = 0
                while position < name.count {
                    if name[position] == UInt8(ascii: "%"), position + 2 < name.count, let high = Self.digit(name[position + 1]),
                        let low = Self.digit(name[position + 2])
                    {
                        room[count] = high << 4 | low
                        position += 3
                    } else {
                        room[count] = name[position]
                        position += 1
                    }
                    count += 1
                }
                return isSecret(UnsafeRawBufferPointer(rebasing: room[..<count]))
            }
        }
    }

    private func isSecret(_ name: UnsafeRawBufferPointer) -> Bool {
        // A word can only occur in a name that has all its pairs of letters, which hardly any other name has.
        let pairs = Self.pairs(in: name)
        for word in words where word.pairs & ~pairs == 0 && Self.occurs(word.text, in: name) { return true }
        return false
    }

    /// A bit for each two bytes that stand side by side; the same one for letters of either case, and for some others.
    @inline(__always)
    private static func pairs(in text: UnsafeRawBufferPointer) -> UInt64 {
        var pairs: UInt64 = 0
        var last: UInt8 = 0
        for (position, byte) in text.enumerated() {
            let letter = byte & 0x1F
            if position > 0 { pairs |= 1 &<< UInt64(last &<< 1 ^ letter) }
            last = letter
        }
        return pairs
    }

    /// Upper-case letters of `name` match their lower-case ones. `-` and `_`, which differ in that bit as well, are compared as they are.
    private static func occurs(_ word: UnsafeRawBufferPointer, in name: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position + word.count <= name.count {
            var matched = 0
            while matched < word.count, lowercase(name[position + matched]) == word[matched] { matched += 1 }
            if matched == word.count { return true }
            position += 1
        }
        return false
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 { byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
