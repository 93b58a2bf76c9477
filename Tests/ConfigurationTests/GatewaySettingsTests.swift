// Upstreams, routes, patterns of paths, and where keys come from: what is read, what is refused and how, what reads back.

import Glibc
import Testing

@testable import Configuration

private func read(_ name: String, _ text: String) throws -> Settings { try Settings(pairs: [(SettingsTable.prefix + name, text)]) }

private func complaint(_ name: String, _ text: String) -> String {
    do throws(SettingErrors) {
        _ = try Settings(pairs: [(SettingsTable.prefix + name, text)])
        return ""
    } catch {
        return error.description
    }
}

/// A file with this content, gone with the test.
private final class File {
    let path = "/tmp/tt-configuration-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init(_ content: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        _ = Array(content.utf8).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    deinit {
        unlink(path)
        unlink(path + ".lock")
    }
}

@Suite struct UpstreamSettingTests {
    @Test func `a URL alone is a list of one`() throws {
        let list = try read("UPSTREAM_URL", "http://localhost:11434/base/").upstreams
        #expect(list.upstreams == [Upstream(try UpstreamURL("http://localhost:11434/base"))])
    }

    @Test func `a list has weights and keys`() throws {
        let text = "https://a.example/v1 weight=3, https://b.example key=env:B_KEY,http://c:8000  weight=1 key=file:/run/c key-field=x-api-key"
        let list = try read("UPSTREAM_URL", text).upstreams.upstreams
        #expect(list.map(\.url.description) == ["https://a.example/v1", "https://b.example", "http://c:8000"])
        #expect(list.map(\.weight) == [3, 1, 1])
        #expect(list.map(\.key) == [nil, .environment("B_KEY"), .file("/run/c")])
        #expect(list.map(\.keyField) == [.authorization, .authorization, .xAPIKey])
    }

    @Test func `routes match paths, models, or both`() throws {
        let text = "/v1/messages => https://api.anthropic.com key=credential:anthropic key-field=x-api-key;; model llama* => http://a:1 weight=2, http://b:2\n/v1/x model m => http://c:3;"
        let routes = try read("ROUTES", text).routes.routes
        #expect(routes.map(\.pathPrefix) == ["/v1/messages", "", "/v1/x"])
        #expect(routes.map(\.model) == ["", "llama*", "m"])
        #expect(routes.map(\.upstreams.upstreams.count) == [1, 2, 1])
        #expect(routes[0].upstreams.upstreams[0].key == .credential("anthropic"))
    }

    @Test(arguments: [
        ("UPSTREAM_URL", "http://a weight=2, http://b key=value:k key-field=api-key, http://c"),
        ("ROUTES", "/a => http://a; model b* => http://b weight=7, http://c; /d model e => http://f key=env:K"), ("CAPTURE_PATHS", "/v1/*,*x,!/v1/files*"),
    ]) func `what a child is told reads back`(_ row: (name: String, text: String)) throws {
        let settings = try read(row.name, row.text)
        let setting = try #require(SettingsTable.setting(named: SettingsTable.prefix + row.name))
        #expect(settings != Settings())
        #expect(try read(row.name, setting.text(in: settings)) == settings)
    }

    @Test(arguments: [
        ("UPSTREAM_URL", "http://a, ftp://b", "(entry 2) must begin with http"), ("UPSTREAM_URL", "http://a,", "(entry 2) must begin"), ("UPSTREAM_URL", "http://a weight=0", "weight that is not"),
        ("UPSTREAM_URL", "http://a weight=101", "weight that is not"), ("UPSTREAM_URL", "http://a speed=1", "nothing else"), ("UPSTREAM_URL", "http://a key=sk-secret", "is not env:NAME"),
        ("UPSTREAM_URL", "http://a key=credential:../x", "is not env:NAME"), ("UPSTREAM_URL", "http://a key-field=cookie key=env:A", "key-field that is not"),
        ("UPSTREAM_URL", "http://a key-field=api-key", "key-field without a key"), ("UPSTREAM_URL", Array(repeating: "http://a", count: 33).joined(separator: ","), "more than 32"),
        ("ROUTES", "/a http://b", "(route 1) needs =>"), ("ROUTES", "/a => http://b; model => http://c", "(route 2) must match"), ("ROUTES", "=> http://b", "must match"),
        ("ROUTES", "a => http://b", "must match"), ("ROUTES", "/a => nothing", "must begin with http"), ("CAPTURE_PATHS", "v1", "must be up to"), ("CAPTURE_PATHS", "/a,", "must be up to"),
        ("OPT_OUT_HEADER", "a b", "must be a header's name"),
    ]) func `what is refused says why, and never shows a key`(_ row: (name: String, text: String, says: String)) {
        let said = complaint(row.name, row.text)
        #expect(said.contains(row.says), "\(said)")
        #expect(!said.contains("sk-secret"))
    }

    @Test func `there are not more upstreams than figures have room for`() {
        let many = (0..<33).map { "/p\($0) => http://h\($0)" }.joined(separator: ";")
        #expect(throws: SettingErrors.self) { try Settings.load(environment: [("TRUTHTABLE_ROUTES", many)], directory: "/nowhere", cores: 1) }
        let same = (0..<33).map { "/p\($0) => http://h" }.joined(separator: ";")
        #expect(throws: Never.self) { try Settings.load(environment: [("TRUTHTABLE_ROUTES", same)], directory: "/nowhere", cores: 1) }
    }
}

