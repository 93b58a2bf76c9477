// Held jobs and their order.
import EventLoop
import Simulation
import Testing

@testable import dispatcher

@Suite struct JobTests {
    private let pool = BlockPool(limitBytes: 1 << 20)

    private func job(_ id: String, bytes: Int = 10) -> AuditJob {
        var chain = BlockChain(in: pool)
        let payload = [UInt8](repeating: 7, count: bytes)
        _ = payload.withUnsafeBytes { chain.appendAll($0) }
        return AuditJob(
            requestID: id, auditID: id, responseBytes: 0, answeredMilliseconds: 0, edge: 0, received: Moment(now: Instant(nanoseconds: 0), wall: 0), capture: chain)
    }

    @Test func `the table is bounded by count and bytes`() {
        var table = JobTable(limit: 2, byteLimit: 25)
        let first = table.insert(job("a"))
        let larger = table.insert(job("too large", bytes: 16))
        let second = table.insert(job("b", bytes: 15))
        let third = table.insert(job("c", bytes: 0))
        #expect([first != nil, larger != nil, second != nil, third != nil] == [true, false, true, false])
        let removed = first.map { table.remove($0) != nil }
        let larger2 = table.insert(job("c", bytes: 11))
        let fits = table.insert(job("c", bytes: 10))
        #expect([removed, larger2 != nil, fits != nil] == [true, false, true])
        let (count, bytes) = (table.count, table.bytes)
        #expect(count == 2)
        #expect(bytes == 25)
    }

    @Test func `a name of a job never means its successor`() {
        var table = JobTable(limit: 1, byteLimit: 100)
        guard let old = table.insert(job("a")), table.remove(old) != nil, let new = table.insert(job("b")) else { return #expect(Bool(false)) }
        #expect(new.slot == old.slot)
        #expect(new != old)
        let again = table.remove(old) != nil
        #expect(!again)
        let history = table.withHistory(old) { $0.attempts }
        #expect(history == nil)
        let ids = [old, new, JobID(slot: 9, generation: 1), JobID(slot: .max, generation: 1), JobID(slot: 0, generation: 2)]
        let names = ids.map { id in table.with(id) { $0.requestID } }
        #expect(names == [nil, "b", nil, nil, nil])
    }

    @Test func `captures go back to their pool, also with the table`() {
        do {
            var table = JobTable(limit: 10, byteLimit: 1 << 20)
            let id = table.insert(job("a", bytes: 5000))
            _ = table.insert(job("b", bytes: 5000))
            #expect(pool.usedBytes == 16384)
            _ = id.map { table.remove($0) != nil }
            #expect(pool.usedBytes == 8192)
        }
        #expect(pool.usedBytes == 0)
    }

    @Test(arguments: 0..<20) func `a line is a line, wherever jobs enter`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var line = JobLine()
        var model: [JobID] = []
        for number in 0..<2000 {
            let job = JobID(slot: UInt32(number), generation: 1)
            switch random.below(5) {
            case 0, 1:
                line.append(job)
                model.append(job)
            case 2:
                line.prepend(job)
                model.insert(job, at: 0)
            default:
                guard line.popFirst() == (model.isEmpty ? nil : model.removeFirst()) else { return #expect(Bool(false), "seed \(seed)") }
            }
            guard line.count == model.count else { return #expect(Bool(false), "seed \(seed)") }
        }
        #expect(line.all == model, "seed \(seed)")
    }

    @Test func `suspects stand in a line of their own`() {
        let jobs = (0..<5).map { JobID(slot: $0, generation: 1) }
        var queue = JobQueue()
        queue.append(jobs[0])
        queue.append(jobs[1])
        queue.putBack(jobs[2], isSuspect: false)
        queue.appendSuspect(jobs[3])
        queue.putBack(jobs[4], isSuspect: true)
        #expect(queue.count == 5)
        #expect([queue.takeTrusted(), queue.takeTrusted(), queue.takeTrusted(), queue.takeTrusted()] == [jobs[2], jobs[0], jobs[1], nil])
        #expect([queue.takeSuspect(), queue.takeSuspect(), queue.takeSuspect()] == [jobs[4], jobs[3], nil])
    }
}
