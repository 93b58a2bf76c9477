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
    /// Between comments in a stream of events: proxies take a silent one for dead, and its client cannot answer.
    static let commentInterval = Duration.seconds(15)

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
        /// A sign of life to a client that gives none itself.
        case comment
        /// Too much waits: close it with 1013.
        case closeSlow
        /// No sign of life within the limit: end the connection.
        case end
    }

    /// Where a client stands: what is given to it and not taken is given again.
    struct Place {
        /// Of the next event to look at.
        fileprivate var cursor: UInt64
        /// It has all up to this number, and wants all that came later: until the first later one is found.
        fileprivate var since: EventNumber?
        /// It asked for what it missed: that may wait for as long as it takes it.
        fileprivate var isReplaying: Bool
        fileprivate var noticesGiven = 0
        fileprivate var seenHealth: UInt64 = 0
        fileprivate var seenStats: UInt64 = 0
    }

    let form: MessageForm
    private(set) var subscription: Subscription
    private(set) var place: Place
    private let wantsHistory: Bool
    private var notices: [(MessageKind, [UInt8])] = []

    private var lastHeard: Instant
    private var lastPing: Instant

    init(_ query: DashboardQuery, _ framing: Framing, in events: borrowing RecentEvents, at now: Instant) {
        form = MessageForm(envelope: query.envelope, framing: framing)
        subscription = query.subscription
        lastHeard = now
        lastPing = now
        wantsHistory = query.since != nil
        place = Place(cursor: events.end, since: nil, isReplaying: wantsHistory)
        guard let since = query.since else { return }
        if let position = events.position(after: since) {
            place.cursor = position
        } else {
            place.cursor = events.first
            place.since = since
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

    /// The next message, which counts as given until `goBack`; `isCaughtUp`: `events` has all that the dispatcher kept.
    mutating func next(
        in events: borrowing RecentEvents, isCaughtUp: Bool, health: borrowing StatusUpdate, stats: borrowing StatusUpdate
    ) -> Next {
        if place.noticesGiven < notices.count {
            place.noticesGiven += 1
            let (kind, json) = notices[place.noticesGiven - 1]
            return .notice(kind, json)
        }
        if place.cursor < events.first {
            place.cursor = events.first
            place.since = nil
            return .notice(.historyLost, events.lostJSON(from: place.cursor))
        }
        while place.cursor < events.end, let entry = events.entry(at: place.cursor) {
            if let since = place.since {
                guard let number = entry.number, number > since else {
                    place.cursor += 1
                    continue
                }
                place.since = nil
                // Nothing proves that this one followed: the ones between are not kept.
                if number != EventNumber(epoch: since.epoch, sequence: since.sequence &+ 1) {
                    return .notice(.historyLost, events.lostJSON(from: place.cursor))
                }
            }
            let position = place.cursor
            place.cursor += 1
            if entry.isHistory, !wantsHistory { continue }
            if subscription.wants(entry.kind, at: position, of: events) { return .event(position) }
        }
        if isCaughtUp {
            place.isReplaying = false
            if let since = place.since, since > events.newest {  // of another installation, or made up
                place.since = nil
                return .notice(.historyLost, events.lostJSON(from: place.cursor))
            }
        }
        if place.seenHealth != health.version, subscription.kinds.contains(.healthUpdate) {
            place.seenHealth = health.version
            return .notice(.healthUpdate, health.json)
        }
        if place.seenStats != stats.version, subscription.kinds.contains(.statsUpdate) {
            place.seenStats = stats.version
            return .notice(.statsUpdate, stats.json)
        }
        return .nothing
    }

    /// What was given since then was not taken.
    mutating func goBack(to place: Place) { self.place = place }

    /// What was given was taken.
    mutating func settle() {
        guard place.noticesGiven > 0 else { return }
        notices.removeFirst(place.noticesGiven)
        place.noticesGiven = 0
    }

    // MARK: Life

    /// A frame came from it: a pong, or anything else that shows life.
    mutating func heard(at now: Instant) { lastHeard = now }

    /// Asked about once a second. `isFull`: its output takes no more.
    mutating func due(in events: borrowing RecentEvents, isFull: Bool, at now: Instant) -> Due? {
        if isFull, isSlow(in: events) { return .closeSlow }
        if form.framing == .eventStream {
            guard now >= lastPing + Self.commentInterval else { return nil }
            lastPing = now
            return .comment
        }
        if now >= lastHeard + Self.pongLimit { return .end }
        guard now >= max(lastPing, lastHeard) + Self.pingInterval else { return nil }
        lastPing = now
        return .ping
    }

    /// More waits in the ring than may, for a client whose output is full.
    func isSlow(in events: borrowing RecentEvents) -> Bool {
        guard !place.isReplaying else { return false }
        let waiting = events.waiting(from: place.cursor)
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
