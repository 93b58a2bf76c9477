// Deaths of auditors: who is suspected, who runs alone, who is quarantined.
import EventLoop
import IPC
import Testing

@testable import dispatcher

@Suite struct QuarantineTests {
    static let histories: [(name: String, steps: [(alone: Bool, died: Bool)], verdict: Quarantine.Verdict, attempts: UInt8)] = [
        ("first death alone", [(true, true)], .redeliver, 1),
        ("second death alone", [(true, true), (true, true)], .redeliver, 2),
        ("third death alone", [(true, true), (true, true), (true, true)], .quarantine, 3),
        ("in company", Array(repeating: (false, true), count: 5), .redeliver, 5),
        ("in company, then alone", [(false, true), (true, true), (true, true), (true, true)], .quarantine, 4),
        ("interrupted", Array(repeating: (true, false), count: 20), .redeliver, 0),
        ("interrupted for ever", Array(repeating: (true, false), count: 64), .giveUp, 0),
        ("fifteen deaths in company", Array(repeating: (false, true), count: 15), .redeliver, 15),
        ("sixteen deaths in company", Array(repeating: (false, true), count: 16), .giveUp, 16),
    ]

    @Test(arguments: histories.indices) func `a history has its verdict`(_ index: Int) {
        let row = Self.histories[index]
        var history = JobHistory()
        var verdict: Quarantine.Verdict?
        for step in row.steps {
            history.sent()
            verdict = step.died ? history.auditorDied(alone: step.alone) : history.interrupted()
        }
        #expect(verdict == row.verdict, "\(row.name)")
        #expect(history.attempts == row.attempts, "\(row.name)")
        #expect(history.isSuspect == row.steps.contains { $0.died }, "\(row.name)")
    }

    @Test func `a job that kills three embedded auditors is quarantined with the signal`() throws {
        let harness = Harness()
        harness.capture("poison")
        for generation: UInt32 in 1...3 {
            harness.attach(0, generation: generation)
            let assignment = try #require(harness.next())
            #expect(assignment.attempt == UInt8(generation))
            harness.die(0, generation: generation, signal: 6)
        }
        #expect(harness.ledger[.quarantined] == 1)
        #expect(harness.ledger.pending == 0)
        let expected = #""error":"quarantined: each auditor that worked on it was killed by signal 6","reason":"quarantined""#
        #expect(harness.events.last?.contains(expected) == true)
        #expect(harness.events.count == 2)
        #expect(harness.dispatch.takeLogFacts().last == .quarantined(requestID: "poison", signal: 6))
        #expect(harness.dispatch.statistics.failed == 1)
    }

