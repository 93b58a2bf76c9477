// Where a message's body ends while it streams through (RFC 9112 §6).

/// Finds the data of one body in bytes that arrive in any pieces.
@usableFromInline
package struct BodyReader {
    @usableFromInline enum Framing {
        case none
        case length(UInt64)
        case chunked(ChunkedDecoder)
        case untilClose
    }

    @usableFromInline var framing = Framing.none

    package init() {}

    package init(_ head: BodyFraming, chunks limits: ChunkLimits = ChunkLimits()) {
        switch head {
        case .none: framing = .none
        case .length(let count): framing = .length(count)
        case .chunked: framing = .chunked(ChunkedDecoder(limits: limits))
        case .untilClose: framing = .untilClose
        }
    }

    @inlinable @inline(__always)
    package var isDone: Bool {
        switch framing {
        case .none: true
        case .length(let left): left == 0
        case .chunked(let decoder): decoder.isDone
        case .untilClose: false
        }
    }

    package var endsWithConnection: Bool {
        if case .untilClose = framing { return true }
        return false
    }

    /// The next run of data from `position` on, which moves past what was used.
    package mutating func next(_ bytes: borrowing RawSpan, from position: inout Int) throws(HTTPError) -> ChunkedDecoder.Piece {
        let available = bytes.byteCount - position
        switch framing {
        case .none: return .end
        case .length(let left):
            guard left > 0 else { return .end }
            guard available > 0 else { return .needMore }
            let count = left < UInt64(available) ? Int(left) : available
            framing = .length(left - UInt64(count))
            defer { position += count }
            return .data(offset: position, count: count)
        case .chunked(var decoder):
            defer { framing = .chunked(decoder) }
            return try decoder.next(bytes, from: &position)
        case .untilClose:
            guard available > 0 else { return .needMore }
            defer { position += available }
            return .data(offset: position, count: available)
        }
    }
}