@Suite struct UpstreamKeyTests {
    private func key(_ source: String, _ environment: [(name: String, value: String)] = []) throws -> UpstreamKey? {
        var settings = try read("ROUTES", "/a => http://b key=\(source)")
        try settings.readUpstreamKeys(environment)
        return settings.routes.routes[0].upstreams.upstreams[0].key
    }

    @Test func `keys come from environment, file and credential`() throws {
        let file = File("sk-123\n")
        #expect(try key("env:A", [("A", "sk-abc")]) == .value("sk-abc"))
        #expect(try key("file:" + file.path) == .value("sk-123"))
        let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
        let name = try #require(file.path.split(separator: "/").last)
        #expect(try key("credential:" + name, [("CREDENTIALS_DIRECTORY", "/" + folder)]) == .value("sk-123"))
    }

    @Test(arguments: ["", "two words", "a,b", "a;b", "caf\u{e9}", String(repeating: "x", count: 4097)]) func `what is no key is refused and not shown`(_ content: String) {
        let file = File(content)
        let error = #expect(throws: SettingErrors.self) { try key("file:" + file.path) }
        let said = error?.description ?? ""
        #expect(said.contains("TRUTHTABLE_ROUTES: the key of http://b"))
        #expect(content.isEmpty || !said.contains(content))
    }

    @Test func `a source that is not there is named`() {
        let error = #expect(throws: SettingErrors.self) { try key("env:NOT_SET") }
        #expect(error?.description.contains("NOT_SET") == true)
        #expect(throws: SettingErrors.self) { try key("file:/nowhere/key") }
        let credential = #expect(throws: SettingErrors.self) { try key("credential:a") }
        #expect(credential?.description.contains("LoadCredential=a:FILE") == true)
    }

    @Test func `people do not see keys`() throws {
        let settings = try read("UPSTREAM_URL", "http://a key=value:sk-123, http://b")
        let setting = try #require(SettingsTable.setting(named: "TRUTHTABLE_UPSTREAM_URL"))
        #expect(setting.text(in: settings).contains("sk-123"))
        #expect(setting.display(in: settings) == "(secret)")
        #expect(settings.upstreams.display == "http://a and 1 more")
        #expect(settings.injectsKeys)
        // Only edges are told.
        for role in ProcessRole.allCases where role != .edge && role != .supervisor {
            #expect(!settings.pairs(for: role).contains { $0.value.contains("sk-123") })
        }
    }
}

@Suite struct CallerKeyFileTests {
    private let hash = String(repeating: "0123456789abcdef", count: 4)

    private func parse(_ text: String) throws(CallerKeyFile.Flaw) -> [CallerKeyEntry] { try CallerKeyFile.parse(Array(text.utf8), path: "keys") }

    @Test func `what is written reads back`() throws {
        let entries = (0..<3).map {
            CallerKeyEntry(
                name: "key-\($0)", hash: (0..<32).map { UInt8($0 * 7) }.map { $0 ^ UInt8(truncatingIfNeeded: 1) }.enumerated().map { $0.element &+ UInt8($0.offset) },
                requestsPerMinute: $0 == 0 ? nil : $0, concurrentStreams: $0 == 1 ? nil : 5, created: "2025-01-01T00:00:00Z")
        }
        #expect(try parse(CallerKeyFile.text([entries[0]])) == [entries[0]])
        #expect(try parse(CallerKeyFile.text([entries[2]])) == [entries[2]])
        #expect(throws: CallerKeyFile.Flaw.self) { try parse(CallerKeyFile.text(entries)) }  // one key under three names
        #expect(try parse("# only comments\n\n").isEmpty)
    }

    @Test(arguments: ["HASH name - -", "HASH name 0 - now", "HASH name - 100001 now", "HASH na/me - - now", "HASH name -1 - now", "SHORT name - - now", "HASH name - - now more", "word"])
    func `a line that is none is named by its number`(_ line: String) {
        let text = "# \n" + line.replacing("HASH", with: hash).replacing("SHORT", with: hash.dropLast())
        let flaw = #expect(throws: CallerKeyFile.Flaw.self) { try parse(text) }
        #expect(flaw?.description.hasPrefix("keys:2 ") == true)
    }

    @Test func `a change replaces the file, for its owner only`() throws {
        let file = File("")
        let entry = CallerKeyEntry(name: "a", hash: [UInt8](repeating: 1, count: 32), requestsPerMinute: 5, concurrentStreams: nil, created: "now")
        try CallerKeyFile.change(file.path) { $0 + [entry] }
        #expect(try CallerKeyFile.read(file.path) == [entry])
        var status = stat()
        #expect(stat(file.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        // A change that fails leaves what there was.
        #expect(throws: CallerKeyFile.Flaw.self) { try CallerKeyFile.change(file.path) { _ throws(CallerKeyFile.Flaw) in throw CallerKeyFile.Flaw("no") } }
        #expect(try CallerKeyFile.read(file.path) == [entry])
        unlink(file.path)
        try CallerKeyFile.change(file.path) { $0 + [entry] }
        #expect(try CallerKeyFile.read(file.path) == [entry])
        #expect(throws: CallerKeyFile.Flaw.self) { try CallerKeyFile.read("/nowhere/keys") }
    }
}
