// The URL of the LLM API: the part of RFC 3986 that such a setting needs, read strictly.

/// `https://host:port/base/path`.
package struct UpstreamURL: Equatable, Sendable, CustomStringConvertible {
    package let isTLS: Bool
    /// In lower case; IPv6 without brackets.
    package let host: String
    package let port: Int
    /// Empty, or begins with a slash and does not end with one: `basePath + target` has exactly one between them.
    package let basePath: String

    package init(isTLS: Bool, host: String, port: Int, basePath: String) {
        self.isTLS = isTLS
        self.host = host
        self.port = port
        self.basePath = basePath
    }

    /// What keeps a text from being an upstream's URL.
    package enum Flaw: Error, Equatable {
        case scheme, userInformation, query, fragment, host, port, path
    }

    package init(_ text: String) throws(Flaw) {
        let lower = text.lowercased()
        let rest: Substring
        if lower.hasPrefix("https://") {
            isTLS = true
            rest = text.dropFirst(8)
        } else if lower.hasPrefix("http://") {
            isTLS = false
            rest = text.dropFirst(7)
        } else {
            throw .scheme
        }
        if rest.contains("#") { throw .fragment }
        if rest.contains("?") { throw .query }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        if authority.contains("@") { throw .userInformation }
        guard let (host, port) = Authority.split(authority) else { throw Self.flaw(of: authority) }
        self.host = host
        self.port = port ?? (isTLS ? 443 : 80)

        var path = rest[slash...]
        while path.hasSuffix("/") { path.removeLast() }
        guard Self.isPath(path) else { throw .path }
        basePath = String(path)
    }

    package var description: String { (isTLS ? "https://" : "http://") + hostField + basePath }

    /// Value of `Host`: without the scheme's own port, as RFC 9110 §7.2 has it.
    package var hostField: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
    }

    private static func flaw(of authority: Substring) -> Flaw {
        if let colon = authority.lastIndex(of: ":"), Notation.host(authority[..<colon]) != nil { return .port }
        return .host
    }

    /// Slashes, `pchar`s and whole percent escapes; no dot segments, which would climb out of the base.
    private static func isPath(_ path: Substring) -> Bool {
        var escape = 0  // hex digits still due
        for byte in path.utf8 {
            if escape > 0 {
                guard Notation.isHexDigit(byte) else { return false }
                escape -= 1
            } else if byte == UInt8(ascii: "%") {
                escape = 2
            } else {
                guard isPathByte(byte) else { return false }
            }
        }
        guard escape == 0 else { return false }
        return !path.split(separator: "/").contains { isDots($0.lowercased()) }
    }

    private static func isPathByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "/"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
            UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"),
            UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: "@"):
            true
        default: Notation.isLetter(byte) || Notation.isDigit(byte)
        }
    }

    private static func isDots(_ segment: String) -> Bool {
        switch segment {
        case ".", "..", "%2e", "%2e.", ".%2e", "%2e%2e": true
        default: false
        }
    }
}

extension UpstreamURL.Flaw {
    /// Completes "TRUTHTABLE_UPSTREAM_URL …".
    var complaint: String {
        switch self {
        case .scheme: "must begin with http:// or https://"
        case .userInformation: "must not contain a user or password: leave out what stands before @"
        case .query: "must not contain a query: leave out ? and what follows"
        case .fragment: "must not contain a fragment: leave out # and what follows"
        case .host: "needs a host name or an IP address after http:// or https:// (IPv6 in brackets)"
        case .port: "has a port that is not a number from 1 to 65535"
        case .path: "has a path with characters that need a percent escape, or with . or .. in it"
        }
    }
}
