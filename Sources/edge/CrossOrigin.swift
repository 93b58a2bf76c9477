// Pages of other origins (the Fetch standard's CORS protocol), on every path: the browser's question beforehand is answered here, and
// every answer says whether the page may read it.
import EventLoop
import HTTP

extension Proxy {
    /// Notes what the answer will say to the page; true when the request was only the browser's question, and has been answered.
    mutating func answerPreflight(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let range = requestHead.value(of: .origin) else { return false }
        func text(_ range: ByteRange) -> String { String(decoding: bytes[range.lowerBound..<range.upperBound], as: UTF8.self) }
        let client = clients.at(index)
        client.pointee.exchange.grant = gateway.cors.grant(text(range))
        client.pointee.exchange.origin.append(UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound..<range.upperBound].prefix(CORSPolicy.originLimit)))
        guard requestHead.method == .options, requestHead.contains(.accessControlRequestMethod) else { return false }
        guard client.pointee.exchange.grant != .none else {
            answer(index, 403, "{\"error\":\"pages of this origin are not allowed: see TRUTHTABLE_ALLOWED_ORIGINS\"}", close: false)
            return true
        }
        // Any field may be sent: what it is worth is for the upstream to say. Names are ASCII; what is none would grow as a text, over
        // the room for a head.
        let names = requestHead.value(of: .accessControlRequestHeaders).flatMap { range in bytes[range.lowerBound..<range.upperBound].allSatisfy { $0 < 0x80 } ? text(range) : nil }
        let asked = names.map { "Access-Control-Allow-Headers: \($0)\r\n" } ?? ""
        answer(
            index, 204, "", fields: "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n\(asked)Access-Control-Max-Age: 600\r\nVary: Access-Control-Request-Headers\r\n",
            close: false)
        return true
    }

    /// What the answer says to a page, if one has asked, with all fields to be read: by name where credentials forbid `*`.
    mutating func appendGrant(_ client: UnsafeMutablePointer<ClientConnection>, _ sink: inout ByteSink) {
        guard !client.pointee.exchange.origin.isEmpty else { return }
        let grant = client.pointee.exchange.grant
        if grant != .none {
            sink.appendGrant(grant, origin: client.pointee.exchange.origin.bytes.bytes)
            sink.append(
                grant == .originWithCredentials
                    ? "Access-Control-Expose-Headers: X-Request-ID, X-TruthTable-Request-ID, X-TruthTable-Audit-Id, X-TruthTable-Overhead-Ms, X-TruthTable-Upstream, Retry-After, RateLimit, RateLimit-Policy\r\n"
                    : "Access-Control-Expose-Headers: *\r\n")
        }
        // What a cache keeps of it must not become another page's.
        if gateway.cors.varies { sink.append("Vary: Origin\r\n") }
    }
}
