// The kinds of settings: how each reads a value from text, refuses it, and writes it so that it reads back the same.

import Glibc

/// A property of `Settings` with its notation.
struct SettingKind: Sendable {
    typealias Property<Value> = WritableKeyPath<Settings, Value> & Sendable

    /// Completes "must be …".
    let expected: String
    /// Stores the value, or says what is wrong with it.
    let store: @Sendable (_ text: String, _ settings: inout Settings) -> String?
    let text: @Sendable (Settings) -> String

    private init<Value>(
        _ property: Property<Value>, _ expected: String, text: @escaping @Sendable (Value) -> String,
        read: @escaping @Sendable (String) -> Reading<Value>
    ) {
        self.expected = expected
        self.text = { text($0[keyPath: property]) }
        self.store = { source, settings in
            switch read(source) {
            case .value(let value):
                settings[keyPath: property] = value
                return nil
            case .unfit: return "must be " + expected
            case .wrong(let complaint): return complaint
            }
        }
    }

    private enum Reading<Value> {
        case value(Value)
        /// Not what is expected.
        case unfit
        /// Nearly what is expected, and what to change.
        case wrong(String)

        init(_ value: Value?) {
            self = if let value { .value(value) } else { .unfit }
        }
    }

    static func port(_ property: Property<Int>) -> Self {
        count(property, 0...65_535)
    }

    static func count(_ property: Property<Int>, _ range: ClosedRange<Int>) -> Self {
        Self(property, "a whole number from \(range.lowerBound) to \(range.upperBound)", text: String.init) { text in
            Reading(Notation.wholeNumber(text).flatMap { range.contains($0) ? $0 : nil })
        }
    }

    static func bytes(_ property: Property<Int>, _ range: ClosedRange<Int>) -> Self {
        let limits = "\(Notation.text(bytes: range.lowerBound)) to \(Notation.text(bytes: range.upperBound))"
        return Self(property, "a size from \(limits), such as 4096, 256KiB or 64MiB", text: Notation.text(bytes:)) {
            text in
            Reading(Notation.bytes(text).flatMap { range.contains($0) ? $0 : nil })
        }
    }

    static func duration(_ property: Property<Duration>, _ range: ClosedRange<Duration>) -> Self {
        let limits = "\(Notation.text(duration: range.lowerBound)) to \(Notation.text(duration: range.upperBound))"
        return Self(property, "a duration from \(limits), such as 500ms, 30s or 2m", text: Notation.text(duration:)) {
            text in
            Reading(Notation.duration(text).flatMap { range.contains($0) ? $0 : nil })
        }
    }

    static func flag(_ property: Property<Bool>) -> Self {
        Self(property, "true or false (1 or 0, on or off, yes or no)", text: \.description) { text in
            switch text.lowercased() {
            case "true", "1", "on", "yes": .value(true)
            case "false", "0", "off", "no": .value(false)
            default: .unfit
            }
        }
    }

    /// A number from 0 to 1.
    static func ratio(_ property: Property<Double>) -> Self {
        Self(property, "a number from 0 to 1, such as 0.25", text: \.description) { text in
            Reading(Notation.decimal(text).flatMap { 0 <= $0 && $0 <= 1 ? $0 : nil })
        }
    }

    static func engines(_ property: Property<EngineSelection>) -> Self {
        Self(property, "embedded, grpc or judge, or one of the first two and the judge, such as embedded,judge", text: \.description) { text in
            Reading(EngineSelection(text))
        }
    }

    /// Dollars for a million tokens.
    static func price(_ property: Property<Double>) -> Self {
        Self(property, "a number from 0 to 10000, such as 0.15", text: \.description) { text in
            Reading(Notation.decimal(text).flatMap { 0 <= $0 && $0 <= 10_000 ? $0 : nil })
        }
    }

    /// A name that another program gives to something.
    static func name(_ property: Property<String>) -> Self {
        Self(property, "1 to 200 visible ASCII characters", text: \.self) { text in
            Reading(1...200 ~= text.utf8.count && text.utf8.allSatisfy { 0x21...0x7E ~= $0 } ? text : nil)
        }
    }

    static func choice<Value: CaseIterable & RawRepresentable<String> & Sendable>(_ property: Property<Value>) -> Self {
        let names = Value.allCases.map(\.rawValue)
        let expected =
            names.count < 2
            ? names.joined() : names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
        return Self(property, expected, text: \.rawValue) { text in
            Reading(Value(rawValue: text.lowercased()))
        }
    }

