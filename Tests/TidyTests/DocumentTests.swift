// What documents say of the code is what the code says.
import Configuration
import Foundation
import Testing

private let updateCommand = "TRUTHTABLE_UPDATE_DOCS=1 swift test --filter TidyTests"

@Test func `ARCHITECTURE has a line for every file`() {
    let path = "docs/ARCHITECTURE.md"
    let described = Repository.lines(path).compactMap { line in line.firstMatch(of: /^- `(Sources\/[^`]+)`: \S/).map { String($0.output.1) } }
    let files = Repository.files(under: "Sources", ["swift", "c", "h", "html", "css", "js", "svg"])
    for file in files where !described.contains(file) {
        Issue.record("\(path): add a line for \(file), where a capture meets it: - `\(file)`: one clause")
    }
    for file in described where !files.contains(file) { Issue.record("\(path): take out the line of \(file), which is no more") }
    for (file, count) in Dictionary(grouping: described, by: \.self).mapValues(\.count) where count > 1 {
        Issue.record("\(path): \(file) has \(count) lines: leave the one where a capture meets it first")
    }
}

@Test func `README's settings are the code's`() throws {
    let text = Repository.text("README.md")
    let begin = "<!-- settings: written by the tidy tests -->\n"
    let end = "<!-- end of settings -->"
    let parts = text.components(separatedBy: begin)
    try #require(parts.count == 2, "README.md: the settings stand between the lines \(begin)and \(end)")
    let rest = parts[1].components(separatedBy: end)
    try #require(rest.count == 2, "README.md: the settings end with the line \(end)")
    let table = "\n" + SettingsTable.markdown()
    if Repository.isUpdating { return try Repository.write(parts[0] + begin + table + end + rest[1], to: "README.md") }
    let isCurrent = rest[0] == table  // apart, or a failure would print both
    #expect(isCurrent, "README.md: the settings have changed: run `\(updateCommand)`")
}

@Test func `.example.env is the table of settings`() throws {
    if Repository.isUpdating { return try Repository.write(exampleEnvironment(), to: ".example.env") }
    let isCurrent = Repository.text(".example.env") == exampleEnvironment()
    #expect(isCurrent, ".example.env: the settings have changed: run `\(updateCommand)`")
}

/// With its comment marks taken out the file changes nothing: each line gives a default.
@Test func `.example.env gives the defaults`() throws {
    let lines = exampleEnvironment().split(separator: "\n").filter { $0.hasPrefix("#TRUTHTABLE_") }.map { $0.dropFirst() }
    #expect(lines.count == SettingsTable.all.count)
    let (assignments, problems) = EnvironmentFile.parse(Array(lines.joined(separator: "\n").utf8))
    #expect(problems.isEmpty)
    for (assignment, setting) in zip(assignments, SettingsTable.all) {
        #expect(assignment.name == setting.name)
        #expect(assignment.value == (setting.isDefaultNoted ? "" : setting.defaultText), "\(setting.name)")
    }
}

private func exampleEnvironment() -> String {
    var text = """
        # Settings of TruthTable, each with its default. Take the # away in front of those that you change.
        # Copy this file to .env in the directory where `truthtable run` is started, or name it by `truthtable run --env-file FILE`.
        # The environment goes before either file. An empty value means the default.

        """
    for section in SettingsTable.sections {
        text += "\n# \(section.title)\n"
        for setting in section.settings {
            text += "\n# \(setting.help).\n# Value: \(setting.expected)."
            if setting.isDefaultNoted { text += " Default: \(setting.defaultText)." }
            text += "\n#\(setting.name)=\(setting.isDefaultNoted ? "" : setting.defaultText)\n"
        }
    }
    return text
}
