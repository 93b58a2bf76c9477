// The lines of a head: request line, status line, field lines (RFC 9112 §3, §4, §5). The bytes may end anywhere: then
// one of these functions refuses what looks like a NUL, and `HeadParser` asks whether there is a whole head at all.
// Leaves to others: what a field's value means.

extension HeadParser {
    /// `method SP target SP HTTP/1.x CRLF`, one space each; answers the offset after the line.
    mutating func parseRequestLine(
        _ bytes: borrowing RawSpan, from start: Int, targetLimit: Int
    ) throws(HTTPError) -> Int {
        var offset = start
        if let word = FoldedWord(bytes, from: start, upTo: .space) {
            method = .named(word)
            if method != .other { offset = start &+ word.count }
        }
        // Of a method that we know nothing is left: it ends at the space.
        while CharacterClass.isToken(bytes.peek(offset)) { offset &+= 1 }
        guard offset > start else { throw bytes.peek(offset) == .carriageReturn ? .badRequestLine : .badMethod }
        guard bytes.peek(offset) == .space else {
            throw bytes.peek(offset) == .carriageReturn ? .badRequestLine : .badMethod
        }
        methodRange = ByteRange(start, offset)
        if method == .connect { throw .connectUnsupported }
        offset = try parseTarget(bytes, from: offset &+ 1)
        if Int(targetRange.count) > targetLimit { throw .targetTooLong }
        guard bytes.peek(offset) == .space else {
            // No version at all is HTTP/0.9; everything else is a byte that no target has.
            throw bytes.peek(offset) == .carriageReturn && bytes.peek(offset &+ 1) == .lineFeed
                ? .badRequestLine : .badTarget
        }
        offset = try parseVersion(bytes, from: offset &+ 1, otherwise: .badRequestLine)
        return try lineEnd(bytes, offset, otherwise: .badRequestLine)
    }

    /// `HTTP/1.x SP status SP reason CRLF`; the second space may be missing when there is no reason, as many servers
    /// send it.
    mutating func parseStatusLine(_ bytes: borrowing RawSpan) throws(HTTPError) -> Int {
        var offset = try parseVersion(bytes, from: 0, otherwise: .badStatusLine)
        guard bytes.peek(offset) == .space else { throw .badStatusLine }
        offset &+= 1
        var code: UInt16 = 0
        for _ in 0..<3 {
            let byte = bytes.peek(offset)
            guard CharacterClass.isDigit(byte) else { throw .badStatusLine }
            code = code &* 10 &+ UInt16(byte &- UInt8(ascii: "0"))
            offset &+= 1
        }
        guard code >= 100 else { throw .badStatusLine }
        status = code
        if bytes.peek(offset) == .space {
            let end = CharacterClass.endOfText(bytes, from: offset &+ 1)
            reasonRange = ByteRange(offset &+ 1, end)
            offset = end
        }
        return try lineEnd(bytes, offset, otherwise: .badStatusLine)
    }

    /// All field lines and the empty line; answers the head's end.
    mutating func parseFields(_ bytes: borrowing RawSpan, from start: Int, limit: Int) throws(HTTPError) -> Int {
        // The shortest heads, `A / HTTP/1.0` and `HTTP/1.1 200`, have as many: said once, no load has to ask for it.
        guard bytes.byteCount >= 16 else { throw .controlByte }
        let limit = min(limit, fields.capacity)
        var offset = start
        while true {
            let first = bytes.peek(offset)
            if first <= .space {
                if first == .carriageReturn { return try lineEnd(bytes, offset) }
                if CharacterClass.isSpaceOrTab(first) { throw .obsoleteFold }
            }
            guard fieldCount < limit else { throw .tooManyFields }
            offset = try parseField(bytes, from: offset)
        }
    }

