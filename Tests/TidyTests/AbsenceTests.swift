// What is absent on purpose: the Invariant lines of docs/ARCHITECTURE.md that can be seen in the text of the files.
import Testing

/// Only the files that begin with one of `allowed` may contain `word`.
private struct Absence: CustomTestStringConvertible {
    let word: String
    let allowed: [String]
    let why: String

    var testDescription: String { word }
}

private let absences = [
    Absence(word: "import Foundation", allowed: [], why: "it costs start time and size; what is needed of it is in Telemetry, Configuration and JSON"),
    Absence(word: "await ", allowed: [], why: "each process is one loop; what blocks goes to a HelperThread"),
    Absence(word: "cl_spawn(", allowed: ["Sources/supervisor/Spawner.swift", "Sources/CLinux/"], why: "one file forks, on the supervisor's main thread"),
    Absence(
        word: "cl_connect_", allowed: ["Sources/edge/", "Sources/truthtable/", "Sources/Outbound/", "Sources/CLinux/"],
        why: "only the edge, the command line and, for auditors, Outbound make connections; other processes get their channels by Attach"),
    Absence(
        word: "import Outbound", allowed: ["Sources/edge/", "Sources/auditor/Audits.swift", "Sources/auditor/Engines/"],
        why: "edges connect to upstreams and auditors to engines, nobody else to anything"),
    Absence(
        word: "cl_send_descriptors(", allowed: ["Sources/IPC/ControlChannel.swift", "Sources/CLinux/"], why: "descriptors travel on control channels only"),
    Absence(word: "cl_socket_pair(", allowed: ["Sources/supervisor/", "Sources/CLinux/"], why: "the supervisor makes all channels"),
    Absence(
        word: "cl_listen_", allowed: ["Sources/supervisor/Listeners.swift", "Sources/mockllm/", "Sources/CLinux/"], why: "the supervisor binds all sockets before any child starts"),
    Absence(
        word: "cl_open_append(", allowed: ["Sources/supervisor/SupervisorRole.swift", "Sources/CLinux/"], why: "the product writes no file but the access log"),
]

@Test(arguments: absences) private func `what is absent stays absent`(_ absence: Absence) {
    for file in Repository.files(under: "Sources", ["swift", "c", "h"]) where !absence.allowed.contains(where: file.hasPrefix) {
        for (number, line) in Repository.lines(file).enumerated() where line.contains(absence.word) {
            Issue.record("\(file):\(number + 1) has `\(absence.word)`: \(absence.why). If that is to change, change docs/ARCHITECTURE.md first")
        }
    }
}

/// A role and the modules that it has no use for.
@Test(arguments: [
    ("supervisor", ["HTTP", "JSON", "TLS", "Inbound", "Outbound", "Auditing"]), ("dispatcher", ["HTTP", "TLS", "Inbound", "Outbound", "Auditing"]),
    ("auditor", ["HTTP", "Inbound"]), ("broadcaster", ["Outbound", "Auditing"]), ("edge", ["Auditing"]),
])
private func `roles know only what they do`(_ role: String, _ modules: [String]) {
    for file in Repository.files(under: "Sources/\(role)", ["swift"]) {
        for module in modules where Repository.lines(file).contains("import \(module)") {
            Issue.record("\(file) imports \(module): \(role) has no use for it by docs/ARCHITECTURE.md, Invariants; change that first")
        }
    }
}

@Test private func `the edge parses JSON in test mode only`() {
    for file in Repository.files(under: "Sources/edge", ["swift"]) where file != "Sources/edge/TestMode.swift" {
        #expect(!Repository.lines(file).contains("import JSON"), "\(file) imports JSON: bodies stream through the edge unread; give the work to the auditor")
    }
}

@Test private func `codecs and audits do no I/O`() {
    for folder in ["Auditing", "HTTP", "JSON"] {
        for file in Repository.files(under: "Sources/\(folder)", ["swift"]) {
            for module in ["EventLoop", "CLinux", "IPC"] where Repository.lines(file).contains("import \(module)") {
                Issue.record("\(file) imports \(module): hand bytes and times in as arguments")
            }
        }
    }
}
