// Where requests are forwarded to: upstreams with their weights, and routes that choose between lists of them. Read strictly.
//
//     UPSTREAM_URL   https://a.example/v1 weight=3, https://b.example key=env:B_KEY
//     ROUTES         /v1/messages => https://api.anthropic.com key=file:/run/keys/a key-field=x-api-key; model llama* => http://gpu:8000

/// One place of an LLM API. The key stands with the URL, so that it cannot be sent elsewhere.
package struct Upstream: Equatable, Sendable {
    package static let weights = 1...100

    package var url: UpstreamURL
    /// Its share of the requests in its list.
    package var weight = 1
    package var key: UpstreamKey?
    package var keyField = UpstreamKey.Field.authorization

    package init(_ url: UpstreamURL) { self.url = url }

    package enum Flaw: Error, Equatable {
        case url(UpstreamURL.Flaw)
        case option, weight, key, keyField, keyFieldAlone
    }

    /// `URL weight=N key=SOURCE key-field=FIELD`, the last three as needed.
    init(_ text: Substring) throws(Flaw) {
        let words = text.split(whereSeparator: \.isWhitespace)
        do throws(UpstreamURL.Flaw) {
            url = try UpstreamURL(String(words.first ?? ""))
        } catch {
            throw .url(error)
        }
        var hasKeyField = false
        for word in words.dropFirst() {
            guard let equals = word.firstIndex(of: "=") else { throw .option }
            let value = word[word.index(after: equals)...]
            switch word[..<equals] {
            case "weight":
                guard let number = Notation.wholeNumber(value), Self.weights.contains(number) else { throw .weight }
                weight = number
            case "key":
                guard let source = UpstreamKey(value) else { throw .key }
                key = source
            case "key-field":
                guard let field = UpstreamKey.Field(rawValue: value.lowercased()) else { throw .keyField }
                keyField = field
                hasKeyField = true
            default: throw .option
            }
        }
        if hasKeyField, key == nil { throw .keyFieldAlone }
    }

    /// Whether both share connections and figures: what differs is their weight in their lists.
    package func isSame(as other: Upstream) -> Bool { url == other.url && key == other.key && keyField == other.keyField }

    /// As `init` reads it back: with the key, so not for people.
    var text: String {
        var words = [url.description]
        if weight != 1 { words.append("weight=\(weight)") }
        if let key {
            words.append("key=\(key)")
            if keyField != .authorization { words.append("key-field=\(keyField.rawValue)") }
        }
        return words.joined(separator: " ")
    }
}

extension Upstream.Flaw {
    /// Completes "TRUTHTABLE_… …".
    var complaint: String {
        switch self {
        case .url(let flaw): flaw.complaint
        case .option: "may have weight=, key= and key-field= after a URL, nothing else"
        case .weight: "has a weight that is not a whole number from \(Upstream.weights.lowerBound) to \(Upstream.weights.upperBound)"
        case .key: "has a key that is not env:NAME, file:PATH or credential:NAME"
        case .keyField: "has a key-field that is not \(UpstreamKey.Field.allCases.map(\.rawValue).joined(separator: ", "))"
        case .keyFieldAlone: "has a key-field without a key: add key= with where it comes from"
        }
    }
}

/// Upstreams that share the requests of a route, in the order in which they were given.
package struct UpstreamList: Equatable, Sendable {
    /// One word of bits holds which of them a request has tried.
    package static let limit = 32

    package internal(set) var upstreams: [Upstream]

    package init(_ upstreams: [Upstream]) { self.upstreams = upstreams }

    /// Which entry is wrong, counted from 1, 0 for the list, and how.
    struct Wrong: Error {
        let entry: Int
        let complaint: String
    }

    /// Entries separated by commas; a comma of a path is written %2C.
    init(_ text: some StringProtocol) throws(Wrong) {
        upstreams = []
        let parts = String(text).split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= Self.limit else { throw Wrong(entry: 0, complaint: "has more than \(Self.limit) entries") }
        for (index, part) in parts.enumerated() {
            do throws(Upstream.Flaw) {
                upstreams.append(try Upstream(part))
            } catch {
                throw Wrong(entry: parts.count > 1 ? index + 1 : 0, complaint: error.complaint)
            }
        }
    }

    var text: String { upstreams.map(\.text).joined(separator: ", ") }

    /// For people, and short.
    package var display: String { (upstreams.first?.url.description ?? "") + (upstreams.count > 1 ? " and \(upstreams.count - 1) more" : "") }
}

