// Which address of a host to connect to, and for how long: one after the other, each with its share of the time limit.
import EventLoop

/// A connection being made:  connecting(first) --failed, timed out--> connecting(next) … --> connected or exhausted
///
/// An address that does not answer costs its share of what is left, so the last one is always tried; a refusal costs
/// nothing. The address that worked last time goes first, so a dead one before it is paid for once.
package struct AddressCursor: Sendable {
    package enum Step: Equatable, Sendable {
        /// Connect to this address, and report a time-out at `until`.
        case connect(String, until: Instant)
        /// No address worked; the sentence says what each one said.
        case exhausted(String)
    }

    /// A slower handshake than this is rare, a dead address is not: shares of many addresses are not smaller.
    package static let leastShare: Duration = .milliseconds(250)

    private let addresses: [String]
    private let deadline: Instant
    private var index = -1
    private var attemptUntil = Instant(nanoseconds: 0)
    private var reasons: [String] = []
    private var isOver = false

    /// `deadline` is the end of the whole time limit; `preferred` goes first when it is among `addresses`.
    package init(_ addresses: [String], deadline: Instant, preferred: String? = nil) {
        if let preferred, let at = addresses.firstIndex(of: preferred) {
            self.addresses = [preferred] + addresses[..<at] + addresses[(at + 1)...]
        } else {
            self.addresses = addresses
        }
        self.deadline = deadline
    }

    /// The address that is being tried or that worked.
    package var address: String? { addresses.indices.contains(index) ? addresses[index] : nil }

    /// The first attempt; nil when there was one.
    package mutating func start(now: Instant) -> Step? {
        guard index < 0, !isOver else { return nil }
        return advance(now)
    }

    /// The current address said no; nil when nothing is being tried.
    package mutating func failed(_ reason: String, now: Instant) -> Step? {
        guard index >= 0, !isOver else { return nil }
        reasons.append("\(addresses[index]): \(reason)")
        return advance(now)
    }

    /// The alarm rang; nil when it is a stale one.
    package mutating func alarm(now: Instant) -> Step? {
        guard now >= attemptUntil else { return nil }
        return failed("no answer in time", now: now)
    }

    /// The current address answered: nothing more is tried.
    package mutating func connected() { isOver = true }

    private mutating func advance(_ now: Instant) -> Step {
        index += 1
        let left = now.duration(to: deadline)
        guard left > .zero, index < addresses.count else {
            isOver = true
            let untried = addresses.count - index
            if addresses.isEmpty { return .exhausted("no address") }
            return .exhausted((reasons + (untried > 0 ? ["no time left for \(untried) more"] : [])).joined(separator: "; "))
        }
        let share = max(left / (addresses.count - index), Self.leastShare)
        attemptUntil = min(now + share, deadline)
        return .connect(addresses[index], until: attemptUntil)
    }
}
