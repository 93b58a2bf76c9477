// How numbers, sizes, durations, addresses and paths are written in settings. Pure; nothing here traps, whatever the text.

import Glibc

package enum Notation {
    /// Decimal digits only: no sign, no spaces, nothing beyond 18 digits (which `Int` always holds).
    package static func wholeNumber(_ text: some StringProtocol) -> Int? {
        let digits = text.utf8
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var value = 0
        for digit in digits {
            guard isDigit(digit) else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }

    /// Digits with at most one point; `Double` alone would take `nan`, `0x1p3` and `1e3` too.
    static func decimal(_ text: String) -> Double? {
        guard text.utf8.count <= 32, text.utf8.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: ".") }),
            let first = text.utf8.first, isDigit(first)
        else { return nil }
        return Double(text)
    }

    // MARK: Sizes

    private static let sizeUnits: [(suffix: String, bytes: Int)] = [
        ("tib", 1 << 40), ("gib", 1 << 30), ("mib", 1 << 20), ("kib", 1 << 10), ("b", 1),
    ]

    /// `4096`, `256KiB`, `64 MiB`. `KB` and `K` are refused: people differ on what they mean.
    static func bytes(_ text: String) -> Int? {
        let (digits, suffix) = splitDigits(text)
        guard let number = wholeNumber(digits) else { return nil }
        let unit = suffix.drop { $0 == " " }.lowercased()
        guard !unit.isEmpty else { return number }
        guard let factor = sizeUnits.first(where: { $0.suffix == unit })?.bytes else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    /// In the greatest unit that leaves no remainder.
    static func text(bytes: Int) -> String {
        guard bytes > 0 else { return String(bytes) }
        for (suffix, factor) in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes % factor == 0 {
            return "\(bytes / factor)\(suffix)"
        }
        return String(bytes)
    }

    // MARK: Durations

    /// `500ms`, `30s`, `2m`, `1h`, and parts in a row (`1m30s`). A number without a unit is refused.
    package static func duration(_ text: String) -> Duration? {
        var rest = Substring(text)
        var milliseconds = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let (digits, tail) = splitDigits(rest)
            guard let number = wholeNumber(digits) else { return nil }
            let unit = tail.prefix { !$0.isASCII || !isDigit($0.asciiValue ?? 0) }
            let factor: Int
            switch unit {
            case "ms": factor = 1
            case "s": factor = 1000
            case "m": factor = 60_000
            case "h": factor = 3_600_000
            default: return nil
            }
            let (part, overflow) = number.multipliedReportingOverflow(by: factor)
            let (sum, sumOverflow) = milliseconds.addingReportingOverflow(part)
            guard !overflow, !sumOverflow else { return nil }
            milliseconds = sum
            rest = tail.dropFirst(unit.count)
        }
        return .milliseconds(milliseconds)
    }

    /// In hours or seconds where these are whole, else in milliseconds; finer parts do not occur.
    package static func text(duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        if milliseconds != 0 {
            let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
            return overflow ? "\(seconds)s" : "\(whole &+ milliseconds)ms"
        }
        return seconds != 0 && seconds % 3600 == 0 ? "\(seconds / 3600)h" : "\(seconds)s"
    }

    private static func splitDigits(_ text: some StringProtocol) -> (digits: Substring, rest: Substring) {
        let whole = Substring(text)
        let digits = whole.utf8.prefix(while: isDigit)
        return (whole[..<digits.endIndex], whole[digits.endIndex...])
    }

    // MARK: Hosts

    static func port(_ text: some StringProtocol) -> Int? {
        guard let number = wholeNumber(text), (1...65_535).contains(number) else { return nil }
        return number
    }

    static func isIPv4(_ text: String) -> Bool {
        var address = in_addr()
        return text.utf8.count <= 15 && inet_pton(AF_INET, text, &address) == 1
    }

    static func isIPv6(_ text: String) -> Bool {
        var address = in6_addr()
        return text.utf8.count <= 45 && inet_pton(AF_INET6, text, &address) == 1
    }

    /// A host in front of a port: IPv4, a DNS name, or IPv6 in brackets (given back without them). In lower case.
    static func host(_ text: some StringProtocol) -> String? {
        let host = text.lowercased()
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = String(host.dropFirst().dropLast())
            return isIPv6(inner) ? inner : nil
        }
        return isName(host) ? host : nil
    }

    /// Labels of letters, digits, `-` and `_` (container networks use it), up to DNS's limits; IPv4 when it is all digits.
    private static func isName(_ host: String) -> Bool {
        let bytes = host.utf8
        guard !bytes.isEmpty, bytes.count <= 253 else { return false }
        var labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        if labels.count > 1, labels[labels.count - 1].isEmpty { labels.removeLast() }  // the root's dot
        for label in labels {
            guard let first = label.first, let last = label.last, label.count <= 63,
                label.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }),
                first != UInt8(ascii: "-"), last != UInt8(ascii: "-")
            else { return false }
        }
        // `1.2.3` and `300.1.1.1` would be looked up or read in ways nobody means.
        return labels.last.map { $0.allSatisfy(isDigit) } != true || isIPv4(host)
    }

    // MARK: Texts

    static func isPath(_ text: String) -> Bool {
        text.utf8.count < Int(PATH_MAX) && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    /// token68 of RFC 9110 §11.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"),
            UInt8(ascii: "/"), UInt8(ascii: "="):
            true
        default: isDigit(byte) || isLetter(byte)
        }
    }

    /// A part of a name of a header field or parameter.
    static func isWord(_ text: String) -> Bool {
        (2...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    static func isLetter(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
    }

    static func isHexDigit(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return isDigit(byte) || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "f"))
    }

    static func trimmed(_ text: String) -> String {
        let bytes = text.utf8
        guard let first = bytes.first, let last = bytes.last, isBlank(first) || isBlank(last) else { return text }
        guard let start = bytes.firstIndex(where: { !isBlank($0) }), let end = bytes.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(text[start...end])
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
