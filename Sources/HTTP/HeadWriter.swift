// Heads and chunk framing, written (RFC 9112 §3, §4, §5, §7.1). A forwarded head is made anew from the parsed one:
// start line in canonical form, only fields that may travel, runs of untouched field lines copied as one piece.
// Leaves to others: which fields to leave out or add, Host, framing of the forwarded body.

extension ByteSink {
    /// `METHOD SP target SP HTTP/1.1 CRLF` with the target in origin form behind `prefix` (the upstream's base path).
    package mutating func appendRequestLine(
        _ head: borrowing HeadParser, _ bytes: borrowing RawSpan, prefix: borrowing RawSpan = RawSpan()
    ) {
        append(bytes, head.methodRange)
        append(.space)
        appendTarget(head, bytes, prefix: prefix)
        append(" HTTP/1.1\r\n")
    }

    /// The same without the first `pathOffset` bytes of the path, which must be there.
    package mutating func appendRequestLine(_ head: borrowing HeadParser, _ bytes: borrowing RawSpan, pathOffset: Int) {
        append(bytes, head.methodRange)
        append(.space)
        append(bytes, ByteRange(head.pathRange.lowerBound + pathOffset, head.pathRange.upperBound))
        if head.hasQuery {
            append(UInt8(ascii: "?"))
            append(bytes, head.queryRange)
        }
        append(" HTTP/1.1\r\n")
    }

    /// The target in origin form, `*` for OPTIONS of a whole server (RFC 9112 §3.2.4), which has no path to stand before.
    private mutating func appendTarget(_ head: borrowing HeadParser, _ bytes: borrowing RawSpan, prefix: borrowing RawSpan) {
        if head.targetForm == .asterisk || (head.pathRange.isEmpty && head.method == .options && !head.hasQuery) { return append("*") }
        append(prefix)
        if head.pathRange.isEmpty { append("/") }
        append(bytes, head.pathRange)
        if head.hasQuery {
            append(UInt8(ascii: "?"))
            append(bytes, head.queryRange)
        }
    }

    /// `HTTP/1.1 SP status SP reason CRLF` with the reason that the head had.
    package mutating func appendStatusLine(_ head: borrowing HeadParser, _ bytes: borrowing RawSpan) {
        append("HTTP/1.1 ")
        appendDigits(UInt64(head.status), radix: 10, length: 3)
        append(.space)
        append(bytes, head.reasonRange)
        append("\r\n")
    }

    /// A status line of our own.
    package mutating func appendStatusLine(_ status: UInt16) {
        append("HTTP/1.1 ")
        appendDigits(UInt64(status), radix: 10, length: 3)
        append(.space)
        append(Status.reason(status))
        append("\r\n")
    }

    /// All fields that may travel except those named, in order. Lines with odd white space are written anew.
    package mutating func appendFields(
        _ head: borrowing HeadParser, _ bytes: borrowing RawSpan, except unwanted: FieldNames = .none
    ) {
        var runStart = 0
        var runEnd = 0
        var index = 0
        while index < head.fieldCount {
            let field = head.field(index)
            index &+= 1
            if !field.isHopByHop, !unwanted.contains(field.name) {
                if field.isCanonical, runEnd == field.nameRange.lowerBound {
                    runEnd = Int(field.lineEnd)
                    continue
                }
                append(bytes, ByteRange(runStart, runEnd))
                runStart = field.nameRange.lowerBound
                if field.isCanonical {
                    runEnd = Int(field.lineEnd)
                    continue
                }
                append(bytes, field.nameRange)
                append(": ")
                append(bytes, field.valueRange)
                append("\r\n")
                runEnd = runStart
            }
        }
        append(bytes, ByteRange(runStart, runEnd))
    }

    /// One field line. The value must hold no line ends: it is ours or was parsed.
    @inlinable @inline(__always)
    package mutating func appendField(_ name: StaticString, _ value: StaticString) {
        append(name)
        append(": ")
        append(value)
        append("\r\n")
    }

    @inlinable @inline(__always)
    package mutating func appendField(_ name: StaticString, _ value: borrowing RawSpan) {
        append(name)
        append(": ")
        append(value)
        append("\r\n")
    }

    @inlinable @inline(__always)
    package mutating func appendField(_ name: StaticString, decimal value: UInt64) {
        append(name)
        append(": ")
        append(decimal: value)
        append("\r\n")
    }

    /// The empty line after the fields.
    @inlinable @inline(__always)
    package mutating func endHead() { append("\r\n") }

    /// The line before a chunk of `count` > 0 bytes, at most `Chunk.headerLimitBytes`; `Chunk.trailer` follows the data.
    package mutating func appendChunkHeader(_ count: Int) {
        append(hex: UInt64(max(0, count)))
        append("\r\n")
    }
}

/// Framing of chunked bodies, RFC 9112 §7.1.
package enum Chunk {
    /// Sixteen digits and CRLF.
    package static let headerLimitBytes = 18
    /// After the data of each chunk.
    package static var trailer: StaticString { "\r\n" }
    /// The last chunk and the end of the (empty) trailers.
    package static var last: StaticString { "0\r\n\r\n" }
}
