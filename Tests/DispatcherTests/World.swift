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
    }
}

final class World {
    enum Frame {
        case attach(ChannelKind, UInt16, UInt32, PipeID)
        case peerEnded(PeerEnded, owed: UInt64)
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
    var owed: UInt64 = 0
    var step = 0
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
        case 0: pass(.milliseconds(200))
        case 1: pass(.milliseconds(5))
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

    // MARK: Edges

    func startEdge(_ place: UInt16) {
        edges[Int(place)].isAlive = true
        edges[Int(place)].restart = nil
        edges[Int(place)].sent = 0
        connectEdge(place)
    }

    func connectEdge(_ place: UInt16) {
        edges[Int(place)].generation += 1
        let pipe = network.makePipe(isHeld: true)
        edges[Int(place)].pipe = pipe
        network.send(.attach(.capture, place, edges[Int(place)].generation, pipe), on: control, at: clock.now)
        network.send(.open(edges[Int(place)].sent), on: pipe, at: clock.now)
    }

    func beginCapture(_ place: UInt16) {
        guard edges[Int(place)].isAlive, let pipe = edges[Int(place)].pipe else { return }
        let number = poisonous.count
        poisonous.append(random.oneIn(climate.poison))
        accepted.append(false)
        started.append(0)
        finals.append(0)
        edges[Int(place)].sent += 1
        network.send(.capture(number), on: pipe, at: clock.now)
    }

    func cutEdge(_ place: UInt16) {
        guard edges[Int(place)].isAlive, let pipe = edges[Int(place)].pipe else { return }
        network.cut(pipe, at: clock.now)
        // Some captures still go into the broken channel before the edge notices.
        for _ in 0..<random.below(3) { beginCapture(place) }
        connectEdge(place)
    }

    func endEdge(_ place: UInt16) {
        guard edges[Int(place)].isAlive, let pipe = edges[Int(place)].pipe else { return }
        edges[Int(place)].isAlive = false
        edges[Int(place)].pipe = nil
        if random.oneIn(2) { network.close(pipe, at: clock.now) } else { network.cut(pipe, at: clock.now) }
        let waiting = UInt64(random.below(3))  // captured, not yet sent
        let total = edges[Int(place)].sent + waiting
        owed += total
        let ended = PeerEnded(kind: .capture, peer: place, generation: edges[Int(place)].generation, signal: 9, ordered: false)
        for _ in 0...random.below(2) { network.send(.peerEnded(ended, owed: total), on: control, at: clock.now) }
        edges[Int(place)].restart = clock.now + random.duration(upTo: .seconds(1))
    }

    // MARK: Auditors

    func startAuditor(_ place: UInt16) {
        auditors[Int(place)].isAlive = true
        auditors[Int(place)].isDraining = false
        auditors[Int(place)].restart = nil
        connectAuditor(place)
    }

    func connectAuditor(_ place: UInt16) {
        let index = Int(place)
        auditors[index].generation += 1
        auditors[index].work = []
        auditors[index].lastResult = nil
        let up = network.makePipe(isHeld: true)
        let down = network.makePipe()
        auditors[index].toDispatcher = up
        auditors[index].fromDispatcher = down
        readers[down] = .auditor(place, auditors[index].generation)
        network.send(.attach(.audit, place, auditors[index].generation, up), on: control, at: clock.now)
        auditors[index].granted = climate.concurrency
        network.send(.credit(UInt16(climate.concurrency)), on: up, at: clock.now)
    }

    func endAuditor(_ place: UInt16, signal: UInt8, ordered: Bool) {
        let index = Int(place)
        guard auditors[index].isAlive else { return }
        auditors[index].isAlive = false
        auditors[index].work = []
        if let pipe = auditors[index].toDispatcher { network.close(pipe, at: clock.now) }
        if let pipe = auditors[index].fromDispatcher { network.forget(pipe) }
        auditors[index].toDispatcher = nil
        auditors[index].fromDispatcher = nil
        let ended = PeerEnded(kind: .audit, peer: place, generation: auditors[index].generation, signal: signal, ordered: ordered)
        for _ in 0...(random.oneIn(5) ? 1 : 0) { network.send(.peerEnded(ended, owed: 0), on: control, at: clock.now) }
        auditors[index].restart = clock.now + random.duration(upTo: .seconds(2))
    }

