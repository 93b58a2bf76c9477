// Sources, their order, and everything that can be wrong with them.

import Glibc
import Testing

@testable import Configuration

/// A directory of its own for a test, with files.
private struct Folder: ~Copyable {
    let path: String

    init(_ files: [String: String] = [:]) {
        var template = Array("/tmp/truthtable-settings-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for (name, text) in files {
            guard let file = fopen("\(path)/\(name)", "w") else {
                Issue.record("cannot write \(path)/\(name)")
                continue
            }
            fputs(text, file)
            fclose(file)
        }
    }

    deinit {
        for name in [".env", "a.env"] {
            unlink("\(path)/\(name)")
            rmdir("\(path)/\(name)")
        }
        rmdir(path)
    }
}

private func load(
    _ environment: [(name: String, value: String)] = [], file: String? = nil, in directory: String = "/nonexistent"
) throws -> LoadedSettings {
    try Settings.load(environment: environment, environmentFile: file, directory: directory, cores: 2)
}

private func errors(_ body: () throws -> LoadedSettings) -> [SettingError] {
    do {
        _ = try body()
        return []
    } catch {
        return (error as? SettingErrors)?.errors ?? []
    }
}

@Test func `the environment is over the named file is over dot env is over defaults`() throws {
    let folder = Folder([
        ".env": "TRUTHTABLE_PORT=1\nTRUTHTABLE_WS_PORT=1001\nTRUTHTABLE_QUEUE_SIZE=11\nOTHER=x",
        "a.env": "# named\nexport TRUTHTABLE_PORT=2\nTRUTHTABLE_QUEUE_SIZE=12",
    ])
    let file = folder.path + "/a.env"
    let loaded = try load([("TRUTHTABLE_PORT", "3"), ("PATH", "/bin")], file: file, in: folder.path)
    #expect(loaded.settings.port == 3)
    #expect(loaded.settings.queueSize == 12)
    #expect(loaded.settings.webSocketPort == 1001)
    #expect(loaded.settings.workerCount == 10)
    #expect(loaded.settings.auditorCount == 2)
    #expect(loaded.origins["TRUTHTABLE_PORT"] == .environment)
    #expect(loaded.origins["TRUTHTABLE_QUEUE_SIZE"] == .file(path: file, line: 3))
    #expect(loaded.origins["TRUTHTABLE_WS_PORT"] == .file(path: folder.path + "/.env", line: 2))
    #expect(loaded.origins["TRUTHTABLE_WORKER_COUNT"] == nil)
    #expect(loaded.warnings.isEmpty)
}

@Test func `an empty value is the default, also over a file`() throws {
    let folder = Folder([".env": "TRUTHTABLE_PORT=1\n"])
    #expect(try load([("TRUTHTABLE_PORT", "")], in: folder.path).settings.port == 8080)
}

@Test func `all errors are reported with their places`() throws {
    let folder = Folder([
        ".env": "TRUTHTABLE_HSOT=::1\nTRUTHTABLE_EDGE_COUNT=none\nNOTES without equals\nTRUTHTABLE_PORT 8080\n",
        "a.env": "garbage\nTRUTHTABLE_QUEUE_SIZE=0\nTRUTHTABLE_ACCESS_TOKEN='not so secret'\n",
    ])
    let dot = folder.path + "/.env"
    let file = folder.path + "/a.env"
    let found = errors {
        try load([("TRUTHTABLE_PROT", "1"), ("TRUTHTABLE_PORT", "80\u{1B}80")], file: file, in: folder.path)
    }
    #expect(found.count == 8)
    #expect(
        found.contains(.unknown(name: "TRUTHTABLE_HSOT", origin: .file(path: dot, line: 1), nearest: "TRUTHTABLE_HOST"))
    )
    #expect(found.contains(.unknown(name: "TRUTHTABLE_PROT", origin: .environment, nearest: "TRUTHTABLE_PORT")))
    #expect(found.contains(.malformedLine(path: dot, line: 4, .noEquals)))
    #expect(found.contains(.malformedLine(path: file, line: 1, .noEquals)))
    #expect(
        found.contains(
            .invalid(
                name: "TRUTHTABLE_EDGE_COUNT", shown: "none", origin: .file(path: dot, line: 2),
                complaint: "must be a whole number from 1 to 16")))
    #expect(
        found.contains(
            .invalid(
                name: "TRUTHTABLE_ACCESS_TOKEN", shown: nil, origin: .file(path: file, line: 3),
                complaint: "must be at most 512 letters, digits and -._~+/=")))
    let text = SettingErrors(errors: found).description
    #expect(text.split(separator: "\n").count == 8)
    #expect(!text.contains("secret"))
    #expect(text.contains(#"TRUTHTABLE_PORT must be a whole number from 0 to 65535; it is "80�80" (environment)"#))
    #expect(text.contains("TRUTHTABLE_PROT is no setting (environment): did you mean TRUTHTABLE_PORT?"))
}

