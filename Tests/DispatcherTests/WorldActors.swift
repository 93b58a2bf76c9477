// The edges and auditors of the world: what they do by themselves, and how they break.
import EventLoop
import IPC
import Simulation

@testable import dispatcher

extension World {
    // MARK: Edges

    func startEdge(_ place: UInt16) {
        edges[Int(place)].isAlive = true
        edges[Int(place)].restart = nil
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

    func endEdge(_ place: UInt16, isFinal: Bool = false) {
        guard edges[Int(place)].isAlive, let pipe = edges[Int(place)].pipe else { return }
        edges[Int(place)].isAlive = false
        edges[Int(place)].pipe = nil
        if random.oneIn(2) { network.close(pipe, at: clock.now) } else { network.cut(pipe, at: clock.now) }
        // Also reported when a successor comes, before or after that one's first words; or not at all.
        let ended = PeerEnded(kind: .capture, peer: place, generation: edges[Int(place)].generation, signal: 9, ordered: false)
        for _ in 0..<(isFinal ? 1 : random.below(3)) {
            network.send(.peerEnded(ended, sent: edges[Int(place)].sent), on: control, at: clock.now)
        }
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
        for _ in 0...(random.oneIn(5) ? 1 : 0) { network.send(.peerEnded(ended, sent: 0), on: control, at: clock.now) }
        auditors[index].restart = clock.now + random.duration(upTo: .milliseconds(isQuiet ? 100 : 800))
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
        network.send(.peerEnded(ended, sent: 0), on: control, at: clock.now)
    }

    func restart() {
        for index in auditors.indices {
            if let at = auditors[index].restart, at <= clock.now { startAuditor(UInt16(index)) }
        }
        for index in edges.indices {
            if let at = edges[index].restart, at <= clock.now { startEdge(UInt16(index)) }
        }
    }
}
