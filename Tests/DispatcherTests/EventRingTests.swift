// Numbers, bounds and resumption of the ring of events.
import IPC
import Simulation
import Testing

@testable import dispatcher

@Suite struct EventRingTests {
    private func bytes(_ count: Int, _ byte: Int) -> [UInt8] { [UInt8](repeating: UInt8(truncatingIfNeeded: byte), count: count) }

    private func json(_ ring: borrowing EventRing, _ sequence: UInt64) -> [UInt8]? {
        ring.with(sequence) { event in event.json.withUnsafeBytes { Array($0) } }
    }

    @Test func `numbers begin at 1 and have no gaps`() {
        var ring = EventRing(epoch: 9, countLimit: 3, byteLimit: 1 << 20)
        #expect(ring.with(0) { _ in } == nil)
        #expect(ring.with(1) { _ in } == nil)
        for number in 1...5 {
            let kept = ring.append(.auditComplete, wall: UInt64(number), json: bytes(10, number))
            #expect(kept)
        }
        let (first, last) = (ring.first, ring.last)
        #expect(first == 3)
        #expect(last == 5)
        #expect(json(ring, 2) == nil)
        #expect(json(ring, 3) == bytes(10, 3))
        #expect(json(ring, 6) == nil)
        #expect(json(ring, .max) == nil)
        let facts = ring.with(4) { [$0.epoch, $0.sequence, $0.milliseconds, UInt64($0.kind.rawValue)] }
        #expect(facts == [9, 4, 4, UInt64(EventKind.auditComplete.rawValue)])
    }

    @Test func `events beyond 64 KiB and empty ones are refused without a number`() {
        var ring = EventRing(epoch: 1, countLimit: 10, byteLimit: 0)
        let results = [0, 65_536, 65_537, 65_536].map { ring.append(.auditFailed, wall: 0, json: bytes($0, 1)) }
        #expect(results == [false, true, false, true])
        let (last, count) = (ring.last, ring.count)
        #expect(last == 2)
        #expect(count == 1)
    }

    typealias Row = (epoch: UInt64, sequence: UInt64, next: UInt64, lost: Bool)

    @Test(arguments: [
        (5, 3, 4, false), (5, 2, 3, false), (5, 1, 3, true), (5, 5, 6, false), (5, 0, 3, true), (5, 6, 3, true), (5, .max, 3, true),
        (0, 0, 3, true), (4, 2, 3, true), (6, 0, 3, true),
    ] as [Row]) func `a subscriber goes on where it was`(_ row: Row) {
        var ring = EventRing(epoch: 5, countLimit: 3, byteLimit: 1 << 20)
        for _ in 0..<5 { _ = ring.append(.auditStarted, wall: 0, json: bytes(3, 1)) }
        let resumption = ring.resume(epoch: row.epoch, sequence: row.sequence)
        #expect(resumption == EventRing.Resumption(next: row.next, isHistoryLost: row.lost))
    }

    @Test func `before the first event nothing is lost for a new subscriber`() {
        let ring = EventRing(epoch: 5, countLimit: 3, byteLimit: 1 << 20)
        let resumptions = [ring.resume(epoch: 0, sequence: 0), ring.resume(epoch: 5, sequence: 0), ring.resume(epoch: 4, sequence: 7)]
        #expect(resumptions.map(\.next) == [1, 1, 1])
        #expect(resumptions.map(\.isHistoryLost) == [false, false, true])
    }

    @Test(arguments: 0..<8) func `what is kept is what was written, whatever the sizes`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let limit = 1 + random.below(60)
        var ring = EventRing(epoch: 1, countLimit: limit, byteLimit: 70_000)
        var model: [[UInt8]] = []
        for number in 0..<300 {
            let size = 1 + random.below([10, 3000, 20_000, 65_536][random.below(4)])
            let event = bytes(size, number)
            model.append(event)
            guard ring.append(.auditStarted, wall: 0, json: event) else { return #expect(Bool(false), "seed \(seed): refused") }
            let (first, last, count) = (ring.first, ring.last, ring.count)
            guard last == UInt64(number + 1), count <= limit, count >= 1 else { return #expect(Bool(false), "seed \(seed): count") }
            for sequence in first...last {
                // All of them now and then; always those whose neighbours were just written over.
                guard sequence < first + 2 || sequence == last || number % 50 == 0 else { continue }
                guard json(ring, sequence) == model[Int(sequence) - 1] else { return #expect(Bool(false), "seed \(seed): event \(sequence)") }
            }
            let total = model[Int(first) - 1..<Int(last)].reduce(0) { $0 + $1.count }
            guard total <= 70_000 else { return #expect(Bool(false), "seed \(seed): bytes") }
        }
    }
}