/// Requests that go to upstreams of their own.
package struct Route: Equatable, Sendable {
    /// Empty for any path. Matches whole segments: `/v1/messages` is not the start of `/v1/messagesX`.
    package let pathPrefix: String
    /// Empty for any model; `*` stands for any characters.
    package let model: String
    package internal(set) var upstreams: UpstreamList

    /// `/path => UPSTREAMS`, `model PATTERN => UPSTREAMS`, `/path model PATTERN => UPSTREAMS`.
    init(_ text: Substring) throws(UpstreamList.Wrong) {
        func wrong(_ complaint: String) -> UpstreamList.Wrong { UpstreamList.Wrong(entry: 0, complaint: complaint) }
        guard let arrow = text.firstRange(of: "=>") else { throw wrong("needs => between what is matched and its upstreams") }
        var words = text[..<arrow.lowerBound].split(whereSeparator: \.isWhitespace)[...]
        var path = ""
        if let first = words.first, first.hasPrefix("/") {
            path = String(first)
            words = words.dropFirst()
        }
        switch words.count {
        case 0 where !path.isEmpty: model = ""
        case 2 where words.first == "model": model = String(words.last ?? "")
        default: throw wrong("must match a /path, model NAME, or both")
        }
        pathPrefix = path
        upstreams = try UpstreamList(text[arrow.upperBound...])
    }

    var text: String {
        [pathPrefix, model.isEmpty ? "" : "model \(model)", "=>", upstreams.text].filter { !$0.isEmpty }.joined(separator: " ")
    }
}

/// Tried in order; the first that matches counts, and `UPSTREAM_URL` where none does.
package struct RouteList: Equatable, Sendable {
    package static let limit = 64

    package internal(set) var routes: [Route] = []

    package init() {}

    /// Entries separated by semicolons or line ends.
    init(_ text: String) throws(UpstreamList.Wrong) {
        let parts = text.split { $0 == ";" || $0.isNewline }.filter { !Notation.trimmed(String($0)).isEmpty }
        guard parts.count <= Self.limit else { throw UpstreamList.Wrong(entry: 0, complaint: "has more than \(Self.limit) routes") }
        for (index, part) in parts.enumerated() {
            do throws(UpstreamList.Wrong) {
                routes.append(try Route(part))
            } catch {
                throw UpstreamList.Wrong(entry: index + 1, complaint: error.complaint)
            }
        }
    }

    var text: String { routes.map(\.text).joined(separator: "; ") }
}

extension Settings {
    /// Every list of upstreams, the default one first.
    package var upstreamLists: [UpstreamList] { [upstreams] + routes.routes.map(\.upstreams) }

    var distinctUpstreams: Int {
        upstreamLists.flatMap(\.upstreams).reduce(into: []) { (distinct: inout [Upstream], upstream) in
            if !distinct.contains(where: { $0.isSame(as: upstream) }) { distinct.append(upstream) }
        }.count
    }

    /// Whether some upstream is sent a key of ours.
    package var injectsKeys: Bool { upstreamLists.contains { $0.upstreams.contains { $0.key != nil } } }

    /// Reads the upstreams' keys from their sources: by the process that owns the environment, before children are told.
    package mutating func readUpstreamKeys(_ environment: [(name: String, value: String)]) throws(SettingErrors) {
        var errors: [SettingError] = []
        func read(_ list: inout UpstreamList, _ setting: String) {
            for index in list.upstreams.indices {
                do throws(UpstreamKey.Missing) {
                    list.upstreams[index].key = try list.upstreams[index].key?.read(environment)
                } catch {
                    errors.append(.upstreamKey(setting: SettingsTable.prefix + setting, upstream: list.upstreams[index].url.description, complaint: error.complaint))
                }
            }
        }
        read(&upstreams, "UPSTREAM_URL")
        for index in routes.routes.indices { read(&routes.routes[index].upstreams, "ROUTES") }
        guard errors.isEmpty else { throw SettingErrors(errors: errors) }
    }
}
