// The dispatcher's decisions, composed: captures come in, jobs and events go out, every capture gets one outcome.
//
//     capture --room?--> queued --auditor with credit--> leased --answer--> settled
//                          ^                               |
//                          +------- auditor lost ----------+
//
// A state machine: inputs carry the time, nothing is read from a clock or a descriptor. After each batch of inputs its shell
//  1. takes assignments (`nextAssignment`) until there is none, and lends each capture to the frame it sends;
//  2. takes the counts to the scoreboard (`DispatchCounts`), before anything of this batch leaves the process;
//  3. sends subscribers the events after the last they got, and the log its facts;
//  4. sets its timer by `nextAlarm`.
import EventLoop
import IPC

struct Dispatch: ~Copyable {
    /// Settings (DESIGN §2), fixed for the dispatcher's life.
    struct Limits {
        /// Audits that run at once, over all auditors.
        var workers = 10
        /// Jobs that wait when all workers are busy.
        var queueJobs = 1000
        /// Captured bytes of all jobs held, waiting or running.
        var queueBytes = 256 << 20
        var auditLimit: Duration = .seconds(30)
        var events = 10_000
        var eventBytes = 32 << 20
        /// The share of captures that is audited.
        var samplingRate = 1.0
    }

    /// A job's payload is the capture's with the job's own fields before it.
    static let jobHeaderBytes = 13

    let limits: Limits
    /// `takeNews` is for the shell.
    var ledger = Ledger()
    private(set) var events: EventRing
    private(set) var jobs: JobTable
    private(set) var queue = JobQueue()
    private(set) var leases: Leases
    private(set) var auditors = Auditors()
    var index: AuditIndex
    private(set) var refused = RefusedAudits()
    var waits = Waits()
    /// For edges that asked; taken by the shell.
    var replies: [QueryReply] = []
    private var losses = CaptureLosses()
    private var facts = LogFacts()
    private let sampling: Sampling
    private let pool: BlockPool
    private var drainUntil: Instant?

    /// - Parameters:
    ///   - epoch: the dispatcher's incarnation.
    ///   - pool: holds the captures; when it is empty, that is a full queue.
    init(limits: Limits, epoch: UInt64, pool: BlockPool) {
        var limits = limits
        limits.workers = min(max(1, limits.workers), 1 << 16)
        limits.queueJobs = min(max(0, limits.queueJobs), 1 << 23)
        self.limits = limits
        self.pool = pool
        // A job keeps its place when it comes back, wherever it was: so the bound is on both together. One worker with a
        // queue of two takes three jobs, however soon one after the other.
        jobs = JobTable(limit: limits.workers + limits.queueJobs, byteLimit: limits.queueBytes)
        events = EventRing(epoch: epoch, countLimit: limits.events, byteLimit: limits.eventBytes)
        leases = Leases(limit: limits.auditLimit, epoch: epoch)
        index = AuditIndex(endedLimit: limits.events)
        sampling = Sampling(rate: limits.samplingRate)
    }

    // MARK: Captures

    /// What became of a capture that came in.
    enum Submission: Equatable {
        case queued(JobID)
        case queueIsFull
        case isStopped
        case sampledOut
        case malformed
    }

    /// A capture from an edge. `payload` is all of its frame's payload; `generation` is its channel's.
    @discardableResult
    mutating func captureReceived(
        _ capture: borrowing CaptureFacts, payload: RawSpan, from edge: UInt16, generation: UInt32, at moment: Moment
    ) -> Submission {
        losses.received(edge, generation: generation)
        ledger.book(.received)
        guard capture.isValid, payload.byteCount + Self.jobHeaderBytes <= ChannelKind.audit.payloadLimit else {
            ledger.book(.dropped(.malformed))
            return .malformed
        }
        return take(capture, payload, edge, isSampled: sampling.takes(capture.requestID), at: moment)
    }

    /// A capture that is whole and counted becomes a job, or is refused.
    mutating func take(_ capture: borrowing CaptureFacts, _ payload: RawSpan, _ edge: UInt16, isSampled: Bool, at moment: Moment) -> Submission {
        guard drainUntil == nil else {
            refuse(capture, .dropped(.shutdown), .dropped, "shutdown")
            return .isStopped
        }
        guard isSampled else {
            refuse(capture, .skipped(.sampledOut), .skipped, "sampled_out")
            return .sampledOut
        }
        guard let (id, started) = hold(capture, payload, edge, moment) else {
            refuse(capture, .dropped(.queueFull), .dropped, "queue_full")
            facts.addQueueFull(capture.requestID, at: moment)
            return .queueIsFull
        }
        ledger.book(.entered)
        queue.append(id)
        emit(.auditStarted, wall: moment.wall, json: started)
        return .queued(id)
    }