    /// The channel breaks, both processes live on; the auditor forgets what it was doing for it.
    func cutAuditor(_ place: UInt16) {
        let index = Int(place)
        guard auditors[index].isAlive, let up = auditors[index].toDispatcher, let down = auditors[index].fromDispatcher else { return }
        network.cut(up, at: clock.now)
        network.forget(down)
        connectAuditor(place)
    }

    /// It gives back what it has not begun, finishes the rest and exits.
    func drainAuditor(_ place: UInt16) {
        let index = Int(place)
        guard auditors[index].isAlive, !auditors[index].isDraining, let pipe = auditors[index].toDispatcher else { return }
        auditors[index].isDraining = true
        while auditors[index].work.count > 1 {
            network.send(.nack(auditors[index].work.removeLast().lease), on: pipe, at: clock.now)
        }
    }

    /// The auditors work, finish, die of poison.
    func work() {
        for index in auditors.indices {
            let place = UInt16(index)
            while let done = auditors[index].work.firstIndex(where: { $0.done <= clock.now }), let pipe = auditors[index].toDispatcher {
                let work = auditors[index].work.remove(at: done)
                if work.dies {
                    endAuditor(place, signal: 11, ordered: false)
                    break
                }
                let result = answer(work)
                auditors[index].lastResult = result
                network.send(.result(result), on: pipe, at: clock.now)
                guard !auditors[index].isDraining else { continue }
                auditors[index].granted += 1
                network.send(.credit(1), on: pipe, at: clock.now)
            }
            if auditors[index].isDraining, auditors[index].isAlive, auditors[index].work.isEmpty {
                endAuditor(place, signal: 0, ordered: true)
            }
        }
    }

    func answer(_ work: Work) -> AuditResult {
        switch random.below(12) {
        case 0: AuditResult(lease: work.lease, outcome: .skipped, reason: random.oneIn(2) ? "content_encoding" : "not_auditable")
        case 1: AuditResult(lease: work.lease, outcome: .failed, reason: random.oneIn(2) ? "timeout" : "engine_error", detail: "it is \"so\"")
        case 2 where !isQuiet: AuditResult(lease: work.lease, outcome: .completed, json: [UInt8](repeating: 0x7B, count: random.oneIn(2) ? 0 : 70_000))
        default:
            AuditResult(
                lease: work.lease, outcome: .completed, scoreTenths: 900, processingMicroseconds: 1500, grade: "A",
                json: Array("{\"audit_id\":\"a\(work.number)\"}".utf8))
        }
    }

    /// A broken auditor says what it likes.
    func lie(_ place: UInt16) {
        guard let pipe = auditors[Int(place)].toDispatcher else { return }
        switch random.below(5) {
        case 0:
            guard let last = auditors[Int(place)].lastResult else { return }
            network.send(.result(last), on: pipe, at: clock.now)
        case 1:
            guard let other = random.pick(Array(dispatch.leases.all.sorted { $0.id < $1.id })) else { return }
            guard other.place != place else { return }
            network.send(.result(AuditResult(lease: other.id, outcome: .failed, reason: "stolen")), on: pipe, at: clock.now)
        case 2: network.send(.nack(random.next()), on: pipe, at: clock.now)
        case 3:
            auditors[Int(place)].granted += 40_000
            network.send(.credit(40_000), on: pipe, at: clock.now)
        default: network.send(.result(AuditResult(lease: random.next() % 100, outcome: .skipped)), on: pipe, at: clock.now)
        }
    }

    /// The supervisor speaks of nobody the dispatcher knows.
    func gossip() {
        let ended = PeerEnded(
            kind: random.oneIn(2) ? .audit : .event, peer: UInt16(random.below(6)) + 1000, generation: UInt32(random.below(10)), signal: 6,
            ordered: random.oneIn(2))
        network.send(.peerEnded(ended, owed: 0), on: control, at: clock.now)
    }