    /// `name: value CRLF`; answers the offset after the line.
    @inline(__always)
    private mutating func parseField(_ bytes: borrowing RawSpan, from start: Int) throws(HTTPError) -> Int {
        let word =
            FoldedWord(bytes, from: start, upTo: .colon)
            ?? FoldedWord(bytes, start, bytes.firstIndex(from: start) { $0.equal(.colon) })
        let colon = start &+ word.count
        let name = names.name(of: word)
        // A known name is made of token bytes; its text was compared.
        if name == .other { try Self.checkName(bytes, start, colon) }

        var valueStart = colon &+ 2
        var isCanonical =
            bytes.peekPair(colon) == .colonSpace && !CharacterClass.isSpaceOrTab(bytes.peek(valueStart))
        if !isCanonical {
            valueStart = colon &+ 1
            while CharacterClass.isSpaceOrTab(bytes.peek(valueStart)) { valueStart &+= 1 }
        }
        var valueEnd = CharacterClass.endOfText(bytes, from: valueStart)
        let end = try lineEnd(bytes, valueEnd)
        while valueEnd > valueStart, CharacterClass.isSpaceOrTab(bytes.peek(valueEnd &- 1)) {
            valueEnd &-= 1
            isCanonical = false
        }

        fields.append(
            HeadField(
                nameRange: ByteRange(start, colon), valueRange: ByteRange(valueStart, valueEnd),
                lineEnd: UInt32(truncatingIfNeeded: end), name: name, isCanonical: isCanonical))
        return end
    }

    /// A name is a token; the colon that was found may belong to a later line, then this one has none.
    private static func checkName(_ bytes: borrowing RawSpan, _ start: Int, _ end: Int) throws(HTTPError) {
        guard start < end else { throw .badFieldName }
        var offset = bytes.firstIndex(from: start) { .!CharacterClass.plain($0) }
        while offset < end {
            let byte = bytes.peek(offset)
            guard CharacterClass.isToken(byte) else {
                if byte == .carriageReturn, bytes.peek(offset &+ 1) != .lineFeed { throw .bareCarriageReturn }
                throw CharacterClass.isSpaceOrTab(byte) ? .spaceBeforeColon : .badFieldName
            }
            offset &+= 1
        }
    }

    @inline(__always)
    private mutating func parseVersion(
        _ bytes: borrowing RawSpan, from start: Int, otherwise error: HTTPError
    ) throws(HTTPError) -> Int {
        // "HTTP/" and "." are exact, both digits are any.
        let word = bytes.word(start, before: bytes.byteCount)
        guard word & 0x00FF_00FF_FFFF_FFFF == 0x002E_002F_5054_5448 else { throw error }
        let major = UInt8(truncatingIfNeeded: word &>> 40)
        let minor = UInt8(truncatingIfNeeded: word &>> 56)
        guard CharacterClass.isDigit(major), CharacterClass.isDigit(minor) else { throw error }
        guard major == UInt8(ascii: "1") else { throw .unsupportedVersion }
        version = minor == UInt8(ascii: "0") ? .http10 : .http11
        return start &+ 8
    }

    /// The offset after the CRLF that must begin at `offset`; otherwise the error says which byte was there instead.
    @inline(__always)
    func lineEnd(
        _ bytes: borrowing RawSpan, _ offset: Int, otherwise error: HTTPError = .controlByte
    ) throws(HTTPError) -> Int {
        let pair = bytes.peekPair(offset)
        if pair == .carriageReturnLineFeed { return offset &+ 2 }
        throw UInt8(truncatingIfNeeded: pair) == .carriageReturn ? .bareCarriageReturn : error
    }
}

extension Method {
    @inline(__always)
    fileprivate static func named(_ word: FoldedWord) -> Method {
        if word.isExactly("POST") { return .post }
        if word.isExactly("GET") { return .get }
        if word.isExactly("OPTIONS") { return .options }
        if word.isExactly("HEAD") { return .head }
        if word.isExactly("PUT") { return .put }
        if word.isExactly("DELETE") { return .delete }
        if word.isExactly("PATCH") { return .patch }
        if word.isExactly("CONNECT") { return .connect }
        if word.isExactly("TRACE") { return .trace }
        return .other
    }
}
