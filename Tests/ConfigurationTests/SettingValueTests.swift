// Every kind of setting: what it reads, what it refuses, its limits, and that what it writes reads back.

import Testing

@testable import Configuration

private func read(_ name: String, _ text: String) throws -> Settings {
    try Settings(pairs: [(SettingsTable.prefix + name, text)])
}

private struct Accepted: CustomTestStringConvertible, Sendable {
    let name: String
    let text: String
    let holds: @Sendable (Settings) -> Bool
    var testDescription: String { "\(name)=\(text)" }

    init(_ name: String, _ text: String, _ holds: @escaping @Sendable (Settings) -> Bool) {
        (self.name, self.text, self.holds) = (name, text, holds)
    }
}

private func trusts(_ settings: Settings, _ address: String) -> Bool { IPAddress(address).map(settings.trustedProxies.contains) ?? false }

private let accepted: [Accepted] = [
    Accepted("PORT", "0") { $0.port == 0 },
    Accepted("PORT", "65535") { $0.port == 65_535 },
    Accepted("PORT", " 8090 ") { $0.port == 8090 },
    Accepted("PORT", "08080") { $0.port == 8080 },
    Accepted("PORT", "") { $0.port == 8080 },
    Accepted("PORT", "  ") { $0.port == 8080 },
    Accepted("WORKER_COUNT", "1") { $0.workerCount == 1 },
    Accepted("WORKER_COUNT", "1024") { $0.workerCount == 1024 },
    Accepted("QUEUE_SIZE", "1000000") { $0.queueSize == 1_000_000 },
    Accepted("QUEUE_BYTES", "1MiB") { $0.queueBytes == 1 << 20 },
    Accepted("QUEUE_BYTES", "1tib") { $0.queueBytes == 1 << 40 },
    Accepted("QUEUE_BYTES", "2 GiB") { $0.queueBytes == 2 << 30 },
    Accepted("CAPTURE_BODY_LIMIT", "0") { $0.captureBodyLimitBytes == 0 },
    Accepted("CAPTURE_BODY_LIMIT", "1000") { $0.captureBodyLimitBytes == 1000 },
    Accepted("CAPTURE_BODY_LIMIT", "1000B") { $0.captureBodyLimitBytes == 1000 },
    Accepted("UPSTREAM_TIMEOUT", "500ms") { $0.upstreamTimeout == .milliseconds(500) },
    Accepted("UPSTREAM_TIMEOUT", "100ms") { $0.upstreamTimeout == .milliseconds(100) },
    Accepted("UPSTREAM_TIMEOUT", "2m") { $0.upstreamTimeout == .seconds(120) },
    Accepted("UPSTREAM_TIMEOUT", "1h") { $0.upstreamTimeout == .seconds(3600) },
    Accepted("UPSTREAM_TIMEOUT", "24h") { $0.upstreamTimeout == .seconds(86_400) },
    Accepted("UPSTREAM_TIMEOUT", "1m30s") { $0.upstreamTimeout == .seconds(90) },
    Accepted("DRAIN_TIMEOUT", "0s") { $0.drainTimeout == .zero },
    Accepted("TEST_MODE", "true") { $0.testMode },
    Accepted("TEST_MODE", "ON") { $0.testMode },
    Accepted("TEST_MODE", "Yes") { $0.testMode },
    Accepted("TEST_MODE", "1") { $0.testMode },
    Accepted("AUDIT_ENABLED", "false") { !$0.auditEnabled },
    Accepted("AUDIT_ENABLED", "off") { !$0.auditEnabled },
    Accepted("AUDIT_ENABLED", "no") { !$0.auditEnabled },
    Accepted("AUDIT_ENABLED", "0") { !$0.auditEnabled },
    Accepted("SAMPLE_RATE", "0") { $0.sampleRate == 0 },
    Accepted("SAMPLE_RATE", "1") { $0.sampleRate == 1 },
    Accepted("SAMPLE_RATE", "0.125") { $0.sampleRate == 0.125 },
    Accepted("LOG_LEVEL", "DEBUG") { $0.logLevel == .debug },
    Accepted("ENGINE", "embedded") { $0.engine == EngineSelection(.embedded) },
    Accepted("ENGINE", "GRPC") { $0.engine == EngineSelection(.grpc) },
    Accepted("ENGINE", "judge") { $0.engine == EngineSelection(.judge) },
    Accepted("ENGINE", "embedded, judge") { $0.engine == EngineSelection(.embedded, asksJudge: true) },
    Accepted("ENGINE", "grpc,judge") { $0.engine == EngineSelection(.grpc, asksJudge: true) },
    Accepted("JUDGE_MODEL", "meta-llama/Llama-3.1:8b") { $0.judgeModel == "meta-llama/Llama-3.1:8b" },
    Accepted("JUDGE_INPUT_PRICE", "0.15") { $0.judgeInputPrice == 0.15 },
    Accepted("HOST", "0.0.0.0") { $0.host == "0.0.0.0" },
    Accepted("HOST", "::") { $0.host == "::" },
    Accepted("HOST", "[::1]") { $0.host == "::1" },
    Accepted("HOST", "LocalHost") { $0.host == "localhost" },
    Accepted("GRPC_ADDRESS", "engine_1.internal:443") {
        $0.grpcAddress == HostAndPort(host: "engine_1.internal", port: 443)
    },
    Accepted("GRPC_ADDRESS", "[FE80::1]:50051") { $0.grpcAddress == HostAndPort(host: "fe80::1", port: 50_051) },
    Accepted("GRPC_ADDRESS", "10.0.0.1:1") { $0.grpcAddress == HostAndPort(host: "10.0.0.1", port: 1) },
    Accepted("RUNTIME_DIR", "/run/true table") { $0.runtimeDirectory == "/run/true table" },
    Accepted("ACCESS_LOG", "-") { $0.accessLog == .standardError },
    Accepted("ACCESS_LOG", "access.log") { $0.accessLog == .file(path: "access.log") },
    Accepted("ACCESS_LOG", "") { $0.accessLog == .off },
    Accepted("PATH_PREFIX", "/tt/v1.0_x-~") { $0.pathPrefix == "/tt/v1.0_x-~" },
    Accepted("PATH_PREFIX", "") { $0.pathPrefix == "" },
    Accepted("AUDIT_WAIT", "0s") { $0.auditWait == .zero },
    Accepted("ACCESS_TOKEN", "aZ0-._~+/=") { $0.accessToken == "aZ0-._~+/=" },
    Accepted("REDACT_NAMES", "Passport, x-card_1") { $0.redactNames == ["passport", "x-card_1"] },
    Accepted("REDACT_NAMES", "") { $0.redactNames == [] },
    Accepted("TRUSTED_PROXIES", "") { $0.trustedProxies == .unlisted && !$0.trustedProxies.isListed && !trusts($0, "127.0.0.1") },
    Accepted("TRUSTED_PROXIES", "None") { $0.trustedProxies.isListed && !trusts($0, "127.0.0.1") && !trusts($0, "::") },
    Accepted("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1") {
        trusts($0, "10.255.0.1") && !trusts($0, "11.0.0.0") && !trusts($0, "9.255.255.255") && trusts($0, "192.0.2.1") && !trusts($0, "192.0.2.2")
            && trusts($0, "::ffff:10.1.1.1") && !trusts($0, "::10.1.1.1")
    },
    Accepted("TRUSTED_PROXIES", "2001:DB8::/33,::1/128") { trusts($0, "2001:db8:7fff::1") && !trusts($0, "2001:db8:8000::") && trusts($0, "::1") && !trusts($0, "::2") },
    Accepted("TRUSTED_PROXIES", "0.0.0.0/0") { trusts($0, "203.0.113.9") && !trusts($0, "2001:db8::1") },
    Accepted("TRUSTED_PROXIES", "::/0") { trusts($0, "203.0.113.9") && trusts($0, "2001:db8::1") },
    Accepted("TRUSTED_PROXIES", "::ffff:10.0.0.0/104") { trusts($0, "10.9.9.9") && !trusts($0, "11.0.0.1") },
    Accepted("ALLOWED_ORIGINS", "*") { $0.allowedOrigins.any && !$0.allowedOrigins.local },
    Accepted("ALLOWED_ORIGINS", "local, HTTPS://Example.com:443 ,http://a:5173") {
        $0.allowedOrigins.local && $0.allowedOrigins.listed == ["https://example.com", "http://a:5173"]
    },
]

