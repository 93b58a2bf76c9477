// From sources to `Settings`: precedence, validation of each value, then of what must fit together; and what a child is told.
// Everything wrong is collected before anything is refused.

import Glibc

/// Settings with what is worth telling about how they came about.
package struct LoadedSettings: Sendable {
    package var settings: Settings
    package let warnings: [SettingWarning]
    /// Whole names of the settings that somebody set, with where; the others have their defaults.
    package let origins: [String: SettingOrigin]
}

extension Settings {
    /// The process's environment over the file of `--env-file` over `.env` of the working directory over defaults.
    /// An empty value means the default. Names that do not begin with `TRUTHTABLE_` are other programs' business.
    package static func load(
        environment: [(name: String, value: String)], environmentFile: String? = nil, directory: String = ".",
        cores: Int
    ) throws(SettingErrors) -> LoadedSettings {
        var reading = SettingsReading()
        reading.addSharedFile(directory == "." ? ".env" : directory + "/.env")
        if let environmentFile { reading.addFile(environmentFile) }
        for (name, value) in environment { reading.add(name, value, .environment) }
        return try reading.finish(defaults: Settings(cores: cores), isWhole: true)
    }

    /// What a child was told. A wrong or unknown pair is an error here too: it shows that builds were mixed.
    package init(pairs: [(name: String, value: String)]) throws(SettingErrors) {
        var reading = SettingsReading()
        for (name, value) in pairs { reading.add(name, value, .supervisor) }
        self = try reading.finish(defaults: Settings(), isWhole: false).settings
    }

    /// The settings that `role` declares, as `init(pairs:)` reads them: with secrets, so not for an environment or a log.
    package func pairs(for role: ProcessRole) -> [(name: String, value: String)] {
        SettingsTable.all.filter { $0.roles.contains(role) }.map { ($0.name, $0.text(in: self)) }
    }
}

/// The process's own environment as `Settings.load` takes it. Before any thread could change it: call it first in `main`.
package func processEnvironment() -> [(name: String, value: String)] {
    var pairs: [(name: String, value: String)] = []
    var entry = environ
    while let text = entry.pointee {
        let whole = String(cString: text)
        if let equals = whole.utf8.firstIndex(of: UInt8(ascii: "=")) {
            pairs.append((String(whole[..<equals]), String(whole[whole.utf8.index(after: equals)...])))
        }
        entry += 1
    }
    return pairs
}

/// Values gathered from lowest to highest precedence.
private struct SettingsReading {
    private var values: [String: (text: String, origin: SettingOrigin)] = [:]
    private var errors: [SettingError] = []
    private var warnings: [SettingWarning] = []

    mutating func add(_ name: String, _ value: String, _ origin: SettingOrigin) {
        guard name.hasPrefix(SettingsTable.prefix) || name.uppercased().hasPrefix(SettingsTable.prefix) else { return }
        guard SettingsTable.setting(named: name) != nil else {
            let known = SettingsTable.all.map(\.name)
            let nearest = NearestName.of(name, among: known, sharedPrefix: SettingsTable.prefix)
            errors.append(.unknown(name: name, origin: origin, nearest: nearest))
            return
        }
        values[name] = (Notation.trimmed(value), origin)
    }

    /// A file that was named.
    mutating func addFile(_ path: String) {
        do throws(SmallFile.ReadError) {
            add(try SmallFile.read(path, limitBytes: EnvironmentFile.limitBytes), of: path, isShared: false)
        } catch {
            switch error {
            case .oversized: errors.append(.oversizedFile(path: path, limitBytes: EnvironmentFile.limitBytes))
            case .system: errors.append(.unreadableFile(path: path, reason: error.reason))
            }
        }
    }

    /// `.env`: need not exist, may serve other programs too.
    mutating func addSharedFile(_ path: String) {
        do throws(SmallFile.ReadError) {
            add(try SmallFile.read(path, limitBytes: EnvironmentFile.limitBytes), of: path, isShared: true)
        } catch {
            switch error {
            case .system(ENOENT), .system(ENOTDIR), .system(EISDIR): break
            case .system: warnings.append(.unreadableFile(path: path, reason: error.reason))
            case .oversized: errors.append(.oversizedFile(path: path, limitBytes: EnvironmentFile.limitBytes))
            }
        }
    }

    private mutating func add(_ bytes: [UInt8], of path: String, isShared: Bool) {
        let (assignments, problems) = EnvironmentFile.parse(bytes)
        for problem in problems where problem.isOurs || !isShared {
            errors.append(.malformedLine(path: path, line: problem.line, problem.flaw))
        }
        for assignment in assignments {
            add(assignment.name, assignment.value, .file(path: path, line: assignment.line))
        }
    }