    @Test func `a death in company proves nothing: three alone are still needed`() throws {
        let harness = Harness(workers: 2, queue: 2)
        harness.attach(0, credits: 2)
        harness.capture("poison")
        harness.capture("bystander")
        for _ in 0..<2 { #expect(harness.next() != nil) }
        harness.die(0)
        for generation: UInt32 in 2...4 {
            #expect(harness.ledger[.quarantined] == 0)
            harness.attach(0, generation: generation, credits: 2)
            var assignment = try #require(harness.next())
            if harness.id(assignment) == "bystander" {
                harness.complete(assignment)
                assignment = try #require(harness.next())
            }
            #expect(harness.id(assignment) == "poison")
            harness.die(0, generation: generation)
        }
        #expect(harness.ledger[.quarantined] == 1)
        #expect(harness.ledger[.audited] == 1)
    }

    @Test func `suspects run alone, one after the other`() throws {
        let harness = Harness(workers: 10, queue: 10)
        harness.attach(0, credits: 5)
        for id in ["a", "b", "c"] {
            harness.capture(id)
            #expect(harness.next() != nil)
        }
        harness.die(0)
        harness.capture("d")
        harness.attach(0, generation: 2, credits: 5)
        for id in ["a", "b", "c"] {
            let assignment = try #require(harness.next())
            #expect(harness.id(assignment) == id)
            #expect(assignment.lease.isSuspect)
            #expect(assignment.attempt == 2)
            #expect(harness.next() == nil, "nothing beside a suspect")
            harness.complete(assignment)
        }
        let last = try #require(harness.next())
        #expect(harness.id(last) == "d")
        #expect(!last.lease.isSuspect)
    }

    @Test func `an auditor runs empty for a suspect while another one works on`() throws {
        let harness = Harness(workers: 10, queue: 10)
        harness.attach(0, credits: 1)
        harness.capture("suspect")
        #expect(harness.next()?.place == 0)
        harness.attach(1, credits: 5)
        harness.attach(2, credits: 5)
        var running: [Dispatch.Assignment] = []
        for number in 0..<3 {
            harness.capture("n\(number)")
            running.append(try #require(harness.next()))
        }
        harness.die(0)
        for number in 3..<6 { harness.capture("n\(number)") }
        // One of two is reserved: the one with one job. All others go to the other.
        let busy = try #require([1, 2].max { a, b in running.count { $0.place == a } < running.count { $0.place == b } })
        for _ in 3..<6 { #expect(harness.next()?.place == busy) }
        #expect(harness.next() == nil)
        harness.complete(try #require(running.first { $0.place != busy }))
        let suspect = try #require(harness.next())
        #expect(harness.id(suspect) == "suspect")
        #expect(suspect.place != busy)
        harness.complete(suspect)
        harness.capture("last")
        #expect(harness.next()?.place != busy, "no longer reserved")
    }

    @Test func `ordered deaths make no suspects and cost no attempt`() throws {
        let harness = Harness(workers: 4, queue: 4)
        harness.attach(0, credits: 4)
        for id in ["a", "b", "c"] { harness.capture(id) }
        for _ in 0..<3 { #expect(harness.next() != nil) }
        harness.capture("d")
        harness.die(0, signal: 9, ordered: true)
        harness.attach(1, credits: 4)
        for id in ["a", "b", "c", "d"] {
            let assignment = try #require(harness.next())
            #expect(harness.id(assignment) == id)
            #expect(assignment.attempt == 1)
            #expect(!assignment.lease.isSuspect)
        }
        #expect(harness.ledger[.redelivered] == 3)
    }

    @Test func `a job that is interrupted for ever is given up`() {
        let harness = Harness()
        harness.capture("hangs")
        var generation: UInt32 = 0
        while harness.ledger.pending > 0, generation < 100 {
            generation += 1
            harness.attach(0, generation: generation)
            guard let assignment = harness.next() else { return #expect(Bool(false), "not sent") }
            #expect(assignment.attempt == 1)
            harness.die(0, generation: generation, signal: 9, ordered: true)
        }
        #expect(generation == UInt32(Quarantine.mostDeliveries))
        #expect(harness.ledger[.failedAuditorLost] == 1)
        #expect(harness.events.count == 2)
    }

    /// What the dispatcher is told, in which order, and whether the job comes back as a suspect.
    enum Word { case channel, ordered, unordered, second, unknown }
    static let ends: [(words: [Word], isBack: Bool, isSuspect: Bool)] = [
        ([.channel], false, false),
        ([.ordered], false, false),
        ([.channel, .ordered], true, false),
        ([.ordered, .channel], true, false),
        ([.channel, .unordered], true, true),
        ([.unordered, .channel], true, true),
        ([.channel, .second], true, true),
        ([.ordered, .second], true, false),
        ([.channel, .channel, .ordered, .ordered, .unordered], true, false),
        ([.unknown, .channel, .unknown], false, false),
        ([.channel, .second, .ordered], true, true),
        ([.ordered, .unordered, .channel], true, false),
    ]

    @Test(arguments: ends.indices) func `the channel's end and the supervisor's word may come in any order`(_ index: Int) throws {
        let row = Self.ends[index]
        let harness = Harness()
        harness.attach(0)
        harness.capture("a")
        #expect(harness.next() != nil)
        for word in row.words {
            switch word {
            case .channel: harness.dispatch.channelEnded(0, generation: 1, at: harness.moment)
            case .ordered: harness.peerEnded(0, ordered: true)
            case .unordered: harness.peerEnded(0)
            case .second: harness.wait(.seconds(1))
            case .unknown:
                harness.peerEnded(0, generation: 2)
                harness.peerEnded(5)
                harness.dispatch.channelEnded(0, generation: 9, at: harness.moment)
            }
        }
        harness.attach(1)
        let again = harness.next()
        #expect((again != nil) == row.isBack)
        #expect(again?.lease.isSuspect ?? false == row.isSuspect)
        #expect(harness.ledger.isBalanced)
        #expect(harness.ledger.pending == 1)
    }

    @Test func `answers that were written before a death still count`() throws {
        let harness = Harness()
        harness.attach(0)
        harness.capture("a")
        let assignment = try #require(harness.next())
        harness.peerEnded(0)
        harness.complete(assignment)
        harness.dispatch.channelEnded(0, generation: 1, at: harness.moment)
        #expect(harness.ledger[.audited] == 1)
        #expect(harness.ledger[.redelivered] == 0)
    }

    @Test func `a new channel at the same place ends the old one`() throws {
        let harness = Harness()
        harness.attach(0)
        harness.capture("a")
        let old = try #require(harness.next())
        harness.attach(0, generation: 2)
        #expect(harness.next() == nil, "one worker, and the old lease waits for the supervisor's word")
        harness.complete(old)
        #expect(harness.ledger[.ignoredAnswers] == 1)
        #expect(harness.dispatch.nextAlarm() == harness.clock.now + .seconds(1))
        harness.wait(.seconds(1))
        let again = try #require(harness.next())
        #expect(again.generation == 2)
        #expect(again.lease.isSuspect)
    }

    @Test func `a suspect does not run beside an audit that timed out and may still be running`() throws {
        let harness = Harness(workers: 4, queue: 4) { $0.auditLimit = .seconds(5) }
        harness.attach(0, credits: 4)
        harness.capture("hung")
        let hung = try #require(harness.next())
        harness.wait(.seconds(7))
        #expect(harness.ledger[.failedTimeout] == 1)
        harness.attach(1)
        harness.capture("a")
        let victim = try #require(harness.next())
        #expect(victim.place == 1, "the other one may be busy still")
        harness.die(1)
        #expect(harness.next() == nil)
        harness.complete(hung)  // too late for its job, but the auditor is empty now
        #expect(harness.next()?.lease.isSuspect == true)
    }

    @Test func `an auditor with an overdue audit is not waited for longer than another limit`() throws {
        let harness = Harness { $0.auditLimit = .seconds(5) }
        harness.attach(0, credits: 4)
        harness.capture("hung")
        #expect(harness.next() != nil)
        harness.wait(.seconds(7))
        #expect(harness.dispatch.nextAlarm() == harness.clock.now + .seconds(5))
        harness.wait(.seconds(5))
        #expect(harness.dispatch.auditors.all.first?.isIdle == true)
        #expect(harness.dispatch.nextAlarm() == nil)
    }
}
