// Credits: how many more jobs an auditor takes.

/// The sender's view of what the receiver has granted. It begins at nothing with each new channel.
package struct CreditWindow: Equatable, Sendable {
    /// No honest auditor has more in flight.
    package static let most = 4096

    package private(set) var available = 0

    package init() {}

    /// Grants over `most` are a violation.
    package mutating func grant(_ count: Int) throws(FrameError) {
        guard count >= 0, count <= Self.most - available else { throw .outOfRange("credit") }
        available += count
    }

    /// Uses one credit up; false when there is none.
    package mutating func take() -> Bool {
        guard available > 0 else { return false }
        available -= 1
        return true
    }
}
