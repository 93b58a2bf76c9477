// When a dead child is started again, and when the product gives up on one.
import EventLoop

/// running --exited--> resting --alarm--> running
///
/// The first restart is at once, later ones after 100 ms · 2ⁿ with jitter, up to the role's longest rest; ten seconds of
/// health forget earlier deaths. A policy is pure: time and jitter come in as arguments.
struct RestartPolicy {
    enum State: Equatable { case running(since: Instant), resting(until: Instant) }
    enum Action: Equatable { case start, sleep(until: Instant), giveUp }

    static let healthy: Duration = .seconds(10)  // then earlier deaths are forgotten
    static let mostFutileStarts = 5  // of a role without which the product is of no use, and which was never Ready

    let longestRest: Duration  // by role, DESIGN §1
    let isEssential: Bool
    private(set) var state: State
    private var deaths = 0
    private var starts = 1
    private(set) var wasEverReady = false

    init(startedAt now: Instant, longestRest: Duration, isEssential: Bool) {
        state = .running(since: now)
        self.longestRest = longestRest
        self.isEssential = isEssential
    }

    /// The child said Ready: from now on nothing makes the product give up.
    mutating func ready() { wasEverReady = true }

    /// The child ended; `jitter` is drawn from 0.5..<1.
    mutating func exited(at now: Instant, jitter: Double) -> Action? {
        guard case .running(let since) = state else { return nil }  // reported twice
        if isEssential, !wasEverReady, starts >= Self.mostFutileStarts { return .giveUp }
        deaths = since.duration(to: now) >= Self.healthy ? 1 : deaths + 1
        guard deaths > 1 else { return start(at: now) }
        let until = now + min(.milliseconds(100) * (1 << min(deaths - 2, 10)), longestRest) * jitter
        state = .resting(until: until)
        return .sleep(until: until)
    }

    /// The alarm of `.sleep` rang; a stale one does nothing.
    mutating func alarm(at now: Instant) -> Action? {
        guard case .resting(let until) = state, now >= until else { return nil }
        return start(at: now)
    }

    private mutating func start(at now: Instant) -> Action {
        starts += 1
        state = .running(since: now)
        return .start
    }
}
