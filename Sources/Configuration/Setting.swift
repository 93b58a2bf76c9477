// One row of the table of settings.

/// A setting as declared in `SettingsTable`.
package struct Setting: Sendable {
    /// Whole name in the environment, `TRUTHTABLE_…`.
    package let name: String
    package let help: String
    package let roles: Set<ProcessRole>
    /// A secret's value is shown nowhere, not even in a complaint about it.
    package let isSecret: Bool
    let kind: SettingKind
    private let defaultNote: String?

    init(
        _ name: String, _ kind: SettingKind, _ roles: Set<ProcessRole>, isSecret: Bool = false, _ help: String, defaultNote: String? = nil
    ) {
        self.name = SettingsTable.prefix + name
        self.help = help
        self.roles = roles
        self.kind = kind
        self.isSecret = isSecret
        self.defaultNote = defaultNote
    }

    /// What a value looks like, for people: `a duration from 100ms to 24h, such as 30s`.
    package var expected: String { kind.expected }

    /// The default as people should read it: a value, or words where the product works it out.
    package var defaultText: String { defaultNote ?? kind.text(Settings()) }

    /// Whether `defaultText` is words rather than a value.
    package var isDefaultNoted: Bool { defaultNote != nil }

    /// The value in `settings` in a form that the same setting reads back, secrets too: for a child, not for people.
    package func text(in settings: Settings) -> String { kind.text(settings) }

    /// Whether people may see what somebody wrote: a key can stand where only its source should, a password before the @ of a URL.
    func mayShow(_ text: String) -> Bool { !isSecret && !text.contains("key=") && !text.contains("@") }

    /// The value in `settings` for people.
    package func display(in settings: Settings) -> String {
        let text = kind.text(settings)
        return mayShow(text) || text.isEmpty ? text : "(secret)"
    }
}

/// Settings that `--help` and README show together.
package struct SettingsSection: Sendable {
    package let title: String
    package let settings: [Setting]

    init(_ title: String, _ settings: [Setting]) {
        self.title = title
        self.settings = settings
    }
}
