// The chunked transfer coding, read (RFC 9112 §7.1): where the data lies in bytes that arrive in any pieces.
//
//     size --hex--> size --;--> extension --CRLF--> data --all--> CRLF --> size
//     size 0 --CRLF--> trailer lines --empty line--> done
//
// A few words, so that it lives in a connection's slot. Extensions are skipped, trailers are checked like fields and
// dropped (a message must make sense without them, RFC 9110 §6.5.1).
// Leaves to others: copying the data, limits on the body, writing chunks (`ByteSink.appendChunkHeader`).

/// What may stand around the data.
package struct ChunkLimits: Sendable {
    /// A size and its extensions with their CRLF. No sender is known to use more than a signature's 90 bytes.
    package let lineBytes: UInt16
    /// All trailer lines with the last empty one.
    package let trailerBytes: UInt16

    package init(lineBytes: Int = 256, trailerBytes: Int = 8 << 10) {
        self.lineBytes = UInt16(clamping: lineBytes)
        self.trailerBytes = UInt16(clamping: trailerBytes)
    }
}

@usableFromInline
package struct ChunkedDecoder: Sendable {
    package enum Piece: Equatable, Sendable {
        /// Data of the body at this offset of the span.
        case data(offset: Int, count: Int)
        /// All bytes are used up and the body goes on.
        case needMore
        /// The body is over; what follows belongs to the next message.
        case end
    }

    @usableFromInline enum State: UInt8, Sendable {
        case size, sizeDigits, sizeExtension, sizeLineFeed
        case data, dataCarriageReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
        case done, failed
    }

    private var remaining: UInt64 = 0
    /// Bytes of the present size line, or of all trailers.
    private var lineBytes: UInt16 = 0
    @usableFromInline private(set) var state = State.size
    private var failure = HTTPError.badChunkSize
    /// The sender sent trailers; they were dropped.
    package private(set) var hasTrailers = false

    private let limits: ChunkLimits

    package init(limits: ChunkLimits = ChunkLimits()) { self.limits = limits }

    @inlinable @inline(__always)
    package var isDone: Bool { state == .done }

    /// The next piece of the body in `bytes` from `position` on, which moves past what was used. After an error every
    /// call throws it again.
    package mutating func next(_ bytes: borrowing RawSpan, from position: inout Int) throws(HTTPError) -> Piece {
        guard position >= 0 else { return .needMore }
        while position < bytes.byteCount {
            if state == .data {
                let available = bytes.byteCount &- position
                let offset = position
                let count = remaining < UInt64(available) ? Int(remaining) : available
                remaining &-= UInt64(count)
                position &+= count
                if remaining == 0 { state = .dataCarriageReturn }
                return .data(offset: offset, count: count)
            }
            if state == .done { return .end }
            if state == .failed { throw failure }
            do throws(HTTPError) {
                try advance(bytes.byte(position))
            } catch {
                state = .failed
                failure = error
                throw error
            }
            position &+= 1
        }
        if state == .failed { throw failure }
        return state == .done ? .end : .needMore
    }

    /// One byte outside data.
    @inline(__always)
    private mutating func advance(_ byte: UInt8) throws(HTTPError) {
        switch state {
        case .size, .sizeDigits:
            try countLineByte()
            if let digit = CharacterClass.hexadecimal(byte) {
                guard remaining >> 60 == 0 else { throw .badChunkSize }
                remaining = remaining << 4 | UInt64(digit)
                state = .sizeDigits
            } else if state == .size {
                throw .badChunkSize
            } else if byte == .carriageReturn {
                state = .sizeLineFeed
            } else if byte == UInt8(ascii: ";") {
                state = .sizeExtension
            } else {
                throw byte == .lineFeed ? .bareLineFeed : .badChunkSize
            }
        case .sizeExtension:
            try countLineByte()
            if byte == .carriageReturn {
                state = .sizeLineFeed
            } else if !CharacterClass.isText(byte) {
                throw byte == .lineFeed ? .bareLineFeed : .controlByte
            }
        case .sizeLineFeed:
            try countLineByte()
            guard byte == .lineFeed else { throw .bareCarriageReturn }
            lineBytes = 0
            state = remaining == 0 ? .trailerStart : .data
        case .dataCarriageReturn:
            guard byte == .carriageReturn else { throw .badChunkEnd }
            state = .dataLineFeed
        case .dataLineFeed:
            guard byte == .lineFeed else { throw .badChunkEnd }
            state = .size
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            guard lineBytes < limits.trailerBytes else { throw .trailersTooLarge }
            lineBytes &+= 1
            try advanceTrailer(byte)
        case .data, .done, .failed:
            break  // `next` answered
        }
    }

    /// One byte of the trailers, with the same rules as fields of a head.
    private mutating func advanceTrailer(_ byte: UInt8) throws(HTTPError) {
        switch state {
        case .trailerStart where byte == .carriageReturn:
            state = .lastLineFeed
        case .trailerStart where CharacterClass.isSpaceOrTab(byte):
            throw .obsoleteFold
        case .trailerStart:
            guard CharacterClass.isToken(byte) else { throw byte == .lineFeed ? .bareLineFeed : .badFieldName }
            hasTrailers = true
            state = .trailerName
        case .trailerName where byte == .colon:
            state = .trailerValue
        case .trailerName:
            guard CharacterClass.isToken(byte) else {
                throw CharacterClass.isSpaceOrTab(byte) ? .spaceBeforeColon : .badFieldName
            }
        case .trailerValue where byte == .carriageReturn:
            state = .trailerLineFeed
        case .trailerValue:
            guard CharacterClass.isText(byte) else { throw byte == .lineFeed ? .bareLineFeed : .controlByte }
        case .trailerLineFeed:
            guard byte == .lineFeed else { throw .bareCarriageReturn }
            state = .trailerStart
        default:
            guard byte == .lineFeed else { throw .bareCarriageReturn }
            state = .done
        }
    }

    @inline(__always)
    private mutating func countLineByte() throws(HTTPError) {
        guard lineBytes < limits.lineBytes else { throw .chunkLineTooLong }
        lineBytes &+= 1
    }
}
