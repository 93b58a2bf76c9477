// Event: dispatcher → broadcaster (later also recorder), which subscribes on the same channel.

/// The kinds of event, with the names that dashboards know them by (FEATURES H2).
package enum EventKind: UInt8, CaseIterable, Sendable {
    case auditStarted = 1
    case auditComplete = 2
    case auditFailed = 3
    case auditSkipped = 4

    package var name: StaticString {
        switch self {
        case .auditStarted: "audit_started"
        case .auditComplete: "audit_complete"
        case .auditFailed: "audit_failed"
        case .auditSkipped: "audit_skipped"
        }
    }
}

/// dispatcher → subscriber: a numbered notice. Numbers of an epoch begin at 1 and have no gaps.
package struct Event: Message, ~Escapable {
    package static let type = MessageType.event

    package let epoch: UInt64
    package let sequence: UInt64
    package let kind: EventKind
    /// Wall clock, milliseconds since 1970.
    package let milliseconds: UInt64
    /// The payload object that dashboards get.
    package let json: RawSpan

    @_lifetime(copy json)
    package init(epoch: UInt64, sequence: UInt64, kind: EventKind, milliseconds: UInt64, json: RawSpan) {
        self.epoch = epoch
        self.sequence = sequence
        self.kind = kind
        self.milliseconds = milliseconds
        self.json = json
    }

    @_lifetime(copy payload)
    package init(from payload: consuming PayloadReader) throws(FrameError) {
        epoch = try payload.uint64("epoch")
        sequence = try payload.uint64("sequence")
        guard sequence > 0 else { throw .outOfRange("sequence") }
        guard let kind = EventKind(rawValue: try payload.uint8("kind")) else { throw .outOfRange("kind") }
        self.kind = kind
        milliseconds = try payload.uint64("time")
        json = payload.remainder()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint64(epoch)
        payload.uint64(sequence)
        payload.uint8(kind.rawValue)
        payload.uint64(milliseconds)
        payload.span(json)
    }
}

/// subscriber → dispatcher, first on each new channel: what it has already. The ring's later events follow, then live ones.
package struct Subscribe: Message, Equatable {
    package static let type = MessageType.subscribe

    /// 0 when it has none.
    package let epoch: UInt64
    package let sequence: UInt64

    package init(epoch: UInt64, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        epoch = try payload.uint64("epoch")
        sequence = try payload.uint64("sequence")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint64(epoch)
        payload.uint64(sequence)
    }
}

/// What the dispatcher says to a subscriber.
package enum EventToSubscriber: ~Escapable {
    case event(Event)

    @_lifetime(copy payload)
    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        guard MessageType(rawValue: header.type) == .event else { throw .unexpectedType(header.type) }
        self = .event(try Event(from: PayloadReader(payload)))
    }
}

/// What a subscriber says to the dispatcher.
package enum EventToDispatcher {
    case subscribe(Subscribe)

    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        guard MessageType(rawValue: header.type) == .subscribe else { throw .unexpectedType(header.type) }
        self = .subscribe(try Subscribe(from: PayloadReader(payload)))
    }
}