    func restart() {
        for index in auditors.indices {
            if let at = auditors[index].restart, at <= clock.now { startAuditor(UInt16(index)) }
        }
        for index in edges.indices {
            if let at = edges[index].restart, at <= clock.now { startEdge(UInt16(index)) }
        }
    }

    // MARK: Deliveries

    func receive(_ delivery: SimulatedNetwork<Frame>.Delivery) {
        switch delivery {
        case .ended(let pipe):
            guard case .dispatcher(let kind, let place, let generation)? = readers.removeValue(forKey: pipe) else { return }
            if kind == .audit {
                dispatch.channelEnded(place, generation: generation, at: moment)
            } else {
                dispatch.edgeChannelEnded(place, generation: generation)
            }
        case .frame(let frame, let pipe):
            switch readers[pipe] {
            case .control: controlSaid(frame)
            case .dispatcher(.audit, let place, let generation): auditorSaid(frame, place, generation, pipe)
            case .dispatcher(_, let place, let generation): edgeSaid(frame, place, generation)
            case .auditor(let place, let generation): auditorGot(frame, place, generation)
            case nil: break
            }
        }
    }

    func controlSaid(_ frame: Frame) {
        switch frame {
        case .attach(let kind, let place, let generation, let pipe):
            readers[pipe] = .dispatcher(kind, place, generation)
            network.release(pipe)
            if kind == .audit {
                dispatch.auditorAttached(place, generation: generation, at: moment)
            } else {
                dispatch.edgeAttached(place, generation: generation)
            }
        case .peerEnded(let ended, let owed):
            if ended.kind == .capture {
                dispatch.edgeEnded(ended.peer, generation: ended.generation, owed: owed)
            } else {
                dispatch.peerEnded(ended, at: moment)
            }
        default: fail("the supervisor sent \(frame)")
        }
    }

    func edgeSaid(_ frame: Frame, _ place: UInt16, _ generation: UInt32) {
        switch frame {
        case .open(let before):
            do throws(FrameError) {
                try dispatch.captureOpened(CaptureOpen(sentBefore: before), from: place, generation: generation)
            } catch {
                fail("CaptureOpen refused: \(error)")
            }
        case .capture(let number):
            let requestID = number % 97 == 96 ? [] : Array("r\(number)".utf8)
            let payload = Self.payload(number)
            let auditID = Array("a\(number)".utf8)
            let target = Array("/v1/chat/completions?key=1".utf8)
            let facts = CaptureFacts(
                requestID: requestID.span.bytes, auditID: auditID.span.bytes, target: target.span.bytes, responseBytes: UInt64(number))
            let before = dispatch.jobs.count
            switch dispatch.captureReceived(facts, payload: payload.span.bytes, from: place, generation: generation, at: moment) {
            case .queued: accepted[number] = true
            case .queueIsFull:
                // Too few jobs, too many bytes, or no blocks: one of them must be true.
                let isFull = before == climate.workers + climate.queueJobs || dispatch.jobs.bytes + payload.count > climate.queueBytes
                    || pool.usedBytes + 4096 > climate.poolBytes
                if !isFull { fail("capture \(number) dropped with \(before) jobs held") }
            case .malformed: if !requestID.isEmpty { fail("capture \(number) malformed") }
            case .isStopped: if !dispatch.isDraining { fail("capture \(number) refused as if stopped") }
            case .sampledOut: if climate.samplingRate == 1 { fail("capture \(number) sampled out") }
            }
        default: fail("an edge sent \(frame)")
        }
    }

    static func payload(_ number: Int) -> [UInt8] { Array("capture \(number) ".utf8) + [UInt8](repeating: UInt8(number & 0xFF), count: number % 700) }

    func auditorSaid(_ frame: Frame, _ place: UInt16, _ generation: UInt32, _ pipe: PipeID) {
        switch frame {
        case .credit(let count):
            do throws(FrameError) {
                try dispatch.credit(Credit(count: count), from: place, generation: generation)
            } catch {
                // A violation: the channel is closed, and the supervisor makes another.
                readers[pipe] = nil
                dispatch.channelEnded(place, generation: generation, at: moment)
                if auditors[Int(place)].generation == generation, auditors[Int(place)].isAlive { cutAuditor(place) }
            }
        case .result(let result): dispatch.result(result, from: place, generation: generation, at: moment)
        case .nack(let lease): dispatch.nack(Nack(lease: lease), from: place, generation: generation, at: moment)
        default: fail("an auditor sent \(frame)")
        }
    }

