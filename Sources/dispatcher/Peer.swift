// One channel to another process, with what the dispatcher remembers of it.
import EventLoop
import IPC
import Telemetry

/// A class: it is looked up per readiness, not per message.
final class Peer {
    let place: Place
    let attach: Attach
    let token: Token
    var channel: Channel
    /// Number of the next event that a subscriber gets; nil before it has subscribed.
    var nextEvent: UInt64?

    init(_ place: Place, _ attach: Attach, _ channel: consuming Channel) {
        self.place = place
        self.attach = attach
        token = channel.token
        self.channel = channel
    }

    var kind: ChannelKind { attach.kind }
    var generation: UInt32 { attach.generation }

    /// In its group: what the state machines call a place.
    var number: UInt16 { UInt16(truncatingIfNeeded: place.number) }

    func flush(in loop: Loop) -> ChannelEnd? { channel.flush(in: loop) }

    /// Bytes that may wait for a peer. An auditor has at most its credits' jobs to come; a subscriber that is slower than
    /// this catches up from the ring, an edge that takes no answers gets no more of them.
    static func outboxLimit(_ kind: ChannelKind) -> Int {
        switch kind {
        case .capture, .control: 0
        case .audit: 16 << 20
        case .event: 4 << 20
        case .query: 8 << 20
        }
    }
}
