// One dashboard: which message it gets next, and when it is pinged, given up or closed. Nothing is queued for it: its
// cursor stands in the ring that all share, so that a slow client costs no memory but its bounded output.
import EventLoop

struct Subscriber {
    /// What may wait in the ring for a client whose output is full; more, and it is closed (FEATURES H3, DESIGN §2).
    static let mostWaiting = 256
    static let mostWaitingBytes = 1 << 20
    /// Answers to a client's messages that wait for its output; those to more messages are not given.
    static let mostNotices = 16
    static let pingInterval = Duration.seconds(54)
    static let pongLimit = Duration.seconds(60)

    enum Next {
        case nothing
        /// The event at a position.
        case event(UInt64)
        /// The JSON of a message to this client only.
        case notice(MessageKind, [UInt8])
    }

    /// What time makes due.
    enum Due: Equatable {
        case ping
        /// Too much waits: close it with 1013.
        case closeSlow
        /// No sign of life within the limit: end the connection.
        case end
    }

    let clientID: String
    let envelope: Envelope
    private(set) var subscription: Subscription

    /// Of the next event to look at.
    private var cursor: UInt64
    /// It has all up to this number, and wants all that came later: until the first later one is found.
    private var since: EventNumber?
    /// It asked for what it missed: that may wait for as long as it takes it.
    private var isReplaying: Bool
    private let wantsHistory: Bool
    private var notices: [(MessageKind, [UInt8])] = []
    private var seenHealth: UInt64 = 0
    private var seenStats: UInt64 = 0

    private var lastHeard: Instant
    private var lastPing: Instant

    init(clientID: String, envelope: Envelope, since: EventNumber?, in events: borrowing RecentEvents, at now: Instant) {
        self.clientID = clientID
        self.envelope = envelope
        subscription = Subscription(envelope)
        lastHeard = now
        lastPing = now
        wantsHistory = since != nil
        isReplaying = since != nil
        guard let since else {
            cursor = events.end
            return
        }
        if let position = events.position(after: since) {
            cursor = position
        } else {
            cursor = events.first
            self.since = since
        }
    }

    // MARK: Messages

    /// Queues a message to this client only; false when too many wait.
    mutating func notify(_ kind: MessageKind, _ json: [UInt8]) -> Bool {
        guard notices.count < Self.mostNotices else { return false }
        notices.append((kind, json))
        return true
    }

    mutating func subscribe(_ subscription: Subscription) { self.subscription = subscription }

    /// The next message, which counts as given; `isCaughtUp`: `events` has all that the dispatcher kept.
    mutating func next(
        in events: borrowing RecentEvents, isCaughtUp: Bool, health: borrowing StatusUpdate, stats: borrowing StatusUpdate
    ) -> Next {
        if !notices.isEmpty {
            let (kind, json) = notices.removeFirst()
            return .notice(kind, json)
        }
        if cursor < events.first {
            cursor = events.first
            since = nil
            return .notice(.historyLost, events.lostJSON(from: cursor))
        }
        while cursor < events.end, let entry = events.entry(at: cursor) {
            if let since {
                guard let number = entry.number, number > since else {
                    cursor += 1
                    continue
                }
                self.since = nil
                // Nothing proves that this one followed: the ones between are not kept.
                if number != EventNumber(epoch: since.epoch, sequence: since.sequence &+ 1) {
                    return .notice(.historyLost, events.lostJSON(from: cursor))
                }
            }
            cursor += 1
            if entry.isHistory, !wantsHistory { continue }
            if subscription.wants(entry.kind, entry.facts) { return .event(cursor - 1) }
        }
        if isCaughtUp {
            isReplaying = false
            if let since, since > events.newest {  // of another installation, or made up
                self.since = nil
                return .notice(.historyLost, events.lostJSON(from: cursor))
            }
        }
        if seenHealth != health.version, subscription.kinds.contains(.healthUpdate) {
            seenHealth = health.version
            return .notice(.healthUpdate, health.json)
        }
        if seenStats != stats.version, subscription.kinds.contains(.statsUpdate) {
            seenStats = stats.version
            return .notice(.statsUpdate, stats.json)
        }
        return .nothing
    }

    // MARK: Life

    /// A frame came from it: a pong, or anything else that shows life.
    mutating func heard(at now: Instant) { lastHeard = now }

    /// Asked about once a second. `isFull`: its output takes no more.
    mutating func due(in events: borrowing RecentEvents, isFull: Bool, at now: Instant) -> Due? {
        if now >= lastHeard + Self.pongLimit { return .end }
        if isFull, isSlow(in: events) { return .closeSlow }
        guard now >= max(lastPing, lastHeard) + Self.pingInterval else { return nil }
        lastPing = now
        return .ping
    }

    /// More waits in the ring than may, for a client whose output is full.
    func isSlow(in events: borrowing RecentEvents) -> Bool {
        guard !isReplaying else { return false }
        let waiting = events.waiting(from: cursor)
        return waiting.count > Self.mostWaiting || waiting.bytes > Self.mostWaitingBytes
    }
}

extension RecentEvents {
    /// The payload of `history_lost`: where what follows begins.
    fileprivate borrowing func lostJSON(from position: UInt64) -> [UInt8] {
        var position = position
        while position < end, let entry = entry(at: position) {
            if let number = entry.number { return Array("{\"next_epoch\":\"\(number.epoch)\",\"next_seq\":\(number.sequence)}".utf8) }
            position += 1
        }
        return Array("{\"next_epoch\":null,\"next_seq\":null}".utf8)
    }
}
