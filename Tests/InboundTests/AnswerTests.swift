// Streams, upgrades, aborts, backpressure and deadlines over real sockets.
import CLinux
import EventLoop
import Glibc
import HTTP
import Testing

@testable import Inbound

@Suite struct AnswerTests {
    static let get = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    @Test(arguments: [
        (StreamFraming.chunked, "HTTP/1.1", "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (.length(3), "HTTP/1.1", "Content-Length: 3\r\nConnection: close\r\n\r\nabc"),
        (.untilClose, "HTTP/1.1", "Connection: close\r\n\r\nabc"),
        (.chunked, "HTTP/1.0", "Connection: close\r\n\r\nabc"),
        (.length(2), "HTTP/1.1", "Content-Length: 2\r\nConnection: close\r\n\r\nab"),
    ])
    func `streams are framed`(_ row: (framing: StreamFraming, version: String, rest: String)) throws {
        let harness = try Harness { server, request in
            server.beginStream(request.id, 200, .none, row.framing)
            server.stream(request.id, Array("ab".utf8))
            server.stream(request.id, [])
            server.stream(request.id, Array("c".utf8))
            server.endStream(request.id)
        }
        let text = try harness.exchange("GET / \(row.version)\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(text == "HTTP/1.1 200 OK\r\n" + row.rest)
    }

    @Test func `a stream's pieces leave one by one when they are written one by one`() throws {
        var id: ConnectionID?
        let harness = try Harness { server, request in
            id = request.id
            server.beginStream(request.id, 200, .eventStream)
        }
        let client = try harness.client()
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        harness.wait("the head") { client.text.hasSuffix("\r\n\r\n") }
        for piece in ["data: 1\n\n", "data: 2\n\n"] {
            client.clear()
            harness.server.stream(try #require(id), Array(piece.utf8))
            harness.wait(piece) { client.text == "9\r\n\(piece)\r\n" }
        }
        client.clear()
        #expect(harness.requests.count == 1)
        harness.server.endStream(try #require(id))
        harness.wait("the second request") { harness.requests.count == 2 }
        #expect(client.text.hasPrefix("0\r\n\r\nHTTP/1.1 200 OK\r\n"))
        #expect(!harness.server.respond(try #require(id), 200), "it is streaming")
    }

    @Test func `a stream that a slow reader leaves waiting is bounded and goes on`() throws {
        let total = 8 << 20
        let piece = [UInt8](repeating: 0x78, count: 50_000)
        var left = total
        func write(_ server: HTTPServer, _ id: ConnectionID) {
            while left > 0 {
                let count = min(left, piece.count)
                guard server.stream(id, Array(piece[..<count])) else { return }
                left -= count
            }
            server.endStream(id)
        }
        let harness = try Harness(limits { $0.outputBytes = 200_000 }) { server, request in
            server.beginStream(request.id, 200, .none, .length(UInt64(total)))
            write(server, request.id)
        }
        var most = 0
        harness.onDrained = { server, id in
            write(server, id)
            most = max(most, server.waitingBytes(id))
        }
        let client = try harness.client()
        client.send(Self.get)
        harness.wait("the whole body") { client.hasEnded }
        #expect(client.received.count > total && client.received.count < total + 200)
        #expect(harness.drained > 0)
        #expect(most <= 200_000 + HTTPServer.scratchBytes)
    }

    @Test func `a large answer is sent whole`() throws {
        let body = [UInt8](repeating: 0x79, count: 10 << 20)
        let harness = try Harness { server, request in server.respond(request.id, 200, .none, body) }
        let client = try harness.client()
        client.send(Self.get)
        harness.wait("the whole body") { client.hasEnded }
        #expect(client.received.suffix(body.count) == body[...])
    }

    @Test func `a client that never reads is reset`() throws {
        let harness = try Harness(limits { $0.stallTime = .milliseconds(50) }) { server, request in
            server.beginStream(request.id, 200)
            server.stream(request.id, [UInt8](repeating: 0, count: 30 << 20))
        }
        let client = try harness.client()
        client.send(Self.get)
        harness.wait("the end") { harness.closed.count == 1 }
        #expect(harness.server.connectionCount == 0)
    }

    @Test func `memory for waiting bytes is bounded for all clients together`() throws {
        let harness = try Harness(limits { $0.allOutputBytes = 1 << 20 }) { server, request in
            server.respond(request.id, 200, .none, [UInt8](repeating: 0, count: 30 << 20))
        }
        let client = try harness.client()
        client.send(Self.get)
        harness.wait("the end") { harness.requests.count == 1 && harness.server.connectionCount == 0 }
        #expect(harness.server.pool.usedBytes == 0)
    }

    // MARK: Upgrades

    @Test func `upgraded connections carry raw bytes both ways`() throws {
        let harness = try Harness { server, request in
            server.upgrade(request.id, WebSocketHandshake.responseHead(key: request[.secWebSocketKey] ?? "").span.bytes)
            server.send(request.id, Array("hello".utf8))
        }
        harness.onBytes = { server, id, bytes in
            #expect(server.send(id, bytes.map { $0 + 1 }))
            if bytes.contains(UInt8(ascii: "z")) { server.close(id) }
        }
        let client = try harness.client()
        client.send(
            "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nabc")
        harness.wait("the answer") { client.text.hasSuffix("hellobcd") }
        #expect(harness.requests.first?.upgrade == .webSocket)
        #expect(client.text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "RFC 6455 §1.3")
        client.send("xyz")
        harness.wait("the end") { client.hasEnded }
        #expect(client.text.hasSuffix("hellobcdyz{"))
        #expect(harness.closed.isEmpty, "the role closed it")
    }

    @Test func `the end of an upgraded client is told`() throws {
        let harness = try Harness { server, request in server.upgrade(request.id, RawSpan()) }
        do {
            let client = try harness.client()
            client.send(Self.get + "last words")
            harness.wait("bytes") { harness.bytes.count == 10 }
        }
        harness.wait("the end") { harness.closed == harness.requests.map(\.id) }
        #expect(harness.server.connectionCount == 0)
    }

    @Test func `output of an upgraded client is refused at its limit`() throws {
        let harness = try Harness(limits { $0.outputBytes = 100_000 }) { server, request in server.upgrade(request.id, RawSpan()) }
        let client = try harness.client()
        client.send(Self.get)
        harness.wait("the upgrade") { harness.requests.count == 1 }
        let id = harness.requests[0].id
        let message = [UInt8](repeating: 0x6D, count: 10_000)
        var taken = 0
        while harness.server.send(id, message) { taken += message.count }
        #expect(harness.server.waitingBytes(id) <= 100_000)
        #expect(harness.drained == 0)
        harness.wait("all of it") {
            client.read()
            return client.received.count == taken
        }
        harness.wait("drained") { harness.drained == 1 }
    }

    // MARK: Ends

    @Test func `aborts show as a reset or as an end`() throws {
        for reset in [true, false] {
            let harness = try Harness { server, request in server.abort(request.id, reset: reset) }
            let client = try harness.client()
            client.send(Self.get)
            harness.wait("the end") { client.hasEnded }
            #expect(client.error == (reset ? ECONNRESET : 0))
            #expect(client.text.isEmpty && harness.closed.isEmpty && harness.server.connectionCount == 0)
        }
    }

    @Test func `a stream can be cut after what was written`() throws {
        let harness = try Harness { server, request in
            server.beginStream(request.id, 200)
            server.stream(request.id, Array("ab".utf8))
            server.close(request.id)
            #expect(!server.stream(request.id, Array("cd".utf8)))
        }
        #expect(try harness.exchange(Self.get).hasSuffix("\r\n\r\n2\r\nab\r\n"))
    }

    @Test func `an id of an ended connection means nothing`() throws {
        let harness = try Harness()
        _ = try harness.exchange(Self.get)
        let old = harness.requests[0].id
        let client = try harness.client()
        harness.answer = { _, _ in }
        client.send(Self.get)
        harness.wait("a request") { harness.requests.count == 2 }
        #expect(harness.requests[1].id.slot == old.slot && harness.requests[1].id != old)
        #expect(!harness.server.respond(old, 200))
        harness.server.abort(old)
        #expect(harness.server.respond(harness.requests[1].id, 204))
        harness.wait("the answer") { client.hasEnded }
        #expect(client.text == "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    }

    @Test func `a client that leaves during its answer is told`() throws {
        let harness = try Harness { _, _ in }
        harness.onFinished = { server, id in server.abort(id) }
        do {
            let client = try harness.client()
            client.send(Self.get)
            harness.wait("the request") { harness.requests.count == 1 }
        }
        harness.wait("the end") { harness.server.connectionCount == 0 }
        #expect(harness.finished == 1)
    }

    @Test func `a client that only ends its side gets its answer`() throws {
        let harness = try Harness { _, _ in }
        harness.onFinished = { server, id in server.respond(id, 200, .text, "late") }
        let client = try harness.client()
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.finishSending()
        harness.wait("the answer") { client.hasEnded }
        #expect(client.text.hasSuffix("late"))
    }

    // MARK: Times and numbers

    @Test func `slow heads and bodies are answered 408, idle clients are closed`() throws {
        let harness = try Harness(limits { $0.headTime = .milliseconds(40); $0.bodyTime = .milliseconds(40); $0.idleTime = .milliseconds(40) })
        #expect(try harness.exchange("GET / HTTP/1.1\r\n").hasPrefix("HTTP/1.1 408 "))
        #expect(try harness.exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").hasPrefix("HTTP/1.1 408 "))
        #expect(try harness.exchange("") == "")
        #expect(try harness.exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n") == RequestTests.answer("GET / "))
    }

    @Test func `connections beyond the limit are turned away`() throws {
        let harness = try Harness(limits { $0.connections = 2 })
        let first = try harness.client()
        let second = try harness.client()
        harness.wait("two connections") { harness.server.connectionCount == 2 }
        let third = try harness.client()
        harness.wait("the third is told") { third.hasEnded }
        #expect(third.text.hasPrefix("HTTP/1.1 503 "))
        first.send(Self.get)
        harness.wait("the first is served") { first.hasEnded && harness.server.connectionCount == 1 }
        let fourth = try harness.client()
        fourth.send(Self.get)
        harness.wait("the fourth is served") { fourth.hasEnded }
        #expect(fourth.text.hasPrefix("HTTP/1.1 200 "))
        #expect(!second.hasEnded)
    }

    @Test func `requests that have begun to arrive are bounded for all clients together`() throws {
        let harness = try Harness(limits { $0.heldBytes = 100_000 })
        let clients = try (0..<8).map { _ in try harness.client() }
        for client in clients {
            client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n")
            client.send([UInt8](repeating: 0x61, count: 20_000))
        }
        harness.wait("somebody is refused") { clients.contains { $0.text.hasPrefix("HTTP/1.1 503 ") } }
        for _ in 0..<20 { harness.turn() }
        #expect(harness.server.heldBytes <= 150_000)
        #expect(clients.filter { $0.text.isEmpty }.count >= 2, "some are still served")
    }

    @Test func `a role may be a noncopyable structure`() throws {
        struct Role: ~Copyable {
            let server: HTTPServer
            var served = 0

            mutating func handle(_ token: Token, _ readiness: Readiness) {
                server.handle(token, readiness) { receive($0) }
            }

            mutating func receive(_ event: HTTPServerEvent) {
                guard case .request(let request) = event else { return }
                served += 1
                server.respond(request.id, 200, .text, "\(served)")
            }
        }
        let harness = try Harness()
        var role = Role(server: harness.server)
        let client = try harness.client()
        client.send(Self.get)
        let limit = Instant.now + .seconds(10)
        while !client.hasEnded, Instant.now < limit {
            harness.loop.turn(patience: 1, { role.handle($0, $1) }, alarm: { harness.server.alarm($0) { _ in } })
        }
        #expect(client.text.hasSuffix("\r\n\r\n1"))
    }

    @Test func `draining closes what is idle and ends what is not`() throws {
        let harness = try Harness { _, _ in }
        let idle = try harness.client()
        let busy = try harness.client()
        busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        harness.wait("both") { harness.server.connectionCount == 2 && harness.requests.count == 1 }
        harness.server.drain()
        harness.wait("the idle one is closed") { idle.hasEnded }
        #expect(!busy.hasEnded)
        Harness.echo(harness.server, harness.requests[0])
        harness.wait("the busy one is answered") { busy.hasEnded }
        #expect(busy.text.contains("Connection: close\r\n"))
        let late = try harness.client()
        #expect(late.hasEnded && late.error == ECONNREFUSED)
    }

    @Test func `a connection is small`() {
        #expect(MemoryLayout<Connection>.stride <= 256)
    }

    @Test func `dates are those of RFC 9110`() {
        var field = DateField()
        for (seconds, text) in [
            (784_111_777, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), (0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
            (951_782_400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"), (4_107_542_399, "Date: Sun, 28 Feb 2100 23:59:59 GMT\r\n"),
        ] as [(UInt64, String)] {
            #expect(String(decoding: field.line(at: seconds * 1_000_000_000), as: UTF8.self) == text)
        }
    }
}