    /// An outcome without a job.
    private mutating func refuse(_ capture: borrowing CaptureFacts, _ outcome: Outcome, _ status: AuditStatus, _ reason: StaticString) {
        ledger.book(outcome)
        refused.add(requestID: capture.requestID, auditID: capture.auditID, status, reason)
        if waits.count > 0 { answerWaits(for: [text(capture.auditID), text(capture.requestID)]) }
    }

    /// Keeps a capture; nil when there is no room.
    private mutating func hold(
        _ capture: borrowing CaptureFacts, _ payload: RawSpan, _ edge: UInt16, _ moment: Moment
    ) -> (JobID, started: [UInt8])? {
        guard jobs.hasRoom(for: payload.byteCount) else { return nil }
        var chain = BlockChain(in: pool)
        guard payload.withUnsafeBytes({ chain.appendAll($0) }) else { return nil }
        let requestID = text(capture.requestID)
        let auditID = text(capture.auditID)
        let job = AuditJob(
            requestID: requestID, auditID: auditID, responseBytes: capture.responseBytes, answeredMilliseconds: capture.answeredMilliseconds, edge: edge,
            received: moment, capture: chain)
        guard let id = jobs.insert(job) else { return nil }
        index.add(id, requestID: requestID, auditID: auditID)
        let started = Notices.started(
            requestID: requestID, auditID: auditID, responseBytes: capture.responseBytes, path: Notices.path(of: capture.target), traceID: capture.traceID,
            at: moment.wall)
        return (id, started)
    }

    // MARK: Edges

    /// What earlier dispatchers left: for each edge place what it has sent so far and what of it was lost, and the captures
    /// that were received and not settled. Before any attachment.
    mutating func succeed(edges: [(place: UInt16, sent: UInt64, lost: UInt64)], unsettled: UInt64) {
        for edge in edges {
            losses.adopt(edge.place, sent: edge.sent, lost: edge.lost)
            ledger.book(.dropped(.channelLost), edge.lost)
        }
        ledger.book(.failed(.dispatcherLost), unsettled)
    }

    mutating func edgeAttached(_ place: UInt16, generation: UInt32) { losses.attached(place, generation: generation) }

    /// - Parameter open: counts what its place sent before, all incarnations together.
    mutating func captureOpened(_ open: CaptureOpen, from place: UInt16, generation: UInt32) throws(FrameError) {
        bookLost(try losses.opened(place, generation: generation, sentBefore: open.sentBefore), place)
    }

    /// After all that came over the channel has been handed in.
    mutating func edgeChannelEnded(_ place: UInt16, generation: UInt32) {
        bookLost(losses.channelEnded(place, generation: generation), place)
    }

    /// - Parameter sent: what the dead edge's place has sent in all, by the scoreboard. A successor that sends already would
    ///   be counted in: where one is expected, leave this to its `CaptureOpen`.
    mutating func edgeEnded(_ place: UInt16, generation: UInt32, sent: UInt64) {
        bookLost(losses.edgeEnded(place, generation: generation, sent: sent), place)
    }

    /// What each place's captures became since the last time. Taken before the ledger's news.
    mutating func takeEdgeNews(_ body: (_ place: UInt16, _ received: UInt64, _ lost: UInt64) -> Void) { losses.takeNews(body) }

    private mutating func bookLost(_ count: UInt64, _ place: UInt16) {
        guard count > 0 else { return }
        ledger.book(.dropped(.channelLost), count)
        log(.capturesLost(edge: place, count: count))
    }

    // MARK: Auditors

    mutating func auditorAttached(_ place: UInt16, generation: UInt32, at moment: Moment) {
        guard auditors.attach(place, generation: generation, at: moment.now) else { return }
        settleGone(at: moment)  // its predecessor at this place
    }

    /// Throws what closes the channel; its end is still to be reported.
    mutating func credit(_ credit: Credit, from place: UInt16, generation: UInt32) throws(FrameError) {
        guard let index = auditors.find(place, generation) else { return }
        try auditors.grant(Int(credit.count), to: index)
    }

