// The ledger's arithmetic, through lost channels and dead processes, and its JSON.

import Glibc
import Testing

@testable import Telemetry

private struct Bench {
    let scoreboard: Scoreboard
    let edges: [ScoreboardSlot]
    let dispatcher: ScoreboardSlot

    init() throws {
        let (scoreboard, descriptor) = try Scoreboard.create()
        close(descriptor)
        self.scoreboard = scoreboard
        edges = try [0, 1].map { try scoreboard.claim(try #require(Place(.edge, $0)), incarnation: 1) }
        dispatcher = try scoreboard.claim(.dispatcher, incarnation: 1)
    }
}

@Test func `an empty ledger`() throws {
    let bench = try Bench()
    #expect(bench.scoreboard.ledger.imbalance == 0)
    #expect(
        bench.scoreboard.statisticsJSON(engine: "embedded")
            == #"{"audit_pool":{"name":"audit","workers":0,"queue_size":0,"queue_used":0,"submitted":0,"completed":0,"failed":0,"running":false},"#
            + #""queue_oldest_age_ms":0,"engines":{"embedded":{"runs":0,"busy_ms":0,"verdicts":0,"scored":0,"average_score":null}},"#
            + #""ledger":{"captured":0,"audited":0,"skipped":{"not_auditable":0,"content_encoding":0,"sampled_out":0},"#
            + #""dropped":{"capture_backlog":0,"queue_full":0,"channel_lost":0,"edge_lost":0,"shutdown":0,"malformed":0},"#
            + #""failed":{"timeout":0,"engine_error":0,"dispatcher_lost":0,"auditor_lost":0},"quarantined":0,"pending":0}}"#
    )
}

@Test func `every capture has one outcome`() throws {
    let bench = try Bench()
    let (edge, dispatcher) = (bench.edges[0], bench.dispatcher)
    let outcomes: [Counter] = [
        .audited, .skippedNotAuditable, .skippedContentEncoding, .skippedSampledOut, .droppedQueueFull,
        .droppedShutdown,
        .droppedMalformed, .failedTimeout, .failedEngineError, .failedDispatcherLost, .failedAuditorLost, .quarantined,
    ]
    for (index, outcome) in outcomes.enumerated() {
        let count = UInt64(index + 1)
        edge.add(.captured, count)
        #expect(bench.scoreboard.ledger.imbalance == Int64(count))  // under way
        edge.add(.captureSent, count)
        dispatcher.add(.received, edge: 0, count)
        dispatcher.add(.pendingEntered, count)
        #expect(bench.scoreboard.ledger.pending == count && bench.scoreboard.ledger.imbalance == 0)
        #expect(bench.scoreboard.unsettled == count)
        dispatcher.add(outcome, count)
        dispatcher.add(.pendingLeft, count)
        #expect(bench.scoreboard.ledger.imbalance == 0, "\(outcome)")
        #expect(bench.scoreboard.unsettled == 0, "\(outcome)")
    }
    edge.add(.captured)
    edge.add(.droppedCaptureBacklog)
    let ledger = bench.scoreboard.ledger
    #expect(ledger.imbalance == 0 && ledger.captured == 79 && ledger.pending == 0)
    #expect(ledger.skipped.map(\.count) == [2, 3, 4])
    #expect(ledger.dropped.map(\.count) == [1, 5, 0, 0, 6, 7])
    #expect(ledger.failed.map(\.count) == [8, 9, 10, 11])
    #expect(ledger.audited == 1 && ledger.quarantined == 12)
    #expect(bench.scoreboard.lostOnChannel(edge: 0) == 0 && bench.scoreboard.unsent(edge: 0) == 0)
}

@Test func `lost channels and dead processes are booked once`() throws {
    let bench = try Bench()
    let scoreboard = bench.scoreboard
    // Edge 1 captures 10, drops 1, sends 7, of which 5 arrive; then it dies.
    bench.edges[1].add(.captured, 10)
    bench.edges[1].add(.droppedCaptureBacklog, 1)
    bench.edges[1].add(.captureSent, 7)
    bench.dispatcher.add(.received, edge: 1, 5)
    bench.dispatcher.add(.pendingEntered, 4)
    #expect(scoreboard.lostOnChannel(edge: 0) == 0 && scoreboard.unsent(edge: 0) == 0)
    #expect(scoreboard.lostOnChannel(edge: 1) == 2 && scoreboard.unsent(edge: 1) == 2)
    for _ in 0..<2 {  // the second time finds nothing
        bench.dispatcher.add(.droppedChannelLost, edge: 1, scoreboard.lostOnChannel(edge: 1))
        bench.edges[1].add(.droppedEdgeLost, scoreboard.unsent(edge: 1))
    }
    // Its dispatcher dies with all 5; the successor books them.
    let successor = try scoreboard.claim(.dispatcher, incarnation: 2)
    for _ in 0..<2 {
        successor.add(.failedDispatcherLost, scoreboard.unsettled)
        successor.add(.pendingLeft, scoreboard.stillPending)
    }
    let ledger = scoreboard.ledger
    #expect(ledger.imbalance == 0 && ledger.pending == 0)
    #expect(ledger.failed.map(\.count) == [0, 0, 5, 0])
    #expect(ledger.dropped.map(\.count) == [1, 0, 2, 2, 0, 0])
    // The next edge in that place starts level.
    bench.edges[1].add(.captured)
    bench.edges[1].add(.captureSent)
    #expect(scoreboard.lostOnChannel(edge: 1) == 1 && scoreboard.unsent(edge: 1) == 0)
    #expect(scoreboard.lostOnChannel(edge: 99) == 0 && scoreboard.unsent(edge: -1) == 0)
}

/// What happens to captures in a random life: processes die at any point between two counts.
@Test(arguments: 0..<200) func `the ledger balances after any sequence of deaths`(_ seed: UInt64) throws {
    var random = Xorshift(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
    let bench = try Bench()
    let (scoreboard, dispatcher) = (bench.scoreboard, bench.dispatcher)

    func channelEnded(_ edge: Int) {
        dispatcher.add(.droppedChannelLost, edge: edge, scoreboard.lostOnChannel(edge: edge))
    }
    func edgeDied(_ edge: Int) {
        channelEnded(edge)
        bench.edges[edge].add(.droppedEdgeLost, scoreboard.unsent(edge: edge))
    }
    func dispatcherDied() {
        for edge in 0..<2 { channelEnded(edge) }
        dispatcher.add(.failedDispatcherLost, scoreboard.unsettled)
        dispatcher.add(.pendingLeft, scoreboard.stillPending)
    }
    /// A capture's whole life in steps; a death may come before each.
    for _ in 0..<100 {
        let edge = Int(random.next() % 2)
        let steps: [(isEdge: Bool, count: () -> Void)] = [
            (true, { bench.edges[edge].add(.captured) }),
            (true, { bench.edges[edge].add(.captureSent) }),
            (false, { dispatcher.add(.received, edge: edge) }),
            (false, { dispatcher.add(.pendingEntered) }),
            (false, { dispatcher.add(.audited) }),
            (false, { dispatcher.add(.pendingLeft) }),
        ]
        life: for step in steps {
            step.count()
            switch random.next() % 12 {
            case 0:
                edgeDied(edge)
                if step.isEdge { break life }
            case 1:
                dispatcherDied()
                if !step.isEdge { break life }
                // The edge keeps what it has not sent; what it sent is gone.
                if scoreboard.unsent(edge: edge) == 0 { break life }
            default: break
            }
        }
    }
    for edge in 0..<2 { edgeDied(edge) }
    dispatcherDied()
    let ledger = scoreboard.ledger
    #expect(ledger.imbalance == 0, "seed \(seed): \(ledger.json)")
    #expect(ledger.pending == 0)
}

private struct Xorshift {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state >> 8
    }
}

@Test func `statistics of the pool`() throws {
    let bench = try Bench()
    bench.dispatcher.set(.workers, 2)
    bench.dispatcher.set(.queueSize, 1000)
    bench.dispatcher.set(.queueUsed, 3)
    bench.dispatcher.set(.accepting, 1)
    bench.dispatcher.add(.jobsSubmitted, 9)
    bench.dispatcher.add(.jobsCompleted, 6)
    bench.dispatcher.add(.jobsFailed, 1)
    #expect(
        bench.scoreboard.statisticsJSON(engine: "embedded").hasPrefix(
            #"{"audit_pool":{"name":"audit","workers":2,"queue_size":1000,"queue_used":3,"submitted":9,"completed":6,"failed":1,"running":true},"#
        ))
}