    func auditorGot(_ frame: Frame, _ place: UInt16, _ generation: UInt32) {
        guard case .job(let lease, let number, _) = frame else { return fail("an auditor got \(frame)") }
        let index = Int(place)
        guard auditors[index].isAlive, auditors[index].generation == generation else { return }
        auditors[index].granted -= 1
        if auditors[index].granted < 0 { fail("auditor \(place) got a job without credit") }
        if auditors[index].isDraining {
            if let pipe = auditors[index].toDispatcher { network.send(.nack(lease), on: pipe, at: clock.now) }
            return
        }
        var time = random.duration(upTo: .milliseconds(300))
        if poisonous[number] {
            time = random.duration(upTo: .milliseconds(30))
        } else if !isQuiet, random.oneIn(60) {
            time = random.oneIn(2) ? .seconds(3) : .seconds(1_000_000)  // late, hung
        }
        auditors[index].work.append(Work(lease: lease, number: number, done: clock.now + time, dies: poisonous[number]))
    }

    // MARK: What the dispatcher does

    func takeOutputs() {
        while let assignment = dispatch.nextAssignment(at: clock.now) {
            if climate.isStormy, !isQuiet, random.oneIn(40) {
                dispatch.unsent(assignment)
                stalled.append((assignment.place, assignment.generation))
                checkState()
                continue
            }
            var bytes: [UInt8] = []
            let lent: Void? = dispatch.withCapture(of: assignment) { chain in chain.forEachPiece { bytes.append(contentsOf: $0) } }
            if lent == nil { fail("an assignment without a capture") }
            let digits = bytes.dropFirst(8).prefix { $0 != UInt8(ascii: " ") }
            guard let number = Int(String(decoding: digits, as: UTF8.self)), bytes == Self.payload(number) else {
                return fail("a capture that was changed")
            }
            if !accepted[number] { fail("capture \(number) sent, but not accepted") }
            if !Job.attempts.contains(assignment.attempt) { fail("attempt \(assignment.attempt)") }
            let auditor = auditors[Int(assignment.place)]
            if auditor.generation == assignment.generation, let pipe = auditor.fromDispatcher {
                network.send(.job(lease: assignment.lease.id, number: number, limit: assignment.limitMilliseconds), on: pipe, at: clock.now)
            }
        }
        if !stalled.isEmpty, isQuiet || random.oneIn(4) {
            for (place, generation) in stalled { dispatch.writable(place, generation: generation) }
            stalled = []
        }
        takeEvents()
        for fact in dispatch.takeLogFacts() {
            if case .quarantined(let id, _) = fact, let number = Int(id.dropFirst()), !poisonous[number] { quarantinedInnocents += 1 }
        }
    }

    func takeEvents() {
        while eventsSeen < dispatch.events.last {
            eventsSeen += 1
            let event = dispatch.events.with(eventsSeen) { event in (event.kind, event.json.withUnsafeBytes { Array($0) }) }
            guard let (kind, json) = event else { return fail("event \(eventsSeen) is gone") }
            guard let number = Self.auditNumber(json) else { return fail("event without an audit id") }
            if kind == .auditStarted { started[number] += 1 } else { finals[number] += 1 }
            if started[number] != 1 { fail("capture \(number) has \(started[number]) beginnings") }
            if finals[number] > 1 { fail("capture \(number) has \(finals[number]) ends") }
        }
    }

