// What documents say of the code is what the code says.
import Configuration
import Foundation
import Telemetry
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
    try checkGenerated("settings", of: "README.md", "\n" + SettingsTable.markdown())
}

@Test func `METRICS has every series`() throws {
    var table = "\n| series | type | counted by | labels | |\n|---|---|---|---|---|\n"
    func row(_ name: String, _ type: String, _ definitions: [CellDefinition], also label: String? = nil) {
        let owners = Set(definitions.flatMap(\.owners).map(\.rawValue)).sorted().joined(separator: ", ")
        let values = definitions.compactMap { $0.label?.value }.map { "`\($0)`" }.joined(separator: ", ")
        let labels = [definitions[0].label.map { "`\($0.name)`: \(values)" }, label].compactMap { $0 }.joined(separator: "; ")
        table += "| `truthtable_\(name)` | \(type) | \(owners) | \(labels) | \(definitions[0].help) |\n"
    }
    let counters = Counter.allCases.map(\.definition) + EdgeCounter.allCases.map(\.definition)
    let ofEdges = Set(EdgeCounter.allCases.map(\.definition.family))
    var done: Set<String> = []
    for family in counters.map(\.family) where done.insert(family).inserted {
        row(family + "_total", "counter", counters.filter { $0.family == family }, also: ofEdges.contains(family) ? "`edge`" : nil)
    }
    for gauge in Gauge.allCases { row(gauge.definition.family, "gauge", [gauge.definition]) }
    for histogram in Histogram.allCases { row(histogram.definition.family, "histogram", [histogram.definition]) }
    for (label, figures) in [("upstream", UpstreamFigure.allCases.map(\.definition)), ("key", CallerFigure.allCases.map(\.definition))] {
        for figure in figures {
            let (name, type) = figure.isGauge ? (figure.family, "gauge") : (figure.family + "_total", "counter")
            table += "| `truthtable_\(name)` | \(type) | edge | `\(label)` | \(figure.help) |\n"
        }
    }
    table += "| `truthtable_process_start_time_seconds` | gauge | every process | | When the process started, in Unix time |\n\n"
    try checkGenerated("metrics", of: "docs/METRICS.md", table)
}

/// What stands between the marks of a document is generated.
private func checkGenerated(_ name: String, of path: String, _ generated: String) throws {
    let begin = "<!-- \(name): written by the tidy tests -->\n"
    let end = "<!-- end of \(name) -->"
    let parts = Repository.text(path).components(separatedBy: begin)
    try #require(parts.count == 2, "\(path): the \(name) stand between the lines \(begin)and \(end)")
    let rest = parts[1].components(separatedBy: end)
    try #require(rest.count == 2, "\(path): the \(name) end with the line \(end)")
    if Repository.isUpdating { return try Repository.write(parts[0] + begin + generated + end + rest[1], to: path) }
    let isCurrent = rest[0] == generated  // apart, or a failure would print both
    #expect(isCurrent, "\(path): the \(name) have changed: run `\(updateCommand)`")
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
