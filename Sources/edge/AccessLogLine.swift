// What the access log says of an exchange: one line of JSON, put together in the scratch buffer. Never a query, a body or a
// field but X-Forwarded-For, so never a secret.
import Configuration
import EventLoop
import HTTP
import Telemetry

extension Proxy {
    /// Keeps what the request's lines will say; the query stays out, as it may hold secrets.
    mutating func noteRequest(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        let path = bytes.bytes.extracting(requestHead.pathRange)
        client.pointee.exchange.pathLength = min(path.byteCount, client.pointee.exchange.path.count)
        withUnsafeMutableBytes(of: &client.pointee.exchange.path) { kept in
            path.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: kept[..<client.pointee.exchange.pathLength]).copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<client.pointee.exchange.pathLength])) }
        }
        guard accessLog != nil else { return }
        var sink = ByteSink(scratch)
        sink.append("\"client\":\"")
        if client.pointee.isTrusted, let range = requestHead.clientRange(bytes.bytes, settings.trustedProxies) {
            sink.append(bytes.bytes, range)
        } else {
            appendAddress(client, &sink)
        }
        sink.append("\",\"method\":\"")
        sink.append(bytes.bytes, requestHead.methodRange)
        sink.append("\",\"path\":\"")
        // Paths were parsed: what JSON cannot hold as it is are quotes and backslashes only.
        path.withUnsafeBytes { path in
            for byte in path {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { sink.append(UInt8(ascii: "\\")) }
                sink.append(byte)
            }
        }
        sink.append("\"")
        client.pointee.exchange.logLine.append(UnsafeRawBufferPointer(rebasing: scratch[..<sink.count]))
    }

    /// The path of the exchange, cut at its limit.
    mutating func notedPath(_ index: Int) -> String {
        let client = clients.at(index)
        let length = client.pointee.exchange.pathLength
        return withUnsafeBytes(of: &client.pointee.exchange.path) { String(decoding: $0[..<length], as: UTF8.self) }
    }

    mutating func appendAddress(_ client: UnsafeMutablePointer<ClientConnection>, _ sink: inout ByteSink) {
        withUnsafeBytes(of: &client.pointee.address) { sink.append(UnsafeRawBufferPointer(rebasing: $0[..<client.pointee.addressLength]).bytes) }
    }

    mutating func writeAccessLog(_ accessLog: AccessLog, _ index: Int, duration: UInt64, _ flags: CaptureFlagsOfEnd) {
        let client = clients.at(index)
        var sink = ByteSink(scratch)
        sink.append("{\"time\":\"")
        withUnsafeTemporaryAllocation(byteCount: Timestamp.textLength, alignment: 1) { room in
            _ = Timestamp(milliseconds: Int64(clamping: wallClock.milliseconds(now))).write(to: room)
            sink.append(UnsafeRawBufferPointer(room).bytes)
        }
        sink.append("\",\"request_id\":\"")
        withRequestID(client) { sink.append($0.bytes) }
        sink.append("\",")
        if client.pointee.exchange.logLine.isEmpty {
            // No request could be read.
            sink.append("\"client\":\"")
            appendAddress(client, &sink)
            sink.append("\",\"method\":\"\",\"path\":\"\"")
        } else {
            sink.append(client.pointee.exchange.logLine.bytes.bytes)
        }
        appendNumber("status", UInt64(client.pointee.exchange.status), &sink)
        appendNumber("request_bytes", client.pointee.exchange.requestBytes, &sink)
        appendNumber("response_bytes", client.pointee.exchange.answerBytes, &sink)
        appendNumber("duration_us", duration / 1000, &sink)
        if client.pointee.exchange.upstreamBegan > 0 { appendNumber("overhead_us", overheadNanoseconds(client) / 1000, &sink) }
        if let context = client.pointee.exchange.trace.context {
            sink.append(",\"trace_id\":\"")
            sink.append(digitsOf: context.traceIDHigh)
            sink.append(digitsOf: context.traceIDLow)
            sink.append("\",\"span_id\":\"")
            sink.append(digitsOf: context.spanID)
            sink.append("\"")
        }
        sink.append(",\"upstream\":\"")
        // Nobody was asked where the edge has answered by itself.
        if client.pointee.exchange.tried != 0 || client.pointee.exchange.target == broadcasterTarget {
            var name = targets[client.pointee.exchange.target].pointee.name
            name.withUTF8 { sink.append(UnsafeRawBufferPointer($0).bytes) }
        }
        if client.pointee.exchange.caller >= 0 {
            sink.append("\",\"key\":\"")
            sink.append(gateway.callers.name(of: client.pointee.exchange.caller).bytes)
        }
        sink.append("\",\"end\":\"")
        sink.append(flags.contains(.clientAborted) ? "client_abort" : flags.contains(.upstreamBroken) ? "upstream_broken" : "ok")
        sink.append("\"}\n")
        accessLog.write(UnsafeRawBufferPointer(rebasing: scratch[..<sink.count]))
    }

    private func appendNumber(_ name: StaticString, _ value: UInt64, _ sink: inout ByteSink) {
        sink.append(",\"")
        sink.append(name)
        sink.append("\":")
        sink.append(decimal: value)
    }
}

extension HeadParser {
    /// The last address in X-Forwarded-For that is not trusted: what stands before it anybody may have written. The first
    /// one where all are trusted; nil where the peer said none, or nothing that is an address.
    func clientRange(_ bytes: RawSpan, _ trusted: TrustedProxies) -> ByteRange? {
        var client: ByteRange?
        var isDone = false
        // Several lines are one list (RFC 9110 §5.3): each later part is nearer.
        var next = firstIndex(of: .xForwardedFor)
        var lines = InlineArray<8, Int>(repeating: -1)  // of more, only the last count
        var count = 0
        while let index = next {
            lines[count % 8] = index
            count += 1
            next = nextIndex(of: .xForwardedFor, after: index)
        }
        bytes.withUnsafeBytes { bytes in
            var line = count
            while line > max(0, count - 8), !isDone {
                line -= 1
                let range = field(lines[line % 8]).valueRange
                var end = range.upperBound
                while end > range.lowerBound, !isDone {
                    var start = end
                    while start > range.lowerBound, bytes[start - 1] != UInt8(ascii: ",") { start -= 1 }
                    let host = Self.host(bytes, start, end)
                    guard let address = IPAddress(UnsafeRawBufferPointer(rebasing: bytes[host])) else {
                        isDone = true
                        break
                    }
                    client = ByteRange(start: UInt32(clamping: host.lowerBound), count: UInt32(clamping: host.count))
                    isDone = !trusted.contains(address)
                    end = start - 1
                }
            }
        }
        return client
    }

    /// An entry without white space, brackets and port: some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`.
    private static func host(_ bytes: UnsafeRawBufferPointer, _ from: Int, _ to: Int) -> Range<Int> {
        var start = from
        var end = to
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while start < end, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        if start < end, bytes[start] == UInt8(ascii: "[") {
            let close = bytes[start..<end].firstIndex(of: UInt8(ascii: "]")) ?? end
            return (start + 1)..<max(start + 1, close)
        }
        let colons = bytes[start..<end].count { $0 == UInt8(ascii: ":") }
        if colons == 1, let colon = bytes[start..<end].firstIndex(of: UInt8(ascii: ":")) { end = colon }
        return start..<end
    }
}
