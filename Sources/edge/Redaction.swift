// Which values never leave the edge in a copy: those of secret-looking header fields and query parameters.
import HTTP

/// Decides by name, in any case: authorization, cookie, whatever contains key, token, secret, password or signature, and the
/// words of TRUTHTABLE_REDACT_NAMES.
struct Redaction {
    static let replacement: StaticString = "[redacted]"

    /// Further words in lower case, each behind its length. Made once per process, and never freed: a copy of this costs
    /// nothing.
    private let words: UnsafeRawBufferPointer

    init(furtherWords: [String]) {
        let bytes = furtherWords.flatMap { [UInt8(clamping: $0.utf8.count)] + Array($0.utf8.prefix(255)) }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        memory.copyBytes(from: bytes)
        words = UnsafeRawBufferPointer(memory)
    }

    /// A field of a head: names that the parser knows are decided without a look at their letters.
    func isSecret(_ field: HeadField, in bytes: borrowing RawSpan) -> Bool {
        switch field.name {
        case .other: isSecret(bytes.extracting(field.nameRange))
        case .authorization, .proxyAuthorization, .cookie, .setCookie, .apiKey, .xAPIKey, .xGoogAPIKey, .secWebSocketKey: true
        default: !words.isEmpty && bytes.extracting(field.nameRange).withUnsafeBytes(hasFurtherWord)
        }
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
        var position = 0
        while position < name.count {
            let isFound =
                switch name[position] | 0x20 {
                case UInt8(ascii: "a"): Self.stands("authorization", in: name, at: position)
                case UInt8(ascii: "c"): Self.stands("cookie", in: name, at: position)
                case UInt8(ascii: "k"): Self.stands("key", in: name, at: position)
                case UInt8(ascii: "t"): Self.stands("token", in: name, at: position)
                case UInt8(ascii: "p"): Self.stands("password", in: name, at: position)
                case UInt8(ascii: "s"): Self.stands("secret", in: name, at: position) || Self.stands("signature", in: name, at: position)
                default: false
                }
            if isFound { return true }
            position += 1
        }
        return !words.isEmpty && hasFurtherWord(name)
    }

    private func hasFurtherWord(_ name: UnsafeRawBufferPointer) -> Bool {
        var next = 0
        while next < words.count {
            let word = UnsafeRawBufferPointer(rebasing: words[(next + 1)..<(next + 1 + Int(words[next]))])
            next += 1 + word.count
            var position = 0
            while position + word.count <= name.count {
                if Self.matches(word.baseAddress, word.count, in: name, at: position) { return true }
                position += 1
            }
        }
        return false
    }

    @inline(__always)
    private static func stands(_ word: StaticString, in name: UnsafeRawBufferPointer, at position: Int) -> Bool {
        name.count - position >= word.utf8CodeUnitCount && matches(word.utf8Start, word.utf8CodeUnitCount, in: name, at: position)
    }

    /// Upper-case letters of `name` match their lower-case ones. `-` and `_`, which differ in that bit as well, are compared as they are.
    @inline(__always)
    private static func matches(_ word: UnsafeRawPointer?, _ length: Int, in name: UnsafeRawBufferPointer, at position: Int) -> Bool {
        guard let word else { return false }
        var offset = 0
        while offset < length {
            let byte = name[position + offset]
            let lower = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
            if lower != word.load(fromByteOffset: offset, as: UInt8.self) { return false }
            offset += 1
        }
        return true
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
