// What the tests of this module share: a server on its own loop and clients on real sockets, turned by one thread. Nothing
// sleeps: `wait` turns the loop until a condition holds.
import CLinux
import EventLoop
import Glibc
import HTTP
import Testing

@testable import Inbound

/// A server whose role notes what it is told; `answer` answers.
final class Harness {
    let loop: Loop
    let server: HTTPServer
    let port: UInt16
    var requests: [HTTPRequest] = []
    var bytes: [UInt8] = []
    var closed: [ConnectionID] = []
    var drained = 0
    var finished = 0
    var answer: (HTTPServer, HTTPRequest) -> Void
    var onBytes: (HTTPServer, ConnectionID, [UInt8]) -> Void = { _, _, _ in }
    var onDrained: (HTTPServer, ConnectionID) -> Void = { _, _ in }
    var onFinished: (HTTPServer, ConnectionID) -> Void = { _, _ in }

    init(_ limits: HTTPServerLimits = HTTPServerLimits(), answer: @escaping (HTTPServer, HTTPRequest) -> Void = Harness.echo) throws {
        loop = try Loop()
        server = HTTPServer(on: loop, tokenKind: 7, limits: limits)
        server.sendsDate = false
        let listener = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 1024)))
        port = UInt16(cl_local_port(listener.number))
        try server.listen(on: listener)
        self.answer = answer
    }

    /// Method, path and body of the request.
    static func echo(_ server: HTTPServer, _ request: HTTPRequest) {
        let text = "\(request.methodText) \(request.path) \(String(decoding: request.body, as: UTF8.self))"
        #expect(server.respond(request.id, 200, .text, text))
    }

    func receive(_ event: HTTPServerEvent) {
        switch event {
        case .request(let request):
            requests.append(request)
            answer(server, request)
        case .bytes(let id, let span):
            let copy = span.withUnsafeBytes { Array($0) }
            bytes += copy
            onBytes(server, id, copy)
        case .drained(let id):
            drained += 1
            onDrained(server, id)
        case .peerFinished(let id):
            finished += 1
            onFinished(server, id)
        case .closed(let id): closed.append(id)
        }
    }

    func turn(_ patience: Int32 = 0) {
        loop.turn(patience: patience, { server.handle($0, $1, receive) }, alarm: { server.alarm($0, receive) })
    }

    /// Turns until `condition` holds; false after ten seconds, which no test needs.
    @discardableResult
    func wait(_ what: String = "", sourceLocation: SourceLocation = #_sourceLocation, until condition: () -> Bool) -> Bool {
        let limit = Instant.now + .seconds(10)
        while !condition() {
            guard Instant.now < limit else {
                Issue.record("not within ten seconds: \(what)", sourceLocation: sourceLocation)
                return false
            }
            turn(1)
        }
        return true
    }

    func client() throws -> Client { try Client(port: port) }

    /// What a client of its own gets for these bytes until the server ends the connection.
    func exchange(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let client = try self.client()
        client.send(text)
        wait("the end of \(text.prefix(40))", sourceLocation: sourceLocation) { client.hasEnded }
        return client.text
    }
}

/// The other end, without any protocol.
final class Client {
    let descriptor: Descriptor
    private(set) var received: [UInt8] = []
    private var ended = false
    private(set) var error: Int32 = 0

    init(port: UInt16) throws {
        var number: Int32 = -1
        var pending = false
        try checked("connect", cl_connect_tcp("127.0.0.1", port, &number, &pending))
        descriptor = Descriptor(owning: number)
        cl_set_nodelay(number)
        var waited = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        poll(&waited, 1, 10_000)
    }

    init(path: String) throws {
        var number: Int32 = -1
        var pending = false
        try checked("connect", cl_connect_unix(path, &number, &pending))
        descriptor = Descriptor(owning: number)
    }

    func send(_ text: String) { send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) { _ = cl_send(descriptor.number, bytes, bytes.count) }

    /// Reads what has come.
    func read() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !ended {
            let count = cl_receive(descriptor.number, &buffer, buffer.count)
            if count > 0 {
                received += buffer[..<count]
            } else {
                if count == -Int(EAGAIN) { return }
                ended = true
                error = Int32(-count)
            }
        }
    }

    var hasEnded: Bool {
        read()
        return ended
    }

    var text: String {
        read()
        return String(decoding: received, as: UTF8.self)
    }

    func clear() { received = [] }

    func finishSending() { _ = shutdown(descriptor.number, Int32(SHUT_WR)) }
}

func limits(_ change: (inout HTTPServerLimits) -> Void) -> HTTPServerLimits {
    var limits = HTTPServerLimits()
    change(&limits)
    return limits
}
