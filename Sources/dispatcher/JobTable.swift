// Every job that is held, waiting or leased: its captured bytes are lent from here until its one outcome.
import EventLoop

/// Names a job for as long as it is held; never names a later one.
struct JobID: Hashable {
    let slot: UInt32
    let generation: UInt32
}

/// A capture to audit.
struct AuditJob: ~Copyable {
    let requestID: String
    let auditID: String
    /// The whole answer's size, captured or not.
    let responseBytes: UInt64
    /// When the answer ended, wall clock; 0 where there was none.
    let answeredMilliseconds: UInt64
    /// Place of the edge that captured it.
    let edge: UInt16
    let received: Moment
    /// The capture's payload, as it came.
    let capture: BlockChain
    var history = JobHistory()
}

/// The time of an input: the loop reads both clocks once per turn.
struct Moment: Equatable {
    let now: Instant
    /// Wall clock, milliseconds since 1970.
    let wall: UInt64
}

/// A slab of jobs, bounded in number and in captured bytes.
struct JobTable: ~Copyable {
    let limit: Int
    let byteLimit: Int
    private(set) var count = 0
    private(set) var bytes = 0

    private let jobs: UnsafeMutablePointer<AuditJob>
    /// Odd while the slot holds a job.
    private let generations: UnsafeMutablePointer<UInt32>
    /// Slots from here on have never been used, so that a large table costs no memory before it fills.
    private var fresh = 0
    private var free: [UInt32] = []

    init(limit: Int, byteLimit: Int) {
        self.limit = min(max(1, limit), 1 << 24)
        self.byteLimit = max(0, byteLimit)
        jobs = .allocate(capacity: self.limit)
        generations = .allocate(capacity: self.limit)
    }

    func hasRoom(for byteCount: Int) -> Bool { count < limit && byteCount <= byteLimit - bytes }

    /// Nil when there is no room.
    mutating func insert(_ job: consuming AuditJob) -> JobID? {
        guard hasRoom(for: job.capture.count) else { return nil }
        let slot: Int
        if let reused = free.popLast() {
            slot = Int(reused)
        } else {
            slot = fresh
            fresh += 1
            generations[slot] = 0
        }
        generations[slot] &+= 1
        count += 1
        bytes += job.capture.count
        (jobs + slot).initialize(to: job)
        return JobID(slot: UInt32(truncatingIfNeeded: slot), generation: generations[slot])
    }

    func contains(_ id: JobID) -> Bool {
        Int(id.slot) < fresh && generations[Int(id.slot)] == id.generation && id.generation & 1 == 1
    }

    /// Gives the job to the caller.
    mutating func remove(_ id: JobID) -> AuditJob? {
        guard contains(id) else { return nil }
        let slot = Int(id.slot)
        generations[slot] &+= 1
        free.append(id.slot)
        count -= 1
        bytes -= jobs[slot].capture.count
        return (jobs + slot).move()
    }

    /// Lends a job; nil when it is gone.
    func with<R>(_ id: JobID, _ body: (borrowing AuditJob) -> R) -> R? {
        guard contains(id) else { return nil }
        return body(jobs[Int(id.slot)])
    }

    /// Lends a job's history to be changed; nil when the job is gone.
    mutating func withHistory<R>(_ id: JobID, _ body: (inout JobHistory) -> R) -> R? {
        guard contains(id) else { return nil }
        return body(&jobs[Int(id.slot)].history)
    }

    deinit {
        for slot in 0..<fresh where generations[slot] & 1 == 1 { (jobs + slot).deinitialize(count: 1) }
        jobs.deallocate()
        generations.deallocate()
    }
}
