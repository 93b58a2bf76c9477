// What a child finds open when it begins: declared once, for the supervisor that hands it over and the child that takes it.
// Channels to other processes are not inherited: they come later, by Attach, the same way at the first start as after a restart.
import Configuration

/// A descriptor that a child inherits.
package enum InheritedDescriptor: CaseIterable, Sendable {
    /// The child's end of its control channel.
    case control
    /// The memory file that holds all counters.
    case scoreboard
    /// Listening socket of the proxy (`TRUTHTABLE_PORT`).
    case proxyListener
    /// Listening socket of the product's own paths (`TRUTHTABLE_ADMIN_PORT`); closed where there is none.
    case adminListener
    /// Listening socket of the dashboards (`TRUTHTABLE_WS_PORT`).
    case webSocketListener
    /// Listening Unix socket to which edges proxy the dashboards' paths.
    case broadcasterListener
    /// Where access log lines go.
    case accessLog

    /// Every child has these two under the same numbers.
    package static let controlNumber: Int32 = 3
    package static let scoreboardNumber: Int32 = 4

    /// What a role inherits, in order: the first one becomes descriptor 3.
    package static func table(for role: ProcessRole) -> [InheritedDescriptor] {
        switch role {
        case .edge: [.control, .scoreboard, .proxyListener, .accessLog, .adminListener]
        case .broadcaster: [.control, .scoreboard, .webSocketListener, .broadcasterListener]
        case .dispatcher, .auditor: [.control, .scoreboard]
        case .supervisor: []
        }
    }

    /// The number that it has in a child of that role, nil where the role does not inherit it.
    package func number(in role: ProcessRole) -> Int32? {
        Self.table(for: role).firstIndex(of: self).map { 3 + Int32($0) }
    }
}
