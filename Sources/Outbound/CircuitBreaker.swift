// When a peer that fails is left alone, and when it is tried again: a state machine without clock, randomness or network.
// What a fault is, and what happens to a call that is not let through, is the caller's affair.
import EventLoop

///   closed --faults in a row, or their share of the window--> open --time--> half-open --trial succeeded--> closed
///                                                              ^------------trial failed-------'
///
/// Half-open lets one call at a time through, the trial. A trial that ends without saying anything of the peer is given back
/// (`Outcome.abandoned`); one that is never heard of again is taken back after `Rules.trialLimit`. So no permit can leak.
package struct CircuitBreaker: Sendable {
    package struct Rules: Sendable {
        /// Faults without a success between them that open the breaker; 0 means never.
        package var consecutiveFaults = 5
        /// ... or this share of the calls of the last `window`, once there were `windowCalls` of them: a peer that fails every
        /// second call never fails five in a row.
        package var faultRatio = 0.5
        package var windowCalls = 20
        package var window: Duration = .seconds(10)
        /// How long it stays open at first; twice as long after each failed trial, up to `longestOpen`, times the jitter.
        package var firstOpen: Duration = .seconds(1)
        package var longestOpen: Duration = .seconds(30)
        /// Longer than a call takes to be answered or given up.
        package var trialLimit: Duration = .seconds(60)

        package init() {}
    }

    package enum State: UInt8, Sendable { case closed, halfOpen, open }

    package enum Outcome: Sendable {
        case succeeded, failed
        /// Says nothing of the peer: the caller's client left, the call was taken back.
        case abandoned
    }

    /// The right to make one call. It may be reported again when a call that began well ends badly; a report of a state that has
    /// passed changes nothing.
    package struct Permit: Equatable, Sendable {
        fileprivate let epoch: UInt64
        package let isTrial: Bool
    }

    private enum Phase {
        case closed(since: Instant)
        case open(until: Instant)
        /// `trialUntil`: when a trial that is under way is taken back.
        case halfOpen(trialUntil: Instant?)
    }

    package let rules: Rules
    /// How often it has opened.
    package private(set) var openings: UInt64 = 0
    private var phase: Phase
    /// Goes up whenever earlier permits lose their meaning.
    private var epoch: UInt64 = 0
    private var faultsInARow = 0
    /// Openings without a time of health between them.
    private var growth = 0
    private var window: Window

    package init(_ rules: Rules = Rules(), now: Instant) {
        self.rules = rules
        phase = .closed(since: now)
        window = Window(rules.window)
    }

    /// For metrics. An open breaker whose time is over shows as half-open.
    package func state(now: Instant) -> State {
        switch phase {
        case .closed: return .closed
        case .halfOpen: return .halfOpen
        case .open(let until): return now >= until ? .halfOpen : .open
        }
    }

    /// How long calls are refused for certain; nil when the next one may be let through. Changes nothing: but without `mutating` each
    /// call would copy the breaker.
    package mutating func refuses(now: Instant) -> Duration? {
        switch phase {
        case .closed: return nil
        case .open(let until): return now < until ? now.duration(to: until) : nil
        case .halfOpen(let trialUntil):
            guard let trialUntil, now < trialUntil else { return nil }
            return .zero
        }
    }

    /// Nil: the call must not be made.
    package mutating func admit(now: Instant) -> Permit? {
        if case .closed = phase { return Permit(epoch: epoch, isTrial: false) }
        guard refuses(now: now) == nil else { return nil }
        phase = .halfOpen(trialUntil: now + rules.trialLimit)
        epoch &+= 1
        return Permit(epoch: epoch, isTrial: true)
    }

    /// `jitter` is drawn from 0.5..<1, so that many callers do not come back in the same moment. True when this opened it.
    @discardableResult
    package mutating func report(_ permit: Permit, _ outcome: Outcome, now: Instant, jitter: Double) -> Bool {
        guard permit.epoch == epoch else { return false }
        switch (phase, outcome) {
        case (.closed, .succeeded):
            faultsInARow = 0
            window.count(fault: false, now)
        case (.closed(let since), .failed):
            faultsInARow += 1
            window.count(fault: true, now)
            guard isTooMuch(now) else { return false }
            if since.duration(to: now) >= rules.window { growth = 0 }
            open(now, jitter)
            return true
        case (.halfOpen, .succeeded):
            phase = .closed(since: now)
            epoch &+= 1
            faultsInARow = 0
            window = Window(rules.window)
        case (.halfOpen, .failed):
            open(now, jitter)
            return true
        case (.halfOpen, .abandoned):
            phase = .halfOpen(trialUntil: nil)
            epoch &+= 1
        case (.closed, .abandoned), (.open, _): break
        }
        return false
    }

    private mutating func isTooMuch(_ now: Instant) -> Bool {
        guard rules.consecutiveFaults > 0 else { return false }
        if faultsInARow >= rules.consecutiveFaults { return true }
        let (calls, faults) = window.sums(now)
        return calls >= rules.windowCalls && Double(faults) >= rules.faultRatio * Double(calls)
    }

    private mutating func open(_ now: Instant, _ jitter: Double) {
        let time = min(rules.firstOpen * (1 << min(growth, 16)), rules.longestOpen)
        phase = .open(until: now + time * jitter)
        epoch &+= 1
        growth += 1
        openings &+= 1
    }

    /// Calls and faults of the last while, in slices of it: the oldest tenth leaves at a time.
    private struct Window: Sendable {
        private static let slices: UInt64 = 10

        private let sliceNanoseconds: UInt64
        private var calls = InlineArray<10, UInt32>(repeating: 0)
        private var faults = InlineArray<10, UInt32>(repeating: 0)
        private var newest: UInt64 = 0
        /// When the newest slice ends.
        private var end: UInt64 = 0

        init(_ length: Duration) { sliceNanoseconds = UInt64(max(1, length.nanoseconds)) / Self.slices + 1 }

        mutating func count(fault: Bool, _ now: Instant) {
            advance(now)
            let index = Int(newest % Self.slices)
            calls[index] &+= 1
            if fault { faults[index] &+= 1 }
        }

        mutating func sums(_ now: Instant) -> (calls: Int, faults: Int) {
            advance(now)
            var sum = (calls: 0, faults: 0)
            for index in calls.indices {
                sum.calls += Int(calls[index])
                sum.faults += Int(faults[index])
            }
            return sum
        }

        /// Empties the slices that time has passed by. Time that goes back is taken as standing still.
        private mutating func advance(_ now: Instant) {
            guard now.nanoseconds >= end else { return }
            let current = now.nanoseconds / sliceNanoseconds
            guard current > newest else { return }
            for passed in 0..<min(current - newest, Self.slices) {
                let index = Int((current - passed) % Self.slices)
                calls[index] = 0
                faults[index] = 0
            }
            newest = current
            end = (current &+ 1) &* sliceNanoseconds
        }
    }
}
