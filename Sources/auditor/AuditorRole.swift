// The auditor: takes one job at a time, audits it in steps, answers with the result.
import EventLoop
import IPC
import Role
import Telemetry
import Configuration

struct AuditorRole: RoleLogic, ~Copyable {
    static var role: ProcessRole { .auditor }

    private static let channelKind: UInt8 = 1
    private static let stepToken = Token(kind: 2)
    /// Jobs in hand at once: the embedded engine has one core's worth of work with each.
    private static let concurrency: UInt16 = 1
    /// Results that may wait for the dispatcher: one is 64 KiB at most.
    private static let outboxLimit = 1 << 20

    private let birth: Birth
    private let pool = BlockPool(limitBytes: 4 << 20)
    private var channel: Channel?
    /// Of `channel`; nil without one.
    private var channelToken: Token?
    private var attached: Attach?
    private var waiting: [ReceivedJob] = []
    private var audit: RunningAudit?
    private var isDraining = false

    init(_ birth: Birth) throws(RoleFailure) { self.birth = birth }

    // MARK: Peers

    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor) {
        guard attach.kind == .audit else { return }
        // Leases end with their channel: whatever is in hand belongs to somebody else by now.
        waiting = []
        audit = nil
        do throws(SystemError) {
            let token = Token(kind: Self.channelKind, generation: attach.generation)
            var channel = try Channel(attach, descriptor, in: birth.loop, token: token, pool: pool, outboxLimit: Self.outboxLimit)
            if !isDraining { _ = channel.send(Credit(count: Self.concurrency)) }
            self.channel = consume channel
            channelToken = token
            attached = attach
        } catch {
            birth.log.error("Cannot use the audit channel", ["cause": .string("\(error)")])
        }
    }

    mutating func peerEnded(_ ended: PeerEnded) {}

    mutating func handle(_ token: Token, _ readiness: Readiness) {
        guard token == channelToken else { return }
        var jobs: [ReceivedJob] = []
        let now = birth.loop.now
        let end = channel!.handle(readiness, in: birth.loop) { header, payload throws(FrameError) in
            jobs.append(try JobInbox.receive(header, payload, now: now))
        }
        waiting += jobs
        if let end { channelEnded(end) }
        beginNext()
    }

    private mutating func channelEnded(_ end: ChannelEnd) {
        if let attached { birth.channelEnded(attached, end) }
        attached = nil
        channel = nil
        channelToken = nil
        waiting = []
        audit = nil
    }

    // MARK: Audits

    private mutating func beginNext() {
        while audit == nil, !waiting.isEmpty {
            let job = waiting.removeFirst()
            birth.slot.add(.engineRuns)
            let (audit, result) = RunningAudit.begin(job, now: birth.loop.now)
            self.audit = audit
            if let result { answer(result) }
        }
        if audit != nil { birth.loop.schedule(Self.stepToken, at: birth.loop.now) }
    }

    mutating func alarm(_ token: Token) {
        guard token == Self.stepToken, audit != nil else { return }
        if let result = audit!.step() {
            audit = nil
            birth.slot.add(.engineTime, UInt64(result.processingMicroseconds))
            answer(result)
            beginNext()
        } else {
            birth.loop.schedule(Self.stepToken, at: birth.loop.now)
        }
    }

    /// The result, and with it the right to send the next job.
    private mutating func answer(_ result: AuditResult) {
        guard channelToken != nil else { return }
        guard channel!.send(result) else {
            // A dispatcher that lets a megabyte of results lie is not reading: the channel is of no use.
            return channelEnded(.broken(0))
        }
        if !isDraining { _ = channel!.send(Credit(count: 1)) }
    }

    mutating func turnEnded() {
        guard channelToken != nil else { return }
        if let end = channel!.flush(in: birth.loop) { channelEnded(end) }
    }

    // MARK: The end

    mutating func drain(until limit: Instant) {
        isDraining = true
        for job in waiting {
            if channelToken != nil { _ = channel!.send(Nack(lease: job.lease)) }
        }
        waiting = []
    }

    var isDrained: Bool { audit == nil }
}
