// Who may ask: callers with keys of ours within their limits; without such keys everybody, or this machine where the upstream is sent
// a key of ours. Refusals have OpenAI's form of errors, which the SDKs of others understand too.
import EventLoop
import HTTP
import Inbound
import Telemetry

extension Proxy {
    /// False when the request has been refused.
    mutating func admitCaller(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        if gateway.asksForKeys { return admitKey(index, bytes) }
        return !gateway.isForThisMachineOnly || admitLocal(index, bytes)
    }

    // MARK: Keys

    /// Where SDKs put keys: OpenAI's and most others; Anthropic's; Azure's; Google's.
    private static let keyFields: InlineArray<4, FieldName> = [.authorization, .xAPIKey, .apiKey, .xGoogAPIKey]

    /// The first key that is known counts. Every field that holds one of ours stays here, whosever it is.
    private mutating func admitKey(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        var shown = false
        var caller: Int?
        var fields = FieldNames.none
        for place in Self.keyFields.indices {
            let field = Self.keyFields[place]
            var next = requestHead.firstIndex(of: field)
            while let line = next {
                next = requestHead.nextIndex(of: field, after: line)
                let range = requestHead.field(line).valueRange
                var key = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound..<range.upperBound])
                if field == .authorization {
                    guard let token = Self.bearer(key) else { continue }
                    key = token
                }
                shown = true
                guard let found = gateway.callers.find(CallerKey.Hash(of: key)) else { continue }
                caller = caller ?? found
                fields = fields.with(field)
            }
        }
        if let caller { return admit(index, caller, fields) }
        let problem = shown ? "is not known here, or was revoked" : "is missing"
        refuse(index, 401, code: shown ? "invalid_api_key" : "missing_api_key", "The TruthTable key \(problem): send one as Authorization: Bearer, x-api-key, api-key or x-goog-api-key", fields: "WWW-Authenticate: Bearer\r\n")
        return false
    }

    /// The token of `Bearer TOKEN`, the scheme in any case (RFC 9110 §11.1).
    private static func bearer(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let scheme: StaticString = "bearer "
        guard value.count > 7 else { return nil }
        for index in 0..<7 where value[index] | 0x20 != scheme.utf8Start[index] { return nil }
        var start = 7
        while start < value.count, value[start] == UInt8(ascii: " ") { start += 1 }
        return UnsafeRawBufferPointer(rebasing: value[start...])
    }

    private mutating func admit(_ index: Int, _ caller: Int, _ fields: FieldNames) -> Bool {
        let slot = self.slot
        let row = gateway.callers.row(of: caller) { slot.callerRow($0) }
        switch gateway.callers.admit(caller, now) {
        case .admitted:
            let client = clients.at(index)
            client.pointee.exchange.caller = caller
            client.pointee.exchange.callerFields = fields
            client.pointee.exchange.callerRow = row
            slot.add(.requests, caller: row)
            slot.adjust(.streamsOpen, caller: row, by: 1)
            return true
        case .rateLimited(let wait):
            slot.add(.rateLimited, caller: row)
            let limit = gateway.callers.limits(of: caller).bucket?.limit ?? 0
            let seconds = (wait + 999_999_999) / 1_000_000_000
            refuse(
                index, 429, code: "rate_limit_exceeded", "The limit of \(limit) requests per minute is used up: try again in \(seconds) s",
                // draft-ietf-httpapi-ratelimit-headers: what is left of the quota, and when there is more
                fields: "Retry-After: \(seconds)\r\nRateLimit-Policy: \"requests\";q=\(limit);w=60\r\nRateLimit: \"requests\";r=0;t=\(seconds)\r\n")
        case .tooManyStreams:
            slot.add(.streamsLimited, caller: row)
            let limit = gateway.callers.limits(of: caller).streams ?? 0
            refuse(
                index, 429, code: "rate_limit_exceeded", "\(limit) requests are under way, which is this key's limit: try again when one has ended",
                fields: "Retry-After: 1\r\nRateLimit-Policy: \"streams\";q=\(limit);qu=\"concurrent-requests\"\r\nRateLimit: \"streams\";r=0\r\n")
        }
        return false
    }

    /// The exchange is over: its stream is free.
    mutating func releaseCaller(_ index: Int) {
        let client = clients.at(index)
        slot.adjust(.streamsOpen, caller: client.pointee.exchange.callerRow, by: -1)
        gateway.callers.release(client.pointee.exchange.caller)
        client.pointee.exchange.caller = -1
    }

    /// Called by the sweep, a few times per second: a change shows within one.
    mutating func lookAtKeys() {
        gateway.keyWatch?.look()
    }

    /// Who reloads is told by the log, also when nothing has changed.
    mutating func reloadKeys() {
        gateway.keyWatch?.reload()
    }

    /// What the watch of the key file has found: the keys are those from now on, or stay as they are.
    mutating func takeKeys() {
        for finding in gateway.keyWatch?.take() ?? [] {
            switch finding {
            case .unchanged: break
            case .keys(let entries, _):
                gateway.callers.replace(with: entries)
                log.info("Caller keys read", ["keys": .number(entries.count)])
            case .flawed(let flaw, _): log.error("Cannot use the key file, the earlier keys stay in use", ["cause": .string(flaw)])
            }
        }
    }

    // MARK: Callers without keys

    /// This machine's programs, and pages that may: a request of a page elsewhere, or one that a proxy here passed on, has our key
    /// spent by somebody who has none.
    private mutating func admitLocal(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let isLoopback = isOfThisMachine(index)
        let host = requestHead.authorityRange
        if isLoopback, !requestHead.contains(.origin), Self.isPlainlyLocal(UnsafeRawBufferPointer(rebasing: bytes[host.lowerBound..<host.upperBound])) { return true }
        func text(_ range: ByteRange) -> String { String(decoding: bytes[range.lowerBound..<range.upperBound], as: UTF8.self) }
        let origin = requestHead.value(of: .origin).map(text)
        var decision = access.decide(isLoopback: isLoopback, origin: origin, host: text(host))
        // `null` is what a file's page says, but also any page's in a frame without rights.
        if origin == "null", clients.at(index).pointee.exchange.grant == .origin { decision = .refused(.foreignOrigin) }
        if case .refused(let refusal) = decision {
            if refusal == .foreignOrigin {
                refuse(index, 403, code: "origin_not_allowed", "Pages of this origin are not served: add it to TRUTHTABLE_ALLOWED_ORIGINS")
            } else {
                refuse(index, 403, code: "callers_need_keys", "Only callers on this machine are served, as the upstream's key is the server's: give callers keys (TRUTHTABLE_KEYS_FILE) or set TRUTHTABLE_SERVE_ANYONE")
            }
            return false
        }
        return true
    }

    /// A client on this machine, and not one whom a proxy here passes on.
    mutating func isOfThisMachine(_ index: Int) -> Bool {
        clients.at(index).pointee.isLoopback && !requestHead.contains(.xForwardedFor) && !requestHead.contains(.forwarded)
    }

    /// `localhost` and `127.0.0.1`, with or without a port: what nearly all local callers ask for, without making texts of it.
    private static func isPlainlyLocal(_ host: UnsafeRawBufferPointer) -> Bool {
        isHost(host, "localhost") || isHost(host, "127.0.0.1")
    }

    private static func isHost(_ host: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
        let length = name.utf8CodeUnitCount
        guard host.count >= length, host.count == length || host[length] == UInt8(ascii: ":") else { return false }
        return host.prefix(length).elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: length))
    }

    private mutating func refuse(_ index: Int, _ status: UInt16, code: String, _ message: String, fields: String = "") {
        let type = status == 429 ? "rate_limit_error" : "invalid_request_error"
        answer(index, status, "{\"error\":{\"message\":\"\(message)\",\"type\":\"\(type)\",\"param\":null,\"code\":\"\(code)\"}}", fields: fields, close: false)
    }
}