    /// Reads the values that won; in the table's order, so that errors come in the order of the documentation.
    /// `isWhole`: all sources were read, so the values can be judged together; a child has only its part of them.
    consuming func finish(defaults: Settings, isWhole: Bool) throws(SettingErrors) -> LoadedSettings {
        var settings = defaults
        var origins: [String: SettingOrigin] = [:]
        for setting in SettingsTable.all {
            guard let (text, origin) = values[setting.name], !text.isEmpty else { continue }
            origins[setting.name] = origin
            guard let complaint = setting.kind.store(text, &settings) else { continue }
            errors.append(
                .invalid(name: setting.name, shown: setting.mayShow(text) ? text : nil, origin: origin, complaint: complaint)
            )
        }
        if isWhole {
            // Who names an engine wants it.
            if origins[SettingsTable.prefix + "ENGINE"] == nil, origins[SettingsTable.prefix + "GRPC_ADDRESS"] != nil { settings.engine = EngineSelection(.grpc) }
            // One time limit is enough for most: who knows of no other means both by it.
            if origins[SettingsTable.prefix + "ANSWER_IDLE_TIMEOUT"] == nil { settings.answerIdleTimeout = settings.upstreamTimeout }
            errors += settings.conflicts()
        }
        guard errors.isEmpty else { throw SettingErrors(errors: errors) }
        return LoadedSettings(settings: settings, warnings: warnings, origins: origins)
    }
}

extension Settings {
    /// What must fit together.
    fileprivate func conflicts() -> [SettingError] {
        var conflicts: [SettingError] = []
        func require(_ holds: Bool, _ names: [String], _ complaint: String) {
            if !holds {
                conflicts.append(.conflict(names: names.map { SettingsTable.prefix + $0 }, complaint: complaint))
            }
        }
        require(
            port == 0 || port != webSocketPort, ["PORT", "WS_PORT"],
            "are both \(port): give them different ports")
        require(
            tlsCertificateFile.isEmpty == tlsKeyFile.isEmpty, ["TLS_CERT", "TLS_KEY"],
            "belong together: set both, or neither")
        require(
            upstreamCertificateFile.isEmpty == upstreamKeyFile.isEmpty, ["UPSTREAM_TLS_CERT", "UPSTREAM_TLS_KEY"],
            "belong together: set both, or neither")
        require(
            adminPort == 0 || (adminPort != port && adminPort != webSocketPort), ["ADMIN_PORT", "PORT", "WS_PORT"],
            "must differ: ADMIN_PORT is \(adminPort) too")
        require(
            auditWait <= auditWaitLimit, ["AUDIT_WAIT", "AUDIT_WAIT_LIMIT"],
            "do not fit: the wait is longer than its limit")
        require(
            maxTargetBytes < maxHeadBytes, ["MAX_TARGET_BYTES", "MAX_HEAD_BYTES"],
            "do not fit: the head holds the target, so it needs the higher limit")
        require(
            2 * (captureBodyLimitBytes + maxHeadBytes) + SettingsTable.captureFixedBytes <= SettingsTable.frameBytes,
            ["CAPTURE_BODY_LIMIT", "MAX_HEAD_BYTES"],
            "are too high together: two of each must fit into "
                + Notation.text(bytes: SettingsTable.frameBytes - SettingsTable.captureFixedBytes))
        for (engine, name, timeout) in [(AuditEngine.grpc, "GRPC_TIMEOUT", grpcTimeout), (.judge, "JUDGE_TIMEOUT", judgeTimeout)] where self.engine.contains(engine) {
            require(timeout <= auditTimeout, [name, "AUDIT_TIMEOUT"], "do not fit: the whole audit needs the longer time")
        }
        require(
            distinctUpstreams <= UpstreamList.limit, ["UPSTREAM_URL", "ROUTES"], "have more than \(UpstreamList.limit) different upstreams together")
        for (name, lists) in [("UPSTREAM_URL", [upstreams]), ("ROUTES", routes.routes.map(\.upstreams))] {
            require(!lists.contains { $0.upstreams.contains { leadsHere($0.url) } }, [name, "PORT"], "lead requests back to TruthTable itself: name the LLM API, or take another port")
        }
        return conflicts
    }

    /// Whether a request to this URL comes to our own port, by the names and addresses that are certain to.
    private func leadsHere(_ url: UpstreamURL) -> Bool {
        let names: [String] =
            switch host {
            case "0.0.0.0", "::", "localhost": [host, "localhost", "127.0.0.1"]
            case "127.0.0.1", "::1": [host, "localhost"]
            default: [host]
            }
        return url.port == port && names.contains(url.host)
    }
}
