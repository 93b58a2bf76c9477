// permessage-deflate, agreed on (RFC 7692 §5, §7.1): which of a client's offers a server takes, and what it answers.
//
// Both directions forget between messages (`no_context_takeover`): so one compressed message serves every client, and one
// inflater serves them all; no client costs a window of its own. `client_max_window_bits` is not answered: our inflater reads
// every window, and a client that hints at a small one uses it anyway.
// Leaves to others: compressing (`MessageDeflater`), inflating (`MessageInflater`), RSV1 (`WebSocketDecoder`).

package struct DeflateAgreement: Equatable, Sendable {
    /// The field is no list of extensions: the handshake fails (RFC 6455 §9.1).
    package struct Malformed: Error {}

    /// The windows that we compress with, as powers of two: few, because each is one compression more of every message. What is
    /// offered is rounded down to one of them. Below 512 bytes zlib cannot go: such an offer is declined.
    package static let windows: [UInt8] = [15, 12, 9]

    package let windowBits: UInt8
    /// The client named a window: then the answer must.
    private let isLimited: Bool

    /// The value of `Sec-WebSocket-Extensions` in the answer.
    package var answer: String {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover" + (isLimited ? "; server_max_window_bits=\(windowBits)" : "")
    }

    /// The first acceptable offer of all values of `Sec-WebSocket-Extensions` together; nil when there is none.
    package static func choose(_ fields: [String]) throws(Malformed) -> DeflateAgreement? {
        var chosen: DeflateAgreement?
        for field in fields {
            var text = ExtensionText(Array(field.utf8))
            repeat {
                text.skipSpace()
                if text.isAtEnd || text.isAt(.comma) { continue }  // empty elements of a list count for nothing (RFC 9110 §5.6.1)
                let isOurs = try text.token() == "permessage-deflate"
                var offer = Offer()
                while text.skip(UInt8(ascii: ";")) {
                    let name = try text.token()
                    offer.take(name, text.skip(UInt8(ascii: "=")) ? try text.value() : nil)
                }
                if isOurs, chosen == nil { chosen = offer.agreement }
            } while text.skip(.comma)
            guard text.isAtEnd else { throw Malformed() }
        }
        return chosen
    }

    /// One offer, read parameter by parameter: any that is unknown, doubled or wrong makes it unacceptable (§7.1).
    private struct Offer {
        private var names: Set<String> = []
        private var isAcceptable = true
        private var serverBits: UInt8?

        mutating func take(_ name: String, _ value: String?) {
            if !names.insert(name).inserted { isAcceptable = false }
            switch (name, value) {
            case ("server_no_context_takeover", nil), ("client_no_context_takeover", nil), ("client_max_window_bits", nil): break
            case ("client_max_window_bits", let value?) where Self.bits(value) != nil: break
            case ("server_max_window_bits", let value?) where Self.bits(value) != nil: serverBits = Self.bits(value)
            default: isAcceptable = false
            }
        }

        /// 8 to 15, without leading zeros.
        private static func bits(_ value: String) -> UInt8? {
            guard value.utf8.first != UInt8(ascii: "0"), value.utf8.allSatisfy(CharacterClass.isDigit), let bits = UInt8(value) else { return nil }
            return (8...15).contains(bits) ? bits : nil
        }

        var agreement: DeflateAgreement? {
            guard isAcceptable, let bits = windows.first(where: { $0 <= serverBits ?? 15 }) else { return nil }
            return DeflateAgreement(windowBits: bits, isLimited: serverBits != nil)
        }
    }
}

/// The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1), piece by piece.
private struct ExtensionText {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }
    func isAt(_ byte: UInt8) -> Bool { position < bytes.count && bytes[position] == byte }

    mutating func skipSpace() {
        while position < bytes.count, CharacterClass.isSpaceOrTab(bytes[position]) { position += 1 }
    }

    /// Whether the byte came, with space around it.
    mutating func skip(_ byte: UInt8) -> Bool {
        skipSpace()
        guard isAt(byte) else { return false }
        position += 1
        skipSpace()
        return true
    }

    mutating func token() throws(DeflateAgreement.Malformed) -> String {
        let start = position
        while position < bytes.count, CharacterClass.isToken(bytes[position]) { position += 1 }
        guard position > start else { throw DeflateAgreement.Malformed() }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// A token, or one in quotes.
    mutating func value() throws(DeflateAgreement.Malformed) -> String {
        guard isAt(UInt8(ascii: "\"")) else { return try token() }
        position += 1
        var value: [UInt8] = []
        while !isAtEnd, !isAt(UInt8(ascii: "\"")) {
            if isAt(UInt8(ascii: "\\")) { position += 1 }
            guard !isAtEnd, CharacterClass.isToken(bytes[position]) else { throw DeflateAgreement.Malformed() }
            value.append(bytes[position])
            position += 1
        }
        guard !isAtEnd, !value.isEmpty else { throw DeflateAgreement.Malformed() }
        position += 1
        return String(decoding: value, as: UTF8.self)
    }
}
