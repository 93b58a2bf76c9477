// The ledger: what became of every capture. It counts; who writes the counts to the scoreboard takes them from here, before
// anything that follows from them leaves the process, so that a crash can neither hide nor double an outcome.

/// Why a capture was not audited though nothing went wrong. Raw values are the names in events and metrics.
enum SkipReason: String, CaseIterable {
    case notAuditable = "not_auditable"
    case contentEncoding = "content_encoding"
    case sampledOut = "sampled_out"
}

/// Why a capture was given up before its audit.
enum DropReason: String, CaseIterable {
    case queueFull = "queue_full"
    case channelLost = "channel_lost"
    case shutdown
    case malformed
}

/// Why an audit has no result.
enum FailureReason: String, CaseIterable {
    case timeout
    case engineError = "engine_error"
    case auditorLost = "auditor_lost"
    case dispatcherLost = "dispatcher_lost"
}

/// How a capture left the ledger's open side.
enum Outcome: Equatable {
    case audited
    case skipped(SkipReason)
    case dropped(DropReason)
    case failed(FailureReason)
    case quarantined
}

/// A counter of the ledger, or one beside it. News are taken in this order: a crash between two of them then leaves a
/// capture open that was settled, which a successor books, and never an outcome without a capture.
enum Booking: Int, CaseIterable {
    case received
    /// Handed in by a client instead of captured.
    case submitted
    /// A job was accepted. What is pending is the difference from `left`.
    case entered

    case audited
    case skippedNotAuditable, skippedContentEncoding, skippedSampledOut
    case droppedQueueFull, droppedChannelLost, droppedShutdown, droppedMalformed
    case failedTimeout, failedEngineError, failedAuditorLost, failedDispatcherLost
    case quarantined
    /// A job was settled.
    case left

    // Beside the balance.
    /// Answers to leases that were not, or no longer, running at their sender.
    case ignoredAnswers
    /// Jobs that went back to the queue.
    case redelivered
    /// Completed audits with a score, and the sum of those scores in tenths.
    case scored, scoreTenths
    case events
    /// Log facts that were not kept.
    case unloggedFacts

    init(_ outcome: Outcome) {
        self =
            switch outcome {
            case .audited: .audited
            case .skipped(.notAuditable): .skippedNotAuditable
            case .skipped(.contentEncoding): .skippedContentEncoding
            case .skipped(.sampledOut): .skippedSampledOut
            case .dropped(.queueFull): .droppedQueueFull
            case .dropped(.channelLost): .droppedChannelLost
            case .dropped(.shutdown): .droppedShutdown
            case .dropped(.malformed): .droppedMalformed
            case .failed(.timeout): .failedTimeout
            case .failed(.engineError): .failedEngineError
            case .failed(.auditorLost): .failedAuditorLost
            case .failed(.dispatcherLost): .failedDispatcherLost
            case .quarantined: .quarantined
            }
    }
}

/// How long a settled job took.
struct AuditTiming: Equatable {
    /// From its arrival to its outcome.
    let wait: Duration
    /// The engine's part, if it said so.
    var engineMicroseconds: UInt32?
    /// From the answer's end to its verdict.
    var lag: Duration?
}

/// The counts of this dispatcher's life. They only grow.
struct Ledger {
    private var counts = [UInt64](repeating: 0, count: Booking.allCases.count)
    private var taken = [UInt64](repeating: 0, count: Booking.allCases.count)
    private var hasNews = false
    private var timings: [AuditTiming] = []

    subscript(_ booking: Booking) -> UInt64 { counts[booking.rawValue] }

    mutating func book(_ booking: Booking, _ count: UInt64 = 1) {
        counts[booking.rawValue] &+= count
        hasNews = true
    }

    /// A capture that became no job, or one that never arrived.
    mutating func book(_ outcome: Outcome, _ count: UInt64 = 1) { book(Booking(outcome), count) }

    /// A job's one outcome.
    mutating func settle(_ outcome: Outcome, _ timing: AuditTiming) {
        book(outcome)
        book(.left)
        timings.append(timing)
    }

    /// How long the jobs took that were settled since the last time.
    mutating func takeTimings() -> [AuditTiming] {
        guard !timings.isEmpty else { return [] }
        defer { timings.removeAll(keepingCapacity: true) }
        return timings
    }

    /// Hands out what was booked since the last time.
    mutating func takeNews(_ body: (Booking, UInt64) -> Void) {
        guard hasNews else { return }
        hasNews = false
        for booking in Booking.allCases where counts[booking.rawValue] != taken[booking.rawValue] {
            body(booking, counts[booking.rawValue] &- taken[booking.rawValue])
            taken[booking.rawValue] = counts[booking.rawValue]
        }
    }

    var pending: UInt64 { self[.entered] &- self[.left] }

    /// Outcomes of captures that this dispatcher received: `channel_lost` never arrived, `dispatcher_lost` was another's.
    var settled: UInt64 {
        self[.audited] &+ self[.skippedNotAuditable] &+ self[.skippedContentEncoding] &+ self[.skippedSampledOut]
            &+ self[.droppedQueueFull] &+ self[.droppedShutdown] &+ self[.droppedMalformed] &+ self[.failedTimeout]
            &+ self[.failedEngineError] &+ self[.failedAuditorLost] &+ self[.quarantined]
    }

    /// The promise of DESIGN §3: whatever came in has one outcome or is pending.
    var isBalanced: Bool { self[.received] &+ self[.submitted] == settled &+ pending }
}

extension UInt64 {
    /// The difference, 0 where it would be negative: counters of other processes are read while they move.
    func lessOrZero(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
