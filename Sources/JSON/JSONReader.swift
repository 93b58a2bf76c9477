// A pull reader of JSON (RFC 8259) over borrowed bytes: the caller asks for what it expects, in the order of the text, and
// skips the rest. It builds no tree (see `JSONValue`) and copies nothing but the strings asked for.
//
// Strict grammar, with two repairs that streams of language models need: bytes that are not UTF-8, and escaped halves of
// surrogate pairs, become U+FFFD in the strings that are read. Skipped strings are checked for grammar, not for UTF-8.
// A byte order mark is an error, as RFC 8259 §8.1 allows.

/// Reads one JSON text. After an error the reader stays where it is and must not be used on.
package struct JSONReader: ~Escapable {
    /// Nesting that real bodies never reach, and that recursion over them survives on any thread's stack.
    package static let defaultDepthLimit = 128

    private let bytes: Span<UInt8>
    private let depthLimit: Int
    /// With this the end of the text closes whatever is open, as for a capture that was cut at its limit.
    private let acceptsCut: Bool

    /// Offset of the next byte to read.
    package private(set) var offset = 0
    /// The end of the text was met inside a value and accepted.
    package private(set) var isCut = false
    private var depth = 0
    /// A container has just been opened, so that no comma is due.
    private var atStart = false

    /// - Parameter acceptsCut: the end of the text closes open strings, arrays and objects; `isCut` then tells.
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>, depthLimit: Int = defaultDepthLimit, acceptsCut: Bool = false) {
        self.bytes = bytes
        self.depthLimit = depthLimit
        self.acceptsCut = acceptsCut
    }

    // MARK: Structure

    /// The kind of the value that follows, which stays unread.
    package mutating func peek() throws(JSONError) -> JSONKind {
        skipWhiteSpace()
        switch try byte() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case let other: throw .unexpectedByte(other, at: offset)
        }
    }

    /// Enters an object; `nextMember` follows until it returns nil.
    package mutating func beginObject() throws(JSONError) {
        try expect(.object)
        try descend()
    }

    /// The name of the next member, whose value must be read or skipped next; nil leaves the object.
    package mutating func nextMember() throws(JSONError) -> String? {
        guard try advance(closing: UInt8(ascii: "}")) else { return nil }
        guard try byte() == UInt8(ascii: "\"") else { throw .unexpectedByte(try byte(), at: offset) }
        let name = try string()
        if isCut { return nil }  // half a name tells nothing
        skipWhiteSpace()
        if endIsAccepted() { return nil }
        let colon = try byte()
        guard colon == UInt8(ascii: ":") else { throw .unexpectedByte(colon, at: offset) }
        offset += 1
        skipWhiteSpace()
        if endIsAccepted() { return nil }
        return name
    }

    /// Enters an array; `nextElement` follows until it returns false.
    package mutating func beginArray() throws(JSONError) {
        try expect(.array)
        try descend()
    }

    /// Whether another element follows, which must be read or skipped next; false leaves the array.
    package mutating func nextElement() throws(JSONError) -> Bool {
        try advance(closing: UInt8(ascii: "]"))
    }

    /// Passes over the value that follows, whatever it is.
    package mutating func skip() throws(JSONError) {
        switch try peek() {
        case .object:
            try beginObject()
            while try nextMember() != nil { try skip() }
        case .array:
            try beginArray()
            while try nextElement() { try skip() }
        case .string: _ = try scanString()
        case .number: _ = try scanNumber()
        case .bool: _ = try bool()
        case .null: try null()
        }
    }

    /// Only white space may follow the value.
    package mutating func finish() throws(JSONError) {
        skipWhiteSpace()
        guard offset >= bytes.count else { throw .trailingBytes(at: offset) }
    }

    // MARK: Scalars

    /// A string, with what is not Unicode replaced by U+FFFD.
    package mutating func string() throws(JSONError) -> String {
        try expect(.string)
        let (content, hasEscapes) = try scanString()
        guard hasEscapes else {
            return unsafe bytes.extracting(content).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
        }
        return String(decoding: unescaped(content), as: UTF8.self)
    }

    /// The literal of a number as it stands in the text, for callers that must not lose digits.
    package mutating func numberLiteral() throws(JSONError) -> String {
        try expect(.number)
        let literal = try scanNumber()
        return unsafe bytes.extracting(literal).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    /// A number, correctly rounded; beyond the range of `Double` it is an error.
    package mutating func double() throws(JSONError) -> Double {
        let start = offset
        guard let value = Double(try numberLiteral()), value.isFinite else { throw .numberOutOfRange(at: start) }
        return value
    }

    /// A number that is an integer (`3`, `3.0`, `3e2`) and fits.
    package mutating func int() throws(JSONError) -> Int {
        let start = offset
        guard let value = JSONValue.integer(ofLiteral: try numberLiteral()) else { throw .numberOutOfRange(at: start) }
        return value
    }

    package mutating func bool() throws(JSONError) -> Bool {
        try expect(.bool)
        let value = try byte() == UInt8(ascii: "t")
        try literal(value ? "true" : "false")
        return value
    }

    package mutating func null() throws(JSONError) {
        try expect(.null)
        try literal("null")
    }

    // MARK: Scanning

    private func byte() throws(JSONError) -> UInt8 {
        guard offset < bytes.count else { throw .unexpectedEnd }
        return bytes[offset]
    }

    private mutating func skipWhiteSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    private mutating func expect(_ kind: JSONKind) throws(JSONError) {
        let found = try peek()
        guard found == kind else { throw .unexpectedKind(found, at: offset) }
    }

    private mutating func descend() throws(JSONError) {
        guard depth < depthLimit else { throw .tooDeep(at: offset) }
        depth += 1
        offset += 1
        atStart = true
    }

    /// To the next member or element: past a comma, or past the closing byte (false).
    private mutating func advance(closing: UInt8) throws(JSONError) -> Bool {
        skipWhiteSpace()
        if endIsAccepted() { return close() }
        let next = try byte()
        if next == closing {
            offset += 1
            return close()
        }
        if atStart {
            atStart = false
            return true
        }
        guard next == UInt8(ascii: ",") else { throw .unexpectedByte(next, at: offset) }
        offset += 1
        skipWhiteSpace()
        if endIsAccepted() { return close() }
        let value = try byte()
        guard value != closing else { throw .unexpectedByte(value, at: offset) }  // `[1,]`
        return true
    }

    private mutating func close() -> Bool {
        depth -= 1
        atStart = false
        return false
    }

    private mutating func endIsAccepted() -> Bool {
        guard acceptsCut, offset >= bytes.count else { return false }
        isCut = true
        return true
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            let expected = unsafe word.utf8Start[index]
            let found = try byte()
            guard found == expected else { throw .unexpectedByte(found, at: offset) }
            offset += 1
        }
    }

    /// The first place from here on of a byte that a string does not hold as it is (a quote, a backslash, a control character) or
    /// of one of the last seven bytes of the text: eight bytes at a time.
    private func endOfRun(from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let text = bytes.bytes
        var place = start
        while place + 8 <= bytes.count {
            let word = UInt64(littleEndian: unsafe text.unsafeLoadUnaligned(fromUncheckedByteOffset: place, as: UInt64.self))
            let quote = word ^ ones &* 0x22
            let backslash = word ^ ones &* 0x5C
            // The lowest bit that is set is exact; those above it may be borrowed.
            let found = ((word &- ones &* 0x20) & ~word | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash) & (ones &* 0x80)
            if found != 0 { return place + found.trailingZeroBitCount / 8 }
            place += 8
        }
        return place
    }

    /// Passes over a string; the range of its content without quotes, and whether it holds escapes.
    private mutating func scanString() throws(JSONError) -> (content: Range<Int>, hasEscapes: Bool) {
        offset += 1
        let start = offset
        var hasEscapes = false
        while true {
            offset = endOfRun(from: offset)
            guard offset < bytes.count else { break }
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") {
                let content = start..<offset
                offset += 1
                return (content, hasEscapes)
            }
            guard byte >= 0x20 else { throw .unexpectedByte(byte, at: offset) }
            guard byte == UInt8(ascii: "\\") else {
                offset += 1
                continue
            }
            hasEscapes = true
            let escape = offset
            guard offset + 1 < bytes.count else { break }
            switch bytes[offset + 1] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                offset += 2
            case UInt8(ascii: "u"):
                for digit in (escape + 2)..<(escape + 6) where digit < bytes.count {
                    guard Self.hexValue(bytes[digit]) != nil else { throw .invalidEscape(at: escape) }
                }
                guard escape + 6 <= bytes.count else {
                    offset = escape
                    return try cutString(start..<escape, hasEscapes)
                }
                offset += 6
            default: throw .invalidEscape(at: escape)
            }
        }
        return try cutString(start..<offset, hasEscapes)
    }

    /// The text ended inside a string: its beginning, if the caller accepts that. Half an escape at the end is dropped.
    private mutating func cutString(_ content: Range<Int>, _ hasEscapes: Bool) throws(JSONError) -> (content: Range<Int>, hasEscapes: Bool) {
        guard acceptsCut else { throw .unexpectedEnd }
        offset = bytes.count
        isCut = true
        return (content, hasEscapes)
    }

    /// The bytes of a checked string with its escapes resolved.
    private func unescaped(_ content: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(content.count)
        var index = content.lowerBound
        while index < content.upperBound {
            let byte = bytes[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < content.upperBound else {
                // Up to the next escape in one piece.
                let end = min(max(endOfRun(from: index), index + 1), content.upperBound)
                bytes.extracting(index..<end).withUnsafeBufferPointer { unsafe result.append(contentsOf: $0) }
                index = end
                continue
            }
            let escape = bytes[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                var code = codeUnit(at: index, before: content.upperBound)
                index += 4
                if 0xD800..<0xDC00 ~= code, index + 6 <= content.upperBound, bytes[index] == UInt8(ascii: "\\"),
                    bytes[index + 1] == UInt8(ascii: "u")
                {
                    let low = codeUnit(at: index + 2, before: content.upperBound)
                    if 0xDC00..<0xE000 ~= low {
                        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                        index += 6
                    }
                }
                let scalar = Unicode.Scalar(code) ?? "\u{FFFD}"  // half a pair alone
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            default: result.append(escape)
            }
        }
        return result
    }

    private func codeUnit(at start: Int, before end: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in start..<(start + 4) where index < end {
            value = value << 4 | (Self.hexValue(bytes[index]) ?? 0)
        }
        return value
    }

    private static func hexValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Passes over a number by the grammar of RFC 8259 §6. At the end of a cut text its last digits may be missing: an error.
    private mutating func scanNumber() throws(JSONError) -> Range<Int> {
        let start = offset
        if try byte() == UInt8(ascii: "-") { offset += 1 }
        if try byte() == UInt8(ascii: "0") { offset += 1 } else { try digits() }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            try digits()
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            let sign = try byte()
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        if acceptsCut, offset >= bytes.count { throw .unexpectedEnd }
        return start..<offset
    }

    private mutating func digits() throws(JSONError) {
        let first = try byte()
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= first else { throw .unexpectedByte(first, at: offset) }
        while offset < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[offset] { offset += 1 }
    }
}
