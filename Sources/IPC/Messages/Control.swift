// Control: the one channel that each child has to the supervisor. Descriptors travel on it only.

/// child → supervisor, first: who is there, and of which build.
package struct Hello: Message {
    package static let type = MessageType.hello

    package let role: UInt8
    package let place: UInt16
    /// A digest of the build; the supervisor takes no child of another one.
    package let build: String

    package init(role: UInt8, place: UInt16, build: String) {
        self.role = role
        self.place = place
        self.build = build
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        role = try payload.uint8("role")
        place = try payload.uint16("place")
        build = try payload.string("build")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint8(role)
        payload.uint16(place)
        payload.string(build)
    }
}

/// supervisor → child, once: the settings that its role declares, and which incarnation it is.
package struct Configure: Message {
    package static let type = MessageType.configure
    package static let mostPairs = 256

    /// Grows from one incarnation of anything to the next; a dispatcher's is the epoch of its events.
    package let incarnation: UInt64
    package let pairs: [(name: String, value: String)]

    package init(incarnation: UInt64, pairs: [(name: String, value: String)]) {
        self.incarnation = incarnation
        self.pairs = pairs
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        incarnation = try payload.uint64("incarnation")
        let count = Int(try payload.uint16("count of pairs"))
        guard count <= Self.mostPairs else { throw .outOfRange("count of pairs") }
        var pairs: [(name: String, value: String)] = []
        for _ in 0..<count {
            let name = try payload.string("name")
            pairs.append((name, try payload.string("value")))
        }
        self.pairs = pairs
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint64(incarnation)
        let sent = pairs.prefix(Self.mostPairs)
        payload.uint16(UInt16(sent.count))
        for pair in sent {
            payload.string(pair.name)
            payload.string(pair.value)
        }
    }
}

/// supervisor → child, with one descriptor: the child's end of a new channel. It replaces the one to the same peer.
package struct Attach: Message, Equatable {
    package static let type = MessageType.attach

    package let kind: ChannelKind
    /// The place of the process at the other end.
    package let peer: UInt16
    /// Grows with each new pair between the same two places.
    package let generation: UInt32

    package init(kind: ChannelKind, peer: UInt16, generation: UInt32) {
        self.kind = kind
        self.peer = peer
        self.generation = generation
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        guard let kind = ChannelKind(rawValue: try payload.uint8("kind")), kind != .control else { throw .outOfRange("kind") }
        self.kind = kind
        peer = try payload.uint16("peer")
        generation = try payload.uint32("generation")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint8(kind.rawValue)
        payload.uint16(peer)
        payload.uint32(generation)
    }
}

/// supervisor → dispatcher: a process it talked to has been reaped.
package struct PeerEnded: Message, Equatable {
    package static let type = MessageType.peerEnded

    package let kind: ChannelKind
    package let peer: UInt16
    /// Of the channel that ended with it.
    package let generation: UInt32
    /// What killed it, 0 when it exited.
    package let signal: UInt8
    /// The supervisor had asked it to end (drain, scaling): its jobs are no suspects. One that was ended because it hung is
    /// not meant: what it worked on may be why.
    package let ordered: Bool

    package init(kind: ChannelKind, peer: UInt16, generation: UInt32, signal: UInt8, ordered: Bool) {
        self.kind = kind
        self.peer = peer
        self.generation = generation
        self.signal = signal
        self.ordered = ordered
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        guard let kind = ChannelKind(rawValue: try payload.uint8("kind")), kind != .control else { throw .outOfRange("kind") }
        self.kind = kind
        peer = try payload.uint16("peer")
        generation = try payload.uint32("generation")
        signal = try payload.uint8("signal")
        let flag = try payload.uint8("ordered")
        guard flag <= 1 else { throw .outOfRange("ordered") }
        ordered = flag == 1
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint8(kind.rawValue)
        payload.uint16(peer)
        payload.uint32(generation)
        payload.uint8(signal)
        payload.uint8(ordered ? 1 : 0)
    }
}

/// supervisor → child: finish what is held and in flight, then say Drained and exit.
package struct Drain: Message, Equatable {
    package static let type = MessageType.drain

    package let limitMilliseconds: UInt32

    package init(limitMilliseconds: UInt32) { self.limitMilliseconds = limitMilliseconds }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        limitMilliseconds = try payload.uint32("limit")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) { payload.uint32(limitMilliseconds) }
}

/// child → supervisor: a channel is of no more use though the process at its other end lives (it sent a malformed frame, or the
/// socket failed). A new pair is wanted.
package struct ChannelGivenUp: Message, Equatable {
    package static let type = MessageType.channelGivenUp

    /// As it was attached.
    package let channel: Attach

    package init(_ channel: Attach) { self.channel = channel }

    package init(from payload: consuming PayloadReader) throws(FrameError) { channel = try Attach(from: payload) }

    package func encode(into payload: inout PayloadWriter) { channel.encode(into: &payload) }
}

/// What the supervisor says to a child.
package enum ControlToChild {
    case configure(Configure)
    case attach(Attach)
    case peerEnded(PeerEnded)
    case ping(nonce: UInt64)
    case drain(Drain)
    /// Files that the settings name have changed.
    case reload

    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        let reader = PayloadReader(payload)
        switch MessageType(rawValue: header.type) {
        case .configure: self = .configure(try Configure(from: reader))
        case .attach: self = .attach(try Attach(from: reader))
        case .peerEnded: self = .peerEnded(try PeerEnded(from: reader))
        case .drain: self = .drain(try Drain(from: reader))
        case .ping:
            try reader.end()
            self = .ping(nonce: header.id)
        case .reload:
            try reader.end()
            self = .reload
        default: throw .unexpectedType(header.type)
        }
    }
}

/// What a child says to the supervisor.
package enum ControlToSupervisor {
    case hello(Hello)
    case ready
    case pong(nonce: UInt64)
    case drained
    case channelGivenUp(ChannelGivenUp)

    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        let reader = PayloadReader(payload)
        switch MessageType(rawValue: header.type) {
        case .hello: self = .hello(try Hello(from: reader))
        case .ready:
            try reader.end()
            self = .ready
        case .pong:
            try reader.end()
            self = .pong(nonce: header.id)
        case .drained:
            try reader.end()
            self = .drained
        case .channelGivenUp: self = .channelGivenUp(try ChannelGivenUp(from: reader))
        default: throw .unexpectedType(header.type)
        }
    }
}
