// Requests over real sockets: every split, order, framing, limits, refusals.
import CLinux
import EventLoop
import Glibc
import HTTP
import Testing

@testable import Inbound

@Suite struct RequestTests {
    static let pipelined =
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        + "GET /b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
        + "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n"
        + "DELETE /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    static func answer(_ body: String, _ extra: String = "") -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \(body.utf8.count)\r\n\(extra)\r\n\(body)"
    }

    static let answers = answer("POST /a abc") + answer("GET /b ") + answer("POST /c defgh") + answer("DELETE /d ", "Connection: close\r\n")

    @Test func `pipelined requests are answered in order`() throws {
        let harness = try Harness()
        #expect(try harness.exchange(Self.pipelined) == Self.answers)
        #expect(harness.requests.map(\.path) == ["/a", "/b", "/c", "/d"])
        #expect(harness.requests[1].query == "q=1")
        #expect(harness.server.heldBytes == 0)
    }

    @Test func `requests are the same wherever reads end`() throws {
        let bytes = Array(Self.pipelined.utf8)
        let harness = try Harness()
        for cut in 1..<bytes.count {
            let client = try harness.client()
            client.send(Array(bytes[..<cut]))
            let before = harness.requests.count
            harness.wait("the first part is read") { harness.server.heldBytes > 0 || harness.requests.count > before }
            client.send(Array(bytes[cut...]))
            guard harness.wait("answers, cut at \(cut)", until: { client.hasEnded }) else { return }
            #expect(client.text == Self.answers, "cut at \(cut)")
        }
        harness.wait("nothing is left") { harness.server.connectionCount == 0 }
        #expect(harness.server.heldBytes == 0)
    }

    @Test func `one byte at a time`() throws {
        let harness = try Harness()
        let client = try harness.client()
        for byte in Self.pipelined.utf8 {
            client.send([byte])
            harness.turn()
        }
        harness.wait("all answers") { client.hasEnded }
        #expect(client.text == Self.answers)
    }

    @Test func `answers later than their turn keep the order`() throws {
        var waiting: [HTTPRequest] = []
        let harness = try Harness { _, request in waiting.append(request) }
        let client = try harness.client()
        client.send(Self.pipelined)
        var answered = 0
        while answered < 4 {
            guard harness.wait("request \(answered)", until: { !waiting.isEmpty }) else { return }
            #expect(waiting.count == 1, "the next request comes after the answer")
            Harness.echo(harness.server, waiting.removeFirst())
            answered += 1
        }
        harness.wait("the end") { client.hasEnded }
        #expect(client.text == Self.answers)
    }

    @Test(arguments: [
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505", "version is not HTTP/1.x"),
        ("GET /\r\n\r\n", "400", "request line is not"),
        ("GET / HTTP/1.1\r\n\r\n", "400", "Host field is missing"),
        ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "400", "white space before"),
        ("\u{16}\u{3}\u{1}", "400", "method is no token"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400", "chunk's size is malformed"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", "413", "bodyTooLarge"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", "400", "Content-Length is no number"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n", "413", "bodyTooLarge"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + String(repeating: "a", count: 101), "413", "bodyTooLarge"),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: " + String(repeating: "a", count: 500) + "\r\n\r\n", "431", "TRUTHTABLE_MAX_HEAD_BYTES"),
        ("GET /" + String(repeating: "a", count: 500), "414", "TRUTHTABLE_MAX_TARGET_BYTES"),
    ])
    func `what cannot be served is answered and closed`(_ row: (request: String, status: String, reason: String)) throws {
        let harness = try Harness(limits { $0.bodyBytes = 100; $0.head = HeadLimits(headBytes: 400) })
        let text = try harness.exchange(row.request + "GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(text.hasPrefix("HTTP/1.1 \(row.status) "), "\(text)")
        #expect(text.split(separator: "\"reason\":\"").last?.contains(row.reason) == true, "\(text)")
        #expect(text.contains("Connection: close\r\n"))
        #expect(harness.requests.isEmpty)
    }

    @Test func `a body at its limit is taken`() throws {
        let harness = try Harness(limits { $0.bodyBytes = 100 })
        let body = String(repeating: "b", count: 100)
        #expect(try harness.exchange("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n" + body).hasSuffix(body))
        #expect(
            try harness.exchange(
                "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n\(body)\r\n0\r\n\r\n"
            ).hasSuffix(body))
    }

    @Test func `a refused client reads its answer though it goes on sending`() throws {
        let harness = try Harness(limits { $0.bodyBytes = 10 })
        let client = try harness.client()
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        for _ in 0..<10 {
            client.send([UInt8](repeating: 0x61, count: 10_000))
            harness.turn()
        }
        client.finishSending()
        harness.wait("the end") { client.hasEnded }
        #expect(client.error == 0)
        #expect(client.text.hasPrefix("HTTP/1.1 413"))
    }

    @Test func `100-continue is sent when the body is waited for`() throws {
        let harness = try Harness()
        let client = try harness.client()
        client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        harness.wait("the interim answer") { client.text == "HTTP/1.1 100 Continue\r\n\r\n" }
        client.send("ok")
        harness.wait("the end") { client.hasEnded }
        #expect(client.text.hasSuffix("\r\n\r\nPOST / ok"))
    }

    @Test func `HTTP 1.0 is kept only when it asks`() throws {
        let harness = try Harness()
        #expect(try harness.exchange("GET / HTTP/1.0\r\n\r\n") == Self.answer("GET / ", "Connection: close\r\n"))
        let client = try harness.client()
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        harness.wait("an answer") { client.text == Self.answer("GET / ", "Connection: keep-alive\r\n") }
        client.clear()
        client.send("GET /2 HTTP/1.0\r\n\r\n")
        harness.wait("the end") { client.hasEnded }
        #expect(client.text == Self.answer("GET /2 ", "Connection: close\r\n"))
    }

    @Test func `HEAD tells the length without the body`() throws {
        let harness = try Harness()
        let text = try harness.exchange("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(text.contains("Content-Length: 7\r\n"))
        #expect(text.hasSuffix("\r\n\r\n"))
    }

    @Test func `fields, parameters and cookies are found`() throws {
        let harness = try Harness()
        _ = try harness.exchange(
            "GET http://Host:81?a=1&token=a%20b%2Bc+d&bad=%2&t HTTP/1.1\r\nHost: other\r\nX-Mock: 1\r\ncookie: a=b; truthtable_token=\"s\"; c\r\n"
                + "Connection: close\r\n\r\n")
        let request = try #require(harness.requests.first)
        #expect(request.path == "/")
        #expect(request.authority == "Host:81")
        #expect(request["x-mock"] == "1")
        #expect(request["X-Moc"] == nil)
        #expect(request[.host] == "other")
        #expect(request.parameter("token") == "a b+c d")
        #expect(request.parameter("bad") == "%2")
        #expect(request.parameter("t") == "")
        #expect(request.parameter("to") == nil)
        #expect(request.cookie("truthtable_token") == "s")
        #expect(request.cookie("c") == nil)
        #expect(request.peer == "127.0.0.1")
        #expect(request.isLoopback)
    }

    @Test func `Unix sockets have no peer address and are local`() throws {
        let harness = try Harness()
        let path = "/tmp/inbound-test-\(getpid())-\(Instant.now.nanoseconds).sock"
        let index = try harness.server.listen(on: Descriptor(owning: try checked("listen", cl_listen_unix(path, 8))))
        defer { unlink(path) }
        let client = try Client(path: path)
        client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        harness.wait("the end") { client.hasEnded }
        let request = try #require(harness.requests.first)
        #expect(request.peer == "" && request.isLoopback && request.listener == index)
    }

    /// Whatever is sent, in whatever pieces: no trap, and an honest client is served afterwards. A failure shows its seed.
    @Test func `any bytes`() throws {
        let harness = try Harness(limits { $0.bodyBytes = 1000; $0.outputBytes = 1000; $0.lingerTime = .milliseconds(10) })
        for seed in UInt64(1)...150 {
            var random = Random(seed: seed)
            var bytes = Array(Self.pipelined.utf8)
            for _ in 0...Int(random.next() % 4) {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
                default: bytes.insert(contentsOf: bytes[0..<place], at: place)
                }
            }
            harness.answer = { server, request in
                switch random.next() % 8 {
                case 0:
                    server.beginStream(request.id, 200)
                    server.stream(request.id, request.body)
                    if random.next() % 2 == 0 { server.endStream(request.id) } else { server.close(request.id) }
                case 1: server.upgrade(request.id, RawSpan())
                case 2: server.abort(request.id, reset: false)
                default: Harness.echo(server, request)
                }
            }
            let client = try harness.client()
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int(random.next() % 40) + 1)
                client.send(Array(piece))
                rest = rest.dropFirst(piece.count)
                if random.next() % 2 == 0 { harness.turn() }
            }
            client.finishSending()
            guard harness.wait("the end, seed \(seed)", until: { client.hasEnded }) else { return }
        }
        harness.answer = Harness.echo
        #expect(try harness.exchange(AnswerTests.get).hasSuffix("GET / "))
        harness.wait("nothing is left") { harness.server.connectionCount == 0 }
        #expect(harness.server.heldBytes == 0 && harness.server.pool.usedBytes == 0)
    }
}

/// SplitMix64.
struct Random {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
