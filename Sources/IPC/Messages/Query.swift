// Query: edge ↔ dispatcher. Each query has an id in its frame's header; the dispatcher gives one `Answer` with the same id,
// unless the query is cancelled before. The edge holds no verdict, the dispatcher no connection of a client.

/// edge → dispatcher: audit this, and answer with what came of it.
package struct Submit: Message, ~Escapable {
    package static let type = MessageType.submit

    /// How long the sender waits: after that the answer says how things stand.
    package let waitMilliseconds: UInt32
    package let capture: RawSpan  // the payload of a Capture whose request body is what to audit

    @_lifetime(copy capture)
    package init(waitMilliseconds: UInt32, capture: RawSpan) {
        self.waitMilliseconds = waitMilliseconds
        self.capture = capture
    }

    @_lifetime(copy payload)
    package init(from payload: consuming PayloadReader) throws(FrameError) {
        waitMilliseconds = try payload.uint32("wait")
        capture = payload.remainder()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint32(waitMilliseconds)
        payload.span(capture)
    }
}

/// edge → dispatcher: what became of one audit, by its id or by that of its request.
package struct Lookup: Message, Equatable {
    package static let type = MessageType.lookup

    /// How long the sender waits for an audit that is not done, or not yet known.
    package let waitMilliseconds: UInt32
    package let id: String

    package init(waitMilliseconds: UInt32, id: String) {
        self.waitMilliseconds = waitMilliseconds
        self.id = id
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        waitMilliseconds = try payload.uint32("wait")
        id = try payload.string("id")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint32(waitMilliseconds)
        payload.string(id)
    }
}

/// edge → dispatcher: recent audits, newest first.
package struct Recent: Message, Equatable {
    package static let type = MessageType.recent
    package static let limits: ClosedRange<UInt16> = 1...100

    package var limit: UInt16
    /// Where an earlier answer said that the next one goes on; both 0 for the newest.
    package var beforeEpoch: UInt64 = 0
    package var beforeSequence: UInt64 = 0
    /// Wall clock, milliseconds since 1970: nothing older.
    package var sinceMilliseconds: UInt64 = 0
    /// Exactly these; empty for any.
    package var grade = ""
    package var model = ""
    package var path = ""

    package init(limit: UInt16) { self.limit = limit }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        limit = try payload.uint16("limit")
        guard Self.limits.contains(limit) else { throw .outOfRange("limit") }
        beforeEpoch = try payload.uint64("epoch")
        beforeSequence = try payload.uint64("sequence")
        sinceMilliseconds = try payload.uint64("since")
        grade = try payload.string("grade")
        model = try payload.string("model")
        path = try payload.string("path")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint16(limit)
        payload.uint64(beforeEpoch)
        payload.uint64(beforeSequence)
        payload.uint64(sinceMilliseconds)
        payload.string(grade)
        payload.string(model)
        payload.string(path)
    }
}

/// What an answer says. Raw values go over the wire.
package enum AnswerKind: UInt8, CaseIterable, Sendable {
    /// The verdict is there.
    case completed = 1
    case skipped = 2
    case failed = 3
    case quarantined = 4
    case dropped = 5
    /// Not done, and the wait is over.
    case pending = 6
    /// No such audit, or none any more.
    case unknown = 7
    case queueFull = 8
    case stopped = 9
    /// Recent audits.
    case list = 10
    /// The cursor belongs to a dispatcher that is no more.
    case staleCursor = 11
}

/// dispatcher → edge: to the query with the same id.
package struct Answer: Message, ~Escapable {
    package static let type = MessageType.answer

    package let kind: AnswerKind
    /// One object, as the client gets it; empty where there is nothing to say beside the kind.
    package let json: RawSpan

    @_lifetime(copy json)
    package init(kind: AnswerKind, json: RawSpan) {
        self.kind = kind
        self.json = json
    }

    @_lifetime(copy payload)
    package init(from payload: consuming PayloadReader) throws(FrameError) {
        guard let kind = AnswerKind(rawValue: try payload.uint8("kind")) else { throw .outOfRange("kind") }
        self.kind = kind
        json = payload.remainder()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint8(kind.rawValue)
        payload.span(json)
    }
}

/// What an edge asks the dispatcher.
package enum QueryToDispatcher: ~Escapable {
    case submit(Submit)
    case lookup(Lookup)
    case recent(Recent)
    /// Nobody waits for the answer any more.
    case cancel

    @_lifetime(copy payload)
    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        let reader = PayloadReader(payload)
        switch MessageType(rawValue: header.type) {
        case .submit: self = .submit(try Submit(from: reader))
        case .lookup: self = .lookup(try Lookup(from: reader))
        case .recent: self = .recent(try Recent(from: reader))
        case .cancelQuery:
            try reader.end()
            self = .cancel
        default: throw .unexpectedType(header.type)
        }
    }
}

/// What the dispatcher answers.
package enum QueryToEdge: ~Escapable {
    case answer(Answer)

    @_lifetime(copy payload)
    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        guard MessageType(rawValue: header.type) == .answer else { throw .unexpectedType(header.type) }
        self = .answer(try Answer(from: PayloadReader(payload)))
    }
}
