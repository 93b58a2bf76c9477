// Auditors as the dispatcher knows them: what each may be sent, and what became of it.
//
//     open --channel ended--> waiting for the supervisor's word --PeerEnded, or 1 s--> gone
//     open --PeerEnded--> waiting for the channel's last answers --channel ended, or 1 s--> gone
//
// An auditor is a place with a generation: a new process or a new channel at the same place is another auditor.
import EventLoop
import IPC

struct Auditor {
    let place: UInt16
    let generation: UInt32
    fileprivate(set) var credits = CreditWindow()
    /// Leases that wait for its answer.
    fileprivate(set) var running = 0
    /// Leases that expired and that it may still be working on.
    fileprivate(set) var overdue = 0
    /// Is sent nothing, until it is empty and can take a suspect.
    fileprivate(set) var isReserved = false
    /// Is sent nothing until its suspect is done.
    fileprivate(set) var holdsSuspect = false
    /// It sent a job back: it drains. A new credit would say that it does not.
    fileprivate(set) var isLeaving = false
    /// Its outbox took no more.
    fileprivate(set) var isStalled = false
    fileprivate(set) var channelIsOpen = true
    /// What the supervisor said of its end.
    fileprivate(set) var end: (ordered: Bool, signal: UInt8)?
    /// When the missing half of its end is no longer waited for.
    fileprivate(set) var settleBy = Instant.distantFuture

    fileprivate init(place: UInt16, generation: UInt32) {
        self.place = place
        self.generation = generation
    }

    var takesJobs: Bool { channelIsOpen && end == nil && !isLeaving && !isStalled }
    var load: Int { running + overdue }
    var isIdle: Bool { load == 0 }

    fileprivate func isBetterForSuspect(than other: Auditor?) -> Bool {
        guard let other else { return true }
        // One with overdue leases may have to be waited for as long as a whole audit.
        return (overdue > 0 ? 1 : 0, running) < (other.overdue > 0 ? 1 : 0, other.running)
    }
}

/// The table of auditors. Few, so it is searched from end to end.
struct Auditors {
    /// How long the channel's end and the supervisor's word wait for each other.
    static let settling: Duration = .seconds(1)

    private(set) var all: [Auditor] = []
    /// The newest generation seen at each place.
    private var newest: [UInt16: UInt32] = [:]
    private var hasReservations = false

    // MARK: Life and death

    /// False for a generation that is not new.
    mutating func attach(_ place: UInt16, generation: UInt32, at now: Instant) -> Bool {
        if let known = newest[place], generation <= known { return false }
        newest[place] = generation
        for older in all where older.place == place { channelEnded(place, generation: older.generation, at: now) }
        all.append(Auditor(place: place, generation: generation))
        return true
    }

    mutating func channelEnded(_ place: UInt16, generation: UInt32, at now: Instant) {
        guard let index = find(place, generation), all[index].channelIsOpen else { return }
        all[index].channelIsOpen = false
        all[index].settleBy = min(all[index].settleBy, now + Self.settling)
    }

    mutating func peerEnded(_ place: UInt16, generation: UInt32, ordered: Bool, signal: UInt8, at now: Instant) {
        guard let index = find(place, generation), all[index].end == nil else { return }
        all[index].end = (ordered, signal)
        all[index].settleBy = min(all[index].settleBy, now + Self.settling)
    }

    /// Takes the next auditor whose end is known from both sides, or was waited for long enough; called until nil. Without
    /// the supervisor's word a death was not ordered.
    mutating func takeGone(at now: Instant) -> Auditor? {
        guard let index = all.firstIndex(where: { !$0.channelIsOpen && $0.end != nil || $0.settleBy <= now }) else { return nil }
        return all.remove(at: index)
    }

    /// When `takeGone` has something to do.
    var nextAlarm: Instant? { all.lazy.map(\.settleBy).filter { $0 != .distantFuture }.min() }

