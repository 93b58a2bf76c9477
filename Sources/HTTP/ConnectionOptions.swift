// The `Connection` field (RFC 9110 §7.6.1): its options, and the fields that it nominates as hop-by-hop.
// Which nominations are honoured is said in `HeadFraming`.

struct ConnectionOptions {
    var hasClose = false
    var hasKeepAlive = false
    var hasUpgrade = false

    /// Whether `word` is an option that means something by itself; then it is noted.
    @inline(__always)
    mutating func note(_ word: FoldedWord) -> Bool {
        if word.isEqual(to: "keep-alive") {
            hasKeepAlive = true  // and nominates Keep-Alive, which is never forwarded
        } else if word.isEqual(to: "close") {
            hasClose = true
        } else if word.isEqual(to: "upgrade") {
            hasUpgrade = true
        } else {
            return false
        }
        return true
    }

    /// RFC 9112 §9.3.
    @inline(__always)
    func keepAlive(_ version: Version) -> Bool {
        !hasClose && (version == .http11 || hasKeepAlive)
    }
}

/// The members of a comma-separated list of tokens (RFC 9110 §5.6.1); empty members are skipped.
struct TokenList {
    private var offset: Int
    private let end: Int

    /// What a token may end at besides a comma.
    enum Ending { case comma, slash }

    @inline(__always)
    init(_ range: ByteRange) {
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next token, without a version after a slash.
    @inline(__always)
    mutating func next(_ bytes: borrowing RawSpan, ending: Ending = .comma) throws(HTTPError) -> ByteRange? {
        while offset < end, bytes.byte(offset) == .comma || CharacterClass.isSpaceOrTab(bytes.byte(offset)) {
            offset &+= 1
        }
        if offset == end { return nil }
        let start = offset
        while offset < end, CharacterClass.isToken(bytes.byte(offset)) { offset &+= 1 }
        let token = ByteRange(start, offset)
        guard !token.isEmpty else { throw .badConnection }
        if ending == .slash, offset < end, bytes.byte(offset) == UInt8(ascii: "/") {
            offset &+= 1
            while offset < end, CharacterClass.isToken(bytes.byte(offset)) { offset &+= 1 }
        }
        while offset < end, CharacterClass.isSpaceOrTab(bytes.byte(offset)) { offset &+= 1 }
        guard offset == end || bytes.byte(offset) == .comma else { throw .badConnection }
        return token
    }
}

extension HeadParser {
    /// Reads all Connection fields and marks what they nominate. As many nominations as there can be fields; more are
    /// only good for making us compare.
    @inline(__always)
    mutating func parseConnection(_ bytes: borrowing RawSpan) throws(HTTPError) -> ConnectionOptions {
        var options = ConnectionOptions()
        var nominations = 0
        var next = firstIndex(of: .connection)
        while let index = next {
            let value = fields[index].valueRange
            next = nextIndex(of: .connection, after: index)
            // Nearly always one option alone.
            if options.note(FoldedWord(bytes, value.lowerBound, value.upperBound)) { continue }
            var list = TokenList(value)
            while let token = try list.next(bytes) {
                let word = FoldedWord(bytes, token.lowerBound, token.upperBound)
                if options.note(word) { continue }
                nominations &+= 1
                guard nominations <= Self.fieldCapacity else { throw .tooManyFields }
                try nominate(bytes, token, names.name(of: word))
            }
        }
        return options
    }

    private mutating func nominate(
        _ bytes: borrowing RawSpan, _ token: ByteRange, _ name: FieldName
    ) throws(HTTPError) {
        switch name {
        case .host, .contentLength:
            throw .framingFieldNominated
        case .forwarded, .via, .xForwardedFor, .xForwardedHost, .xForwardedProto:
            return
        case .xRequestID, .traceparent, .tracestate, .expect:
            return
        default:
            var index = 0
            while index < fieldCount {
                if fields[index].name == name,
                    name != .other || Self.equalIgnoringCase(bytes, fields[index].nameRange, token)
                {
                    fields.markHopByHop(index)
                }
                index &+= 1
            }
        }
    }

    /// Whether two tokens of the same bytes differ in nothing but the case of letters.
    private static func equalIgnoringCase(_ bytes: borrowing RawSpan, _ one: ByteRange, _ other: ByteRange) -> Bool {
        guard one.count == other.count else { return false }
        var offset = 0
        while offset < Int(one.count) {
            let left = bytes.byte(one.lowerBound &+ offset)
            let right = bytes.byte(other.lowerBound &+ offset)
            if left != right {
                guard left ^ right == 0x20, (left | 0x20) &- UInt8(ascii: "a") < 26 else { return false }
            }
            offset &+= 1
        }
        return true
    }
}
