// What the fields of a head mean for the connection: framing of the body (RFC 9112 §6), Host (§3.2), persistence
// (§9.3), `Connection` and `Upgrade` (RFC 9110 §7.6.1, §7.8), `Expect` (§10.1.1).
// Leaves to others: acting on it.
//
// A field that `Connection` nominates is hop-by-hop. Three kinds are not ours to drop because a sender says so:
// - Host and Content-Length: dropped by one hop and honoured by another they frame or route a message twice, so the
//   head is refused;
// - what tells the next hop who asked (Forwarded, Via, X-Forwarded-…, X-Request-ID, trace context): the nomination is
//   ignored, as it is only ever used to hide an address; so is that of Expect, of which the client waits for the outcome;
// - Transfer-Encoding and the other fields of RFC 9110 §7.6.1: gone anyway.

extension HeadParser {
    mutating func concludeRequest(_ bytes: borrowing RawSpan) throws(HTTPError) {
        if let index = firstIndex(of: .host) {
            guard !fields.isRepeated(.host) else { throw .duplicateHost }
            let host = fields[index].valueRange
            guard Self.isAuthority(bytes, host.lowerBound, host.upperBound) else { throw .badHost }
            if targetForm != .absolute { authorityRange = host }
        } else if version == .http11 {
            throw .missingHost
        }
        let chunked = try isChunked(bytes)
        try parseContentLength(bytes)
        framing = chunked ? .chunked : length ?? .none
        let options = try parseConnection(bytes)
        keepAlive = options.keepAlive(version)
        if options.hasUpgrade { try parseUpgrade(bytes) }
        if contains(.expect) { try parseExpect(bytes) }
    }

    mutating func concludeResponse(_ bytes: borrowing RawSpan) throws(HTTPError) {
        let chunked = try isChunked(bytes)
        try parseContentLength(bytes)
        let options = try parseConnection(bytes)
        keepAlive = options.keepAlive(version)
        if method == .connect, status / 100 == 2 {
            framing = .untilClose
        } else if status < 200 || status == 204 {
            framing = .none
            // These never have a body; a server that announces one may send it, and it would pass for the next head.
            if chunked || (contentLength ?? 0) > 0 { keepAlive = false }
            // Nor may they name a length (RFC 9110 §8.6): it does not travel.
            if let index = firstIndex(of: .contentLength) { fields.markHopByHop(index) }
        } else if method == .head || status == 304 {
            framing = .none
        } else {
            framing = chunked ? .chunked : length ?? .untilClose
        }
        if framing == .untilClose { keepAlive = false }
        if options.hasUpgrade { try parseUpgrade(bytes) }
    }

    private var length: BodyFraming? {
        guard let contentLength else { return nil }
        return contentLength == 0 ? BodyFraming.none : .length(contentLength)
    }

    /// Exactly `chunked`: no other coding is undone here, and lists of codings are read differently by others.
    @inline(__always)
    private func isChunked(_ bytes: borrowing RawSpan) throws(HTTPError) -> Bool {
        guard let index = firstIndex(of: .transferEncoding) else { return false }
        if version == .http10 { throw .transferEncodingInHTTP10 }
        if contains(.contentLength) { throw .contentLengthWithTransferEncoding }
        let value = fields[index].valueRange
        guard !fields.isRepeated(.transferEncoding),
            FoldedWord(bytes, value.lowerBound, value.upperBound).isEqual(to: "chunked")
        else { throw .unsupportedTransferCoding }
        return true
    }

    /// One field, digits only. Repeated equal values are refused too: they are the mark of a rewritten head.
    @inline(__always)
    private mutating func parseContentLength(_ bytes: borrowing RawSpan) throws(HTTPError) {
        guard let index = firstIndex(of: .contentLength) else { return }
        guard !fields.isRepeated(.contentLength) else { throw .duplicateContentLength }
        let value = fields[index].valueRange
        guard !value.isEmpty else { throw .badContentLength }
        var result: UInt64 = 0
        var offset = value.lowerBound
        while offset < value.upperBound {
            let byte = bytes.byte(offset)
            guard CharacterClass.isDigit(byte) else {
                throw byte == .comma ? .duplicateContentLength : .badContentLength
            }
            guard result <= UInt64.max / 10 else { throw .badContentLength }
            let (sum, carry) = (result &* 10).addingReportingOverflow(UInt64(byte &- UInt8(ascii: "0")))
            guard !carry else { throw .badContentLength }
            result = sum
            offset &+= 1
        }
        contentLength = result
    }

    /// What a `Connection: upgrade` refers to; an older version has no such thing.
    private mutating func parseUpgrade(_ bytes: borrowing RawSpan) throws(HTTPError) {
        guard version == .http11 else { return }
        var next = firstIndex(of: .upgrade)
        while let index = next {
            upgrade = upgrade == .webSocket ? .webSocket : .other
            var list = TokenList(fields[index].valueRange)
            while let token = try list.next(bytes, ending: .slash) {
                if FoldedWord(bytes, token.lowerBound, token.upperBound).isEqual(to: "websocket") {
                    upgrade = .webSocket
                }
            }
            next = nextIndex(of: .upgrade, after: index)
        }
    }

    /// `100-continue` is the only expectation there is.
    private mutating func parseExpect(_ bytes: borrowing RawSpan) throws(HTTPError) {
        guard let index = firstIndex(of: .expect) else { return }
        let value = fields[index].valueRange
        guard !fields.isRepeated(.expect),
            FoldedWord(bytes, value.lowerBound, value.upperBound).isEqual(to: "100-continue")
        else { throw .unsupportedExpectation }
        // An older client cannot have meant it (RFC 9110 §10.1.1), and without a body there is nothing to wait for.
        expectsContinue = version == .http11 && framing != .none
    }
}