    // MARK: Choice

    /// What may run at once now.
    var capacity: Int { all.reduce(0) { $0 + $1.running + ($1.takesJobs ? $1.credits.available : 0) } }

    /// The auditor with credit and fewest running, that no suspect has for itself.
    func forTrusted() -> Int? {
        var best: Int?
        for index in all.indices where all[index].takesJobs && !all[index].isReserved && all[index].credits.available > 0 {
            if let best, all[best].load <= all[index].load { continue }
            best = index
        }
        return best
    }

    /// An empty auditor for one of the `waiting` suspects. Where there is none, auditors are reserved, so that they run
    /// empty: at most half of them (but always one), so that suspects cannot stop all other work.
    mutating func forSuspect(waiting: Int) -> Int? {
        var open = 0
        var reserved = 0
        var holding = 0
        for index in all.indices where all[index].takesJobs {
            open += 1
            // Empty and without credit: it would be waited for in vain while others could take the suspect.
            if all[index].isReserved, all[index].running == 0, all[index].credits.available == 0 { all[index].isReserved = false }
            if all[index].isReserved { reserved += 1 }
            if all[index].holdsSuspect { holding += 1 }
        }
        while reserved < min(max(1, open / 2), waiting + holding), let index = candidate() {
            all[index].isReserved = true
            hasReservations = true
            reserved += 1
        }
        return all.firstIndex { $0.takesJobs && $0.isReserved && $0.isIdle && $0.credits.available > 0 }
    }

    private func candidate() -> Int? {
        var best: Int?
        for index in all.indices where all[index].takesJobs && !all[index].isReserved {
            guard all[index].credits.available > 0 || all[index].running > 0 else { continue }
            if all[index].isBetterForSuspect(than: best.map { all[$0] }) { best = index }
        }
        return best
    }

    /// No suspect waits: reservations end where none runs.
    mutating func releaseReservations() {
        guard hasReservations else { return }
        hasReservations = false
        for index in all.indices {
            all[index].isReserved = all[index].holdsSuspect
            if all[index].isReserved { hasReservations = true }
        }
    }

    // MARK: Counts

    /// Nil when the auditor is not known (any more).
    func find(_ place: UInt16, _ generation: UInt32) -> Int? {
        all.firstIndex { $0.place == place && $0.generation == generation }
    }

    /// More credit than any honest auditor grants is a violation.
    mutating func grant(_ count: Int, to index: Int) throws(FrameError) {
        try all[index].credits.grant(count)
        all[index].isLeaving = false
        all[index].isStalled = false
    }

    /// A job is sent to it; false without credit.
    mutating func send(to index: Int, isSuspect: Bool) -> Bool {
        guard all[index].credits.take() else { return false }
        all[index].running += 1
        if isSuspect { all[index].holdsSuspect = true }
        return true
    }

    /// A job was not sent after all: its outbox is full.
    mutating func unsend(_ lease: Lease, to index: Int) {
        try? all[index].credits.grant(1)  // the one it was about to use
        all[index].isStalled = true
        settle(lease, at: index)
    }

    /// Its outbox takes jobs again.
    mutating func writable(_ index: Int) { all[index].isStalled = false }

    /// It sent a job back.
    mutating func leaving(_ index: Int) { all[index].isLeaving = true }

    /// A lease was answered, or an expired one forgotten.
    mutating func settle(_ lease: Lease, at index: Int) {
        if lease.isExpired { all[index].overdue -= 1 } else { end(lease, at: index) }
    }

    /// A running lease expired.
    mutating func expire(_ lease: Lease, at index: Int) {
        all[index].overdue += 1
        end(lease, at: index)
    }

    private mutating func end(_ lease: Lease, at index: Int) {
        all[index].running -= 1
        guard lease.isSuspect else { return }
        all[index].holdsSuspect = false
        all[index].isReserved = false
    }
}
