// The key that is sent to an upstream in the place of the callers' own: where it comes from, and the field it goes into.
// A source names the key and is no secret; the supervisor reads it once, at the start, and tells edges the key itself.

/// `env:NAME`, `file:PATH`, `credential:NAME`, `value:KEY`.
package enum UpstreamKey: Equatable, Sendable, CustomStringConvertible {
    /// A variable of the supervisor's own environment.
    case environment(String)
    case file(String)
    /// A file of `$CREDENTIALS_DIRECTORY`, as systemd's LoadCredential= makes it.
    case credential(String)
    /// The key itself.
    case value(String)

    package static let limitBytes = 4096

    init?(_ text: some StringProtocol) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = String(text[text.index(after: colon)...])
        guard !rest.isEmpty else { return nil }
        switch text[..<colon] {
        case "env": self = .environment(rest)
        case "file": self = .file(rest)
        case "credential" where !rest.contains("/") && rest != "." && rest != "..": self = .credential(rest)
        case "value" where Self.isKey(rest): self = .value(rest)
        default: return nil
        }
    }

    /// As `init` reads it back: a value too, so not for people.
    package var description: String {
        switch self {
        case .environment(let name): "env:" + name
        case .file(let path): "file:" + path
        case .credential(let name): "credential:" + name
        case .value(let key): "value:" + key
        }
    }

    /// The field of a request that carries it.
    package enum Field: String, CaseIterable, Sendable {
        /// `Authorization: Bearer KEY`
        case authorization
        case xAPIKey = "x-api-key"
        case apiKey = "api-key"
        case xGoogAPIKey = "x-goog-api-key"
    }

    /// Why there is no key; completes "the key of UPSTREAM …". Never holds a part of the key.
    package struct Missing: Error, Equatable {
        package let complaint: String
    }

    /// The key itself, read from its source.
    func read(_ environment: [(name: String, value: String)]) throws(Missing) -> UpstreamKey {
        func variable(_ name: String, orElse complaint: String) throws(Missing) -> String {
            guard let value = environment.last(where: { $0.name == name })?.value, !value.isEmpty else { throw Missing(complaint: complaint) }
            return value
        }
        let text: String
        switch self {
        case .value: return self
        case .environment(let name): text = try variable(name, orElse: "is to come from \(name), which is not in the environment: set it")
        case .file(let path): text = try Self.content(of: path)
        case .credential(let name):
            let folder = try variable("CREDENTIALS_DIRECTORY", orElse: "is to be a credential of systemd, which gave none: write LoadCredential=\(name):FILE into the unit")
            text = try Self.content(of: folder + "/" + name)
        }
        // A file ends with a line end; a key has no blanks in it.
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 1, let key = words.first.map(String.init), Self.isKey(key) else {
            throw Missing(complaint: "(\(self)) must have 1 to \(Self.limitBytes) visible ASCII characters and no comma or semicolon")
        }
        return .value(key)
    }

    private static func content(of path: String) throws(Missing) -> String {
        do throws(SmallFile.ReadError) {
            return String(decoding: try SmallFile.read(path, limitBytes: 2 * limitBytes), as: UTF8.self)
        } catch {
            throw Missing(complaint: "cannot be read from \(path): \(error.reason)")
        }
    }

    /// What a field's value can hold, less what stands between the entries of a list.
    private static func isKey(_ text: String) -> Bool {
        1...limitBytes ~= text.utf8.count
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ";") }
    }
}