    /// The auditor's outbox was full (`unsent`) and takes jobs again.
    mutating func writable(_ place: UInt16, generation: UInt32) {
        guard let index = auditors.find(place, generation) else { return }
        auditors.writable(index)
    }

    mutating func result(_ result: AuditResult, from place: UInt16, generation: UInt32, at moment: Moment) {
        guard let lease = answered(result.lease, place, generation) else { return }
        switch result.outcome {
        case .completed: complete(lease.job, result, at: moment)
        case .skipped: skip(lease.job, SkipReason(rawValue: result.reason) ?? .notAuditable, detail: result.detail, at: moment)
        case .failed: fail(lease.job, result.reason == FailureReason.timeout.rawValue ? .timeout : .engineError, detail: result.detail, at: moment)
        }
    }

    mutating func nack(_ nack: Nack, from place: UInt16, generation: UInt32, at moment: Moment) {
        guard let lease = answered(nack.lease, place, generation) else { return }
        if let index = auditors.find(place, generation) { auditors.leaving(index) }
        interrupted(lease, at: moment)
    }

    /// After all that came over the channel has been handed in. Either this or `peerEnded` may come first.
    mutating func channelEnded(_ place: UInt16, generation: UInt32, at moment: Moment) {
        auditors.channelEnded(place, generation: generation, at: moment.now)
        settleGone(at: moment)
    }

    /// The supervisor's word about an auditor; others are not meant.
    mutating func peerEnded(_ peer: PeerEnded, at moment: Moment) {
        guard peer.kind == .audit else { return }
        auditors.peerEnded(peer.peer, generation: peer.generation, ordered: peer.ordered, signal: peer.signal, at: moment.now)
        settleGone(at: moment)
    }

    /// The lease that an answer is for, if its job still waits for one.
    private mutating func answered(_ id: UInt64, _ place: UInt16, _ generation: UInt32) -> Lease? {
        // Of an auditor whose channel has ended nothing is taken: its jobs are being given to others.
        if let index = auditors.find(place, generation), auditors.all[index].channelIsOpen,
            let lease = leases.answered(id, by: place, generation: generation)
        {
            auditors.settle(lease, at: index)
            if !lease.isExpired { return lease }
        }
        ledger.book(.ignoredAnswers)
        return nil
    }

    /// What gone auditors held goes back, or comes to its end.
    private mutating func settleGone(at moment: Moment) {
        while let gone = auditors.takeGone(at: moment.now) {
            let lost = leases.end(gone.place, generation: gone.generation)
            let ordered = gone.end?.ordered ?? false
            let signal = gone.end?.signal ?? 0
            log(.auditorLost(place: gone.place, signal: signal, ordered: ordered, jobs: lost.count))
            if ordered {
                for lease in lost.reversed() { interrupted(lease, at: moment) }
            } else {
                let alone = lost.count == 1 && gone.overdue == 0
                for lease in lost { auditorDied(lease, alone: alone, signal: signal, at: moment) }
            }
        }
    }

    private mutating func interrupted(_ lease: Lease, at moment: Moment) {
        switch jobs.withHistory(lease.job, { $0.interrupted() }) {
        case .redeliver: redeliver { $0.putBack(lease.job, isSuspect: lease.isSuspect) }
        case .giveUp, .quarantine: fail(lease.job, .auditorLost, at: moment)
        case nil: break
        }
    }

    private mutating func auditorDied(_ lease: Lease, alone: Bool, signal: UInt8, at moment: Moment) {
        switch jobs.withHistory(lease.job, { $0.auditorDied(alone: alone) }) {
        case .redeliver: redeliver { $0.appendSuspect(lease.job) }
        case .quarantine: quarantine(lease.job, signal: signal, at: moment)
        case .giveUp: fail(lease.job, .auditorLost, at: moment)
        case nil: break
        }
    }

    private mutating func redeliver(_ line: (inout JobQueue) -> Void) {
        line(&queue)
        ledger.book(.redelivered)
    }

    // MARK: Jobs to send

    /// A job for an auditor, already leased to it.
    struct Assignment: Equatable {
        let lease: Lease
        let attempt: UInt8
        let limitMilliseconds: UInt32

        var place: UInt16 { lease.place }
        var generation: UInt32 { lease.generation }
    }

