// The dispatcher: captures in, jobs out to auditors, results in, events out. `Dispatch` decides; this shell moves the bytes.
import Configuration
import EventLoop
import IPC
import Role
import Telemetry

struct DispatcherRole: RoleLogic, ~Copyable {
    static var role: ProcessRole { .dispatcher }

    private static let channelKind: UInt8 = 1
    private static let alarmToken = Token(kind: 2)
    /// What the last events need to go out after the last audit was given up.
    private static let reserve: Duration = .milliseconds(500)

    private let birth: Birth
    private var dispatch: Dispatch
    private var peers: [Peer] = []
    /// Edges that ask: heard at the end of the turn, when all captures that came before the question have been read.
    private var asking: [(Peer, Readiness)] = []
    private var nextSlot: UInt32 = 0
    /// Frames that wait for peers; the channels' own limits come first.
    private let outboxPool = BlockPool(limitBytes: 256 << 20)
    private var drainLimit: Instant?
    private var scheduledAlarm: Instant?

    init(_ birth: Birth) throws(RoleFailure) {
        self.birth = birth
        let settings = birth.settings
        var limits = Dispatch.Limits()
        limits.workers = settings.workerCount
        limits.queueJobs = settings.queueSize
        limits.queueBytes = settings.queueBytes
        limits.auditLimit = settings.auditTimeout
        limits.events = settings.eventRingCount
        limits.eventBytes = settings.eventRingBytes
        limits.samplingRate = settings.sampleRate
        // A capture ends in a block of its own.
        let blocks = settings.queueBytes + (settings.queueSize + settings.workerCount) * 4096
        dispatch = Dispatch(limits: limits, epoch: birth.incarnation, pool: BlockPool(limitBytes: blocks))
        dispatch.succeed(birth.scoreboard, into: birth.slot)
    }

    private var moment: Moment { Moment(now: birth.loop.now, wall: UInt64(clamping: wallClockMilliseconds())) }

    // MARK: Peers

    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor) {
        guard let place = Place(index: Int(attach.peer)), attach.kind != .control else { return }
        nextSlot &+= 1
        let token = Token(kind: Self.channelKind, slot: nextSlot, generation: attach.generation)
        let channel: Channel
        do throws(SystemError) {
            channel = try Channel(attach, descriptor, in: birth.loop, token: token, pool: outboxPool, outboxLimit: Peer.outboxLimit(attach.kind))
        } catch {
            return birth.log.error("Cannot use a channel", ["peer": .string("\(place)"), "cause": .string("\(error)")])
        }
        peers.append(Peer(place, attach, channel))
        let number = UInt16(truncatingIfNeeded: place.number)
        switch attach.kind {
        case .capture: dispatch.edgeAttached(number, generation: attach.generation)
        case .audit: dispatch.auditorAttached(number, generation: attach.generation, at: moment)
        case .event, .query, .control: break
        }
    }

    mutating func peerEnded(_ ended: PeerEnded) {
        guard let place = Place(index: Int(ended.peer)) else { return }
        let number = UInt16(truncatingIfNeeded: place.number)
        switch ended.kind {
        // An edge's successor says what was lost in its first message.
        case .capture, .event, .query, .control: break
        case .audit:
            let byNumber = PeerEnded(kind: .audit, peer: number, generation: ended.generation, signal: ended.signal, ordered: ended.ordered)
            dispatch.peerEnded(byNumber, at: moment)
        }
    }

    mutating func handle(_ token: Token, _ readiness: Readiness) {
        guard let peer = peers.first(where: { $0.token == token }) else { return }
        if peer.kind == .query { return asking.append((peer, readiness)) }
        let end =
            switch peer.kind {
            case .capture: CaptureInbox.receive(from: peer, readiness, in: birth.loop, into: &dispatch, at: moment, birth.log)
            case .audit: ResultInbox.receive(from: peer, readiness, in: birth.loop, into: &dispatch, at: moment)
            case .event: EventOutbox.receive(from: peer, readiness, in: birth.loop, ring: dispatch.events)
            case .query, .control: ChannelEnd?.none
            }
        if let end { ended(peer, end) }
    }

    private mutating func ended(_ peer: Peer, _ end: ChannelEnd) {
        birth.channelEnded(peer.attach, end)
        peers.removeAll { $0 === peer }
        switch peer.kind {
        case .capture: dispatch.edgeChannelEnded(peer.number, generation: peer.generation)
        case .audit: dispatch.channelEnded(peer.number, generation: peer.generation, at: moment)
        case .query: dispatch.queryChannelEnded(peer.number, generation: peer.generation)
        case .event, .control: break
        }
    }

    mutating func alarm(_ token: Token) {
        guard token == Self.alarmToken else { return }
        scheduledAlarm = nil
        dispatch.alarm(at: moment)
    }

    mutating func turnEnded() {
        beginDrainOnceRead()
        hearQueries()
        // Counts go to the scoreboard before anything that follows from them leaves the process, and again after the
        // attempts are counted.
        JobOutbox.assign(from: &dispatch, to: peers, at: birth.loop.now)
        dispatch.takeCounts(into: birth.slot)
        AnswerOutbox.send(dispatch.takeReplies(), to: peers)
        var broken: [(Peer, ChannelEnd)] = []
        for peer in peers {
            if peer.kind == .event { EventOutbox.fill(peer, from: dispatch.events) }
            if let end = peer.flush(in: birth.loop) { broken.append((peer, end)) }
        }
        for (peer, end) in broken { ended(peer, end) }
        for fact in dispatch.takeLogFacts() { birth.log.write(fact) }
        if let next = dispatch.nextAlarm(), next < scheduledAlarm ?? .distantFuture {
            scheduledAlarm = next
            birth.loop.schedule(Self.alarmToken, at: next)
        }
    }

    private mutating func hearQueries() {
        let asked = asking
        asking.removeAll(keepingCapacity: true)
        for (peer, readiness) in asked {
            if let end = QueryInbox.receive(from: peer, readiness, in: birth.loop, into: &dispatch, at: moment) { ended(peer, end) }
        }
    }

    // MARK: The end

    mutating func drain(until limit: Instant) { drainLimit = limit }

    /// The edges have ended before we were told to drain: what they sent is still taken in, up to the channels' ends.
    private mutating func beginDrainOnceRead() {
        guard let drainLimit, !dispatch.isDraining else { return }
        let last = drainLimit + (.zero - Self.reserve)
        guard !peers.contains(where: { $0.kind == .capture }) || birth.loop.now >= last else { return }
        dispatch.drain(until: last)
    }

    var isDrained: Bool {
        dispatch.isDrained && peers.allSatisfy { $0.kind != .event || EventOutbox.isCurrent($0, dispatch.events) }
    }
}