@Test func `files that cannot be read`() throws {
    let folder = Folder()
    let missing = folder.path + "/a.env"
    #expect(errors { try load(file: missing) } == [.unreadableFile(path: missing, reason: "No such file or directory")])
    #expect(errors { try load(file: folder.path) } == [.unreadableFile(path: folder.path, reason: "Is a directory")])
    #expect(errors { try load(file: "/dev/zero") } == [.oversizedFile(path: "/dev/zero", limitBytes: 1 << 20)])
    // A virtual environment of Python is often called .env.
    #expect(mkdir(folder.path + "/.env", 0o700) == 0)
    #expect(try load(in: folder.path).warnings.isEmpty)
}

@Test func `a file of just the limit is read`() throws {
    let line = "TRUTHTABLE_PORT=7\n"
    let full = Folder([".env": line + String(repeating: "#", count: EnvironmentFile.limitBytes - line.utf8.count)])
    #expect(try load(in: full.path).settings.port == 7)
    let over = Folder([".env": line + String(repeating: "#", count: EnvironmentFile.limitBytes - line.utf8.count + 1)])
    #expect(errors { try load(in: over.path) } == [.oversizedFile(path: over.path + "/.env", limitBytes: 1 << 20)])
}

@Test func `a pipe serves as environment file`() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    #expect(write(ends[1], "TRUTHTABLE_PORT=9\n", 18) == 18)
    close(ends[1])
    #expect(try load(file: "/dev/fd/\(ends[0])").settings.port == 9)
    close(ends[0])
}

@Test func `an engine's address chooses it, unless another one is named`() throws {
    #expect(try load().settings.engine == EngineSelection(.embedded))
    #expect(try load([("TRUTHTABLE_GRPC_ADDRESS", "engine:1")]).settings.engine == EngineSelection(.grpc))
    let named = try load([("TRUTHTABLE_GRPC_ADDRESS", "engine:1"), ("TRUTHTABLE_ENGINE", "embedded")])
    #expect(named.settings.engine == EngineSelection(.embedded))
    let auditor = try Settings(pairs: try load([("TRUTHTABLE_GRPC_ADDRESS", "engine:1")]).settings.pairs(for: .auditor))
    #expect(auditor.engine == EngineSelection(.grpc) && auditor.grpcAddress.host == "engine")
}

@Test func `the upstream's time counts between bytes too, unless that has a time of its own`() throws {
    func pause(_ more: (String, String)...) throws -> Duration {
        try Settings.load(environment: [("TRUTHTABLE_UPSTREAM_TIMEOUT", "300s")] + more.map { (name: $0.0, value: $0.1) }, directory: "/nowhere", cores: 1).settings.answerIdleTimeout
    }
    #expect(try pause() == .seconds(300))
    #expect(try pause(("TRUTHTABLE_ANSWER_IDLE_TIMEOUT", "20s")) == .seconds(20))
}

@Test func `an engine's time is a part of the audit's`() throws {
    let longer = [("TRUTHTABLE_ENGINE", "grpc"), ("TRUTHTABLE_GRPC_TIMEOUT", "31s")]
    #expect(errors { try load(longer) }.count == 1)
    #expect(errors { try load(longer + [("TRUTHTABLE_AUDIT_TIMEOUT", "1m")]) }.isEmpty)
    #expect(errors { try load([("TRUTHTABLE_JUDGE_TIMEOUT", "31s")]) }.isEmpty, "no judge is asked")
    #expect(errors { try load([("TRUTHTABLE_ENGINE", "embedded,judge"), ("TRUTHTABLE_JUDGE_TIMEOUT", "31s")]) }.count == 1)
}

@Test func `the judge's key goes to auditors only`() throws {
    let settings = try load([("TRUTHTABLE_JUDGE_KEY", "sk-secret")]).settings
    for role in ProcessRole.allCases {
        #expect(settings.pairs(for: role).contains { $0.value == "sk-secret" } == (role == .auditor))
    }
}

