// Events in, each dashboard's messages out: decisions only, no sockets and no clock. Whoever owns the sockets takes messages
// from here as fast as each of them goes, and asks about once a second what time makes due.
import EventLoop
import IPC
import JSON

struct Hub: ~Copyable {
    /// What became of an event.
    enum Taken {
        /// Kept, for all who want it.
        case kept(MessageKind, EventFacts, isHistory: Bool)
        /// A number that was there already.
        case repeated
        /// Of no use to a client: not JSON, or too long.
        case unusable
    }

    private(set) var events: RecentEvents
    private var openAudits = OpenAudits()
    private var lostCount = 0
    private var catchUp = CatchUp()
    private var cache = EnvelopeCache()
    private var subscribers: [Subscriber?] = []
    private var vacant: [Int] = []
    private(set) var count = 0
    private var health = StatusUpdate()
    private var stats = StatusUpdate()
    private var lastHealth: Instant?
    private var lastHealthReading: HealthReading?
    private var lastStats: Instant?
    private var lastReading: StatsReading?
    /// What `write` hands out; kept so that no message takes new memory.
    private var batch: [UInt8] = []

    init(countLimit: Int, byteLimit: Int) {
        events = RecentEvents(countLimit: countLimit, byteLimit: byteLimit)
    }

    // MARK: Events

    /// A channel to a dispatcher is there.
    mutating func attached(at now: Instant, wall: UInt64) {
        catchUp.attached(at: now, wall: wall, keepsEvents: !events.isEmpty)
    }

    mutating func take(_ event: borrowing Event, at now: Instant, wall: UInt64) -> Taken {
        let number = EventNumber(epoch: event.epoch, sequence: event.sequence)
        guard events.isNew(number) else { return .repeated }
        if number.epoch > events.newest.epoch { dispatcherReplaced(by: number.epoch, wall: wall) }
        let kind = MessageKind(event.kind)
        let facts = event.json.withUnsafeBytes { EventFacts($0) }
        guard let kind, var facts, event.json.byteCount <= RecentEvents.mostEventBytes else {
            events.pass(number)
            return .unusable
        }
        if kind == .auditStarted {
            openAudits.began(facts, number)
        } else {
            openAudits.ended(&facts)
        }
        let isHistory = catchUp.isHistory(milliseconds: event.milliseconds, at: now)
        let entry = RecentEvents.Entry(number: number, kind: kind, milliseconds: event.milliseconds, facts: facts, isHistory: isHistory)
        guard event.json.withUnsafeBytes({ events.append(entry, json: $0) }) else { return .unusable }
        return .kept(kind, facts, isHistory: isHistory)
    }

    /// A dispatcher of this epoch works now: what earlier ones had open is lost, and dashboards are told so.
    mutating func dispatcherReplaced(by epoch: UInt64, wall: UInt64) {
        for facts in openAudits.takeLost(before: epoch) {
            let entry = RecentEvents.Entry(number: nil, kind: .auditFailed, milliseconds: wall, facts: facts, isHistory: false)
            _ = OpenAudits.lostJSON(facts, milliseconds: wall).withUnsafeBytes { events.append(entry, json: $0) }
            lostCount += 1
        }
    }

    /// Audits that were told as lost since the last call.
    mutating func takeLostCount() -> Int {
        defer { lostCount = 0 }
        return lostCount
    }

    /// For tests: how often the front of an event was made.
    var renderings: Int { cache.renderings }

    // MARK: Subscribers

    /// A dashboard connected; the key by which it is meant from now on.
    mutating func join(_ clientID: String, _ query: DashboardQuery, at now: Instant) -> Int {
        var subscriber = Subscriber(clientID: clientID, envelope: query.envelope, since: query.since, in: events, at: now)
        var json = JSONWriter()
        json.beginObject()
        json.member("client_id", clientID)
        json.endObject()
        _ = subscriber.notify(.connected, json.bytes)
        count += 1
        if let key = vacant.popLast() {
            subscribers[key] = subscriber
            return key
        }
        subscribers.append(subscriber)
        return subscribers.count - 1
    }

