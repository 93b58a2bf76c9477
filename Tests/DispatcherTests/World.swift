// A small world around the dispatcher: edges, auditors and a supervisor that do what real ones do and what broken ones might,
// on a false clock and a seeded network. After every step it compares the dispatcher with what it knows itself.
import EventLoop
import IPC
import Simulation

@testable import dispatcher

/// What can happen in a world, drawn from its seed.
struct Climate {
    var workers = 1
    var queueJobs = 0
    var queueBytes = 1 << 20
    var poolBytes = 1 << 20
    var places: UInt16 = 1
    var edges: UInt16 = 1
    /// Jobs at once in one auditor.
    var concurrency = 1
    var samplingRate = 1.0
    var longestDelay: Duration = .milliseconds(5)
    /// One capture in so many kills its auditor.
    var poison = 10
    /// Auditors and channels also break for no reason, and lie.
    var isStormy = true
    /// One step in so many begins a capture.
    var calm = 2
    /// How much time may pass in a step.
    var pace: Duration = .milliseconds(200)

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed &* 31 &+ 7)
        workers = 1 + random.below(6)
        queueJobs = random.below(12)
        queueBytes = random.oneIn(4) ? 3000 : 1 << 20
        poolBytes = random.oneIn(6) ? 24 << 10 : 1 << 20
        places = UInt16(1 + random.below(4))
        edges = UInt16(1 + random.below(3))
        concurrency = random.oneIn(2) ? 1 : 1 + random.below(5)
        samplingRate = random.oneIn(5) ? 0.7 : 1
        isStormy = !random.oneIn(3)
        // PeerEnded and the channel's end must not miss each other in a world without storms: they wait 1 s at most.
        longestDelay = .milliseconds(isStormy && random.oneIn(3) ? 2500 : 1 + random.below(400))
        poison = random.oneIn(3) ? 1 << 30 : 4 + random.below(30)
        calm = 1 + random.below(6)
        pace = .milliseconds(100 + random.below(1500))
    }
}

final class World {
    enum Frame {
        case attach(ChannelKind, UInt16, UInt32, PipeID)
        case peerEnded(PeerEnded, sent: UInt64)
        case open(UInt64)
        case capture(Int)
        case job(lease: UInt64, number: Int, limit: UInt32)
        case credit(UInt16)
        case result(AuditResult)
        case nack(UInt64)
    }

    /// Who reads a pipe.
    enum Reader {
        case control
        case dispatcher(ChannelKind, UInt16, UInt32)
        case auditor(UInt16, UInt32)
    }

    struct Work {
        let lease: UInt64
        let number: Int
        let done: Instant
        let dies: Bool
    }

    struct SimulatedAuditor {
        var generation: UInt32 = 0
        var isAlive = false
        var isDraining = false
        var restart: Instant?
        var toDispatcher: PipeID?
        var fromDispatcher: PipeID?
        var work: [Work] = []
        var granted = 0
        var lastResult: AuditResult?
    }

    struct SimulatedEdge {
        var generation: UInt32 = 0
        var isAlive = false
        var restart: Instant?
        var pipe: PipeID?
        /// By all incarnations.
        var sent: UInt64 = 0
    }

    let climate: Climate
    var random: SeededRandom
    var clock = FalseClock()
    var network: SimulatedNetwork<Frame>
    var dispatch: Dispatch
    let pool: BlockPool
    let control: PipeID
    var readers: [PipeID: Reader] = [:]
    var auditors: [SimulatedAuditor]
    var edges: [SimulatedEdge]
    var stalled: [(UInt16, UInt32)] = []
    var step = 0
    /// What became of captures, asked for by edges.
    var asked: UInt64 = 0
    var answered: UInt64 = 0
    var isQuiet = false
    var failure: String?

    // Per capture, by number.
    var poisonous: [Bool] = []
    var accepted: [Bool] = []
    var started: [Int] = []
    var finals: [Int] = []
    var eventsSeen: UInt64 = 0
    var quarantinedInnocents = 0

    init(seed: UInt64) {
        climate = Climate(seed: seed)
        random = SeededRandom(seed: seed)
        network = SimulatedNetwork(seed: seed ^ 0xABCD, longestDelay: climate.longestDelay)
        pool = BlockPool(limitBytes: climate.poolBytes)
        var limits = Dispatch.Limits()
        limits.workers = climate.workers
        limits.queueJobs = climate.queueJobs
        limits.queueBytes = climate.queueBytes
        limits.auditLimit = .seconds(1)
        limits.events = 4096
        limits.eventBytes = 1 << 20
        limits.samplingRate = climate.samplingRate
        dispatch = Dispatch(limits: limits, epoch: seed + 1, pool: pool)
        auditors = Array(repeating: SimulatedAuditor(), count: Int(climate.places))
        edges = Array(repeating: SimulatedEdge(), count: Int(climate.edges))
        control = network.makePipe()
        readers[control] = .control
        for place in 0..<climate.places { startAuditor(place) }
        for place in 0..<climate.edges { startEdge(place) }
    }

    var moment: Moment { Moment(now: clock.now, wall: clock.wall) }

    func fail(_ what: String) {
        if failure == nil { failure = "step \(step): \(what)" }
    }

    // MARK: Running

    func run(steps: Int) {
        for _ in 0..<steps where failure == nil {
            step += 1
            act()
            pump()
            check()
        }
    }

    /// Everything that is due happens; then the dispatcher's outputs are taken.
    func pump() {
        while let delivery = network.deliver(at: clock.now) {
            receive(delivery)
            takeOutputs()
        }
        if let alarm = dispatch.nextAlarm(), alarm <= clock.now {
            dispatch.alarm(at: moment)
            if let again = dispatch.nextAlarm(), again <= clock.now { fail("the alarm that rang is still due") }
        }
        work()
        restart()
        takeOutputs()
    }

    /// Time passes to the next thing that happens, or a little of it.
    func pass(_ most: Duration) {
        let target = clock.now + random.duration(upTo: most)
        clock.advance(to: target)
    }

    func act() {
        if random.oneIn(climate.calm) { beginCapture(UInt16(random.below(edges.count))) }
        switch random.below(4) {
        case 0, 1: pass(climate.pace)
        case 2: pass(.milliseconds(5))
        default: break
        }
        if random.oneIn(400) { pass(.seconds(6)) }
        let place = UInt16(random.below(auditors.count))
        if random.oneIn(150) { drainAuditor(place) }
        if random.oneIn(200) { endAuditor(place, signal: 9, ordered: true) }
        guard climate.isStormy else { return }
        if random.oneIn(80) { endAuditor(place, signal: 11, ordered: false) }
        if random.oneIn(150) { cutAuditor(place) }
        if random.oneIn(30) { lie(place) }
        if random.oneIn(100) { gossip() }
        let edge = UInt16(random.below(edges.count))
        if random.oneIn(100) { cutEdge(edge) }
        if random.oneIn(200) { endEdge(edge) }
    }
}
