// What became of recent audits, to be found by the audit's id or its request's. Leaves to others: captures that became no job
// (`RefusedAudits`).

/// How an audit that is over ended. Raw values are what clients read.
enum AuditStatus: String {
    case completed, skipped, failed, quarantined, dropped
}

/// One record for each audit that is held, and for those that ended lately. Bounded: by the jobs that can be held, and for the
/// others by a count and by the ring of events, which has their JSON.
struct AuditIndex {
    enum State: Equatable {
        case pending(JobID)
        /// The event of that number tells.
        case told(AuditStatus, event: UInt64)
    }

    struct Record {
        let requestID: String
        let auditID: String
        fileprivate(set) var state: State
    }

    private struct Ended {
        let auditID: String
        let requestID: String
        /// When it has left the ring, the record goes too.
        let event: UInt64
    }

    /// Records of audits that are over.
    let endedLimit: Int
    private var records: [String: Record] = [:]  // by audit id
    private var newest: [String: String] = [:]  // audit id by request id: of several with one id, the last one counts
    /// Oldest first, from `firstEnded` on.
    private var ended: [Ended] = []
    private var firstEnded = 0

    init(endedLimit: Int) { self.endedLimit = max(1, endedLimit) }

    var count: Int { records.count }

    subscript(id: String) -> Record? { records[id] ?? newest[id].flatMap { records[$0] } }

    mutating func add(_ job: JobID, requestID: String, auditID: String) {
        records[auditID] = Record(requestID: requestID, auditID: auditID, state: .pending(job))
        newest[requestID] = auditID
    }

    /// It is over. It is known as long as its event is kept; `first` is the oldest one that is.
    mutating func end(requestID: String, auditID: String, _ status: AuditStatus, event: UInt64, first: UInt64) {
        records[auditID]?.state = .told(status, event: event)
        ended.append(Ended(auditID: auditID, requestID: requestID, event: event))
        while firstEnded < ended.count, ended.count - firstEnded > endedLimit || ended[firstEnded].event < first { forget() }
        if firstEnded > 1024, firstEnded > ended.count / 2 {
            ended.removeFirst(firstEnded)
            firstEnded = 0
        }
    }

    private mutating func forget() {
        let oldest = ended[firstEnded]
        firstEnded += 1
        records[oldest.auditID] = nil
        if newest[oldest.requestID] == oldest.auditID { newest[oldest.requestID] = nil }
    }
}
