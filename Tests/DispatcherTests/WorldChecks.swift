// What must be true after every step of the world, and at its end.
import EventLoop
import IPC
import Simulation

@testable import dispatcher

extension World {
    // MARK: Invariants

    func check() {
        checkState()
        answered += UInt64(dispatch.takeReplies().count)
        if answered + UInt64(dispatch.waits.count) != asked { fail("\(asked) questions, \(answered) answered, \(dispatch.waits.count) wait") }
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
        var bytes = 0
        for job in running.map(\.job) + dispatch.queue.trusted.all + dispatch.queue.suspects.all {
            if !seen.insert(job).inserted { fail("a job is in two places") }
            let count = dispatch.jobs.with(job) { $0.capture.count }
            if count == nil { fail("a job that is gone is still waiting or running") }
            bytes += count ?? 0
        }
        if bytes != dispatch.jobs.bytes { fail("\(bytes) bytes held, \(dispatch.jobs.bytes) counted") }
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
        for index in auditors.indices where auditors[index].isAlive {
            // The hung come to their senses, and answer late.
            auditors[index].work = auditors[index].work.map { work in
                Work(lease: work.lease, number: work.number, done: min(work.done, clock.now + .seconds(4)), dies: work.dies)
            }
        }
        for _ in 0..<4000 where dispatch.jobs.count > 0 && failure == nil {
            step += 1
            clock.advance(by: .milliseconds(50))
            pump()
            check()
        }
        if dispatch.jobs.count > 0 { return fail("\(dispatch.jobs.count) jobs are stuck") }
        // When all that was said has arrived, both sides of a channel count the same credits.
        for _ in 0..<200 where failure == nil {
            step += 1
            clock.advance(by: .milliseconds(50))
            pump()
            check()
        }
        for auditor in dispatch.auditors.all where auditor.takesJobs {
            let peer = auditors[Int(auditor.place)]
            guard peer.isAlive, peer.generation == auditor.generation, auditor.isIdle, peer.work.isEmpty else { continue }
            if auditor.credits.available != peer.granted { fail("\(peer.granted) credits granted, \(auditor.credits.available) left") }
        }
    }

    /// Drains, ends the edges, and draws the balance.
    func finish() {
        dispatch.drain(until: clock.now + random.duration(upTo: .seconds(2)))
        for _ in 0..<120 where failure == nil {
            step += 1
            if random.oneIn(3) { beginCapture(UInt16(random.below(edges.count))) }
            clock.advance(by: .milliseconds(50))
            pump()
            check()
        }
        if !dispatch.isDrained { fail("not drained at the limit") }
        for place in edges.indices {
            if !edges[place].isAlive { startEdge(UInt16(place)) }
            endEdge(UInt16(place), isFinal: true)
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
        let sent = edges.reduce(0) { $0 + $1.sent }
        if sent != UInt64(poisonous.count) { fail("\(sent) sent, \(poisonous.count) made") }
        if sum != sent { fail("\(sent) sent; \(ledger[.received]) received, \(ledger[.droppedChannelLost]) lost in channels, \(sum) in the ledger") }
        if dispatch.waits.count > 0 { fail("\(dispatch.waits.count) still wait at the end") }
        if pool.usedBytes != 0 { fail("\(pool.usedBytes) bytes of the pool are still used") }
        if !climate.isStormy, quarantinedInnocents > 0 { fail("\(quarantinedInnocents) innocents quarantined") }
        if !climate.isStormy, ledger[.failedAuditorLost] > 0 { fail("\(ledger[.failedAuditorLost]) given up without a storm") }
    }
}
