// A dispatcher for tests that say what happens one call at a time.
import EventLoop
import IPC
import Simulation

@testable import dispatcher

final class Harness {
    let pool = BlockPool(limitBytes: 64 << 20)
    var dispatch: Dispatch
    var clock = FalseClock()

    init(workers: Int = 1, queue: Int = 2, _ change: (inout Dispatch.Limits) -> Void = { _ in }) {
        var limits = Dispatch.Limits()
        limits.workers = workers
        limits.queueJobs = queue
        limits.eventBytes = 1 << 20
        change(&limits)
        dispatch = Dispatch(limits: limits, epoch: 7, pool: pool)
    }

    var moment: Moment { Moment(now: clock.now, wall: clock.wall) }
    var ledger: Ledger { dispatch.ledger }
    var isDrained: Bool { dispatch.isDrained }

    @discardableResult
    func capture(_ id: String, edgeGeneration: UInt32 = 1, payload: String = "bytes", target: String = "/v1/chat/completions?q=1") -> Dispatch.Submission {
        let requestID = Array(id.utf8)
        let auditID = id.isEmpty ? [] : Array("audit-\(id)".utf8)
        let target = Array(target.utf8)
        let payload = Array(payload.utf8)
        let facts = CaptureFacts(requestID: requestID.span.bytes, auditID: auditID.span.bytes, target: target.span.bytes, responseBytes: 1234)
        return dispatch.captureReceived(facts, payload: payload.span.bytes, from: 0, generation: edgeGeneration, at: moment)
    }

    func attach(_ place: UInt16, generation: UInt32 = 1, credits: UInt16 = 1) {
        dispatch.auditorAttached(place, generation: generation, at: moment)
        try? dispatch.credit(Credit(count: credits), from: place, generation: generation)
    }

    func next() -> Dispatch.Assignment? { dispatch.nextAssignment(at: clock.now) }

    /// The request id of an assignment's job.
    func id(_ assignment: Dispatch.Assignment?) -> String? { assignment.flatMap { dispatch.jobs.with($0.lease.job) { $0.requestID } } }

    func complete(_ assignment: Dispatch.Assignment, json: [UInt8] = Array("{\"trust_score\":91.5}".utf8)) {
        answer(
            assignment,
            AuditResult(
                lease: assignment.lease.id, outcome: .completed, scoreTenths: 915, processingMicroseconds: 4200, grade: "A", json: json))
    }

    func answer(_ assignment: Dispatch.Assignment, _ result: AuditResult) {
        dispatch.result(result, from: assignment.place, generation: assignment.generation, at: moment)
    }

    func die(_ place: UInt16, generation: UInt32 = 1, signal: UInt8 = 11, ordered: Bool = false) {
        dispatch.channelEnded(place, generation: generation, at: moment)
        peerEnded(place, generation: generation, signal: signal, ordered: ordered)
    }

    func peerEnded(_ place: UInt16, generation: UInt32 = 1, signal: UInt8 = 11, ordered: Bool = false) {
        let ended = PeerEnded(kind: .audit, peer: place, generation: generation, signal: signal, ordered: ordered)
        dispatch.peerEnded(ended, at: moment)
    }

    func wait(_ duration: Duration) {
        clock.advance(by: duration)
        dispatch.alarm(at: moment)
    }

    /// All events: kind and JSON.
    var events: [String] {
        var all: [String] = []
        for sequence in dispatch.events.first..<dispatch.events.last + 1 {
            let line = dispatch.events.with(sequence) { event in
                "\(event.kind.name) " + event.json.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            }
            all.append(line ?? "gone")
        }
        return all
    }
}
