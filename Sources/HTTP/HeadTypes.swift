// What a parsed head is made of: limits, method, version, field, framing (RFC 9112 §3 to §6).
// The enumerations are `@usableFromInline`: else each `==` in another module goes through a witness table, 30
// instructions instead of two.

/// How large a head may be. One that is larger is refused as soon as that is known.
package struct HeadLimits: Sendable {
    /// No setting may go beyond: offsets of a head are kept in 32 bits.
    package static let largestHeadBytes = 16 << 20

    /// The start line, all fields, the empty line.
    package var headBytes: Int
    /// At most `HeadParser.fieldCapacity`.
    package var fieldCount: Int
    package var targetBytes: Int

    /// The defaults are those of the large servers: clients with big cookies and tokens stay below 32 KiB.
    package init(headBytes: Int = 64 << 10, fieldCount: Int = HeadParser.fieldCapacity, targetBytes: Int = 16 << 10) {
        self.headBytes = max(0, min(headBytes, Self.largestHeadBytes))
        self.fieldCount = max(0, min(fieldCount, HeadParser.fieldCapacity))
        self.targetBytes = max(0, targetBytes)
    }
}

/// Methods are case-sensitive (RFC 9110 §9.1): `get` is `.other`.
@usableFromInline
package enum Method: UInt8, Sendable {
    case other, get, head, post, put, delete, connect, options, trace, patch
}

@usableFromInline
package enum Version: UInt8, Sendable {
    case http10
    /// And any later minor version, which speaks 1.1 to us (RFC 9110 §2.5).
    case http11
}

@usableFromInline
package enum TargetForm: UInt8, Sendable {
    /// `/path?query`
    case origin
    /// `http://authority/path?query`; the authority replaces Host (RFC 9112 §3.2.2).
    case absolute
    /// `*`, of OPTIONS only
    case asterisk
}

/// Where the body ends, RFC 9112 §6.3.
@usableFromInline
package enum BodyFraming: Equatable, Sendable {
    /// No byte of a body follows; also with `Content-Length: 0`.
    case none
    case length(UInt64)
    case chunked
    /// Responses only.
    case untilClose
}

@usableFromInline
package enum Upgrade: UInt8, Sendable {
    case none
    /// `Connection: upgrade` and `Upgrade: websocket` (in HTTP/1.1; an older client cannot ask).
    case webSocket
    /// Something that we do not speak; it is dropped and the exchange goes on (RFC 9110 §7.8).
    case other
}

/// One field line.
@usableFromInline
package struct HeadField: Sendable {
    @usableFromInline package internal(set) var nameRange = ByteRange.empty
    /// Without the white space around it; may be empty.
    @usableFromInline package internal(set) var valueRange = ByteRange.empty
    /// Just after the line's CRLF; the line begins where its name does.
    @usableFromInline package internal(set) var lineEnd: UInt32 = 0
    @usableFromInline package internal(set) var name = FieldName.other
    /// Not to be forwarded: hop-by-hop by its name or nominated by `Connection` (RFC 9110 §7.6.1), or the length of a
    /// response that has none.
    @usableFromInline package internal(set) var isHopByHop = false
    /// The line is `name: value` with exactly one space and may be copied as it is.
    @usableFromInline package internal(set) var isCanonical = false

    init() {}

    @inline(__always)
    init(nameRange: ByteRange, valueRange: ByteRange, lineEnd: UInt32, name: FieldName, isCanonical: Bool) {
        self.nameRange = nameRange
        self.valueRange = valueRange
        self.lineEnd = lineEnd
        self.name = name
        self.isCanonical = isCanonical
        isHopByHop = name.isHopByHop
    }

    @inlinable @inline(__always)
    package var lineRange: ByteRange { ByteRange(start: nameRange.start, count: lineEnd &- nameRange.start) }
}