    /// The next job to send; called until nil.
    mutating func nextAssignment(at now: Instant) -> Assignment? {
        guard leases.running < limits.workers, queue.count > 0 else { return nil }
        if queue.suspects.isEmpty {
            auditors.releaseReservations()
        } else if let index = auditors.forSuspect(waiting: queue.suspects.count), let job = queue.takeSuspect() {
            return assign(job, to: index, isSuspect: true, at: now)
        }
        guard !queue.trusted.isEmpty, let index = auditors.forTrusted(), let job = queue.takeTrusted() else { return nil }
        return assign(job, to: index, isSuspect: false, at: now)
    }

    private mutating func assign(_ job: JobID, to index: Int, isSuspect: Bool, at now: Instant) -> Assignment? {
        let attempt = jobs.withHistory(job) { history in
            history.sent()
            return history.attempts
        }
        guard let attempt, auditors.send(to: index, isSuspect: isSuspect) else { return nil }
        let lease = leases.grant(job, to: auditors.all[index], isSuspect: isSuspect, at: now)
        return Assignment(lease: lease, attempt: attempt, limitMilliseconds: UInt32(clamping: leases.limit.milliseconds))
    }

    /// Lends the capture of an assignment; nil when its job is settled.
    func withCapture<R>(of assignment: Assignment, _ body: (borrowing BlockChain) -> R) -> R? {
        jobs.with(assignment.lease.job) { body($0.capture) }
    }

    /// The auditor's outbox did not take the job. It waits for another auditor, or for `writable`.
    mutating func unsent(_ assignment: Assignment) {
        let lease = assignment.lease
        guard let index = auditors.find(lease.place, lease.generation),
            let held = leases.answered(lease.id, by: lease.place, generation: lease.generation)
        else { return }
        auditors.unsend(held, to: index)
        guard !held.isExpired, jobs.withHistory(held.job, { $0.notSent() }) != nil else { return }
        queue.putBack(held.job, isSuspect: held.isSuspect)
    }

    // MARK: Time

    /// When `alarm` has something to do. Ringing at other times does no harm.
    mutating func nextAlarm() -> Instant? {
        let drain = jobs.count > 0 ? drainUntil : nil
        let next = min(leases.nextAlarm() ?? .distantFuture, auditors.nextAlarm ?? .distantFuture, waits.nextAlarm ?? .distantFuture, drain ?? .distantFuture)
        return next == .distantFuture ? nil : next
    }

    mutating func alarm(at moment: Moment) {
        settleGone(at: moment)
        while let lease = leases.expire(at: moment.now) {
            if let index = auditors.find(lease.place, lease.generation) { auditors.expire(lease, at: index) }
            fail(lease.job, .timeout, at: moment)
        }
        while let lease = leases.forget(at: moment.now) {
            if let index = auditors.find(lease.place, lease.generation) { auditors.settle(lease, at: index) }
        }
        if let drainUntil, drainUntil <= moment.now { dropAll(at: moment) }
        answerDueWaits(at: moment.now)
    }

    /// Takes nothing new from now on; what is held may finish until `limit`, then it is dropped. A second call can only
    /// shorten the limit.
    mutating func drain(until limit: Instant) { drainUntil = min(limit, drainUntil ?? limit) }

    var isDraining: Bool { drainUntil != nil }

    /// Draining, and nothing is held any more.
    var isDrained: Bool { drainUntil != nil && jobs.count == 0 }

    private mutating func dropAll(at moment: Moment) {
        while let job = queue.takeTrusted() { shutDown(job, at: moment) }
        while let job = queue.takeSuspect() { shutDown(job, at: moment) }
        for lease in leases.expireAll() {
            if let index = auditors.find(lease.place, lease.generation) { auditors.expire(lease, at: index) }
            shutDown(lease.job, at: moment)
        }
    }

    // MARK: Outcomes

    // Each takes the job from the table, so that there is no second one.

    private mutating func complete(_ id: JobID, _ result: AuditResult, at moment: Moment) {
        guard Self.isObject(result.json), result.json.count <= EventRing.mostEventBytes else {
            return fail(id, .engineError, detail: "the audit engine's result is no object or too large", at: moment)
        }
        guard let job = jobs.remove(id) else { return }
        let lag: Duration? = job.answeredMilliseconds == 0 ? nil : .milliseconds(Int64(clamping: moment.wall.lessOrZero(job.answeredMilliseconds)))
        ledger.settle(.audited, AuditTiming(wait: job.received.now.duration(to: moment.now), engineMicroseconds: result.processingMicroseconds, lag: lag))
        if let score = result.scoreTenths {
            ledger.book(.scored)
            ledger.book(.scoreTenths, UInt64(score))
        }
        announce(.auditComplete, .completed, job, result.json, at: moment)
        log(.auditCompleted(
            requestID: job.requestID, scoreTenths: result.scoreTenths, grade: result.grade, milliseconds: result.processingMicroseconds / 1000))
    }

