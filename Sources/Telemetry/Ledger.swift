// What became of every capture, from the scoreboard:
//
//     captured = audited + skipped{reason} + dropped{reason} + failed{reason} + quarantined + pending
//
// balanced at rest, through every crash: each process counts before it acts, and what a dead one left open is told by the
// differences below and booked by the dispatcher.

import CLinux

/// The ledger at a moment. Read outcomes first and `captured` last: what moves meanwhile shows as under way, not as
/// an outcome without a capture.
package struct LedgerTotals: Equatable, Sendable {
    package private(set) var captured: UInt64 = 0
    package private(set) var audited: UInt64 = 0
    package private(set) var skipped: [Entry] = []
    package private(set) var dropped: [Entry] = []
    package private(set) var failed: [Entry] = []
    package private(set) var quarantined: UInt64 = 0
    package private(set) var pending: UInt64 = 0

    package struct Entry: Equatable, Sendable {
        package let reason: String
        package let count: UInt64
    }

    package init(_ scoreboard: Scoreboard) {
        func entry(_ counter: Counter) -> Entry {
            Entry(reason: counter.definition.label?.value ?? counter.definition.name, count: scoreboard.sum(counter))
        }
        func entry(_ counter: EdgeCounter) -> Entry {
            Entry(reason: counter.definition.label?.value ?? counter.definition.name, count: scoreboard.sum(counter))
        }
        let left = scoreboard.sum(.pendingLeft)
        audited = scoreboard.sum(.audited)
        skipped = [entry(.skippedNotAuditable), entry(.skippedContentEncoding), entry(.skippedSampledOut)]
        failed = [
            entry(.failedTimeout), entry(.failedEngineError), entry(.failedDispatcherLost), entry(.failedAuditorLost),
        ]
        quarantined = scoreboard.sum(.quarantined)
        dropped = [
            entry(.droppedCaptureBacklog), entry(.droppedQueueFull), entry(.droppedChannelLost),
            entry(.droppedEdgeLost), entry(.droppedShutdown), entry(.droppedMalformed),
        ]
        pending = difference(scoreboard.sum(.pendingEntered), left)
        captured = scoreboard.sum(.captured)
    }

    /// `captured` less everything it became. Above 0: on the way from an edge to the dispatcher. At rest it is 0.
    package var imbalance: Int64 {
        let became = [skipped, dropped, failed].joined().reduce(audited &+ quarantined &+ pending) { $0 &+ $1.count }
        return Int64(bitPattern: captured &- became)
    }

    /// One JSON object.
    package var json: String {
        func object(_ entries: [Entry]) -> String {
            "{" + entries.map { "\"\($0.reason)\":\($0.count)" }.joined(separator: ",") + "}"
        }
        return
            "{\"captured\":\(captured),\"audited\":\(audited),\"skipped\":\(object(skipped)),\"dropped\":\(object(dropped)),"
            + "\"failed\":\(object(failed)),\"quarantined\":\(quarantined),\"pending\":\(pending)}"
    }
}

extension Scoreboard {
    package var ledger: LedgerTotals { LedgerTotals(self) }

    /// Body of `GET /stats`; `engine` is the one that audits.
    package func statisticsJSON(engine: String) -> String {
        let pool =
            "{\"name\":\"audit\",\"workers\":\(sum(.workers)),\"queue_size\":\(sum(.queueSize)),"
            + "\"queue_used\":\(sum(.queueUsed)),\"submitted\":\(sum(.jobsSubmitted)),\"completed\":\(sum(.jobsCompleted)),"
            + "\"failed\":\(sum(.jobsFailed)),\"running\":\(sum(.accepting) > 0)}"
        return "{\"audit_pool\":\(pool),\"queue_oldest_age_ms\":\(oldestAgeMilliseconds),\"engines\":{\"\(engine)\":\(engineJSON)},\"ledger\":\(ledger.json)}"
    }

    private var oldestAgeMilliseconds: UInt64 {
        UInt64(max(0, value(.queueOldest, at: .dispatcher))).age(at: cl_monotonic_ns() / 1000) / 1000
    }

    private var engineJSON: String {
        let runs = sum(.engineRuns)
        let microseconds = sum(.engineTime)
        let scored = sum(.scoredAudits)
        let average = scored > 0 ? String(PrometheusText.decimal(sum(.trustScoreSum) / scored, 6).dropLast(5)) : "null"
        return "{\"runs\":\(runs),\"busy_ms\":\(microseconds / 1000),\"verdicts\":\(sum(.audited)),"
            + "\"scored\":\(scored),\"average_score\":\(average)}"
    }

    // MARK: What the successor of a dead process books

    /// Captures that the edge in place `edge` wrote to channels which ended before they were received, and that are not
    /// booked yet: add them to `.droppedChannelLost`. `sent` is what that edge had sent before the channel that now begins;
    /// without it, all it ever sent, for when nobody sends any more.
    package func lostOnChannel(edge: Int, sentBefore sent: UInt64? = nil) -> UInt64 {
        guard let place = Place(.edge, edge) else { return 0 }
        let settled = value(.received, edge: edge) &+ value(.droppedChannelLost, edge: edge)
        return difference(sent ?? value(.captureSent, at: place), settled)
    }

    /// Captures that a dead edge in place `edge` kept and never sent, not booked yet: its successor adds them to
    /// `.droppedEdgeLost` before it captures anything.
    package func unsent(edge: Int) -> UInt64 {
        guard let place = Place(.edge, edge) else { return 0 }
        let settled =
            value(.droppedCaptureBacklog, at: place) &+ value(.captureSent, at: place)
            &+ value(.droppedEdgeLost, at: place)
        return difference(value(.captured, at: place), settled)
    }

    /// Captures that dispatchers received and that have no outcome. At its start, before it receives any, a dispatcher
    /// adds them to `.failedDispatcherLost`, and `stillPending` to `.pendingLeft`.
    package var unsettled: UInt64 {
        let outcomes: [Counter] = [
            .audited, .skippedNotAuditable, .skippedContentEncoding, .skippedSampledOut, .droppedQueueFull,
            .droppedShutdown, .droppedMalformed, .failedTimeout, .failedEngineError, .failedDispatcherLost,
            .failedAuditorLost, .quarantined,
        ]
        // What it counts as captured was handed in by clients.
        return difference(sum(.received) &+ value(.captured, at: .dispatcher), outcomes.reduce(0) { $0 &+ value($1, at: .dispatcher) })
    }

    /// Captures that began to wait and did not end.
    package var stillPending: UInt64 {
        difference(value(.pendingEntered, at: .dispatcher), value(.pendingLeft, at: .dispatcher))
    }
}

/// 0 rather than below it.
private func difference(_ a: UInt64, _ b: UInt64) -> UInt64 { a > b ? a - b : 0 }

extension UInt64 {
    /// What has passed since this point in time; 0 stands for no point.
    func age(at now: UInt64) -> UInt64 { self == 0 ? 0 : difference(now, self) }
}

extension Scoreboard {
    /// For health: `up` when audits can run, `engine_down` when they can and an engine of theirs cannot be reached or keeps failing,
    /// `stopping` when no new ones are taken, else `down`.
    package var auditService: String {
        let isThere = (inhabitant(of: .dispatcher)?.pid ?? 0) != 0
        guard isThere, value(.workers, at: .dispatcher) > 0 else { return "down" }
        guard value(.accepting, at: .dispatcher) > 0 else { return "stopping" }
        return sum(.enginesDown) > 0 ? "engine_down" : "up"
    }
}
