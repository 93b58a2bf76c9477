// Imports run downwards only, and Package.swift says the same as the files.
import Foundation
import Testing

/// The modules from top to bottom. A module imports modules of lower rows only; those of one row never import each other.
private let order: [[String]] = [
    ["truthtable", "supervisor", "edge", "dispatcher", "auditor", "broadcaster", "mockllm"],
    ["Simulation"],  // support of tests
    ["Role"],
    ["Auditing"],
    ["GRPC", "Outbound"],
    ["Inbound"],
    ["HTTP"],
    ["JSON"],
    ["IPC"],
    ["Telemetry"],
    ["Configuration"],
    ["TLS"],
    ["EventLoop"],
    ["CLinux", "COpenSSL", "CZlib", "CBrotli", "CNGHTTP2", "CLexicon"],
]

private let rows = Dictionary(uniqueKeysWithValues: order.enumerated().flatMap { row, modules in modules.map { ($0, row) } })

private func module(of path: String) -> String { String(path.split(separator: "/")[1]) }

/// The modules of ours that a file imports.
private func imports(_ path: String) -> Set<String> {
    let names = Repository.lines(path).compactMap { line -> String? in
        let words = line.split(separator: " ")
        guard let word = words.firstIndex(of: "import"), word + 1 < words.count, line.first != " " else { return nil }
        // In front of it stand access levels and attributes only, or the line is no import.
        guard words[..<word].allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal", "private"].contains($0) }) else { return nil }
        return String(words[word + 1])
    }
    return Set(names).intersection(rows.keys)
}

private let files = Repository.files(under: "Sources", ["swift"])

@Test func `every module has its row`() {
    let folders = Set((files + Repository.files(under: "Sources", ["c", "h"])).map(module(of:)))
    #expect(
        folders.subtracting(rows.keys).isEmpty,
        "new modules: give each its row in the table of ImportTests.swift, above all that it imports")
    #expect(Set(rows.keys).subtracting(folders).isEmpty, "modules that are no more: take them out of the table of ImportTests.swift")
}

@Test func `imports run downwards`() {
    for file in files {
        for imported in imports(file).sorted() where (rows[imported] ?? 0) <= (rows[module(of: file)] ?? 0) {
            Issue.record(
                """
                \(file) imports \(imported), which is not below it: move what both need into a module further down, or hand it in as an \
                argument. Roles talk to each other by the messages of IPC.
                """)
        }
    }
}

@Test func `Package.swift declares what is imported`() {
    let package = Repository.text("Package.swift")
    for module in rows.keys.sorted() where !module.hasPrefix("C") || module == "Configuration" {
        let declaration = package.firstMatch(of: try! Regex("(?:role|module)\\(\"\(module)\"(?:, \\[([^\\]]*)\\])?[,)]", as: (Substring, Substring?).self))
        guard let declaration else {
            Issue.record("\(module) has no line in Package.swift: declare it by role(…) or module(…)")
            continue
        }
        let quoted = (declaration.output.1 ?? "").matches(of: /"(\w+)"/)
        let declared = Set(quoted.map { String($0.output.1) })
        let imported = files.filter { $0.hasPrefix("Sources/\(module)/") }.reduce(into: Set<String>()) { $0.formUnion(imports($1)) }
        #expect(declared == imported, "\(module): make the dependencies in Package.swift those that its files import")
    }
}

@Test func `there are no package dependencies`() {
    #expect(
        !Repository.text("Package.swift").contains(".package("),
        "Package.swift: take out .package(…): what the product needs beyond Swift comes from the operating system's libraries")
}
