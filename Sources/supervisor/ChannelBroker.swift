// Which processes are joined by which channels, and at which generation each pair is. Makes no sockets.
import IPC
import Telemetry

/// A star: every link has the dispatcher at one end (DESIGN §1).
struct ChannelBroker {
    /// A channel of a kind between the dispatcher and one other place.
    struct Link: Hashable {
        let kind: ChannelKind
        let place: Place
    }

    private var generations: [Link: UInt32] = [:]

    /// The links of a place to the dispatcher; the dispatcher itself and the supervisor have none.
    static func links(of place: Place) -> [Link] {
        switch place.group {
        case .edge: [Link(kind: .capture, place: place), Link(kind: .query, place: place)]
        case .auditor: [Link(kind: .audit, place: place)]
        case .broadcaster: [Link(kind: .event, place: place)]
        case .supervisor, .dispatcher, .recorder, .spare: []
        }
    }

    /// The generation of the next pair of this link.
    mutating func renew(_ link: Link) -> UInt32 {
        let next = (generations[link] ?? 0) &+ 1
        generations[link] = next
        return next
    }

    /// The generation of the last pair that was handed out; nil before the first.
    func generation(of link: Link) -> UInt32? { generations[link] }
}
