// What the dispatcher counts, as the scoreboard shows it; and what a successor makes of it.
import EventLoop
import IPC
import Telemetry
import Testing

@testable import dispatcher

@Suite struct CountsTests {
    @Test func `counts go to the scoreboard once`() throws {
        let harness = Harness(workers: 1, queue: 1)
        let slot = ScoreboardSlot.standalone()
        harness.attach(0, credits: 5)
        for id in ["a", "b", "c"] { harness.capture(id) }
        let first = try #require(harness.next())
        harness.dispatch.takeCounts(into: slot)
        #expect(slot.value(.received, edge: 0) == 3)
        #expect(slot.value(.pendingEntered) == 2)
        #expect(slot.value(.droppedQueueFull) == 1)
        #expect(slot.value(.runningJobs) == 1)
        #expect(slot.value(.queueUsed) == 1)
        #expect(slot.value(.queueUsedBytes) == 10)
        #expect(slot.value(.accepting) == 1)
        harness.clock.advance(by: .milliseconds(3))
        harness.complete(first)
        let second = try #require(harness.next())
        harness.answer(second, AuditResult(lease: second.lease.id, outcome: .failed, reason: "timeout"))
        for _ in 0..<2 { harness.dispatch.takeCounts(into: slot) }
        #expect(slot.value(.received, edge: 0) == 3)
        #expect(slot.value(.audited) == 1)
        #expect(slot.value(.failedTimeout) == 1)
        #expect(slot.value(.pendingLeft) == 2)
        #expect(slot.value(.jobsSubmitted) == 2)
        #expect(slot.value(.jobsCompleted) == 2)
        #expect(slot.value(.jobsFailed) == 1)
        #expect(slot.value(.scoredAudits) == 1)
        #expect(slot.value(.trustScoreSum) == 91_500_000)
        #expect(slot.value(.eventsEmitted) == 4)
        #expect(slot.value(.ringEvents) == 4)
    }

    @Test func `a successor settles what its predecessor left and an edge lost`() throws {
        let (scoreboard, descriptor) = try Scoreboard.create()
        defer { _ = Descriptor(owning: descriptor) }
        let edge = try scoreboard.claim(try #require(Place(.edge, 0)), incarnation: 1)
        let slot = try scoreboard.claim(.dispatcher, incarnation: 2)
        edge.add(.captured, 9)
        edge.add(.captureSent, 9)
        let old = Harness(workers: 2, queue: 9)
        old.attach(0)
        for id in ["a", "b", "c"] { old.capture(id) }
        old.complete(try #require(old.next()))
        old.dispatch.takeCounts(into: slot)

        let new = Harness()
        new.dispatch.succeed(scoreboard, into: slot)
        #expect(scoreboard.ledger.imbalance == 0)
        #expect(scoreboard.ledger.pending == 0)
        #expect(slot.value(.failedDispatcherLost) == 2)
        #expect(slot.value(.droppedChannelLost, edge: 0) == 6)

        // Two more went into the broken channel before the edge got a new one.
        edge.add(.captured, 3)
        edge.add(.captureSent, 3)
        new.dispatch.edgeAttached(0, generation: 2)
        try new.dispatch.captureOpened(CaptureOpen(sentBefore: 11), from: 0, generation: 2)
        new.capture("d", edgeGeneration: 2)
        new.dispatch.takeCounts(into: slot)
        #expect(scoreboard.ledger.pending == 1)
        #expect(scoreboard.ledger.imbalance == 0)
    }
}
