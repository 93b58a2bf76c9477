// The order in which waiting jobs are sent. How many may wait is the table's business: it bounds all jobs that are held, so
// that a job which comes back always has its place.

/// Two lines: suspects have their own, since they wait for an auditor of their own and must not hold up the others.
struct JobQueue {
    private(set) var trusted = JobLine()
    private(set) var suspects = JobLine()

    var count: Int { trusted.count + suspects.count }

    /// A new job.
    mutating func append(_ job: JobID) { trusted.append(job) }

    /// A job that came back through no fault of its own, before all others of its line.
    mutating func putBack(_ job: JobID, isSuspect: Bool) {
        if isSuspect { suspects.prepend(job) } else { trusted.prepend(job) }
    }

    /// A job whose auditor died. Behind the other suspects: one that kills must not keep the innocent waiting.
    mutating func appendSuspect(_ job: JobID) { suspects.append(job) }

    mutating func takeTrusted() -> JobID? { trusted.popFirst() }
    mutating func takeSuspect() -> JobID? { suspects.popFirst() }
}

/// A line of jobs with two ends: a ring that doubles.
struct JobLine {
    private var ring: [JobID] = []
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    var first: JobID? { isEmpty ? nil : ring[head] }

    /// From first to last.
    var all: [JobID] { (0..<count).map { ring[(head + $0) & (ring.count - 1)] } }

    mutating func append(_ job: JobID) {
        makeRoom()
        ring[(head + count) & (ring.count - 1)] = job
        count += 1
    }

    mutating func prepend(_ job: JobID) {
        makeRoom()
        head = (head - 1) & (ring.count - 1)
        ring[head] = job
        count += 1
    }

    mutating func popFirst() -> JobID? {
        guard count > 0 else { return nil }
        let job = ring[head]
        head = (head + 1) & (ring.count - 1)
        count -= 1
        return job
    }

    /// The size stays a power of two, so that positions wrap by a mask.
    private mutating func makeRoom() {
        guard count == ring.count else { return }
        let jobs = all
        ring = jobs + [JobID](repeating: JobID(slot: 0, generation: 0), count: max(16, jobs.count))
        head = 0
    }
}