@Test(arguments: accepted) private func `values are read`(_ row: Accepted) throws {
    #expect(row.holds(try read(row.name, row.text)))
}

@Test func `loopback is told from other addresses`() throws {
    for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
        #expect(try read("HOST", host).listensOnLoopbackOnly, "\(host)")
    }
    for host in ["0.0.0.0", "::", "128.0.0.1", "::2", "::127.0.0.1"] {
        #expect(!(try read("HOST", host).listensOnLoopbackOnly), "\(host)")
    }
}

private let refused: [(name: String, texts: [String])] = [
    ("PORT", ["65536", "-1", "+1", "80.5", "8 0", "0x50", "http", "８０", "99999999999999999999999", "8080\u{0}"]),
    ("WORKER_COUNT", ["0", "1025", "ten"]),
    ("QUEUE_SIZE", ["0", "1000001"]),
    ("AUDITOR_COUNT", ["0", "65"]),
    ("EDGE_COUNT", ["0", "17"]),
    (
        "QUEUE_BYTES",
        ["1MB", "1M", "1K", "KiB", "1.5GiB", "-1MiB", "1048575", "1025GiB", "9999999999TiB", "1MiBB", "1 MiB x"]
    ),
    ("CAPTURE_BODY_LIMIT", ["513KiB"]),
    (
        "UPSTREAM_TIMEOUT",
        ["120", "1.5s", "-1s", "1 s", "s", "99ms", "25h", "1d", "1s1", "9999999999999999h", "1us", "1ｓ"]
    ),
    ("HUNG_TIMEOUT", ["499ms", "0s"]),
    ("TEST_MODE", ["2", "enabled", "y", "t"]),
    ("SAMPLE_RATE", ["1.01", "-0.1", "nan", "inf", "1e-1", "0x1p-1", ".5", "0.5.5", "50%"]),
    ("LOG_LEVEL", ["trace", "warning", "info,debug"]),
    ("ENGINE", ["none", "judge,embedded", "embedded,grpc", "judge,judge", "embedded,judge,judge", "embedded,", ","]),
    ("JUDGE_MODEL", ["a b", "größe", String(repeating: "a", count: 201)]),
    ("JUDGE_OUTPUT_PRICE", ["-1", "10001", "$1", "1e3"]),
    ("HOST", ["example.com", "256.0.0.1", "1.2.3", "127.0.0.1:80", "[127.0.0.1", "::g"]),
    (
        "GRPC_ADDRESS",
        [
            "localhost", "localhost:", ":50051", "localhost:0", "localhost:65536", "::1:50051", "http://a:1", "a b:1",
            "-a:1", "1.2.3:4",
        ]
    ),
    ("REDACT_NAMES", ["a", "a,bc", "ab,", "with space", "kéy", String(repeating: "a", count: 65), Array(repeating: "ab", count: 33).joined(separator: ",")]),
    (
        "TRUSTED_PROXIES",
        [
            "localhost", "10.0.0.0/33", "10.0.0.1/8", "::1/64", "::/129", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0", "10.0.0.1,", "1.1.1.1 2.2.2.2",
            "none,10.0.0.1", "[::1]", "fe80::1%eth0", "10.0.0.1:80",
        ]
    ),
    ("MAX_CONNECTIONS_PER_ADDRESS", ["-1", "1000001"]),
    ("RUNTIME_DIR", ["/run/\u{7}", String(repeating: "a", count: 4096)]),
    ("PATH_PREFIX", ["tt", "/", "/tt/", "//tt", "/a//b", "/a b", "/a?b", "/a+b", "/ä", "/" + String(repeating: "a", count: 256)]),
    ("ACCESS_TOKEN", ["with space", "a\"b", "ümlaut", String(repeating: "a", count: 513)]),
    (
        "ALLOWED_ORIGINS",
        [
            "example.com", "https://a/", "https://a/path", "https://", "http://a,,http://b", "https://*.a",
            "https://u@a", "1a://b", "http://a:0",
        ]
    ),
]

