// The balance, and what was lost between processes.
import IPC
import Simulation
import Testing

@testable import dispatcher

@Suite struct LedgerTests {
    static let outcomes: [Outcome] =
        [.audited, .quarantined] + SkipReason.allCases.map { .skipped($0) } + DropReason.allCases.map { .dropped($0) }
        + FailureReason.allCases.map { .failed($0) }

    @Test(arguments: outcomes.indices) func `each outcome has a booking of its own`(_ index: Int) {
        let outcome = Self.outcomes[index]
        #expect(Self.outcomes.count(where: { Booking($0) == Booking(outcome) }) == 1)
        var ledger = Ledger()
        ledger.book(.received)
        ledger.book(.entered)
        #expect(ledger.isBalanced)
        #expect(ledger.pending == 1)
        ledger.settle(outcome, AuditTiming(wait: .seconds(1)))
        #expect(ledger.pending == 0)
        // Two outcomes belong to captures that this dispatcher never received.
        #expect(ledger.isBalanced == ![.dropped(.channelLost), .failed(.dispatcherLost)].contains(outcome))
    }

    @Test func `news are handed out once`() {
        var ledger = Ledger()
        ledger.book(.received, 3)
        ledger.book(.dropped(.queueFull))
        var news: [Booking: UInt64] = [:]
        ledger.takeNews { news[$0] = $1 }
        #expect(news == [.received: 3, .droppedQueueFull: 1])
        ledger.book(.received)
        news = [:]
        ledger.takeNews { news[$0] = $1 }
        #expect(news == [.received: 1])
        ledger.takeNews { _, _ in #expect(Bool(false)) }
    }
}

@Suite struct CaptureLossTests {
    @Test func `what was sent before a new channel and never came is lost`() throws {
        var losses = CaptureLosses()
        losses.attached(0, generation: 1)
        #expect(try losses.opened(0, generation: 1, sentBefore: 0) == 0)
        for _ in 0..<7 { losses.received(0, generation: 1) }
        #expect(losses.channelEnded(0, generation: 1) == 0, "how much was sent is not known yet")
        losses.attached(0, generation: 2)
        #expect(try losses.opened(0, generation: 2, sentBefore: 10) == 3)
        losses.received(0, generation: 2)
        #expect(losses.edgeEnded(0, generation: 2, sent: 13) == 0, "its channel may still bring something")
        #expect(losses.channelEnded(0, generation: 2) == 2)
        #expect(losses.edgeEnded(0, generation: 2, sent: 13) == 0, "reported twice")
        losses.attached(0, generation: 3)
        #expect(try losses.opened(0, generation: 3, sentBefore: 13) == 0, "another edge at the same place counts on")
        losses.received(0, generation: 3)
        #expect(losses.channelEnded(0, generation: 3) == 0)
        #expect(losses.edgeEnded(0, generation: 3, sent: 14) == 0)
    }

    @Test func `nothing is lost before the old channel has been read to its end`() throws {
        var losses = CaptureLosses()
        losses.attached(0, generation: 1)
        losses.attached(0, generation: 2)
        #expect(try losses.opened(0, generation: 2, sentBefore: 2) == 0)
        losses.received(0, generation: 2)
        losses.received(0, generation: 1)
        #expect(losses.channelEnded(0, generation: 1) == 1)
    }

    @Test func `a channel that is opened late, when its edge is dead, counts nothing twice`() throws {
        var losses = CaptureLosses()
        losses.attached(0, generation: 1)
        losses.received(0, generation: 1)
        losses.attached(0, generation: 2)
        #expect(losses.edgeEnded(0, generation: 2, sent: 5) == 0)
        #expect(try losses.opened(0, generation: 2, sentBefore: 3) == 0)
        losses.received(0, generation: 2)
        #expect(losses.channelEnded(0, generation: 1) == 0)
        #expect(losses.channelEnded(0, generation: 2) == 3)
    }

    @Test func `places do not mix, and what a predecessor accounted for is not lost again`() throws {
        var losses = CaptureLosses()
        losses.adopt(3, sent: 120, lost: 4)
        losses.attached(3, generation: 9)
        #expect(try losses.opened(3, generation: 9, sentBefore: 122) == 2)
        losses.attached(4, generation: 9)
        #expect(try losses.opened(4, generation: 9, sentBefore: 1) == 1)
        #expect(losses.channelEnded(3, generation: 9) == 0)
        #expect(losses.channelEnded(7, generation: 1) == 0, "an unknown place")
        losses.received(4, generation: 9)
        var news: [UInt16: [UInt64]] = [:]
        losses.takeNews { news[$0] = [$1, $2] }
        #expect(news == [3: [0, 6], 4: [1, 1]])
        losses.takeNews { _, _, _ in #expect(Bool(false), "told twice") }
    }

    @Test func `numbers that no edge counts are refused`() {
        var losses = CaptureLosses()
        #expect(throws: FrameError.self) { try losses.opened(0, generation: 1, sentBefore: .max) }
        #expect(losses.edgeEnded(0, generation: .max, sent: .max) == 0)
        #expect(losses.edgeEnded(0, generation: .max, sent: 4) == 4, "it never had a channel")
    }
}
