// Exchanges as data: who says what, and what must arrive. Every row runs whole, and cut at every byte on either side.
import Configuration
import EventLoop
import HTTP
import IPC
import Telemetry
import Testing

@testable import edge

extension Exchanges {
    /// One connection of a client, and what the upstream answers to each request.
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let request: String
        /// What the upstream gets, with `{UP}` for its address; the heads end with the proxy's own fields where `{+}` stands.
        let forwarded: String
        let answer: String
        /// What the client gets; `{+}` are the proxy's own fields.
        let answered: String
        var closes = false
        /// The upstream closes behind its answer.
        var upstreamCloses = false
        /// Body of the answer as it is captured; nil where nothing is.
        var captured: String?
        var testDescription: String { name }
    }

    static let plain = "GET /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\n\r\n"
    static let plainForwarded = "GET /a HTTP/1.1\r\n{UP}{+}\r\n"
    static let post = "POST /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\n"

    static let rows = [
        Row(
            name: "GET, length", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 200 OK\r\n{+}Content-Length: 2\r\n\r\nok"),
        Row(
            name: "POST, JSON", request: post + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            forwarded: "POST /a HTTP/1.1\r\n{UP}Content-Type: application/json\r\n{+}Content-Length: 2\r\n\r\n{}",
            answer: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
            answered: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{+}Content-Length: 2\r\n\r\n[]", captured: "[]"),
        Row(
            name: "HEAD", request: "HEAD /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\n\r\n", forwarded: "HEAD /a HTTP/1.1\r\n{UP}{+}\r\n",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", answered: "HTTP/1.1 200 OK\r\n{+}Content-Length: 200\r\n\r\n"),
        Row(
            name: "HEAD, chunked", request: "HEAD /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\n\r\n", forwarded: "HEAD /a HTTP/1.1\r\n{UP}{+}\r\n",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", answered: "HTTP/1.1 200 OK\r\n{+}\r\n"),
        Row(
            name: "204", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 204 No Content\r\n\r\n", answered: "HTTP/1.1 204 No Content\r\n{+}\r\n"),
        Row(
            name: "304", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n",
            answered: "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n{+}Content-Length: 9\r\n\r\n"),
        Row(
            name: "empty answer", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            answered: "HTTP/1.1 200 \r\n{+}Content-Length: 0\r\n\r\n"),
        Row(
            name: "interim answers", request: plain, forwarded: plainForwarded,
            answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n{+}Content-Length: 2\r\n\r\nok"),
        Row(
            name: "until close", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nhello",
            answered: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{+}Transfer-Encoding: chunked\r\n\r\n{chunked}", upstreamCloses: true, captured: "hello"),
        Row(
            name: "chunked with extensions and trailers", request: post + "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n",
            forwarded: "POST /a HTTP/1.1\r\n{UP}{+}Transfer-Encoding: chunked\r\n\r\n{chunked}",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n",
            answered: "HTTP/1.1 200 OK\r\n{+}Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        Row(
            name: "hop-by-hop fields", request: "GET /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nB: c\r\n\r\n",
            forwarded: "GET /a HTTP/1.1\r\n{UP}B: c\r\n{+}\r\n", answer: "HTTP/1.1 200 OK\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nA: b\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 200 OK\r\nA: b\r\n{+}Content-Length: 2\r\n\r\nok"),
        Row(
            name: "HTTP/1.0", request: "GET /a HTTP/1.0\r\nX-Request-ID: t\r\n\r\n", forwarded: plainForwarded,
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", answered: "HTTP/1.1 200 OK\r\n{+}Connection: close\r\n\r\nhello", closes: true),
        Row(
            name: "HTTP/1.0, kept", request: "GET /a HTTP/1.0\r\nX-Request-ID: t\r\nConnection: keep-alive\r\n\r\n", forwarded: plainForwarded,
            answer: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 200 OK\r\n{+}Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok"),
        Row(
            name: "close", request: "GET /a HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\nConnection: close\r\n\r\n", forwarded: plainForwarded,
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", answered: "HTTP/1.1 200 OK\r\n{+}Content-Length: 2\r\nConnection: close\r\n\r\nok", closes: true),
        Row(
            name: "upstream closes", request: plain, forwarded: plainForwarded, answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 200 OK\r\n{+}Content-Length: 2\r\n\r\nok", upstreamCloses: true),
        Row(
            name: "absolute form, query", request: "GET http://other:1/?q=1 HTTP/1.1\r\nHost: x\r\nX-Request-ID: t\r\n\r\n", forwarded: "GET /?q=1 HTTP/1.1\r\n{UP}{+}\r\n",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", answered: "HTTP/1.1 200 OK\r\n{+}Content-Length: 2\r\n\r\nok"),
        Row(
            name: "the upstream's own id", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 200 OK\r\nX-Request-ID: theirs\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 200 OK\r\nX-Request-ID: theirs\r\nX-TruthTable-Request-ID: t\r\nContent-Length: 2\r\n\r\nok"),
        Row(
            name: "bytes behind the answer", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            answered: "HTTP/1.1 204 No Content\r\n{+}\r\n"),
        Row(
            name: "101 unasked", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            answered: "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: 32\r\n{+}\r\n{\"error\":\"upstream unavailable\"}"),
        Row(
            name: "both lengths", request: plain, forwarded: plainForwarded, answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            answered: "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: 32\r\n{+}\r\n{\"error\":\"upstream unavailable\"}"),
    ]

    @Suite(.serialized) struct Table {
        /// `{chunked}` stands for a chunked body, however it is cut: its data is compared instead.
        private func matches(_ bytes: [UInt8], _ expected: String, isAnswer: Bool) -> Bool {
            let parts = expected.split(separator: "{chunked}", omittingEmptySubsequences: false)
            guard parts.count == 2 else { return bytes.elementsEqual(expected.utf8) }
            guard bytes.starts(with: parts[0].utf8) else { return false }
            let list = isAnswer ? readAnswers(bytes, to: [.get]).list : read(bytes) { parser, span, position throws(HTTPError) in try parser.parseRequest(span, from: &position) }.list
            return list.count == 1 && list[0].isWhole && list[0].body.elementsEqual((isAnswer ? "hello" : "abc").utf8)
        }

        private func run(_ world: World, _ row: Row, requestCut: Int? = nil, answerCut: Int? = nil) throws {
            let name = "\(row.name), cut at \(requestCut.map { "\($0) of the request" } ?? "-"), \(answerCut.map { "\($0) of the answer" } ?? "-")"
            let captured = world.captures.count
            let connection = world.upstreams.count
            let client = try world.connect()
            let request = Array(row.request.utf8)
            if let cut = requestCut {
                client.say(Array(request[..<cut]))
                world.turn()
                client.say(Array(request[cut...]))
            } else {
                client.say(request)
            }
            let proxyFields = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Request-ID: t\r\nUser-Agent: TruthTable-Proxy/1.0\r\n"
            let forwarded = row.forwarded.replacing("{UP}", with: "Host: 127.0.0.1:\(world.upstreamPort)\r\n").replacing("{+}", with: proxyFields)
            let upstream = try world.upstream(connection)
            guard world.wait("\(name): the request, got \(upstream.text)", { matches(upstream.received, forwarded, isAnswer: false) }) else { return }
            let answer = Array(row.answer.utf8)
            if let cut = answerCut {
                upstream.say(Array(answer[..<cut]))
                world.turn()
                upstream.say(Array(answer[cut...]))
            } else {
                upstream.say(answer)
            }
            if row.upstreamCloses { upstream.close() }
            let answered = row.answered.replacing("{+}", with: row.name == "the upstream's own id" ? "" : "X-TruthTable-Request-ID: t\r\nX-Request-ID: t\r\n")
            guard world.wait("\(name): the answer, got \(client.text)", { matches(client.received, answered, isAnswer: true) && (client.end != nil) == row.closes }) else { return }
            world.turn()
            #expect((client.end != nil) == row.closes, "\(name)")
            world.settle(name)
            #expect(world.captures.count == captured + (row.captured == nil ? 0 : 1), "\(name)")
            if let body = row.captured, let capture = world.captures.last {
                #expect(capture.responseBody.elementsEqual(body.utf8) && capture.requestID == "t" && capture.head.flags == [], "\(name)")
                #expect(row.request.hasSuffix(String(decoding: capture.requestBody, as: UTF8.self)), "\(name)")
            }
        }

        @Test(arguments: rows) func `what is said arrives, wherever it is cut`(_ row: Row) throws {
            let world = try World()
            try run(world, row)
            for cut in 1..<row.request.utf8.count { try run(world, row, requestCut: cut) }
            for cut in 1..<row.answer.utf8.count where !row.name.hasPrefix("bytes behind") || cut >= 27 { try run(world, row, answerCut: cut) }
        }

        /// Each row's answer breaks off at every byte: the client sees 502, or a beginning of the answer and its cut.
        @Test(arguments: rows.filter { !$0.upstreamCloses && !$0.answered.hasPrefix("HTTP/1.1 502") && !$0.name.hasPrefix("bytes behind") })
        func `an answer that breaks off is a failure or a visible cut`(_ row: Row) throws {
            let world = try World()
            let method: Method = row.request.hasPrefix("HEAD") ? .head : row.request.hasPrefix("POST") ? .post : .get
            for cut in 0..<row.answer.utf8.count {
                for reset in [true, false] {
                    let client = try world.connect()
                    let connection = world.upstreams.count
                    client.say(row.request)
                    let upstream = try world.upstream(connection)
                    world.wait("\(row.name): the request") { upstream.has("\r\n\r\n") }
                    upstream.say(Array(row.answer.utf8.prefix(cut)))
                    if cut > 0 { world.turn() }
                    if reset { upstream.reset() } else { upstream.close() }
                    world.wait("\(row.name), cut at \(cut): an end, got \(client.text)") { client.has("HTTP/1.1 502 ") || client.end != nil }
                    let (list, error) = readAnswers(client.received, to: [method])
                    #expect(error == nil, "\(row.name), cut at \(cut)")
                    let last = list.last
                    #expect(last?.status == 502 || last?.isWhole == false || cut == 0 || last == nil, "\(row.name), cut at \(cut): \(client.text)")
                    world.settle("\(row.name), cut at \(cut)")
                }
            }
        }

        /// And the client leaves at every byte of its request and of its answer.
        @Test(arguments: rows) func `a client that leaves leaves nothing behind`(_ row: Row) throws {
            let world = try World()
            for cut in stride(from: 1, to: row.request.utf8.count, by: 7) {
                let client = try world.connect()
                client.say(Array(row.request.utf8.prefix(cut)))
                world.turn()
                if cut % 2 == 0 { client.reset() } else { client.close() }
                world.settle("\(row.name), left at \(cut)")
            }
            for cut in stride(from: 1, to: row.answer.utf8.count, by: 7) {
                let client = try world.connect()
                let connection = world.upstreams.count
                client.say(row.request)
                let upstream = try world.upstream(connection)
                upstream.say(Array(row.answer.utf8.prefix(cut)))
                world.turn()
                if cut % 2 == 0 { client.reset() } else { client.close() }
                upstream.say(Array(row.answer.utf8.dropFirst(cut)))
                world.settle("\(row.name), left at \(cut) of the answer")
            }
        }

        // MARK: Others

        @Test func `clients may not say who forwarded for them, only add`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(head("GET /a HTTP/1.1", "Host: x", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "X-Forwarded-For: 2.2.2.2", "Connection: X-Forwarded-For", "User-Agent: me", "X-Request-ID: bad id"))
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            #expect(upstream.has("\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Request-ID: req_"))
            #expect(!upstream.has("https") && !upstream.has("bad id") && !upstream.has("TruthTable-Proxy"))
            world.settle()
        }

        @Test func `requests sent ahead are answered in order over one connection`() throws {
            let world = try World()
            let client = try world.connect()
            client.say((0..<20).map { "POST /\($0) HTTP/1.1\r\nHost: x\r\nX-Request-ID: n\($0)\r\nContent-Length: 3\r\n\r\nabc" }.joined())
            let upstream = try world.upstream(0)
            for number in 0..<20 {
                world.wait("request \(number)") { requests(upstream.received).filter(\.isWhole).count == number + 1 }
                upstream.say("HTTP/1.1 200 OK\r\nContent-Length: \(String(number).utf8.count)\r\n\r\n\(number)")
            }
            world.wait("all answers") { answers(client.received, to: Array(repeating: .post, count: 20)).filter(\.isWhole).count == 20 }
            #expect(answers(client.received, to: Array(repeating: .post, count: 20)).map { String(decoding: $0.body, as: UTF8.self) } == (0..<20).map(String.init))
            #expect(world.upstreams.count == 1)
            world.settle()
        }

        @Test func `100-continue goes both ways`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            let upstream = try world.upstream(0)
            world.wait("the head") { upstream.has("Expect: 100-continue\r\n") && upstream.ends(with: "\r\n\r\n") }
            upstream.say("HTTP/1.1 100 Continue\r\n\r\n")
            world.wait("100") { client.text == "HTTP/1.1 100 Continue\r\n\r\n" }
            client.say("abc")
            world.wait("the body") { upstream.ends(with: "abc") }
            upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            world.wait("the answer") { client.ends(with: "ok") && client.end == nil }
            world.settle()
        }

        @Test(arguments: ["Content-Length: 1000", "Transfer-Encoding: chunked"]) func `an answer may end before its request: both connections end with it`(_ framing: String) throws {
            let world = try World()
            let client = try world.connect()
            client.say(post + "\(framing)\r\n\r\n" + (framing.hasPrefix("T") ? "3\r\nabc\r\n" : "abc"))
            let upstream = try world.upstream(0)
            world.wait("a part of the request") { upstream.has("abc") }
            upstream.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
            world.wait("the answer and the ends") { client.ends(with: "no") && client.end != nil && upstream.end != nil }
            client.say([UInt8](repeating: 65, count: 1 << 20))
            world.turns()
            #expect(client.end == .closed)
            world.settle()
        }

        @Test func `the client's end in the middle of a request reaches the upstream`() throws {
            for reset in [true, false] {
                let world = try World()
                let client = try world.connect()
                client.say(post + "Content-Length: 1000\r\n\r\nabc")
                let upstream = try world.upstream(0)
                world.wait("a part of the request") { upstream.ends(with: "abc") }
                if reset { client.reset() } else { client.finish() }
                world.wait("the end") { upstream.end != nil }
                #expect(world.slot.value(.clientAborts) == 1 && world.slot.value(.upstreamFailures) == 0)
                world.settle()
            }
        }

        @Test func `a client that leaves during an answer is captured as such`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(plain)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.has("\r\n\r\n") }
            upstream.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n[1")
            world.wait("the beginning") { client.ends(with: "[1") }
            client.close()
            world.wait("the end") { upstream.end != nil }
            world.settle()
            let capture = try #require(world.captures.first)
            #expect(capture.head.flags == [.clientAborted, .responseTruncated] && capture.responseBody.elementsEqual("[1".utf8))
        }

        @Test func `clients wait for a name, send on and leave meanwhile`() throws {
            let names = Names()
            let world = try World(host: "upstream.test", names: names)
            let whole = try world.connect()
            whole.say(plain)
            let chunked = try world.connect()
            chunked.say(post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            let gone = try world.connect()
            gone.say(plain)
            world.turns()
            gone.close()
            world.wait("one client fewer") { world.clientCount == 2 }
            let successor = try world.connect()
            successor.say(plain)
            chunked.say("3\r\ndef\r\n0\r\n\r\n")
            world.turns()
            #expect(world.upstreams.isEmpty)
            names.become(.found(["127.0.0.1"]))
            world.wait("three connections with whole requests") { world.upstreams.count == 3 && world.upstreams.allSatisfy { requests($0.received).first?.isWhole == true } }
            #expect(world.upstreams.flatMap { requests($0.received) }.map { String(decoding: $0.body, as: UTF8.self) }.sorted() == ["", "", "abcdef"])
            for upstream in world.upstreams { upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }
            world.wait("three answers") { [whole, chunked, successor].allSatisfy { $0.ends(with: "ok") } }
            world.settle()
        }

        @Test func `a name without addresses is 502, and the next request is read`() throws {
            let names = Names()
            names.become(.failed("no such name"))
            let world = try World(host: "upstream.test", names: names)
            let client = try world.connect()
            client.say(plain + head("GET /health HTTP/1.1", "Host: x"))
            world.wait("both answers") { client.has("HTTP/1.1 502 ") && client.has("HTTP/1.1 200 ") }
            world.settle()
        }

        // MARK: Test mode

        @Test(arguments: ["Content-Length", "Transfer-Encoding"]) func `test mode answers tests and forwards all else as it came`(_ framing: String) throws {
            func request(_ body: String) -> String {
                let chunks = body.isEmpty ? "" : "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n"
                return post + (framing == "Content-Length" ? "Content-Length: \(body.utf8.count)\r\n\r\n\(body)" : "Transfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n")
            }
            let world = try World(World.settings { $0.testMode = true })
            let client = try world.connect()
            client.say(request(#"{"model":"m","test_response":"An answer."}"#))
            world.wait("the test's answer") { client.has("An answer.") }
            #expect(world.upstreams.isEmpty)
            for (index, body) in ["{}", "", "x", String(repeating: "y", count: 70_000), String(repeating: "z", count: 200_000)].enumerated() {
                client.forget()
                client.say(request(body))
                let upstream = try world.upstream(0)
                world.wait("request \(index)") { requests(upstream.received).filter(\.isWhole).count == 1 && (framing == "Content-Length" || upstream.ends(with: "0\r\n\r\n")) }
                world.turns(3)
                let list = requests(upstream.received)
                #expect(list.count == 1 && list[0].body.elementsEqual(body.utf8), "body \(index)")
                #expect(upstream.received.count(of: "0\r\n\r\n") <= 1, "body \(index)")
                upstream.forget()
                upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                world.wait("answer \(index)") { client.ends(with: "ok") }
            }
            world.settle()
            let capture = try #require(world.captures.first)
            #expect(world.captures.count == 1 && capture.head.flags == .testMode && capture.responseFields == "Content-Type: application/json\r\n")
        }

        /// Heads are written in place where they fit into a block of memory, and elsewhere where they do not.
        @Test func `heads of any length arrive whole, also behind each other`() throws {
            let world = try World()
            let client = try world.connect()
            for size in [1, 1000, 2500, 3000, 3500, 3700, 3800, 3850, 3900, 3950, 4000, 4079, 4080, 4081, 5000, 9000, 20_000] {
                let long = "A: \(String(repeating: "a", count: size))"
                let request = head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", long, "Content-Length: 3") + "abc"
                let answer = head("HTTP/1.1 200 OK", long, "Content-Length: 2") + "ok"
                client.say(request + request)
                for round in 1...2 {
                    let upstream = try world.upstream(0)
                    let expected = forwarded(world, "POST /a HTTP/1.1", [long], framing: ["Content-Length: 3"]) + "abc"
                    world.wait("request \(round) of \(size)") { upstream.received.count >= expected.utf8.count }
                    #expect(upstream.text == expected)
                    upstream.forget()
                    upstream.say(answer)
                }
                let expected = answered("HTTP/1.1 200 OK", [long], framing: ["Content-Length: 2"]) + "ok"
                world.wait("answers of \(size)") { client.received.count >= 2 * expected.utf8.count }
                #expect(client.text == expected + expected)
                client.forget()
            }
            world.settle()
        }

        @Test func `a head that is too long is refused, on either side`() throws {
            let world = try World(World.settings { $0.maxHeadBytes = 8192 })
            let client = try world.connect()
            client.say(head("GET /a HTTP/1.1", "Host: x", "A: \(String(repeating: "a", count: 8192))"))
            world.wait("the refusal") { client.has("HTTP/1.1 431 ") }
            let second = try world.connect()
            second.say(plain)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(head("HTTP/1.1 200 OK", "A: \(String(repeating: "a", count: 8192))"))
            world.wait("the failure") { second.has("HTTP/1.1 502 ") }
            world.settle()
        }

        // MARK: The product's own

        @Test func `a request that none may make is answered once`() throws {
            let world = try World(World.settings { $0.maxRequestBodyBytes = 100 })
            for (request, status) in [
                (post + "Content-Length: 101\r\n\r\n", 413), ("GET /a HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
                ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501), ("GET / HTTP/2.0\r\n\r\n", 505), (post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
                (post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400), (post + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
                ("GET /\(String(repeating: "a", count: 20_000)) HTTP/1.1\r\nHost: x\r\n\r\n", 414), ("\u{16}\u{03}\u{01}", 400), ("GET / HTTP/1.1\nHost: x\n\n", 400),
                (post + "Content-Length: 1\r\nConnection: content-length\r\n\r\n", 400),
            ] {
                let client = try world.connect()
                client.say(request + head("GET /health HTTP/1.1", "Host: x"))
                world.wait("\(status) for \(request.prefix(60))") { client.end != nil }
                let list = answers(client.received, to: [.other])
                #expect(list.count == 1 && Int(list[0].status) == status && list[0].isWhole && client.has("Connection: close\r\n"), "\(request.prefix(60)): \(client.text)")
                world.settle()
            }
            #expect(world.upstreams.isEmpty)
        }

        @Test func `dashboards' paths go to the broadcaster, and fail by themselves`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(head("GET /ws HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"))
            world.wait("502 without a broadcaster") { client.has("HTTP/1.1 502 ") }
            try world.serveDashboards()
            client.forget()
            client.say(head("GET /api/ws HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"))
            world.wait("the request") { world.dashboards.first?.ends(with: "\r\n\r\n") ?? false }
            let dashboard = try #require(world.dashboards.first)
            #expect(dashboard.has("Host: broadcaster\r\n") && dashboard.has("Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            dashboard.say(head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket") + "event")
            world.wait("101 and the first event") { client.has("HTTP/1.1 101 ") && client.ends(with: "event") }
            dashboard.close()
            world.wait("the end") { client.end != nil }
            world.settle()
        }
    }
}
