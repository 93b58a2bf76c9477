// The request target and the authority (RFC 9112 §3.2, RFC 3986 §3.2). Origin form, absolute form of http and https,
// and `*` of OPTIONS; percent-encoding is passed on as it is.
// Leaves to others: routing, and whether an authority is one of ours.

extension HeadParser {
    /// Answers the offset of the byte that ends the target.
    mutating func parseTarget(_ bytes: borrowing RawSpan, from start: Int) throws(HTTPError) -> Int {
        var offset = start
        let byte = bytes.peek(start)
        if byte == UInt8(ascii: "*") {
            guard method == .options else { throw .badTarget }
            targetForm = .asterisk
            targetRange = ByteRange(start, start &+ 1)
            pathRange = targetRange
            return start &+ 1
        }
        if byte != UInt8(ascii: "/") {
            guard let authority = Self.endOfScheme(bytes, from: start) else { throw .badTarget }
            targetForm = .absolute
            offset = authority
            while !Self.endsAuthority(bytes.peek(offset)) { offset &+= 1 }
            // User names do not belong here (RFC 9110 §4.2.4); `@` is in no valid authority.
            guard Self.isAuthority(bytes, authority, offset) else { throw .badTarget }
            authorityRange = ByteRange(authority, offset)
        }
        let pathStart = offset
        offset = CharacterClass.endOfTarget(bytes, from: offset, stoppingAtQuery: true)
        pathRange = ByteRange(pathStart, offset)
        if bytes.peek(offset) == UInt8(ascii: "?") {
            hasQuery = true
            let queryStart = offset &+ 1
            offset = CharacterClass.endOfTarget(bytes, from: queryStart, stoppingAtQuery: false)
            queryRange = ByteRange(queryStart, offset)
        }
        targetRange = ByteRange(start, offset)
        return offset
    }

    /// The offset after `http://` or `https://`, in any case.
    private static func endOfScheme(_ bytes: borrowing RawSpan, from start: Int) -> Int? {
        var offset = start
        while CharacterClass.isAlphanumeric(bytes.peek(offset)), offset < start &+ 6 { offset &+= 1 }
        let scheme = FoldedWord(bytes, start, offset)
        guard scheme.isEqual(to: "http") || scheme.isEqual(to: "https") else { return nil }
        guard bytes.peek(offset) == .colon, bytes.peek(offset &+ 1) == UInt8(ascii: "/"),
            bytes.peek(offset &+ 2) == UInt8(ascii: "/")
        else { return nil }
        return offset &+ 3
    }

    private static func endsAuthority(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?")
            || byte == UInt8(ascii: "#")
    }

    /// Whether `start..<end` is `host[:port]`. Narrower than RFC 3986: a registered name is made of what names and
    /// addresses have (letters, digits, `-`, `.`, `_`), as the other characters of its grammar (`,` `;` `=` `%` …)
    /// only ever meant something else to the next reader. Not empty: an http URI has a host (RFC 9110 §4.2.1).
    static func isAuthority(_ bytes: borrowing RawSpan, _ start: Int, _ end: Int) -> Bool {
        var offset = start
        guard start < end else { return false }
        if bytes.peek(offset) == UInt8(ascii: "[") {
            offset &+= 1
            let literal = offset
            // IPv6, later address versions and zones (RFC 6874).
            offset = bytes.firstIndex(from: offset) {
                .!(CharacterClass.plain($0) .| $0.equal(.colon) .| $0.equal(UInt8(ascii: "%")))
            }
            guard offset > literal, offset < end, bytes.peek(offset) == UInt8(ascii: "]") else { return false }
            offset &+= 1
        } else {
            offset = min(end, bytes.firstIndex(from: offset) { .!CharacterClass.plain($0) })
            guard offset > start else { return false }
        }
        if offset == end { return true }
        guard bytes.peek(offset) == .colon else { return false }
        offset &+= 1
        var port = 0
        let mostDigits = min(end, offset &+ 5)
        while offset < mostDigits, CharacterClass.isDigit(bytes.peek(offset)) {
            port = port &* 10 &+ Int(bytes.peek(offset) &- UInt8(ascii: "0"))
            offset &+= 1
        }
        return offset == end && port <= 65_535
    }
}
