// Leases: which auditor holds which job, and until when.
//
//     running --answered--> gone
//     running --limit + grace--> expired --answered, or one more limit--> gone
//
// An expired lease has no job any more, but its auditor may still be at it: that is remembered, because a suspect must not
// run beside it.
import EventLoop

/// One attempt of a job at one auditor.
struct Lease: Equatable {
    let id: UInt64
    let place: UInt16
    let generation: UInt32
    let job: JobID
    /// The job runs alone there.
    let isSuspect: Bool
    /// When the dispatcher stops waiting.
    let deadline: Instant
    fileprivate(set) var isExpired = false
}

/// All leases. Ids grow, and so do deadlines, because all leases have the same limit: the first id is the next to expire.
struct Leases {
    /// The auditor answers by its limit; this is for the way back.
    static let grace: Duration = .seconds(2)

    /// What an auditor has for an answer.
    let limit: Duration
    private var leases: [UInt64: Lease] = [:]
    private var nextID: UInt64
    /// No lease below is running.
    private var firstRunning: UInt64
    /// No lease below is known.
    private var firstKnown: UInt64
    private(set) var running = 0

    /// Ids begin anew with each dispatcher, above those of its predecessors.
    init(limit: Duration, epoch: UInt64) {
        self.limit = limit
        nextID = (epoch & 0xFF_FFFF) << 40 | 1
        firstRunning = nextID
        firstKnown = nextID
    }

    /// Running and expired ones, in no order.
    var all: some Collection<Lease> { leases.values }

    mutating func grant(_ job: JobID, to auditor: Auditor, isSuspect: Bool, at now: Instant) -> Lease {
        let lease = Lease(
            id: nextID, place: auditor.place, generation: auditor.generation, job: job, isSuspect: isSuspect, deadline: now + limit + Self.grace)
        nextID &+= 1
        leases[lease.id] = lease
        running += 1
        return lease
    }

    /// Takes a lease that was answered; nil when its sender never held it, or held it too long ago.
    mutating func answered(_ id: UInt64, by place: UInt16, generation: UInt32) -> Lease? {
        guard let lease = leases[id], lease.place == place, lease.generation == generation else { return nil }
        leases[id] = nil
        if !lease.isExpired { running -= 1 }
        return lease
    }

    /// The next lease that nobody waits for any longer; called until nil.
    mutating func expire(at now: Instant) -> Lease? {
        skip()
        guard var lease = leases[firstRunning], lease.deadline <= now else { return nil }
        lease.isExpired = true
        leases[lease.id] = lease
        running -= 1
        return lease
    }

    /// The next lease that expired so long ago that its auditor cannot be at it any more; called until nil.
    mutating func forget(at now: Instant) -> Lease? {
        skip()
        guard let lease = leases[firstKnown], lease.isExpired, lease.deadline + limit <= now else { return nil }
        leases[lease.id] = nil
        return lease
    }

    /// Takes all leases of an auditor that is gone; the running ones, oldest first.
    mutating func end(_ place: UInt16, generation: UInt32) -> [Lease] {
        let ended = leases.values.filter { $0.place == place && $0.generation == generation }.sorted { $0.id < $1.id }
        for lease in ended { leases[lease.id] = nil }
        let lost = ended.filter { !$0.isExpired }
        running -= lost.count
        return lost
    }

    /// Expires all that run, oldest first.
    mutating func expireAll() -> [Lease] {
        let ended = leases.values.filter { !$0.isExpired }.sorted { $0.id < $1.id }
        for lease in ended { leases[lease.id]?.isExpired = true }
        running = 0
        return ended
    }

    /// When `expire` or `forget` has something to do.
    mutating func nextAlarm() -> Instant? {
        skip()
        let expiry = leases[firstRunning]?.deadline
        guard let known = leases[firstKnown], known.isExpired else { return expiry }
        return min(expiry ?? .distantFuture, known.deadline + limit)
    }

    /// Moves both marks past what is over; each lease is passed once.
    private mutating func skip() {
        while firstKnown < nextID, leases[firstKnown] == nil { firstKnown += 1 }
        firstRunning = max(firstRunning, firstKnown)
        while firstRunning < nextID, leases[firstRunning]?.isExpired ?? true { firstRunning += 1 }
    }
}