@Test(arguments: refused) func `wrong values are refused with name, place and cure`(
    _ row: (name: String, texts: [String])
) throws {
    for text in row.texts {
        let error = #expect(throws: SettingErrors.self, "\(row.name)=\(text)") { try read(row.name, text) }
        guard case .invalid(let name, let shown, .supervisor, let complaint)? = error?.errors.first else {
            Issue.record("\(row.name)=\(text): \(String(describing: error))")
            continue
        }
        #expect(error?.errors.count == 1)
        #expect(name == SettingsTable.prefix + row.name)
        #expect((shown == nil) == (row.name == "ACCESS_TOKEN" || text.contains("@")))
        #expect(complaint.hasPrefix("must be "))
        #expect(!(error?.description.contains("\n") ?? true))
    }
}

@Test func `no text makes a reader trap`() {
    var random = SystemRandomNumberGenerator()
    let alphabet = Array("0129-+.:/@[]%,*# kKiMBmshé\u{0}\u{7F}httpslocalnu?\u{202E}").map(String.init)
    for _ in 0..<3000 {
        let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? ""
        }.joined()
        for setting in SettingsTable.all {
            var settings = Settings()
            guard setting.kind.store(text, &settings) == nil else { continue }
            // What was accepted reads back the same.
            var again = Settings()
            let written = setting.text(in: settings)
            #expect(written.isEmpty || setting.kind.store(written, &again) == nil, "\(setting.name)=\(text)")
            if !written.isEmpty { #expect(again == settings, "\(setting.name)=\(text) written \(written)") }
        }
    }
}

