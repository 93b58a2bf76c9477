// The order of an orderly end: whoever feeds others goes first, so that nothing is lost on the way (DESIGN §1, "Drain").
import EventLoop
import Telemetry

/// edges → dispatcher → auditors → broadcaster, all within one limit. Pure: it says who is to drain next and when it is too late.
struct DrainPlan {
    static let order: [Place.Group] = [.edge, .dispatcher, .auditor, .broadcaster]

    let limit: Instant
    private(set) var stage = 0

    init(startedAt now: Instant, limit: Duration) { self.limit = now + limit }

    /// The group that is draining; nil when all have.
    var group: Place.Group? { stage < Self.order.count ? Self.order[stage] : nil }

    /// Whether a group is still at work while others drain, so that a process of it that dies is started again.
    func isYetToCome(_ group: Place.Group) -> Bool {
        (Self.order.firstIndex(of: group) ?? 0) > stage
    }

    /// Passes the groups that have nobody alive; the group that must be told to drain now, nil when all are done.
    mutating func advance(alive: (Place.Group) -> Bool) -> Place.Group? {
        while let group, !alive(group) { stage += 1 }
        return group
    }
}