    /// An address to listen on. Names other than `localhost` would need a look-up before the first child starts.
    static func listenAddress(_ property: Property<String>) -> Self {
        Self(property, "an IP address such as 127.0.0.1, 0.0.0.0 or ::1, or localhost", text: \.self) { text in
            let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
            if bare.lowercased() == "localhost" { return .value("localhost") }
            return Reading(Notation.isIPv4(bare) || Notation.isIPv6(bare) ? bare : nil)
        }
    }

    static func hostAndPort(_ property: Property<HostAndPort>) -> Self {
        Self(property, "HOST:PORT, such as localhost:50051 or [::1]:50051", text: \.description) { text in
            Reading(HostAndPort(text))
        }
    }

    static func upstream(_ property: Property<UpstreamURL>) -> Self {
        Self(property, "a URL such as https://api.openai.com or http://localhost:11434", text: \.description) { text in
            do throws(UpstreamURL.Flaw) {
                return .value(try UpstreamURL(text))
            } catch {
                return .wrong(error.complaint)
            }
        }
    }

    static func upstreams(_ property: Property<UpstreamList>) -> Self {
        Self(property, "a URL such as https://api.openai.com or http://localhost:11434, or several separated by commas", text: \.text) { text in
            do throws(UpstreamList.Wrong) {
                return .value(try UpstreamList(text))
            } catch {
                return .wrong(error.entry > 0 ? "(entry \(error.entry)) \(error.complaint)" : error.complaint)
            }
        }
    }

    static func routes(_ property: Property<RouteList>) -> Self {
        Self(property, "routes such as /v1/messages => https://api.anthropic.com separated by semicolons", text: \.text) { text in
            do throws(UpstreamList.Wrong) {
                return .value(try RouteList(text))
            } catch {
                return .wrong(error.entry > 0 ? "(route \(error.entry)) \(error.complaint)" : error.complaint)
            }
        }
    }

    static func pathPatterns(_ property: Property<PathPatterns>) -> Self {
        Self(property, "up to \(PathPatterns.limit) paths such as /v1/* or !/v1/files* separated by commas", text: \.description) { text in
            Reading(PathPatterns(text))
        }
    }

    /// A name of a header field.
    static func fieldName(_ property: Property<String>) -> Self {
        Self(property, "a header's name: at most 64 letters, digits and -_", text: \.self) { text in
            let fits = text.utf8.count <= 64 && text.utf8.allSatisfy { Notation.isLetter($0) || Notation.isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
            return Reading(fits ? text : nil)
        }
    }

    static func origins(_ property: Property<AllowedOrigins>) -> Self {
        Self(
            property, "origins such as https://example.com or http://localhost:5173 separated by commas, local, or *",
            text: \.description
        ) { text in
            Reading(AllowedOrigins(text))
        }
    }

    static func trustedProxies(_ property: Property<TrustedProxies>) -> Self {
        Self(
            property, "addresses and nets such as 10.0.0.0/8 or ::1 separated by commas (no bits behind a net's prefix), or none",
            text: \.description
        ) { text in
            Reading(TrustedProxies(text))
        }
    }

    /// Parts of names, in lower case.
    static func words(_ property: Property<[String]>) -> Self {
        Self(
            property, "at most 32 words of 2 to 64 letters, digits, - and _, separated by commas", text: { $0.joined(separator: ",") }
        ) { text in
            let words = text.isEmpty ? [] : text.lowercased().split(separator: ",", omittingEmptySubsequences: false).map { Notation.trimmed(String($0)) }
            return Reading(words.count <= 32 && words.allSatisfy(Notation.isWord) ? words : nil)
        }
    }

    static func accessLog(_ property: Property<AccessLog>) -> Self {
        Self(property, "a path, or - for standard error", text: \.description) { text in
            Reading(Notation.isPath(text) ? AccessLog(text) : nil)
        }
    }

    static func path(_ property: Property<String>) -> Self {
        Self(property, "a path of at most \(PATH_MAX - 1) bytes without control characters", text: \.self) { text in
            Reading(Notation.isPath(text) ? text : nil)
        }
    }

    /// The beginning of paths: empty, or `/…` without a slash at the end.
    static func pathPrefix(_ property: Property<String>) -> Self {
        Self(property, "a path such as /truthtable: a slash, then letters, digits and -._~/ without a slash at the end", text: \.self) { text in
            let fits =
                text.utf8.count <= 256 && text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("//")
                && text.utf8.allSatisfy { Notation.isTokenByte($0) && $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "=") }
            return Reading(fits ? text : nil)
        }
    }

    /// What a client can send in a header field or a query as it is.
    static func token(_ property: Property<String>) -> Self {
        Self(property, "at most 512 letters, digits and -._~+/=", text: \.self) { text in
            let fits = text.utf8.count <= 512 && text.utf8.allSatisfy(Notation.isTokenByte)
            return Reading(fits ? text : nil)
        }
    }
}
