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
    private var rendered = RenderedEvents()
    private var subscribers = SubscriberTable()
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
        let entry = RecentEvents.Entry(number: number, kind: kind, milliseconds: event.milliseconds, isHistory: isHistory)
        guard event.json.withUnsafeBytes({ events.append(entry, facts, json: $0) }) else { return .unusable }
        return .kept(kind, facts, isHistory: isHistory)
    }

    /// A dispatcher of this epoch works now: what earlier ones had open is lost, and dashboards are told so.
    mutating func dispatcherReplaced(by epoch: UInt64, wall: UInt64) {
        for facts in openAudits.takeLost(before: epoch) {
            let entry = RecentEvents.Entry(number: nil, kind: .auditFailed, milliseconds: wall, isHistory: false)
            _ = OpenAudits.lostJSON(facts, milliseconds: wall).withUnsafeBytes { events.append(entry, facts, json: $0) }
            lostCount += 1
        }
    }

    /// Audits that were told as lost since the last call.
    mutating func takeLostCount() -> Int {
        defer { lostCount = 0 }
        return lostCount
    }

    /// How often an event was written or compressed for all clients of a form.
    var renderings: Int { rendered.count }

    // MARK: Subscribers

    /// Dashboards.
    var count: Int { subscribers.count }

    /// A dashboard connected; the key by which it is meant from now on.
    mutating func join(_ clientID: String, _ query: DashboardQuery, _ framing: Framing, at now: Instant) -> Int {
        var subscriber = Subscriber(query, framing, in: events, at: now)
        var json = JSONWriter()
        json.beginObject()
        json.member("client_id", clientID)
        json.endObject()
        _ = subscriber.notify(.connected, json.bytes)
        return subscribers.insert(subscriber)
    }

    mutating func leave(_ key: Int) { subscribers.remove(key) }

    /// A whole message came from it: a subscription, or it is told what was wrong with it.
    mutating func receive(_ message: borrowing RawSpan, from key: Int) {
        guard let subscriber = subscribers.find(key) else { return }
        let envelope = subscriber.pointee.form.envelope
        do throws(SubscriptionError) {
            let subscription = try Subscription(message: message, envelope)
            subscriber.pointee.subscribe(subscription)
            _ = subscriber.pointee.notify(.subscribed, subscription.json(envelope))
        } catch {
            refuse(key, error.sentence)
        }
    }

    /// Tells a client what was wrong with its message.
    mutating func refuse(_ key: Int, _ sentence: String) {
        guard let subscriber = subscribers.find(key) else { return }
        var json = JSONWriter()
        json.beginObject()
        json.member("error", sentence)
        json.endObject()
        _ = subscriber.pointee.notify(.error, json.bytes)
    }

    /// The state of a subscriber, for whoever owns its socket.
    mutating func with<R>(_ key: Int, _ body: (inout Subscriber, borrowing RecentEvents) -> R) -> R? {
        guard let subscriber = subscribers.find(key) else { return nil }
        return body(&subscriber.pointee, events)
    }

    /// Hands its next messages to `send`, whole ones, together about `limit` bytes; how many they were. When `send` says no they
    /// stay the next ones. One new event, which is what most calls are about, is handed over from where all share it.
    mutating func write(_ key: Int, limit: Int, wall: UInt64, _ send: (UnsafeRawBufferPointer) -> Bool) -> Int {
        guard let subscriber = subscribers.find(key) else { return 0 }
        let before = subscriber.pointee.place
        let form = subscriber.pointee.form
        let first = next(subscriber)
        if case .nothing = first { return 0 }
        var count = 1
        var second = next(subscriber)
        var isTaken = false
        if case .event(let position) = first, case .nothing = second, RenderedEvents.holds(position, of: events) {
            isTaken = rendered.withMessage(at: position, of: events, form, send)
        } else {
            batch.removeAll(keepingCapacity: true)
            append(first, form, wall)
            while true {
                if case .nothing = second { break }
                append(second, form, wall)
                count += 1
                if batch.count >= limit { break }
                second = next(subscriber)
            }
            isTaken = batch.withUnsafeBytes(send)
        }
        guard isTaken else {
            subscriber.pointee.goBack(to: before)
            return 0
        }
        subscriber.pointee.settle()
        return count
    }

    private func next(_ subscriber: UnsafeMutablePointer<Subscriber>) -> Subscriber.Next {
        subscriber.pointee.next(in: events, isCaughtUp: catchUp.isDone, health: health, stats: stats)
    }

    /// Puts one message into the batch.
    private mutating func append(_ next: Subscriber.Next, _ form: MessageForm, _ wall: UInt64) {
        switch next {
        case .nothing: return
        case .event(let position) where RenderedEvents.holds(position, of: events):
            rendered.withMessage(at: position, of: events, form) { batch.append(contentsOf: $0) }
        case .event(let position):
            events.write(at: position, form.plain, to: &batch)
        case .notice(let kind, let json):
            let milliseconds =
                switch kind {
                case .healthUpdate: health.milliseconds
                case .statsUpdate: stats.milliseconds
                default: wall
                }
            json.withUnsafeBytes { form.write(kind, nil, milliseconds: milliseconds, json: $0, to: &batch) }
        }
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
