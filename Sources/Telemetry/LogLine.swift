// One log line being built in a buffer of fixed size. What does not fit is cut and marked; control characters never pass.

/// Lines go out by one `write` each. Lines of several processes in one pipe stay whole up to PIPE_BUF, which is 4096 bytes.
struct LogLine {
    static let capacity = 4096
    /// Of one value, before escaping; a longer one is cut at a character and marked.
    static let valueLimitBytes = 1024

    private static let mark: [UInt8] = Array("…".utf8)
    /// Bytes for text: the mark and the newline must always fit behind it.
    private static let textLimit = capacity - mark.count - 1

    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var count = 0
    private var isCut = false

    /// `buffer` has `capacity` bytes.
    init(_ buffer: UnsafeMutableRawBufferPointer) {
        assert(buffer.count >= Self.capacity)
        self.buffer = buffer
    }

    mutating func time(_ time: Timestamp) {
        count += time.write(to: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
    }

    /// Text of ours, as it is.
    mutating func plain(_ text: String) {
        var text = text
        text.withUTF8 { append($0[...]) }
    }

    mutating func message(_ text: String) {
        var text = text
        let isClean = text.withUTF8 { bytes in
            guard bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { return false }
            append(bytes[...])
            return true
        }
        if !isClean { escaped(text, limit: .max, quote: false) }
    }

    /// ` key=value`, quoted where a reader could not tell its end otherwise.
    mutating func field(_ key: String, _ value: Log.Value) {
        plain(" ")
        plain(key)
        plain("=")
        switch value.content {
        case .plain(let text): plain(text)
        case .string(var text):
            // Most values are ids, paths and names: one look and one copy.
            let isClean = text.withUTF8 { bytes in
                guard !bytes.isEmpty, bytes.count <= Self.valueLimitBytes, bytes.allSatisfy(Self.isBare) else {
                    return false
                }
                append(bytes[...])
                return true
            }
            if isClean { return }
            let isQuoted = text.isEmpty || !text.utf8.allSatisfy(Self.isBare)
            if isQuoted { plain("\"") }
            escaped(text, limit: Self.valueLimitBytes, quote: isQuoted)
            if isQuoted { plain("\"") }
        }
    }

    /// Ends the line, marked if something was cut, and returns its length.
    mutating func finish() -> Int {
        if isCut {
            // Do not leave half a character in front of the mark.
            while count > 0, buffer[count - 1] & 0xC0 == 0x80 { count -= 1 }
            if count > 0, buffer[count - 1] >= 0xC0 { count -= 1 }
            for byte in Self.mark {
                buffer[count] = byte
                count += 1
            }
        }
        buffer[count] = UInt8(ascii: "\n")
        count += 1
        return count
    }

    private mutating func append(_ byte: UInt8) {
        guard count < Self.textLimit else {
            isCut = true
            return
        }
        buffer[count] = byte
        count += 1
    }

    private mutating func append(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
        let fitting = bytes.prefix(Self.textLimit - count)
        UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyBytes(from: fitting)
        count += fitting.count
        if fitting.count < bytes.count { isCut = true }
    }

    private mutating func escaped(_ text: String, limit: Int, quote: Bool) {
        var taken = 0
        for scalar in text.unicodeScalars {
            taken += UTF8.width(scalar)
            guard taken <= limit else {
                plain("…")
                return
            }
            guard !isCut else { return }
            switch scalar {
            case "\n": plain("\\n")
            case "\r": plain("\\r")
            case "\t": plain("\\t")
            case "\\" where quote: plain("\\\\")
            case "\"" where quote: plain("\\\"")
            case _ where Self.isDangerous(scalar):
                plain("\\u{")
                plain(String(scalar.value, radix: 16))
                plain("}")
            case _ where scalar.isASCII: append(UInt8(truncatingIfNeeded: scalar.value))
            default: for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { append(byte) }
            }
        }
    }

    /// Visible ASCII that a reader of `key=value` cannot take for anything else.
    private static func isBare(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=")
            && byte != UInt8(ascii: "\\")
    }

    /// What moves a terminal's cursor, ends lines for some readers, or reorders text so that lines lie.
    private static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0xFEFF: true
        default: false
        }
    }
}
