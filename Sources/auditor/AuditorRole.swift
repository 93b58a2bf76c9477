// The auditor: takes as many jobs as it granted credits for, hands them to the engines, answers with the results.
import Configuration
import EventLoop
import IPC
import Role
import Telemetry

struct AuditorRole: RoleLogic, ~Copyable {
    static var role: ProcessRole { .auditor }

    private static let alarmToken = Token(kind: AuditorToken.alarm)
    /// A result and its frame.
    private static let resultBytes = 64 << 10

    private let birth: Birth
    private let pool: BlockPool
    private let audits: Audits
    /// Results that may wait for the dispatcher: those of all jobs in hand, and as many again.
    private let outboxLimit: Int
    private var channel: Channel?
    /// Of `channel`; nil without one.
    private var channelToken: Token?
    private var attached: Attach?
    /// Alarms that will ring, the next one at the end: there is no cancelling, so none is set that an earlier one makes needless.
    private var alarms: [Instant] = []
    private var isDraining = false

    init(_ birth: Birth) throws(RoleFailure) {
        audits = try Audits(birth.settings, loop: birth.loop, log: birth.log, slot: birth.slot)
        outboxLimit = max(1 << 20, 2 * Int(audits.concurrency) * Self.resultBytes)
        pool = BlockPool(limitBytes: outboxLimit + 4 << 20)
        self.birth = birth
    }

    // MARK: Peers

    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor) {
        guard attach.kind == .audit else { return }
        audits.abandon()
        do throws(SystemError) {
            let token = Token(kind: AuditorToken.channel, generation: attach.generation)
            var channel = try Channel(attach, descriptor, in: birth.loop, token: token, pool: pool, outboxLimit: outboxLimit)
            if !isDraining { _ = channel.send(Credit(count: audits.concurrency)) }
            self.channel = consume channel
            channelToken = token
            attached = attach
        } catch {
            birth.log.error("Cannot use the audit channel", ["cause": .string("\(error)")])
        }
    }

    mutating func peerEnded(_ ended: PeerEnded) {}

    mutating func handle(_ token: Token, _ readiness: Readiness) {
        guard token.kind == AuditorToken.channel else { return audits.handle(token, readiness) }
        guard token == channelToken else { return }
        var jobs: [ReceivedJob] = []
        let now = birth.loop.now
        let end = channel!.handle(readiness, in: birth.loop) { header, payload throws(FrameError) in
            jobs.append(try JobInbox.receive(header, payload, now: now))
        }
        for job in jobs {
            if isDraining { _ = channel!.send(Nack(lease: job.lease)) } else { audits.begin(job) }
        }
        if let end { channelEnded(end) }
    }

    private mutating func channelEnded(_ end: ChannelEnd) {
        if let attached { birth.channelEnded(attached, end) }
        attached = nil
        channel = nil
        channelToken = nil
        audits.abandon()
    }

    // MARK: Audits

    mutating func alarm(_ token: Token) {
        guard token == Self.alarmToken else { return }
        while let next = alarms.last, next <= birth.loop.now { alarms.removeLast() }
    }

    mutating func turnEnded() {
        audits.advance()
        for result in audits.takeResults() { answer(result) }
        if channelToken != nil, let end = channel!.flush(in: birth.loop) { channelEnded(end) }
        if let next = audits.nextAlarm, next < alarms.last ?? .distantFuture {
            alarms.append(next)
            birth.loop.schedule(Self.alarmToken, at: next)
        }
        yieldCore()  // traffic comes first, also between two steps of an audit
    }

    /// The result, and with it the right to send the next job.
    private mutating func answer(_ result: AuditResult) {
        guard channelToken != nil else { return }
        guard channel!.send(result) else {
            // A dispatcher that lets so many results lie is not reading: the channel is of no use.
            return channelEnded(.broken(0))
        }
        if !isDraining { _ = channel!.send(Credit(count: 1)) }
    }

    // MARK: The end

    mutating func drain(until limit: Instant) { isDraining = true }

    var isDrained: Bool { audits.isEmpty }
}
