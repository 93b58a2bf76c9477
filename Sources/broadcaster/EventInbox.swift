// Events from the dispatcher. The first message on each channel says what is here already; the dispatcher goes on from there.
import EventLoop
import IPC
import Role

struct EventInbox: ~Copyable {
    /// A few Subscribes; nothing else is ever sent.
    private static let outboxBytes = 4096
    /// Reads without a whole frame after which nothing more is expected: one frame may need two.
    private static let mostIdleReads = 3

    private let kind: UInt8
    private let birth: Birth
    private let pool = BlockPool(limitBytes: outboxBytes)
    private var channel: Channel?
    private var attached: Attach?

    /// `kind` is the kind of the channel's token.
    init(_ kind: UInt8, _ birth: Birth) {
        self.kind = kind
        self.birth = birth
    }

    var isAttached: Bool { channel != nil }

    /// A new channel replaces the old one, which must have been read to its end; `newest` is what is here already.
    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor, newest: EventNumber) {
        channel = nil
        do {
            var channel = try Channel(
                attach, descriptor, in: birth.loop, token: Token(kind: kind, generation: attach.generation), pool: pool, outboxLimit: Self.outboxBytes)
            _ = channel.send(Subscribe(epoch: newest.epoch, sequence: newest.sequence))
            self.channel = consume channel
            attached = attach
        } catch {
            birth.log.error("Cannot use the channel to the dispatcher", ["cause": .string("\(error)")])
        }
    }

    /// The channel is ready: hands out the events that came.
    mutating func handle(_ token: Token, _ readiness: Readiness, _ event: (borrowing Event) -> Void) {
        guard channel?.token == token else { return }  // of a channel that is gone
        let end = channel?.handle(readiness, in: birth.loop) { header, payload throws(FrameError) in
            switch try EventToSubscriber(header, payload) {
            case .event(let received): event(received)
            }
        }
        finish(end ?? nil)
    }

    /// Hands out all that has come and was not read.
    mutating func readAll(_ event: (borrowing Event) -> Void) {
        var idleReads = 0
        while let token = channel?.token, idleReads < Self.mostIdleReads {
            var some = false
            handle(token, .readable) { received in
                some = true
                event(received)
            }
            idleReads = some ? 0 : idleReads + 1
        }
    }

    /// Sends what waits, once per turn.
    mutating func flush() {
        finish(channel?.flush(in: birth.loop) ?? nil)
    }

    private mutating func finish(_ end: ChannelEnd?) {
        guard let end else { return }
        channel = nil
        if let attached { birth.channelEnded(attached, end) }
        attached = nil
    }
}
