// Server-sent events, read (WHATWG HTML §9.2.6): bytes in any pieces in, whole events out.
// Lines end by CR, LF or CRLF; a blank line ends an event; what the stream ends in the middle of is dropped.
// Buffers are kept from event to event. Leaves to others: what the data says, reconnecting.

package enum SSEError: Error, Equatable, Sendable {
    /// The data, type and present line of one event together are over the limit.
    case eventTooLarge
}

package struct SSEDecoder: Sendable {
    /// Ten times what the largest delta of a model is known to be.
    package static let defaultEventLimitBytes = 1 << 20

    package let eventLimitBytes: Int
    /// Of the event that `next` announced, until it is asked again: the data lines joined by LF, as they came (WHATWG
    /// decodes UTF-8 with replacement; whoever shows it does).
    package private(set) var data: [UInt8] = []
    /// Empty means `message`.
    package private(set) var eventType: [UInt8] = []
    /// The last id of this or any event before.
    package private(set) var lastEventID: [UInt8] = []
    /// The reconnection time that the server last asked for.
    package private(set) var retryMilliseconds: UInt64?

    /// The beginning of a line whose end has not arrived.
    private var line: [UInt8] = []
    private var nextID: [UInt8] = []
    private var hasData = false
    private var isAnnounced = false
    private var isFirstLine = true
    /// The last line ended by CR: a LF at once after it belongs to it.
    private var endedByCarriageReturn = false
    private var failure: SSEError?

    package init(eventLimitBytes: Int = Self.defaultEventLimitBytes) {
        self.eventLimitBytes = max(0, eventLimitBytes)
    }

    /// Whether an event is complete; its fields can be read then. `position` moves past what was used; false means that
    /// all bytes are. After an error every call throws it again.
    package mutating func next(_ bytes: borrowing RawSpan, from position: inout Int) throws(SSEError) -> Bool {
        if let failure { throw failure }
        if isAnnounced {
            isAnnounced = false
            beginEvent()
        }
        position = max(0, position)
        while position < bytes.byteCount {
            if endedByCarriageReturn {
                endedByCarriageReturn = false
                if bytes.byte(position) == .lineFeed {
                    position &+= 1
                    continue
                }
            }
            let end = Self.lineEnd(bytes, from: position)
            let piece = bytes.extracting(position..<end)
            try check(adding: piece.byteCount)
            guard end < bytes.byteCount else {
                line.append(contentsOf: piece)
                position = end
                return false
            }
            position = end &+ 1
            endedByCarriageReturn = bytes.byte(end) == .carriageReturn
            if line.isEmpty {
                if acceptLine(piece) { return true }
            } else {
                line.append(contentsOf: piece)
                if acceptLineOfPieces() { return true }
            }
        }
        return false
    }

    private mutating func beginEvent() {
        data.removeAll(keepingCapacity: true)
        eventType.removeAll(keepingCapacity: true)
        hasData = false
    }

    private mutating func check(adding count: Int) throws(SSEError) {
        guard data.count + eventType.count + line.count + count <= eventLimitBytes else {
            failure = .eventTooLarge
            throw .eventTooLarge
        }
    }

    private mutating func acceptLineOfPieces() -> Bool {
        var whole: [UInt8] = []
        swap(&whole, &line)
        let isComplete = unsafe acceptLine(whole.span.bytes)
        whole.removeAll(keepingCapacity: true)
        swap(&whole, &line)
        return isComplete
    }

    /// Whether the line completes an event.
    private mutating func acceptLine(_ line: borrowing RawSpan) -> Bool {
        var start = 0
        if isFirstLine {
            isFirstLine = false
            let hasMark = line.byteCount >= 3 && line.byte(0) == 0xEF && line.byte(1) == 0xBB && line.byte(2) == 0xBF
            if hasMark { start = 3 }
        }
        if start == line.byteCount { return endEvent() }
        var colon = start
        while colon < line.byteCount, line.byte(colon) != .colon { colon &+= 1 }
        if colon == start { return false }  // a comment
        var value = min(colon &+ 1, line.byteCount)
        if value < line.byteCount, line.byte(value) == .space { value &+= 1 }
        acceptField(line.extracting(start..<colon), line.extracting(value..<line.byteCount))
        return false
    }

    private mutating func endEvent() -> Bool {
        lastEventID = nextID
        guard hasData else {
            beginEvent()
            return false
        }
        data.removeLast()  // the LF after the last line
        isAnnounced = true
        return true
    }

    private mutating func acceptField(_ name: borrowing RawSpan, _ value: borrowing RawSpan) {
        let word = FoldedWord(name, 0, name.byteCount)
        if word.isExactly("data") {
            data.append(contentsOf: value)
            data.append(.lineFeed)
            hasData = true
        } else if word.isExactly("event") {
            eventType.removeAll(keepingCapacity: true)
            eventType.append(contentsOf: value)
        } else if word.isExactly("id") {
            for offset in 0..<value.byteCount where value.byte(offset) == 0 { return }
            nextID.removeAll(keepingCapacity: true)
            nextID.append(contentsOf: value)
        } else if word.isExactly("retry") {
            var number: UInt64 = 0
            for offset in 0..<value.byteCount {
                let byte = value.byte(offset)
                guard CharacterClass.isDigit(byte), offset < 18 else { return }
                number = number * 10 + UInt64(byte - UInt8(ascii: "0"))
            }
            if !value.isEmpty { retryMilliseconds = number }
        }
    }

    /// The first CR or LF from `offset`; the span's end when there is none.
    private static func lineEnd(_ bytes: borrowing RawSpan, from offset: Int) -> Int {
        var offset = offset
        while offset &+ 8 <= bytes.byteCount {
            let word = bytes.word(offset)
            let hits = EightBytes.equal(word, .lineFeed) | EightBytes.equal(word, .carriageReturn)
            if hits != 0 { return offset &+ EightBytes.first(hits) }
            offset &+= 8
        }
        while offset < bytes.byteCount, bytes.byte(offset) != .lineFeed, bytes.byte(offset) != .carriageReturn {
            offset &+= 1
        }
        return offset
    }
}

extension [UInt8] {
    fileprivate mutating func append(contentsOf bytes: borrowing RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
