// One child: the place that it fills and what is known of the process that fills it now.
import Configuration
import EventLoop
import IPC
import Telemetry

/// A place to be filled. Processes come and go in it; `RestartPolicy` says when.
final class Child {
    enum State: String {
        /// Forked, has not said Ready.
        case starting
        case ready
        case draining
        /// Dead, waits for its rest to be over.
        case resting
        /// Not wanted any more: drained.
        case ended
    }

    let place: Place
    let role: ProcessRole
    var policy: RestartPolicy
    var state = State.starting
    var pid: Int32 = 0
    var pidfd: Descriptor?
    var control: ControlChannel?
    /// Counts the processes that have lived here: readinesses of an earlier one are ignored.
    var incarnations: UInt32 = 0
    var restarts = 0
    var startedAt: Instant
    /// When it last showed that its loop turns.
    var lastSign: Instant
    /// It has said Ready: channels can be handed to it.
    var isPresent = false
    /// A reload came before it was Ready: it may have read the files before that.
    var owesReload = false
    /// Its end is our wish: nothing it held is suspect.
    var isOrdered = false

    init(_ place: Place, _ role: ProcessRole, now: Instant) {
        self.place = place
        self.role = role
        startedAt = now
        lastSign = now
        policy = RestartPolicy(startedAt: now, longestRest: Self.longestRest(role), isEssential: role != .auditor)
    }

    var isAlive: Bool { pid != 0 }

    /// DESIGN §1.
    static func longestRest(_ role: ProcessRole) -> Duration {
        switch role {
        case .supervisor, .edge, .dispatcher: .seconds(1)
        case .broadcaster: .seconds(2)
        case .auditor: .seconds(15)
        }
    }
}
