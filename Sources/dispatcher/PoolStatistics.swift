// The pool of audits in numbers, as `/stats` shows it.

/// FEATURES W3.
struct PoolStatistics: Equatable {
    /// What can run at once now.
    let workers: Int
    let queueSize: Int
    /// At most `queueSize`: further waiting jobs stand in the places of workers that cannot run now.
    let queueUsed: Int
    let running: Int
    /// Jobs accepted.
    let submitted: UInt64
    /// Finished jobs, failed ones included.
    let completed: UInt64
    let failed: UInt64
    let accepting: Bool

    init(_ dispatch: borrowing Dispatch) {
        let ledger = dispatch.ledger
        workers = min(dispatch.limits.workers, dispatch.auditors.capacity)
        queueSize = dispatch.limits.queueJobs
        queueUsed = min(dispatch.queue.count, queueSize)
        running = dispatch.leases.running
        submitted = ledger[.entered]
        completed = Booking.allCases.reduce(0) { $1.isCompletion ? $0 &+ ledger[$1] : $0 }
        failed = Booking.allCases.reduce(0) { $1.isFailure ? $0 &+ ledger[$1] : $0 }
        accepting = !dispatch.isDraining
    }
}
