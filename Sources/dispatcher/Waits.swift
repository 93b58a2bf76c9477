// Queries that wait for an audit to end, each for its own time.
import EventLoop

/// Names a query for as long as its channel lives.
struct QueryID: Hashable {
    /// The place of the edge that asks.
    let edge: UInt16
    /// Of its channel.
    let generation: UInt32
    /// As the edge numbers it.
    let number: UInt64
}

/// Whoever waits gives the id of an audit or of a request: also one that nobody knows yet, because the capture may still be
/// on its way.
struct Waits {
    /// All edges together; one more is answered at once with how things stand.
    static let most = 4096

    private struct Wait {
        let id: String
        let until: Instant
    }

    private var waits: [QueryID: Wait] = [:]
    private var queries: [String: [QueryID]] = [:]

    var count: Int { waits.count }

    /// False when too many wait.
    mutating func add(_ query: QueryID, for id: String, until: Instant) -> Bool {
        guard waits.count < Self.most, waits[query] == nil else { return false }
        waits[query] = Wait(id: id, until: until)
        queries[id, default: []].append(query)
        return true
    }

    mutating func cancel(_ query: QueryID) {
        guard let wait = waits.removeValue(forKey: query) else { return }
        queries[wait.id]?.removeAll { $0 == query }
        if queries[wait.id]?.isEmpty == true { queries[wait.id] = nil }
    }

    /// The edge's channel ended.
    mutating func cancelAll(edge: UInt16, generation: UInt32) {
        for query in Array(waits.keys) where query.edge == edge && query.generation == generation { cancel(query) }
    }

    /// Takes those that wait for this id, in the order in which they asked.
    mutating func takeAll(for id: String) -> [QueryID] {
        guard !waits.isEmpty, let ready = queries.removeValue(forKey: id) else { return [] }
        for query in ready { waits[query] = nil }
        return ready
    }

    /// Takes those whose time is over, with what they waited for.
    mutating func takeDue(at now: Instant) -> [(query: QueryID, id: String)] {
        let due = waits.filter { $0.value.until <= now }.map { (query: $0.key, id: $0.value.id) }
        for (query, _) in due { cancel(query) }
        return due
    }

    /// When `takeDue` has something to do.
    var nextAlarm: Instant? { waits.values.lazy.map(\.until).min() }
}
