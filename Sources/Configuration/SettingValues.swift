// The values of settings that are more than a number or a text.

/// What can audit.
package enum AuditEngine: String, CaseIterable, Sendable {
    case embedded, grpc, judge
}

/// `TRUTHTABLE_ENGINE`: one engine, or one and the judge, which is asked about the claims that the first is not sure of.
package struct EngineSelection: Equatable, Sendable, CustomStringConvertible {
    package let first: AuditEngine
    package let asksJudge: Bool

    package init(_ first: AuditEngine, asksJudge: Bool = false) {
        self.first = first
        self.asksJudge = asksJudge && first != .judge
    }

    init?(_ text: String) {
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map { AuditEngine(rawValue: Notation.trimmed(String($0)).lowercased()) }
        guard let first = names.first ?? nil, names.count == 1 || (names.count == 2 && names[1] == .judge && first != .judge) else { return nil }
        self.init(first, asksJudge: names.count == 2)
    }

    package func contains(_ engine: AuditEngine) -> Bool { first == engine || (asksJudge && engine == .judge) }

    package var description: String { first.rawValue + (asksJudge ? ",judge" : "") }
}

/// `TRUTHTABLE_LOG_LEVEL`.
package enum LogLevel: String, CaseIterable, Sendable {
    case debug, info, warn, error
}

/// `TRUTHTABLE_ACCESS_LOG`.
package enum AccessLog: Equatable, Sendable, CustomStringConvertible {
    case off
    case standardError
    case file(path: String)

    init(_ text: String) {
        self =
            switch text {
            case "": .off
            case "-": .standardError
            default: .file(path: text)
            }
    }

    package var description: String {
        switch self {
        case .off: ""
        case .standardError: "-"
        case .file(let path): path
        }
    }
}

/// `localhost:50051`, `[::1]:50051`.
package struct HostAndPort: Equatable, Sendable, CustomStringConvertible {
    /// In lower case; IPv6 without brackets.
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let host = Notation.host(text[..<colon]),
            let port = Notation.port(text[text.index(after: colon)...])
        else { return nil }
        self.init(host: host, port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Which web pages may read answers and open WebSockets, by their `Origin` (RFC 6454 §6.2).
package struct AllowedOrigins: Equatable, Sendable, CustomStringConvertible {
    package static let localOnly = AllowedOrigins(any: false, local: true, listed: [])

    /// `*`: every page.
    package let any: Bool
    /// `local`: `null` and pages of this machine (`localhost`, `127.0.0.1`, `[::1]`), at any port.
    package let local: Bool
    /// Further origins, in lower case, without a default port.
    package let listed: [String]

    private init(any: Bool, local: Bool, listed: [String]) {
        self.any = any
        self.local = local
        self.listed = listed
    }

    /// Entries separated by commas; nil when one is no origin.
    package init?(_ text: String) {
        var any = false
        var local = false
        var listed: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            switch Notation.trimmed(String(part)).lowercased() {
            case "*": any = true
            case "local": local = true
            case let entry:
                guard let origin = Self.canonical(entry) else { return nil }
                listed.append(origin)
            }
        }
        self.init(any: any, local: local, listed: listed)
    }

    package var description: String {
        ((any ? ["*"] : []) + (local ? ["local"] : []) + listed).joined(separator: ",")
    }

    package func allows(_ origin: String) -> Bool {
        if any || listed.contains(origin) { return true }
        guard local else { return false }
        return Self.isLocal(origin)
    }

    /// Of this machine, as browsers write it: DESIGN calls these and `null` local.
    package static func isLocal(_ origin: String) -> Bool {
        if origin == "null" { return true }
        guard let (_, host, _) = parts(of: origin) else { return false }
        return host == "localhost" || host == "127.0.0.1" || host == "::1"
    }

    /// `scheme://host[:port]` as browsers send it, or `null`.
    private static func canonical(_ entry: String) -> String? {
        if entry == "null" { return entry }
        guard let (scheme, host, port) = parts(of: entry) else { return nil }
        let bracketed = host.contains(":") ? "[\(host)]" : host
        switch (scheme, port) {
        case ("http", 80), ("https", 443), (_, nil): return "\(scheme)://\(bracketed)"
        case (_, .some(let port)): return "\(scheme)://\(bracketed):\(port)"
        }
    }

    /// Any scheme: desktop shells and browser extensions have their own.
    private static func parts(of origin: String) -> (scheme: String, host: String, port: Int?)? {
        guard let separator = origin.utf8.firstIndex(of: UInt8(ascii: ":")), origin[separator...].hasPrefix("://")
        else {
            return nil
        }
        let scheme = origin[..<separator]
        let allowed = scheme.utf8.allSatisfy {
            Notation.isLetter($0) || Notation.isDigit($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: ".")
        }
        guard allowed, let first = scheme.utf8.first, Notation.isLetter(first) else { return nil }
        let authority = origin[separator...].dropFirst(3)
        guard let (host, port) = Authority.split(authority) else { return nil }
        return (String(scheme), host, port)
    }
}

/// `host[:port]` of URLs and origins.
enum Authority {
    /// The host as `Notation.host` gives it back; nil where either part is wrong. `host:` is refused.
    static func split(_ authority: Substring) -> (host: String, port: Int?)? {
        let colon: Substring.Index?
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            let after = authority.index(after: bracket)
            guard after == authority.endIndex || authority[after] == ":" else { return nil }
            colon = after == authority.endIndex ? nil : after
        } else {
            colon = authority.firstIndex(of: ":")
        }
        guard let colon else { return Notation.host(authority).map { ($0, nil) } }
        guard let host = Notation.host(authority[..<colon]),
            let port = Notation.port(authority[authority.index(after: colon)...])
        else { return nil }
        return (host, port)
    }
}
