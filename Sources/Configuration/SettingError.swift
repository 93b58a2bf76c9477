// What can be wrong with settings, as facts; `description` is the one line that a person reads.

/// Where a value came from.
package enum SettingOrigin: Equatable, Sendable, CustomStringConvertible {
    case environment
    case file(path: String, line: Int)
    /// Handed to a child at its start.
    case supervisor

    package var description: String {
        switch self {
        case .environment: "environment"
        case .file(let path, let line): "\(path):\(line)"
        case .supervisor: "from the supervisor"
        }
    }
}

/// One wrong setting or line. Never holds a secret's value.
package enum SettingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `shown` is the value, nil for a secret; `complaint` completes the sentence "NAME …".
    case invalid(name: String, shown: String?, origin: SettingOrigin, complaint: String)
    case unknown(name: String, origin: SettingOrigin, nearest: String?)
    case upstreamKey(setting: String, upstream: String, complaint: String)
    /// Each is fine, together they are not.
    case conflict(names: [String], complaint: String)
    case malformedLine(path: String, line: Int, EnvironmentFile.Flaw)
    case unreadableFile(path: String, reason: String)
    case oversizedFile(path: String, limitBytes: Int)

    package var description: String {
        switch self {
        case .invalid(let name, let shown?, let origin, let complaint):
            "\(name) \(complaint); it is \"\(Self.printable(shown))\" (\(origin))"
        case .invalid(let name, nil, let origin, let complaint):
            "\(name) \(complaint) (\(origin))"
        case .unknown(let name, let origin, let nearest?):
            "\(Self.printable(name)) is no setting (\(origin)): did you mean \(nearest)?"
        case .unknown(let name, let origin, nil):
            "\(Self.printable(name)) is no setting (\(origin)): remove it; `truthtable run --help` lists all settings"
        case .upstreamKey(let setting, let upstream, let complaint):
            "\(setting): the key of \(upstream) \(complaint)"
        case .conflict(let names, let complaint):
            "\(names.joined(separator: " and ")) \(complaint)"
        case .malformedLine(let path, let line, let flaw):
            "\(Self.printable(path)):\(line) \(flaw.complaint)"
        case .unreadableFile(let path, let reason):
            "cannot read \(Self.printable(path)): \(reason)"
        case .oversizedFile(let path, let limit):
            "\(Self.printable(path)) is longer than \(Notation.text(bytes: limit)): is it an environment file?"
        }
    }

    /// Control characters out, at most 80 characters: it goes to a terminal.
    private static func printable(_ text: String) -> String {
        var shown = ""
        for (count, scalar) in text.unicodeScalars.enumerated() {
            if count == 80 { return shown + "…" }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: shown.unicodeScalars.append("\u{FFFD}")
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}

/// Everything that is wrong, so that people need not find the faults one start at a time.
package struct SettingErrors: Error, Equatable, Sendable, CustomStringConvertible {
    /// Never empty.
    package let errors: [SettingError]

    /// A line for each.
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// What people should know although the start goes on.
package enum SettingWarning: Equatable, Sendable, CustomStringConvertible {
    case unreadableFile(path: String, reason: String)

    package var description: String {
        switch self {
        case .unreadableFile(let path, let reason): "\(path) is there but is not read: \(reason)"
        }
    }
}