    mutating func leave(_ key: Int) {
        guard subscribers.indices.contains(key), subscribers[key] != nil else { return }
        subscribers[key] = nil
        vacant.append(key)
        count -= 1
    }

    /// A whole message came from it: a subscription, or it is told what was wrong with it.
    mutating func receive(_ message: borrowing RawSpan, from key: Int) {
        guard subscribers.indices.contains(key), let envelope = subscribers[key]?.envelope else { return }
        do throws(SubscriptionError) {
            let subscription = try Subscription(message: message, envelope)
            subscribers[key]?.subscribe(subscription)
            _ = subscribers[key]?.notify(.subscribed, subscription.json(envelope))
        } catch {
            refuse(key, error.sentence)
        }
    }

    /// Tells a client what was wrong with its message.
    mutating func refuse(_ key: Int, _ sentence: String) {
        guard subscribers.indices.contains(key) else { return }
        var json = JSONWriter()
        json.beginObject()
        json.member("error", sentence)
        json.endObject()
        _ = subscribers[key]?.notify(.error, json.bytes)
    }

    /// The state of a subscriber, for whoever owns its socket.
    mutating func with<R>(_ key: Int, _ body: (inout Subscriber, borrowing RecentEvents) -> R) -> R? {
        guard subscribers.indices.contains(key), subscribers[key] != nil else { return nil }
        return body(&subscribers[key]!, events)
    }

    /// Hands its next messages to `send`, each a whole frame, together about `limit` bytes; how many they were. When `send`
    /// says no they stay the next ones.
    mutating func write(_ key: Int, limit: Int, wall: UInt64, _ send: (UnsafeRawBufferPointer) -> Bool) -> Int {
        guard subscribers.indices.contains(key), var subscriber = subscribers[key] else { return 0 }
        batch.removeAll(keepingCapacity: true)
        var count = 0
        while batch.count < limit, append(subscriber.next(in: events, isCaughtUp: catchUp.isDone, health: health, stats: stats), subscriber.envelope, wall) {
            count += 1
        }
        guard batch.isEmpty || batch.withUnsafeBytes(send) else { return 0 }
        subscribers[key] = subscriber
        return count
    }

    /// Puts one message into the batch; false when there is none.
    private mutating func append(_ next: Subscriber.Next, _ envelope: Envelope, _ wall: UInt64) -> Bool {
        switch next {
        case .nothing: return false
        case .event(let position):
            guard let entry = events.entry(at: position) else { return false }
            events.withJSON(at: position) { json in
                cache.withFront(entry, at: position, bodyBytes: json.count, envelope) { batch.append(contentsOf: $0) }
                batch.append(contentsOf: json)
            }
        case .notice(let kind, let json):
            let milliseconds =
                switch kind {
                case .healthUpdate: health.milliseconds
                case .statsUpdate: stats.milliseconds
                default: wall
                }
            envelope.write(kind, nil, milliseconds: milliseconds, bodyBytes: json.count, to: &batch)
            batch.append(contentsOf: json)
        }
        batch.append(Envelope.tail)
        return true
    }

    // MARK: Time

    /// About once a second: whether there is a new health or statistics update for everybody.
    mutating func tick(at now: Instant, wall: UInt64, health: () -> HealthReading, stats: () -> StatsReading) {
        catchUp.tick(at: now)
        // At its interval, soon when something has changed, and at once when the audit service comes or goes: a dashboard must
        // not show what is over.
        let healthReading = health()
        let interval = healthReading == lastHealthReading ? HealthReading.interval : HealthReading.shortestInterval
        if lastHealth.map({ now >= $0 + interval }) ?? true || healthReading.auditService != lastHealthReading?.auditService {
            lastHealth = now
            lastHealthReading = healthReading
            self.health.replace(healthReading.json, milliseconds: wall)
        }
        if lastStats.map({ now >= $0 + StatsReading.interval }) ?? true {
            lastStats = now
            let reading = stats()
            guard reading != lastReading else { return }
            lastReading = reading
            self.stats.replace(reading.json, milliseconds: wall)
        }
    }
}
