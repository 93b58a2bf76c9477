// The circuit breaker on a clock of the test's own.
import EventLoop
import Outbound
import Testing

@Suite final class CircuitBreakerTests {
    private var now = Instant(nanoseconds: 1_000_000_000_000)
    private var breaker: CircuitBreaker

    init() { breaker = CircuitBreaker(now: now) }

    private func admit() -> CircuitBreaker.Permit? { breaker.admit(now: now) }

    private func report(_ permit: CircuitBreaker.Permit, _ outcome: CircuitBreaker.Outcome, jitter: Double = 0.75) {
        breaker.report(permit, outcome, now: now, jitter: jitter)
    }

    /// False when it was not let through.
    private func call(_ outcome: CircuitBreaker.Outcome, jitter: Double = 0.75) -> Bool {
        guard let permit = admit() else { return false }
        report(permit, outcome, jitter: jitter)
        return true
    }

    /// Five faults in a row.
    private func open() {
        for _ in 0..<5 { _ = call(.failed) }
        #expect(breaker.state(now: now) == .open)
    }

    @Test func `faults in a row open it, and a success between them does not let them add up`() {
        for _ in 0..<4 { #expect(call(.failed)) }
        #expect(call(.succeeded))
        for _ in 0..<4 { #expect(call(.failed)) }
        #expect(breaker.state(now: now) == .closed)
        #expect(call(.failed))
        #expect(breaker.state(now: now) == .open)
        #expect(!call(.succeeded))
        #expect(breaker.openings == 1)
    }

    @Test func `the share of faults opens it once there were calls enough`() {
        for turn in 0..<19 { #expect(call(turn % 2 == 0 ? .failed : .succeeded)) }
        #expect(breaker.state(now: now) == .closed)
        #expect(call(.failed))
        #expect(breaker.state(now: now) == .open)
    }

    @Test func `what is nine tenths of the window old still counts`() {
        #expect(call(.succeeded))
        for _ in 0..<9 {
            #expect(call(.succeeded))
            #expect(call(.failed))
        }  // 9 of 19
        now = now + .seconds(9)
        #expect(call(.failed))  // 10 of 20
        #expect(breaker.state(now: now) == .open)
    }

    @Test func `after the window nothing of it counts`() {
        for _ in 0..<9 {
            #expect(call(.failed))
            #expect(call(.succeeded))
        }
        now = now + .seconds(11)
        for _ in 0..<4 { #expect(call(.failed)) }
        #expect(breaker.state(now: now) == .closed)  // 4 of 4, not 13 of 22
    }

    @Test func `what clients do does not count`() {
        for _ in 0..<100 { #expect(call(.abandoned)) }
        for _ in 0..<4 { #expect(call(.failed)) }
        #expect(call(.abandoned))
        #expect(breaker.state(now: now) == .closed)
        #expect(call(.failed))
        #expect(breaker.state(now: now) == .open)
    }

    @Test func `half-open lets one call through; its success closes`() throws {
        open()
        #expect(breaker.refuses(now: now) == .milliseconds(750))
        now = now + .milliseconds(749)
        #expect(!call(.succeeded))
        now = now + .milliseconds(1)
        #expect(breaker.state(now: now) == .halfOpen)
        let trial = try #require(admit())
        #expect(trial.isTrial)
        #expect(admit() == nil)
        report(trial, .succeeded)
        #expect(breaker.state(now: now) == .closed)
        for _ in 0..<4 { #expect(call(.failed)) }
        #expect(breaker.state(now: now) == .closed)
    }

    @Test func `it stays open longer after each failed trial, up to the limit, and forgets that with health`() {
        open()
        var times: [Duration] = []
        for _ in 0..<7 {
            let time = breaker.refuses(now: now) ?? .zero
            times.append(time)
            now = now + time
            #expect(call(.failed, jitter: 1))
        }
        #expect(times == [.milliseconds(750), .seconds(2), .seconds(4), .seconds(8), .seconds(16), .seconds(30), .seconds(30)])
        now = now + .seconds(30)
        #expect(call(.succeeded))
        for _ in 0..<5 { #expect(call(.failed, jitter: 1)) }  // it was healthy for a moment only
        #expect(breaker.refuses(now: now) == .seconds(30))
        now = now + .seconds(30)
        #expect(call(.succeeded))
        now = now + .seconds(10)
        for _ in 0..<5 { #expect(call(.failed, jitter: 1)) }
        #expect(breaker.refuses(now: now) == .seconds(1))
    }

    @Test func `a trial that is given up is given back`() {
        open()
        now = now + .seconds(1)
        for _ in 0..<10 { #expect(call(.abandoned)) }
        #expect(breaker.state(now: now) == .halfOpen)
        #expect(call(.succeeded))
        #expect(breaker.state(now: now) == .closed)
    }

    @Test func `a trial that is never heard of again is taken back, and its late report is ignored`() throws {
        open()
        now = now + .seconds(1)
        let lost = try #require(admit())
        now = now + .seconds(59)
        #expect(admit() == nil)
        now = now + .seconds(1)
        let trial = try #require(admit())
        report(lost, .failed)
        report(lost, .succeeded)
        #expect(breaker.state(now: now) == .halfOpen)
        report(trial, .succeeded)
        #expect(breaker.state(now: now) == .closed)
    }

    @Test func `reports of calls from before it opened say nothing of the peer now`() throws {
        let early = try #require(admit())
        let other = try #require(admit())
        open()
        now = now + .seconds(1)
        let trial = try #require(admit())
        report(early, .succeeded)
        report(other, .failed)
        #expect(breaker.state(now: now) == .halfOpen)
        report(trial, .failed)
        report(trial, .succeeded)
        #expect(breaker.state(now: now) == .open)
        #expect(breaker.openings == 2)
    }

    @Test func `zero faults in a row means never`() {
        var rules = CircuitBreaker.Rules()
        rules.consecutiveFaults = 0
        breaker = CircuitBreaker(rules, now: now)
        for _ in 0..<1000 { #expect(call(.failed)) }
        #expect(breaker.state(now: now) == .closed)
    }
}
