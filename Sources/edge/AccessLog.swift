// The access log: one line per request, written by a thread of its own so that a slow disk is never felt by traffic.
import EventLoop
import Glibc
import HTTP
import Synchronization
import Telemetry

/// Lines wait in a bounded buffer for the thread that writes them; what finds no room is dropped and counted.
final class AccessLog: Sendable {
    static let bufferBytes = 1 << 20

    private struct Buffer {
        var bytes: [UInt8] = []
        var dropped: UInt64 = 0
    }

    private let descriptor: Int32
    private let buffer = Mutex(Buffer())
    private let wakeup: Wakeup

    init(_ descriptor: Int32) throws(SystemError) {
        self.descriptor = descriptor
        wakeup = try Wakeup()
        try startThread("tt-access") { [self] in run() }
    }

    /// False when the line was dropped.
    func write(_ line: [UInt8]) -> Bool {
        let (isFirst, fits) = buffer.withLock { buffer in
            let isFirst = buffer.bytes.isEmpty
            guard buffer.bytes.count + line.count <= Self.bufferBytes else {
                buffer.dropped += 1
                return (false, false)
            }
            buffer.bytes += line
            return (isFirst, true)
        }
        if isFirst { wakeup.signal() }
        return fits
    }

    private func run() {
        while true {
            var wait = pollfd(fd: wakeup.descriptor.number, events: Int16(POLLIN), revents: 0)
            poll(&wait, 1, -1)
            wakeup.clear()
            let bytes = buffer.withLock { buffer in
                defer { buffer.bytes = [] }
                return buffer.bytes
            }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN {
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&wait, 1, 1000)
                    continue
                }
                guard count > 0 else { break }
                rest = rest.dropFirst(count)
            }
        }
    }
}

extension Proxy {
    /// Keeps what the request's lines will say; the query stays out, as it may hold secrets.
    func noteRequest(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        let path = bytes.bytes.extracting(requestHead.pathRange)
        client.pointee.exchange.pathLength = min(path.byteCount, client.pointee.exchange.path.count)
        withUnsafeMutableBytes(of: &client.pointee.exchange.path) { kept in
            path.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: kept[..<client.pointee.exchange.pathLength]).copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<client.pointee.exchange.pathLength])) }
        }
        guard accessLog != nil else { return }
        let method = bytes.bytes.extracting(requestHead.methodRange)
        method.withUnsafeBytes { client.pointee.exchange.logLine.append($0) }
        withUnsafeBytes(of: UInt8(ascii: " ")) { client.pointee.exchange.logLine.append($0) }
        path.withUnsafeBytes { client.pointee.exchange.logLine.append($0) }
    }

    /// The path of the exchange, cut at its limit.
    func notedPath(_ index: Int) -> String {
        let client = clients.at(index)
        let length = client.pointee.exchange.pathLength
        return withUnsafeBytes(of: &client.pointee.exchange.path) { String(decoding: $0[..<length], as: UTF8.self) }
    }

    func writeAccessLog(_ index: Int, duration: UInt64, _ flags: CaptureFlagsOfEnd) {
        let client = clients.at(index)
        let address = withUnsafeBytes(of: &client.pointee.address) { String(decoding: $0[..<client.pointee.addressLength], as: UTF8.self) }
        let request = String(decoding: client.pointee.exchange.logLine.bytes, as: UTF8.self).split(separator: " ", maxSplits: 1)
        let end = flags.contains(.clientAborted) ? "client_abort" : flags.contains(.upstreamBroken) ? "upstream_broken" : "ok"
        let line =
            "{\"time\":\"\(Timestamp.now())\",\"request_id\":\"\(withRequestID(client) { String(decoding: $0, as: UTF8.self) })\","
            + "\"client\":\"\(address)\",\"method\":\"\(request.first ?? "")\",\"path\":\"\(escaped(request.dropFirst().first ?? ""))\","
            + "\"status\":\(client.pointee.exchange.status),\"request_bytes\":\(client.pointee.exchange.requestBytes),"
            + "\"response_bytes\":\(client.pointee.exchange.answerBytes),\"duration_us\":\(duration / 1000),"
            + "\"upstream\":\"\(targets[client.pointee.exchange.target].pointee.name)\",\"end\":\"\(end)\"}\n"
        if let accessLog, !accessLog.write(Array(line.utf8)) { slot.add(.logLinesDropped) }
    }

    /// Paths were parsed: what JSON cannot hold as it is are quotes and backslashes only.
    private func escaped(_ text: Substring) -> String {
        var result = ""
        for character in text {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result
    }
}
