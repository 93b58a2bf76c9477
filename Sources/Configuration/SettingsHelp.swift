// The table of settings for people: `--help` and README.

extension SettingsTable {
    /// A name with its default, then what it is for; at most 100 columns.
    package static func helpText() -> String {
        var text = ""
        for section in sections {
            text += "\(section.title):\n"
            for setting in section.settings {
                let value = setting.isDefaultNoted ? "(\(setting.defaultText))" : setting.defaultText
                text += "  \(setting.name)=\(value)\n"
                for line in wrapped("\(setting.help). Value: \(setting.expected).", width: 92) {
                    text += "        \(line)\n"
                }
            }
            text += "\n"
        }
        return text + """
            An empty value means the default. Settings come from the environment, else from the file given with
            --env-file, else from .env in the working directory.

            """
    }

    /// README's settings, one table per section.
    package static func markdown() -> String {
        var text = ""
        for section in sections {
            text += "### \(section.title)\n\n| Setting | Default | Meaning |\n|---|---|---|\n"
            for setting in section.settings {
                let value = setting.isDefaultNoted ? setting.defaultText : "`\(setting.defaultText)`"
                text += "| `\(setting.name)` | \(cell(value)) | \(cell(setting.help)) |\n"
            }
            text += "\n"
        }
        return text
    }

    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
