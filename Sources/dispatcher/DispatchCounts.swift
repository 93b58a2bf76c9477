// The dispatcher's counts on their way to the scoreboard.
import IPC
import Telemetry

extension Booking {
    /// Where it is counted; nil for what is counted per edge place.
    var counter: Counter? {
        switch self {
        case .received, .droppedChannelLost: nil
        case .submitted: .captured
        case .entered: .pendingEntered
        case .left: .pendingLeft
        case .audited: .audited
        case .skippedNotAuditable: .skippedNotAuditable
        case .skippedContentEncoding: .skippedContentEncoding
        case .skippedSampledOut: .skippedSampledOut
        case .droppedQueueFull: .droppedQueueFull
        case .droppedShutdown: .droppedShutdown
        case .droppedMalformed: .droppedMalformed
        case .failedTimeout: .failedTimeout
        case .failedEngineError: .failedEngineError
        case .failedAuditorLost: .failedAuditorLost
        case .failedDispatcherLost: .failedDispatcherLost
        case .quarantined: .quarantined
        case .ignoredAnswers: .lateResults
        case .redelivered: .jobsRedelivered
        case .scored: .scoredAudits
        case .scoreTenths: .trustScoreSum
        case .events: .eventsEmitted
        case .unloggedFacts: .logLinesDropped
        }
    }

    /// It finishes an accepted job (FEATURES W3).
    var isCompletion: Bool { self == .audited || self == .skippedNotAuditable || self == .skippedContentEncoding || isFailure }

    var isFailure: Bool { self == .failedTimeout || self == .failedEngineError || self == .failedAuditorLost || self == .quarantined }
}

extension Dispatch {
    /// Adds what was counted since the last time, and shows how things stand. Before anything of this turn is sent.
    mutating func takeCounts(into slot: ScoreboardSlot) {
        takeEdgeNews { place, received, lost in
            slot.add(.received, edge: Int(place), received)
            slot.add(.droppedChannelLost, edge: Int(place), lost)
        }
        ledger.takeNews { booking, count in
            // Tenths on the scoreboard's scale of millionths.
            if let counter = booking.counter { slot.add(counter, booking == .scoreTenths ? count &* 100_000 : count) }
            if booking == .entered { slot.add(.jobsSubmitted, count) }
            if booking.isCompletion { slot.add(.jobsCompleted, count) }
            if booking.isFailure { slot.add(.jobsFailed, count) }
        }
        for timing in ledger.takeTimings() {
            slot.observe(.auditWait, timing.wait)
            if let engine = timing.engineMicroseconds { slot.observe(.audit, microseconds: UInt64(engine)) }
            if let lag = timing.lag { slot.observe(.auditLag, lag) }
        }
        let statistics = self.statistics
        slot.set(.workers, statistics.workers)
        slot.set(.queueSize, statistics.queueSize)
        slot.set(.queueUsed, statistics.queueUsed)
        slot.set(.queueUsedBytes, jobs.bytes)
        slot.set(.queueOldest, oldestWaiting.map { Int(clamping: $0.nanoseconds / 1000) } ?? 0)
        slot.set(.runningJobs, statistics.running)
        slot.set(.accepting, statistics.accepting ? 1 : 0)
        slot.set(.ringEvents, events.count)
        slot.set(.ringBytes, events.bytes)
    }

    /// Takes over from earlier dispatchers, whose counts stand in the same slot; before any attachment.
    mutating func succeed(_ scoreboard: Scoreboard, into slot: ScoreboardSlot) {
        let edges = (0..<Place.edgeCount).compactMap { number in
            Place(.edge, number).map { place in
                // Read once: a live edge may still write into the channel of the dead dispatcher, and tells of that later.
                let sent = scoreboard.value(.captureSent, at: place)
                return (place: UInt16(truncatingIfNeeded: number), sent: sent, lost: scoreboard.lostOnChannel(edge: number, sentBefore: sent))
            }
        }
        slot.add(.pendingLeft, scoreboard.stillPending)
        succeed(edges: edges, unsettled: scoreboard.unsettled)
        takeCounts(into: slot)
    }
}
