// Jobs that may be killing auditors: who is suspected, who is cleared, who is shut away.
//
//     trusted --its auditor died--> suspect --dies alone with it, 3 times--> quarantined
//
// A suspect runs alone, so that the next death says who did it.

/// What a job has been through.
struct JobHistory: Equatable {
    /// Times it was sent, without those that were nobody's fault (Nack, ordered death). Counted before it is sent.
    private(set) var attempts: UInt8 = 0
    /// Times it was sent in all.
    private(set) var deliveries: UInt8 = 0
    /// Auditors that died while it was alone in them.
    private(set) var lonelyDeaths: UInt8 = 0
    private(set) var isSuspect = false

    /// It is about to be sent.
    mutating func sent() {
        attempts = min(attempts + 1, Quarantine.mostAttempts)
        deliveries = min(deliveries + 1, Quarantine.mostDeliveries)
    }

    /// It was not sent after all.
    mutating func notSent() {
        attempts -= attempts > 0 ? 1 : 0
        deliveries -= deliveries > 0 ? 1 : 0
    }

    /// It was not begun, or it was interrupted by order.
    mutating func interrupted() -> Quarantine.Verdict {
        attempts -= attempts > 0 ? 1 : 0
        return deliveries < Quarantine.mostDeliveries ? .redeliver : .giveUp
    }

    /// Its auditor died, and nobody had ordered that.
    /// - Parameter alone: it was all that the auditor was working on.
    mutating func auditorDied(alone: Bool) -> Quarantine.Verdict {
        isSuspect = true
        if alone { lonelyDeaths += 1 }
        if lonelyDeaths >= Quarantine.mostLonelyDeaths { return .quarantine }
        return attempts < Quarantine.mostAttempts && deliveries < Quarantine.mostDeliveries ? .redeliver : .giveUp
    }
}

enum Quarantine {
    /// One death can be chance, two bad luck.
    static let mostLonelyDeaths: UInt8 = 3
    /// The range of `Job.attempts`.
    static let mostAttempts: UInt8 = 16
    /// Interruptions cost no attempt, but a job that is interrupted for ever (it hangs each auditor until that is ended by
    /// order) must end too.
    static let mostDeliveries: UInt8 = 64

    /// What happens to a job that lost its auditor.
    enum Verdict: Equatable {
        case redeliver
        case quarantine
        case giveUp
    }
}
