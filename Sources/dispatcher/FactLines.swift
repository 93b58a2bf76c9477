// Log lines of the dispatcher: the sentences that people search for (FEATURES T17).
import Telemetry

extension Log {
    func write(_ fact: LogFact) {
        switch fact {
        case .auditCompleted(let requestID, let score, let grade, let milliseconds):
            info(
                "Audit completed",
                [
                    "request_id": .string(requestID), "trust_score": .string(score.map { "\($0 / 10).\($0 % 10)" } ?? "none"), "grade": .string(grade),
                    "processing_time_ms": .number(milliseconds),
                ])
        case .auditSkipped(let requestID, let reason): debug("Audit skipped", ["request_id": .string(requestID), "reason": .string(reason.rawValue)])
        case .auditFailed(let requestID, let reason, let error):
            self.error("Audit failed: \(error)", ["request_id": .string(requestID), "reason": .string(reason.rawValue)])
        case .queueFullDropped(let requestID, let unlogged):
            warn("Worker queue full, dropping audit job", ["request_id": .string(requestID), "unlogged_drops": .number(unlogged)])
        case .quarantined(let requestID, let signal):
            self.error("Audit quarantined: each auditor that worked on it died", ["request_id": .string(requestID), "signal": .number(signal)])
        case .droppedAtShutdown(let requestID): warn("Audit dropped at shutdown", ["request_id": .string(requestID)])
        case .auditorLost(let place, let signal, let ordered, let jobs):
            if ordered {
                debug("Auditor left", ["auditor": .number(place), "jobs": .number(jobs)])
            } else {
                warn("Auditor lost, its jobs go to others", ["auditor": .number(place), "signal": .number(signal), "jobs": .number(jobs)])
            }
        case .capturesLost(let edge, let count): warn("Captures lost with a channel", ["edge": .number(edge), "count": .number(count)])
        }
    }
}
