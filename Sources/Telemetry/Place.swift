// Where processes stand on the scoreboard. A place outlives the process in it: the successor goes on counting there.

/// One process place. Places are numbered through: they are the slots of the scoreboard.
package struct Place: Hashable, Sendable, CustomStringConvertible {
    /// Which process may live in a place; raw values are the names of roles in logs and metrics.
    package enum Group: String, CaseIterable, Sendable {
        case supervisor, dispatcher, broadcaster, recorder, edge, auditor, spare

        /// As many processes as settings allow.
        package var count: Int {
            switch self {
            case .supervisor, .dispatcher, .broadcaster, .recorder: 1
            case .edge: Place.edgeCount
            case .auditor: 64
            case .spare: 4
            }
        }

        /// Index of its first place.
        fileprivate var first: Int {
            var first = 0
            for group in Self.allCases {
                if group == self { break }
                first += group.count
            }
            return first
        }

        package var places: [Place] { (0..<count).map { Place(group: self, number: $0, index: first + $0) } }
    }

    package static let edgeCount = 16
    package static let all: [Place] = Group.allCases.flatMap(\.places)

    package static let supervisor = Group.supervisor.places[0]
    package static let dispatcher = Group.dispatcher.places[0]
    package static let broadcaster = Group.broadcaster.places[0]

    package let group: Group
    /// Counts from 0 in the group.
    package let number: Int
    /// Counts from 0 over all groups.
    package let index: Int

    private init(group: Group, number: Int, index: Int) {
        self.group = group
        self.number = number
        self.index = index
    }

    /// Nil where the scoreboard has no such place.
    package init?(_ group: Group, _ number: Int = 0) {
        guard number >= 0, number < group.count else { return nil }
        self.init(group: group, number: number, index: group.first + number)
    }

    /// By the name of a role.
    package init?(role: String, number: Int) {
        guard let group = Group(rawValue: role) else { return nil }
        self.init(group, number)
    }

    package init?(index: Int) {
        guard index >= 0, index < Self.all.count else { return nil }
        self = Self.all[index]
    }

    /// `edge[0]`, as in log lines.
    package var description: String { group.count == 1 ? group.rawValue : "\(group.rawValue)[\(number)]" }
}
