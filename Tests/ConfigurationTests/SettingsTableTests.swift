// The table agrees with the type, with people, and with what the requirements promise.

import Testing

@testable import Configuration

@Test func `every property has one row and every row its own name`() {
    #expect(Mirror(reflecting: Settings()).children.count == SettingsTable.all.count)
    #expect(Set(SettingsTable.all.map(\.name)).count == SettingsTable.all.count)
}

@Test func `rows store into different properties`() throws {
    // A value other than the default for each: each must change the settings, and no two in the same way.
    var seen: [Settings] = []
    for setting in SettingsTable.all {
        let candidates = [
            "7", "50", "1MiB", "32KiB", "7s", "true", "false", "0.5", "debug", "grpc", "::1", "http://a", "a:7", "*",
            "-", "/x", "/x => http://a",
        ]
        var changed: Settings?
        for candidate in candidates {
            var settings = Settings()
            if setting.kind.store(candidate, &settings) == nil, settings != Settings() {
                changed = settings
                break
            }
        }
        let settings = try #require(changed, "\(setting.name)")
        #expect(!seen.contains(settings), "\(setting.name)")
        seen.append(settings)
    }
}

@Test func `defaults are readable and within their limits`() {
    for setting in SettingsTable.all {
        let text = setting.text(in: Settings())
        guard !text.isEmpty else {
            #expect(setting.isDefaultNoted, "\(setting.name) says what its empty default means")
            continue
        }
        var settings = Settings()
        #expect(setting.kind.store(text, &settings) == nil, "\(setting.name)=\(text)")
        #expect(settings == Settings(), "\(setting.name)=\(text)")
    }
}

@Test func `promised defaults`() {
    let promised = [
        "PORT": "8080", "WS_PORT": "8081", "UPSTREAM_URL": "https://api.openai.com", "GRPC_ADDRESS": "localhost:50051",
        "GRPC_TIMEOUT": "30s", "WORKER_COUNT": "10", "QUEUE_SIZE": "1000", "UPSTREAM_TIMEOUT": "120s",
        "AUDIT_ENABLED": "true", "HOST": "127.0.0.1",
    ]
    for (name, value) in promised {
        #expect(SettingsTable.setting(named: SettingsTable.prefix + name)?.defaultText == value)
    }
    #expect(Settings(cores: 0).auditorCount == 1)
    #expect(Settings(cores: 6).auditorCount == 6)
    #expect(Settings(cores: 1000).auditorCount == 64)
}

@Test func `every setting reaches somebody`() {
    for setting in SettingsTable.all { #expect(!setting.roles.isEmpty, "\(setting.name)") }
}

@Test func `help and README show every setting and no secret`() throws {
    let help = SettingsTable.helpText()
    let markdown = SettingsTable.markdown()
    for setting in SettingsTable.all {
        #expect(help.contains("\n  \(setting.name)="))
        #expect(markdown.contains("| `\(setting.name)` |"))
        #expect(!setting.help.hasSuffix("."), "\(setting.name): help gets its full stop where it is shown")
    }
    for line in help.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    for line in markdown.split(separator: "\n") where line.hasPrefix("|") {
        #expect(line.split(separator: "|", omittingEmptySubsequences: false).count == 5, "\(line)")
    }
    let token = try #require(SettingsTable.setting(named: "TRUTHTABLE_ACCESS_TOKEN"))
    var settings = Settings()
    settings.accessToken = "hunter2"
    #expect(token.isSecret && token.display(in: settings) == "(secret)")
    #expect(token.display(in: Settings()) == "")
}