    private mutating func skip(_ id: JobID, _ reason: SkipReason, detail: String, at moment: Moment) {
        guard let job = jobs.remove(id) else { return }
        ledger.settle(.skipped(reason), AuditTiming(wait: job.received.now.duration(to: moment.now)))
        let json = Notices.skipped(requestID: job.requestID, auditID: job.auditID, reason: reason, detail: Notices.detail(detail), at: moment.wall)
        announce(.auditSkipped, .skipped, job, json, at: moment)
        log(.auditSkipped(requestID: job.requestID, reason: reason))
    }

    private mutating func fail(_ id: JobID, _ reason: FailureReason, detail: String = "", at moment: Moment) {
        guard let job = jobs.remove(id) else { return }
        ledger.settle(.failed(reason), AuditTiming(wait: job.received.now.duration(to: moment.now)))
        let error = Notices.sentence(reason, detail: Notices.detail(detail))
        announceFailure(job, .failed, error, reason.rawValue, at: moment)
        log(.auditFailed(requestID: job.requestID, reason: reason, error: error))
    }

    private mutating func quarantine(_ id: JobID, signal: UInt8, at moment: Moment) {
        guard let job = jobs.remove(id) else { return }
        ledger.settle(.quarantined, AuditTiming(wait: job.received.now.duration(to: moment.now)))
        announceFailure(job, .quarantined, Notices.quarantineSentence(signal: signal), AuditStatus.quarantined.rawValue, at: moment)
        log(.quarantined(requestID: job.requestID, signal: signal))
    }

    private mutating func shutDown(_ id: JobID, at moment: Moment) {
        guard let job = jobs.remove(id) else { return }
        ledger.settle(.dropped(.shutdown), AuditTiming(wait: job.received.now.duration(to: moment.now)))
        announceFailure(job, .dropped, Notices.shutdownSentence, DropReason.shutdown.rawValue, at: moment)
        log(.droppedAtShutdown(requestID: job.requestID))
    }

    private mutating func announceFailure(_ job: borrowing AuditJob, _ status: AuditStatus, _ error: String, _ reason: String, at moment: Moment) {
        let json = Notices.failed(requestID: job.requestID, auditID: job.auditID, error: error, reason: reason, at: moment.wall)
        announce(.auditFailed, status, job, json, at: moment)
    }

    /// Tells dashboards and whoever waits for it.
    private mutating func announce(_ kind: EventKind, _ status: AuditStatus, _ job: borrowing AuditJob, _ json: [UInt8], at moment: Moment) {
        emit(kind, wall: moment.wall, status: status, json: json)
        index.end(requestID: job.requestID, auditID: job.auditID, status, event: events.last, first: events.first)
        answerWaits(for: [job.auditID, job.requestID])
    }

    private mutating func emit(_ kind: EventKind, wall: UInt64, status: AuditStatus? = nil, json: [UInt8]) {
        if events.append(kind, wall: wall, status: status, json: json) { ledger.book(.events) }
    }

    /// Dashboards get the bytes as they are; whether all of it is JSON is the auditor's promise.
    private static func isObject(_ json: [UInt8]) -> Bool {
        json.count >= 2 && json.first == UInt8(ascii: "{") && json.last == UInt8(ascii: "}")
    }

    // MARK: Reports

    /// Facts for the log since the last call, in order.
    mutating func takeLogFacts() -> [LogFact] { facts.takeAll() }

    private mutating func log(_ fact: LogFact) {
        if !facts.add(fact) { ledger.book(.unloggedFacts) }
    }

    /// When the job came in that has waited longest for an auditor.
    var oldestWaiting: Instant? {
        [queue.trusted.first, queue.suspects.first].compactMap { $0 }.compactMap { jobs.with($0) { $0.received.now } }.min()
    }

    /// What `/stats` shows of the pool (FEATURES W3).
    var statistics: PoolStatistics { PoolStatistics(self) }
}
