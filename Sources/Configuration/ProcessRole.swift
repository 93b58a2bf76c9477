// The processes of the product: their names in settings, logs, metrics and file names come from here.

/// What a process is for (`docs/ARCHITECTURE.md`). Raw values travel in frames: never renumber them.
package enum ProcessRole: UInt8, CaseIterable, Sendable {
    case supervisor = 0
    case edge = 1
    case dispatcher = 2
    case auditor = 3
    case broadcaster = 4

    /// The folder in `Sources/`, the role in log lines and the `role` label of metrics.
    package var name: String {
        switch self {
        case .supervisor: "supervisor"
        case .edge: "edge"
        case .dispatcher: "dispatcher"
        case .auditor: "auditor"
        case .broadcaster: "broadcaster"
        }
    }

    /// The file that runs it, beside `truthtable` or in `TRUTHTABLE_LIBEXEC_DIR`.
    package var executableName: String { "truthtable-" + name }

    package init?(name: String) {
        guard let role = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = role
    }
}