@Test func `values that do not fit together`() throws {
    #expect(errors { try load([("TRUTHTABLE_PORT", "8081")]) }.count == 1)
    #expect(errors { try load([("TRUTHTABLE_PORT", "0"), ("TRUTHTABLE_WS_PORT", "0")]) }.isEmpty)
    for port in ["8080", "8081"] { #expect(errors { try load([("TRUTHTABLE_ADMIN_PORT", port)]) }.count == 1) }
    #expect(errors { try load([("TRUTHTABLE_ADMIN_PORT", "8082")]) }.isEmpty)
    #expect(errors { try load([("TRUTHTABLE_AUDIT_WAIT_LIMIT", "29s")]) }.count == 1)
    #expect(errors { try load([("TRUTHTABLE_MAX_HEAD_BYTES", "16KiB")]) }.count == 1)
    #expect(errors { try load([("TRUTHTABLE_CAPTURE_BODY_LIMIT", "440KiB")]) }.isEmpty)
    #expect(errors { try load([("TRUTHTABLE_CAPTURE_BODY_LIMIT", "441KiB")]) }.count == 1)
}

@Test func `an upstream that is the product itself is refused`() throws {
    let own = [("127.0.0.1", "http://localhost:8080"), ("127.0.0.1", "http://127.0.0.1:8080/v1"), ("0.0.0.0", "http://127.0.0.1:8080"), ("::", "http://localhost:8080"), ("::1", "http://[::1]:8080"), ("10.1.2.3", "http://10.1.2.3:8080")]
    for (host, url) in own {
        for (name, value) in [("UPSTREAM_URL", "http://a, \(url)"), ("ROUTES", "/v1 => \(url)")] {
            let found = errors { try load([("TRUTHTABLE_HOST", host), ("TRUTHTABLE_" + name, value)]) }
            #expect(found.count == 1 && found.allSatisfy { $0.description.contains(name) && $0.description.contains("TRUTHTABLE_PORT") }, "\(host) \(value)")
        }
    }
    let others = [("127.0.0.1", "http://localhost:8082"), ("127.0.0.1", "http://[::1]:8080"), ("127.0.0.1", "http://10.1.2.3:8080"), ("10.1.2.3", "http://localhost:8080")]
    for (host, url) in others { #expect(errors { try load([("TRUTHTABLE_HOST", host), ("TRUTHTABLE_UPSTREAM_URL", url)]) }.isEmpty, "\(host) \(url)") }
}

@Test(arguments: ProcessRole.allCases) func `a child reads what it is told as it was meant`(_ role: ProcessRole) throws
{
    let settings = try load([
        ("TRUTHTABLE_UPSTREAM_URL", "http://[::1]:1234/base/"), ("TRUTHTABLE_UPSTREAM_TIMEOUT", "90001ms"),
        ("TRUTHTABLE_ACCESS_TOKEN", "t0ken"), ("TRUTHTABLE_LOG_LEVEL", "error"), ("TRUTHTABLE_QUEUE_BYTES", "1048577"),
        ("TRUTHTABLE_SAMPLE_RATE", "0.1"), ("TRUTHTABLE_ACCESS_LOG", "-"),
        ("TRUTHTABLE_ALLOWED_ORIGINS", "local,https://a:1"),
        ("TRUTHTABLE_CAPTURE_BODY_LIMIT", "0"), ("TRUTHTABLE_MAX_HEAD_BYTES", "256KiB"),
    ]).settings
    let pairs = settings.pairs(for: role)
    let child = try Settings(pairs: pairs)
    for setting in SettingsTable.all {
        let told = setting.roles.contains(role)
        #expect(pairs.contains { $0.name == setting.name } == told)
        #expect(setting.text(in: child) == setting.text(in: told ? settings : Settings()), "\(setting.name)")
    }
    if role != .supervisor { #expect(pairs.count < SettingsTable.all.count) }
    // No auditor learns where answers come from or what opens the dashboards.
    if role == .auditor { #expect(child.upstreams == Settings().upstreams && child.accessToken.isEmpty) }
}

@Test func `a child refuses unknown pairs`() {
    #expect(throws: SettingErrors.self) { try Settings(pairs: [("TRUTHTABLE_FROM_ANOTHER_BUILD", "1")]) }
}

@Test func `the process's environment is read`() {
    #expect(processEnvironment().contains { $0.name == "PATH" && !$0.value.isEmpty })
}

private let typos: [(typed: String, meant: String?)] = [
    ("TRUTHTABLE_PROT", "TRUTHTABLE_PORT"), ("TRUTHTABLE_WSPORT", "TRUTHTABLE_WS_PORT"),
    ("truthtable_port", "TRUTHTABLE_PORT"),
    ("TRUTHTABLE_UPSTREAM", "TRUTHTABLE_UPSTREAM_URL"), ("TRUTHTABLE_UPSTREAMURL", "TRUTHTABLE_UPSTREAM_URL"),
    ("TRUTHTABLE_WORKERS_COUNT", "TRUTHTABLE_WORKER_COUNT"),
    ("TRUTHTABLE_LOGLEVEL", "TRUTHTABLE_LOG_LEVEL"), ("TRUTHTABLE_", nil), ("TRUTHTABLE_SOMETHING_ELSE", nil),
    ("TRUTHTABLE_QUEUE_SIZ", "TRUTHTABLE_QUEUE_SIZE"), ("TRUTHTABLE_" + String(repeating: "A", count: 100_000), nil),
]

@Test(arguments: typos) func `a mistyped name finds the nearest`(_ row: (typed: String, meant: String?)) {
    let found = errors { try load([(row.typed, "1")]) }
    #expect(found == [.unknown(name: row.typed, origin: .environment, nearest: row.meant)])
    #expect(found.allSatisfy { $0.description.utf8.count < 300 })
}
