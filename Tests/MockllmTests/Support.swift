// What the tests of this module share: the mock on a loop of its own, and a client that reads to the end.
import CLinux
import EventLoop
import Glibc
import JSON
import Testing

@testable import mockllm

final class Harness {
    let mock: MockServer
    let port: UInt16

    init(_ controls: Controls = Controls()) throws {
        mock = MockServer(on: try Loop(), defaults: controls)
        let listener = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 1024)))
        port = UInt16(cl_local_port(listener.number))
        try mock.server.listen(on: listener)
    }

    /// Turns the loop until `condition` holds; ten seconds are a failure.
    func wait(_ what: String, sourceLocation: SourceLocation = #_sourceLocation, until condition: () -> Bool) {
        let limit = Instant.now + .seconds(10)
        while !condition() {
            guard Instant.now < limit else {
                Issue.record("not within ten seconds: \(what)", sourceLocation: sourceLocation)
                return
            }
            mock.turn(patience: 1)
        }
    }

    func send(_ path: String, _ body: String, _ fields: String = "", method: String = "POST", close: Bool = true) throws -> Client {
        let client = try Client(port: port)
        client.send(
            "\(method) \(path) HTTP/1.1\r\nHost: mock\r\n\(close ? "Connection: close\r\n" : "")\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        return client
    }

    /// What comes until the end of the connection.
    func exchange(_ path: String, _ body: String, _ fields: String = "", method: String = "POST", sourceLocation: SourceLocation = #_sourceLocation)
        throws -> Answer
    {
        let client = try send(path, body, fields, method: method)
        wait("an answer to \(path)", sourceLocation: sourceLocation) { client.hasEnded }
        return Answer(client)
    }

    func chat(_ members: String, _ fields: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws -> Answer {
        try exchange("/v1/chat/completions", "{\(members)}", fields, sourceLocation: sourceLocation)
    }
}

/// An answer taken apart, as far as it is one.
struct Answer {
    let raw: String
    let error: Int32
    var status = 0
    var head = ""
    /// Without the framing of chunks.
    var body = ""

    init(_ client: Client) {
        raw = client.text
        error = client.error
        let parts = raw.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, raw.hasPrefix("HTTP/1.1 ") else { return }
        head = String(parts[0]) + "\r\n"
        status = Int(raw.dropFirst(9).prefix(3)) ?? 0
        body = String(parts[1])
        guard head.contains("Transfer-Encoding: chunked") else { return }
        var rest = Array(body.utf8)[...]
        var bytes: [UInt8] = []
        while let end = rest.firstIndex(of: 0x0D) {
            guard let size = Int(String(decoding: rest[rest.startIndex..<end], as: UTF8.self), radix: 16), size > 0 else { break }
            rest = rest[end...].dropFirst(2)
            bytes += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        body = String(decoding: bytes, as: UTF8.self)
    }

    func json() throws -> JSONValue { try JSONValue(parsing: Array(body.utf8).span) }

    /// The data of the events.
    var events: [String] { body.split(separator: "\n\n").map { String($0.dropFirst("data: ".count)) } }
}

final class Client {
    let descriptor: Descriptor
    private var received: [UInt8] = []
    private var ended = false
    private(set) var error: Int32 = 0

    init(port: UInt16) throws {
        var number: Int32 = -1
        var pending = false
        try checked("connect", cl_connect_tcp("127.0.0.1", port, &number, &pending))
        descriptor = Descriptor(owning: number)
        var waited = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        poll(&waited, 1, 10_000)
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = cl_send(descriptor.number, bytes, bytes.count)
    }

    func finishSending() { _ = shutdown(descriptor.number, Int32(SHUT_WR)) }

    var hasEnded: Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !ended {
            let count = cl_receive(descriptor.number, &buffer, buffer.count)
            if count > 0 {
                received += buffer[..<count]
            } else {
                if count == -Int(EAGAIN) { return false }
                ended = true
                error = Int32(-count)
            }
        }
        return true
    }

    var text: String {
        _ = hasEnded
        return String(decoding: received, as: UTF8.self)
    }
}