    /// The number in `"audit_id":"a…"`.
    static func auditNumber(_ json: [UInt8]) -> Int? {
        let key = Array("\"audit_id\":\"a".utf8)
        guard let at = json.indices.first(where: { json[$0...].starts(with: key) }) else { return nil }
        return Int(String(decoding: json[(at + key.count)...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self))
    }

    // MARK: Invariants

    func check() {
        checkState()
        let ledger = dispatch.ledger
        if !ledger.isBalanced { fail("the ledger does not balance") }
        if ledger.pending != UInt64(dispatch.jobs.count) { fail("\(ledger.pending) pending, \(dispatch.jobs.count) held") }
        if dispatch.jobs.bytes > climate.queueBytes { fail("\(dispatch.jobs.bytes) bytes held") }
    }

    func checkState() {
        let running = dispatch.leases.all.filter { !$0.isExpired }
        if running.count != dispatch.leases.running { fail("\(running.count) leases, \(dispatch.leases.running) counted") }
        if running.count > climate.workers { fail("\(running.count) running with \(climate.workers) workers") }
        if dispatch.jobs.count != running.count + dispatch.queue.count {
            fail("\(dispatch.jobs.count) held, \(running.count) running, \(dispatch.queue.count) waiting")
        }
        var seen = Set<JobID>()
        for job in running.map(\.job) + dispatch.queue.trusted.all + dispatch.queue.suspects.all {
            if !seen.insert(job).inserted { fail("a job is in two places") }
            if !dispatch.jobs.contains(job) { fail("a job that is gone is still waiting or running") }
        }
        for auditor in dispatch.auditors.all {
            let held = dispatch.leases.all.filter { $0.place == auditor.place && $0.generation == auditor.generation }
            if held.count(where: { !$0.isExpired }) != auditor.running { fail("auditor \(auditor.place) miscounted") }
            if held.count != auditor.running + auditor.overdue { fail("auditor \(auditor.place) miscounted overdue leases") }
            if held.contains(where: { $0.isSuspect && !$0.isExpired }), held.count != 1 { fail("a suspect is not alone") }
            if auditor.credits.available < 0 { fail("negative credit") }
        }
    }

    // MARK: The end

    /// Without new faults, all that is held comes to an end by itself; nobody is stuck.
    func calmDown() {
        isQuiet = true
        for index in auditors.indices where auditors[index].isAlive && !auditors[index].isDraining {
            auditors[index].work.removeAll { $0.done > clock.now + .seconds(3600) }  // the hung come to their senses
        }
        for _ in 0..<4000 where dispatch.jobs.count > 0 && failure == nil {
            step += 1
            clock.advance(by: .milliseconds(50))
            pump()
            check()
        }
        if dispatch.jobs.count > 0 { fail("\(dispatch.jobs.count) jobs are stuck") }
    }

    /// Drains, ends the edges, and draws the balance.
    func finish() {
        dispatch.drain(until: clock.now + .seconds(2))
        for _ in 0..<120 where failure == nil {
            step += 1
            if random.oneIn(3) { beginCapture(UInt16(random.below(edges.count))) }
            clock.advance(by: .milliseconds(50))
            pump()
            check()
        }
        if !dispatch.isDrained { fail("not drained at the limit") }
        for place in edges.indices {
            edges[place].restart = nil
            endEdge(UInt16(place))
            edges[place].restart = nil
        }
        for _ in 0..<200 where failure == nil {
            step += 1
            clock.advance(by: .milliseconds(50))
            pump()
            check()
        }
        guard failure == nil else { return }
        for number in accepted.indices where started[number] != (accepted[number] ? 1 : 0) || finals[number] != started[number] {
            fail("capture \(number): accepted \(accepted[number]), \(started[number]) beginnings, \(finals[number]) ends")
        }
        let ledger = dispatch.ledger
        if ledger.pending != 0 { fail("\(ledger.pending) pending at the end") }
        let sum = ledger.settled + ledger[.droppedChannelLost]
        if sum != owed { fail("\(owed) captured, \(sum); \(ledger[.received]) received, \(ledger[.droppedChannelLost]) lost in channels, \(sum) in the ledger") }
        if pool.usedBytes != 0 { fail("\(pool.usedBytes) bytes of the pool are still used") }
        if !climate.isStormy, quarantinedInnocents > 0 { fail("\(quarantinedInnocents) innocents quarantined") }
        if !climate.isStormy, ledger[.failedAuditorLost] > 0 { fail("\(ledger[.failedAuditorLost]) given up without a storm") }
    }
}
