// Which address of a host to connect to, and for how long: one after the other, each with its share of the time limit.
import EventLoop

/// An address that does not answer costs its share of what is left, so the last one is always tried; a refusal costs
/// nothing. The address that worked last time goes first, so a dead one before it is paid for once.
package struct AddressCursor: Sendable {
    /// A slower handshake than this is rare, a dead address is not: shares of many addresses are not smaller.
    package static let leastShare: Duration = .milliseconds(250)

    /// The end of the whole time limit.
    package let deadline: Instant
    private let addresses: [String]
    private var index = -1
    private var reasons: [String] = []

    /// `preferred` goes first when it is among `addresses`.
    package init(_ addresses: [String], deadline: Instant, preferred: String? = nil) {
        if let preferred, let at = addresses.firstIndex(of: preferred) {
            self.addresses = [preferred] + addresses[..<at] + addresses[(at + 1)...]
        } else {
            self.addresses = addresses
        }
        self.deadline = deadline
    }

    /// The address that is being tried.
    package var address: String? { addresses.indices.contains(index) ? addresses[index] : nil }

    package var isAtFirst: Bool { index == 0 }

    /// The next address, and when it has failed if it has not answered; nil when there is none, or no time, left.
    package mutating func next(now: Instant) -> (address: String, until: Instant)? {
        let left = now.duration(to: deadline)
        guard left > .zero, index + 1 < addresses.count else { return nil }
        index += 1
        let share = max(left / (addresses.count - index), Self.leastShare)
        return (addresses[index], min(now + share, deadline))
    }

    /// The address that is being tried said no.
    package mutating func failed(_ reason: String) {
        if let address { reasons.append("\(address): \(reason)") }
    }

    /// What each address said, for a person.
    package var failure: String {
        let untried = addresses.count - index - 1
        return addresses.isEmpty ? "no address" : (reasons + (untried > 0 ? ["no time left for \(untried) more"] : [])).joined(separator: "; ")
    }
}