// MARK: Upstream

private let upstreams: [(text: String, url: UpstreamURL, written: String)] = [
    (
        "https://api.openai.com", .init(isTLS: true, host: "api.openai.com", port: 443, basePath: ""),
        "https://api.openai.com"
    ),
    (
        "https://api.openai.com/", .init(isTLS: true, host: "api.openai.com", port: 443, basePath: ""),
        "https://api.openai.com"
    ),
    (
        "HTTP://LocalHost:11434/V1/", .init(isTLS: false, host: "localhost", port: 11_434, basePath: "/V1"),
        "http://localhost:11434/V1"
    ),
    ("http://h:80/a/b//", .init(isTLS: false, host: "h", port: 80, basePath: "/a/b"), "http://h/a/b"),
    ("http://h:443", .init(isTLS: false, host: "h", port: 443, basePath: ""), "http://h:443"),
    (
        "https://[::1]:8443/x%20y", .init(isTLS: true, host: "::1", port: 8443, basePath: "/x%20y"),
        "https://[::1]:8443/x%20y"
    ),
    ("https://[::1]", .init(isTLS: true, host: "::1", port: 443, basePath: ""), "https://[::1]"),
    (
        "http://10.1.2.3/~a/b:c@d;e=f,g+h!$&'()*",
        .init(isTLS: false, host: "10.1.2.3", port: 80, basePath: "/~a/b:c@d;e=f,g+h!$&'()*"),
        "http://10.1.2.3/~a/b:c@d;e=f,g+h!$&'()*"
    ),
    (
        "http://a.example./v1", .init(isTLS: false, host: "a.example.", port: 80, basePath: "/v1"),
        "http://a.example./v1"
    ),
]

@Test(arguments: upstreams) func `upstream URLs are taken apart`(
    _ row: (text: String, url: UpstreamURL, written: String)
) throws {
    #expect(try UpstreamURL(row.text) == row.url)
    #expect(row.url.description == row.written)
    #expect(try UpstreamURL(row.written) == row.url)
}

private let flaws: [(String, UpstreamURL.Flaw)] = [
    ("", .scheme), ("api.openai.com", .scheme), ("ftp://a", .scheme), ("https:/a", .scheme), ("https:a", .scheme),
    ("https://", .host), ("https:///v1", .host), ("https://:443", .host), ("https://a b", .host),
    ("https://ä.de", .host),
    ("https://a..b", .host), ("https://[::1", .host), ("https://::1", .host), ("https://1.2.3.4.5", .host),
    ("https://%61", .host),
    ("https://a:", .port), ("https://a:0", .port), ("https://a:65536", .port), ("https://a:http", .port),
    ("https://a:+1", .port),
    ("https://u@a", .userInformation), ("https://u:p@a/", .userInformation),
    ("https://a?x=1", .query), ("https://a/?", .query), ("https://a/#f", .fragment), ("https://a/v1?x#f", .fragment),
    ("https://a/ b", .path), ("https://a/%2", .path), ("https://a/%zz", .path), ("https://a/../b", .path),
    ("https://a/.", .path),
    ("https://a/%2E%2e/b", .path), ("https://a/\u{0}", .path), ("https://a/é", .path), ("https://a/\"", .path),
    ("https://a\\b", .host),
    ("https://a/b\r\nX: y", .path),
]

@Test(arguments: flaws) func `upstream URLs with flaws are refused`(_ text: String, _ flaw: UpstreamURL.Flaw) {
    #expect(throws: flaw) { try UpstreamURL(text) }
}

// MARK: Origins

@Test func `origins are allowed as listed`() throws {
    let local = AllowedOrigins.localOnly
    for origin in [
        "null", "http://localhost", "http://localhost:5173", "https://127.0.0.1:3000", "http://[::1]:80",
        "app://localhost",
    ] {
        #expect(local.allows(origin), "\(origin)")
    }
    for origin in [
        "", "https://example.com", "http://localhost.evil.com", "http://localhost@evil.com", "http://localhost:",
        "localhost", "http://127.0.0.1.nip.io", "http://localhost/", "://localhost",
    ] {
        #expect(!local.allows(origin), "\(origin)")
    }
    let listed = try #require(AllowedOrigins("https://Example.com:443"))
    #expect(listed.allows("https://example.com"))
    #expect(!listed.allows("http://example.com") && !listed.allows("http://localhost") && !listed.allows("null"))
    #expect(try #require(AllowedOrigins("*")).allows("https://anything.example"))
    #expect(try #require(AllowedOrigins("null")).allows("null"))
}
