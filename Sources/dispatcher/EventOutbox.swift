// Events to subscribers: dispatcher → broadcaster/EventInbox.
import EventLoop
import IPC

enum EventOutbox {
    /// Takes the subscription, which says what the subscriber has already; why the channel ended, if it did.
    static func receive(from peer: Peer, _ readiness: Readiness, in loop: Loop, ring: borrowing EventRing) -> ChannelEnd? {
        var subscription: Subscribe?
        let end = peer.channel.handle(readiness, in: loop) { header, payload throws(FrameError) in
            switch try EventToDispatcher(header, payload) {
            case .subscribe(let subscribe): subscription = subscribe
            }
        }
        if let subscription { peer.nextEvent = ring.resume(epoch: subscription.epoch, sequence: subscription.sequence).next }
        return end
    }

    /// Puts the events that a subscriber lacks into its outbox, as far as that has room. What has left the ring meanwhile
    /// is a gap that the subscriber sees in the numbers.
    static func fill(_ peer: Peer, from ring: borrowing EventRing) {
        guard var next = peer.nextEvent else { return }
        next = max(next, ring.first)
        while next <= ring.last {
            guard ring.with(next, { peer.channel.send($0) }) == true else { break }
            next += 1
        }
        peer.nextEvent = next
    }

    /// Everything that the subscriber asked for has been written.
    static func isCurrent(_ peer: Peer, _ ring: borrowing EventRing) -> Bool {
        guard let next = peer.nextEvent else { return true }
        return next > ring.last && peer.channel.waitingBytes == 0
    }
}
