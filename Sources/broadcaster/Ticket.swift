// The one-use ticket in the dashboard's URL that the banner shows: whoever opens it first gets the access token as a cookie, and
// the URL that lies in the terminal and the browser's history is worth nothing from then on. The supervisor makes it and
// gives it to the first broadcaster only, so that a restart does not make it good again.
import EventLoop
import Inbound

struct Ticket {
    /// From the start; people open the dashboard that they have just started.
    static let lifetime = Duration.seconds(3600)

    private let text: String
    private let limit: Instant
    /// Redeemed, or there is none.
    private var isUsed: Bool

    init(_ text: String, at now: Instant) {
        self.text = text
        limit = now + Self.lifetime
        isUsed = text.isEmpty
    }

    /// Whether it is the right one for the first time; it is worth nothing afterwards.
    mutating func redeem(_ presented: String, at now: Instant) -> Bool {
        guard !isUsed, now < limit, AccessPolicy.isEqual(presented, to: text) else { return false }
        isUsed = true
        return true
    }
}
