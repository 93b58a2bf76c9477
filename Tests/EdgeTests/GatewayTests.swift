// Several upstreams, callers with keys, pages of other origins, as whole exchanges.
import CLinux
import Configuration
import EventLoop
import Glibc
import Inbound
import Outbound
import Testing

@testable import Telemetry
@testable import edge

/// A port that refuses connections: bound, and not listened on.
private final class ClosedPort {
    private let descriptor: Descriptor
    let number: UInt16

    init() throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        _ = withUnsafePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) } }
        descriptor = Descriptor(owning: socket)
        number = UInt16(cl_local_port(socket))
    }
}

private func upstream(_ port: UInt16, key: String? = nil, field: UpstreamKey.Field = .authorization, base: String = "") -> Upstream {
    var upstream = Upstream(UpstreamURL(isTLS: false, host: "127.0.0.1", port: Int(port), basePath: base))
    upstream.key = key.map { .value($0) }
    upstream.keyField = field
    return upstream
}

/// Connections to it fail at once: there is no TCP with many.
private func unreachable(base: String = "") -> Upstream { Upstream(UpstreamURL(isTLS: false, host: "224.0.0.1", port: 1, basePath: base)) }

private func named(_ host: String, _ port: UInt16) -> Upstream { Upstream(UpstreamURL(isTLS: false, host: host, port: Int(port), basePath: "")) }

private func routes(_ text: String) -> RouteList {
    do { return try Settings(pairs: [("TRUTHTABLE_ROUTES", text)]).routes } catch { preconditionFailure("\(error)") }
}

private func hash(_ key: String) -> [UInt8] { Array(key.utf8).withUnsafeBytes { CallerKey.Hash(of: $0).bytes } }

extension Exchanges {
    @Suite(.serialized) struct Gateways {
        private let ok = head("HTTP/1.1 200 OK", "Content-Type: application/json", "Content-Length: 2") + "{}"
        private let closed: ClosedPort

        init() throws { closed = try ClosedPort() }

        private func post(_ body: String = "{}", _ fields: String..., path: String = "/v1/chat/completions") -> String {
            (["POST \(path) HTTP/1.1", "Host: localhost", "X-Request-ID: t"] + fields + ["Content-Length: \(body.utf8.count)"]).map { $0 + "\r\n" }.joined() + "\r\n" + body
        }

        private func answer(_ world: World, _ client: Peer, _ upstream: Peer) {
            upstream.say(ok)
            world.wait("the answer") { client.ends(with: "{}") }
        }

        // MARK: Failover

        @Test func `a request that could not be sent goes to another upstream, with a head made for it`() throws {
            let closed = closed.number
            let world = try World { settings, port in
                settings.upstreams = UpstreamList([upstream(closed, key: "first-key", base: "/one"), upstream(port, key: "second-key", field: .xAPIKey, base: "/two")])
                settings.serveAnyone = true
            }
            for _ in 0..<2 {
                let client = try world.connect()
                client.say(post("{\"a\":1}", "Authorization: Bearer mine", "X-API-Key: mine"))
                let peer = try world.upstream(world.upstreams.count)
                world.wait("the request") { peer.ends(with: "{\"a\":1}") }
                let text = String(decoding: peer.received, as: UTF8.self)
                #expect(text.hasPrefix("POST /two/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:\(world.upstreamPort)\r\n"))
                #expect(text.contains("\r\nx-api-key: second-key\r\n"))
                #expect(!text.contains("first-key") && !text.contains("mine"))
                answer(world, client, peer)
                peer.close()
                world.turns(3)
            }
            #expect(world.slot.value(.upstreamFailovers) >= 1 && world.slot.value(.upstreamFailures) == 0)
            world.settle()
        }

        @Test func `a chunked body that waits goes along, whole and once`() throws {
            let closed = closed.number
            let world = try World { settings, port in settings.upstreams = UpstreamList([upstream(closed), upstream(port)]) }
            let client = try world.connect()
            client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", "Transfer-Encoding: chunked") + "3\r\nabc\r\n")
            let peer = try world.upstream(0)
            client.say("2\r\nde\r\n0\r\n\r\n")
            world.wait("the request") { peer.ends(with: "0\r\n\r\n") }
            let message = requests(peer.received)
            #expect(message.count == 1 && message[0].body == Array("abcde".utf8) && message[0].isWhole)
            answer(world, client, peer)
            world.settle()
        }

        @Test func `nothing that was sent is sent to another upstream`() throws {
            let world = try World { settings, port in settings.upstreams = UpstreamList([upstream(port), upstream(port, base: "/other")]) }
            let client = try world.connect()
            client.say(post("{\"a\":1}"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{\"a\":1}") }
            peer.close()
            world.wait("the refusal") { client.ends(with: "{\"error\":\"upstream unavailable\"}") }
            #expect(world.upstreams.count == 1 && world.slot.value(.upstreamFailovers) == 0)
            world.settle()
        }

        @Test func `a name that is not found is passed by, and so is what waited for it`() throws {
            let names = Names()
            let world = try World(names: names) { settings, port in
                settings.upstreams = UpstreamList([Upstream(UpstreamURL(isTLS: false, host: "nowhere.test", port: 1, basePath: "")), upstream(port)])
            }
            let client = try world.connect()
            client.say(post("{\"a\":1}"))
            world.turns(5)
            names.become(.failed("no such name"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{\"a\":1}") }
            #expect(requests(peer.received).count == 1)
            answer(world, client, peer)
            world.settle()
        }

        @Test func `without another upstream the answer is 502 with the request's id`() throws {
            let closed = closed.number
            let world = try World { settings, _ in settings.upstreams = UpstreamList([upstream(closed), upstream(closed, base: "/b")]) }
            let client = try world.connect()
            client.say(post())
            world.wait("the refusal") { client.ends(with: "{\"error\":\"upstream unavailable\"}") }
            #expect(client.received.count(of: "HTTP/1.1 502 Bad Gateway\r\n") == 1 && client.received.count(of: "\r\nX-Request-ID: t\r\n") == 1)
            world.settle()
        }

        @Test func `a chunked body that was held stands before its end, whichever upstream gets it`() throws {
            let world = try World { settings, port in
                settings.routes = routes("model llama* => http://224.0.0.1:1, http://127.0.0.1:\(port)")
            }
            let body = "{\"model\":\"llama3\"}"
            for number in 1...2 {
                let client = try world.connect()
                client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", "Transfer-Encoding: chunked") + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
                let peer = try world.upstream(0)
                world.wait("request \(number)") { peer.received.count(of: "POST /a ") == number && peer.ends(with: "0\r\n\r\n") }
                let messages = requests(peer.received)
                #expect(messages.count == number && messages.last?.body == Array(body.utf8), "\(String(decoding: peer.received, as: UTF8.self))")
                answer(world, client, peer)
            }
            #expect(world.slot.value(.upstreamFailovers) >= 1)
            world.settle()
        }

        @Test(arguments: ["Content-Length: 3", "Transfer-Encoding: chunked"]) func `one head goes to an upstream whose addresses were waited for after another failed at once`(_ framing: String) throws {
            let names = Names()
            let world = try World(names: names) { settings, port in settings.upstreams = UpstreamList([unreachable(base: "/elsewhere"), unreachable(), named("later.test", port)]) }
            let client = try world.connect()
            client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", framing) + (framing.contains("chunked") ? "3\r\nabc\r\n0\r\n\r\n" : "abc"))
            world.turns(5)
            names.become(.found(["127.0.0.1"]))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "abc") || peer.ends(with: "0\r\n\r\n") }
            let messages = requests(peer.received)
            #expect(messages.count == 1 && messages.first?.body == Array("abc".utf8), "\(String(decoding: peer.received, as: UTF8.self))")
            answer(world, client, peer)
            world.settle()
        }

        @Test func `a chunked body that waited for addresses goes to the third upstream as it is`() throws {
            let names = Names()
            let world = try World(names: names) { settings, port in
                settings.routes = routes("model llama* => http://nowhere.test:1, http://224.0.0.1:1, http://127.0.0.1:\(port)")
            }
            let body = "{\"model\":\"llama3\"}"
            let client = try world.connect()
            client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", "Transfer-Encoding: chunked") + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
            world.turns(5)
            names.become(.failed("no such name"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "0\r\n\r\n") }
            let messages = requests(peer.received)
            #expect(messages.count == 1 && messages.first?.body == Array(body.utf8), "\(String(decoding: peer.received, as: UTF8.self))")
            answer(world, client, peer)
            world.settle()
        }

        @Test func `a client has its whole time for a body after a look-up took too long`() throws {
            let names = Names()
            defer { names.become(.failed("at last")) }
            let world = try World(names: names) { settings, port in
                settings.connectTimeout = .milliseconds(50)
                settings.upstreams = UpstreamList([named("slow.test", 1), upstream(port)])
            }
            let client = try world.connect()
            client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", "Content-Length: 5") + "ab")
            let peer = try world.upstream(0)
            world.wait("the beginning") { peer.ends(with: "ab") }
            world.turns()
            #expect(client.received.isEmpty)
            client.say("cde")
            world.wait("the rest") { peer.ends(with: "abcde") }
            answer(world, client, peer)
            world.settle()
        }

        @Test func `look-ups of other hosts give no more time to one that hangs`() throws {
            let names = Names()
            defer { names.become(.failed("at last")) }
            let world = try World(names: names) { settings, _ in
                settings.connectTimeout = .milliseconds(100)
                settings.upstreams = UpstreamList([named("slow.test", 1)])
            }
            let client = try world.connect()
            client.say(post())
            world.wait("the refusal") {
                world.proxy.resolved()
                return client.ends(with: "unavailable\"}")
            }
            world.settle()
        }

        // MARK: The breaker

        @Test func `an upstream that fails is left alone, tried again by one request, and used again`() throws {
            let world = try World { settings, _ in
                settings.breakerFaults = 3
                settings.breakerOpenTime = .milliseconds(200)
            }
            func breaker() -> CircuitBreaker.State { world.proxy.targets[0].pointee.breaker.state(now: .now) }
            for number in 0..<3 {
                let client = try world.connect()
                client.say(post())
                let peer = try world.upstream(number)
                world.wait("the request") { peer.ends(with: "{}") }
                peer.say("This is no HTTP.\r\n\r\n")
                world.wait("the refusal") { client.ends(with: "unavailable\"}") }
            }
            #expect(breaker() == .open)
            let refused = try world.connect()
            refused.say(post())
            world.wait("the refusal") { refused.ends(with: "unavailable\"}") }
            #expect(world.upstreams.count == 3)
            world.wait("the breaker's time") { breaker() == .halfOpen }
            // The trial's client leaves: the next request is the trial.
            let gone = try world.connect()
            gone.say(post())
            _ = try world.upstream(3)
            gone.reset()
            world.wait("the client to go") { world.proxy.targets[0].pointee.breaker.refuses(now: .now) == nil }
            let trial = try world.connect()
            trial.say(post())
            let peer = try world.upstream(4)
            let second = try world.connect()
            second.say(post())
            world.wait("the second to be refused") { second.ends(with: "unavailable\"}") }
            world.wait("the trial") { peer.ends(with: "{}") }
            peer.say(ok)
            world.wait("the answer") { trial.ends(with: "{}") && trial.received.count(of: "200 OK") == 1 }
            #expect(breaker() == .closed)
            world.settle()
        }

        /// It may wait for the body, of which it was told that it comes when it is asked for.
        @Test func `a client that waits to be told to go on is no fault of its upstream`() throws {
            let world = try World { settings, _ in
                settings.breakerFaults = 1
                settings.upstreamTimeout = .milliseconds(200)
            }
            let client = try world.connect()
            client.say(head("POST /a HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 2"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.has("Expect: 100-continue") }
            world.wait("the end") { client.has("HTTP/1.1 502 ") }
            #expect(world.proxy.targets[0].pointee.breaker.state(now: .now) == .closed)
            // One that has all of the request and says nothing is.
            let other = try world.connect()
            other.say(post())
            world.wait("the end") { other.has("HTTP/1.1 502 ") }
            #expect(world.proxy.targets[0].pointee.breaker.state(now: .now) == .open)
            world.settle()
        }

        // MARK: Routes

        @Test func `requests go by path and by model`() throws {
            let closed = closed.number
            let world = try World { settings, port in
                settings.upstreams = UpstreamList([upstream(closed)])
                settings.routes = routes("/v1/messages => http://127.0.0.1:\(port)/by-path; model llama* => http://127.0.0.1:\(port)/by-model")
            }
            let client = try world.connect()
            client.say(post(path: "/v1/messages"))
            let peer = try world.upstream(0)
            world.wait("the first") { peer.received.count(of: "POST /by-path/v1/messages HTTP/1.1\r\n") == 1 }
            answer(world, client, peer)
            client.forget()
            peer.forget()
            // The model comes late, in pieces, in chunks, after 100 Continue: all of the body arrives.
            let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"\(String(repeating: "x", count: 9000))\"}],\"model\":\"llama3\"}"
            client.say(head("POST /v1/chat/completions HTTP/1.1", "Host: x", "X-Request-ID: t", "Expect: 100-continue", "Transfer-Encoding: chunked"))
            world.wait("to be told to go on") { client.ends(with: "100 Continue\r\n\r\n") }
            let bytes = Array(body.utf8)
            for start in stride(from: 0, to: bytes.count, by: 1000) {
                let piece = bytes[start..<min(start + 1000, bytes.count)]
                client.say(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
                world.turns(2)
            }
            client.say("0\r\n\r\n")
            let other = try world.upstream(1)
            world.wait("the second") { other.ends(with: "0\r\n\r\n") }
            let message = try #require(requests(other.received).first)
            #expect(message.head.hasPrefix("POST /by-model/v1/chat/completions HTTP/1.1\r\n") && !message.head.contains("Expect"))
            #expect(message.body == bytes)
            answer(world, client, other)
            client.forget()
            // Another model has the default upstream, which refuses.
            client.say(post("{\"model\":\"gpt-4\"}"))
            world.wait("the refusal") { client.ends(with: "unavailable\"}") }
            world.settle()
        }

        @Test func `idle connections to some upstreams make room for those to others`() throws {
            let world = try World { settings, port in
                settings.maxConnections = 2
                settings.upstreamIdleConnections = 1
                settings.routes = routes((0..<5).map { "/\($0) => http://127.0.0.1:\(port)/to-\($0)" }.joined(separator: ";"))
            }
            let client = try world.connect()
            for number in 0..<5 {
                client.forget()
                client.say(post(path: "/\(number)"))
                world.wait("request \(number)") { world.upstreams.contains { $0.received.count(of: "POST /to-\(number)/") == 1 && $0.ends(with: "{}") } || client.ends(with: "}") }
                for peer in world.upstreams where peer.received.count(of: "POST /to-\(number)/") == 1 { peer.say(ok) }
                world.wait("answer \(number)") { client.ends(with: "}") }
                #expect(client.received.count(of: "200 OK") == 1, "\(number)")
            }
            world.settle()
        }

        // MARK: Callers

        private func keyed(_ world: World, _ entries: [CallerKeyEntry]) { world.proxy.gateway.callers.replace(with: entries) }

        private func entry(_ name: String, perMinute: Int? = nil, streams: Int? = nil) -> CallerKeyEntry {
            CallerKeyEntry(name: name, hash: hash("key-of-" + name), requestsPerMinute: perMinute, concurrentStreams: streams, created: "now")
        }

        @Test(arguments: ["Authorization: Bearer key-of-alice", "authorization: bearer   key-of-alice", "x-api-key: key-of-alice", "API-Key: key-of-alice", "x-api-key: other\r\nX-API-Key: key-of-alice\r\nAuthorization: Bearer key-of-alice"])
        func `a key lets its caller in, and goes no further`(_ field: String) throws {
            let world = try World { settings, _ in settings.keysFile = "/nowhere" }
            keyed(world, [entry("alice")])
            let client = try world.connect()
            client.say(post("{}", field, "X-Other: kept"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{}") }
            #expect(peer.received.count(of: "key-of-alice") == 0 && peer.received.count(of: "X-Other: kept") == 1)
            answer(world, client, peer)
            world.wait("the capture") { world.captures.count == 1 }
            #expect(world.captures.first?.caller == "alice")
            #expect(world.captures.first?.upstream == "http://127.0.0.1:\(world.upstreamPort)")
            #expect(world.captures.first?.requestFields.contains("key-of") == false)
            world.settle()
        }

        @Test(arguments: [[], ["Authorization: Bearer wrong"], ["Authorization: Basic key-of-alice"], ["x-api-key: key-of-alic"], ["X-API-Key: "]]) func `others are refused in OpenAI's form`(_ fields: [String]) throws {
            let world = try World { settings, _ in settings.keysFile = "/nowhere" }
            keyed(world, [entry("alice")])
            let client = try world.connect()
            client.say((["GET /v1/models HTTP/1.1", "Host: x", "X-Request-ID: t"] + fields).map { $0 + "\r\n" }.joined() + "\r\n")
            world.wait("the refusal") { client.ends(with: "_api_key\"}}") }
            let said = try #require(answers(client.received, to: [.get]).first)
            #expect(said.status == 401 && said.head.contains("WWW-Authenticate: Bearer\r\n"))
            #expect(String(decoding: said.body, as: UTF8.self).hasPrefix("{\"error\":{\"message\":\"The TruthTable key"))
            // Health is everybody's.
            client.forget()
            client.say(head("GET /health HTTP/1.1", "Host: x"))
            world.wait("health") { client.received.count(of: "200 OK") == 1 }
            #expect(world.upstreams.isEmpty)
            world.settle()
        }

        @Test func `limits answer 429 and say when to come again`() throws {
            let world = try World { settings, _ in settings.keysFile = "/nowhere" }
            keyed(world, [entry("alice", perMinute: 2), entry("bob", streams: 1)])
            let client = try world.connect()
            for number in 0..<2 {
                client.say(post("{}", "x-api-key: key-of-alice"))
                let peer = try world.upstream(0)
                world.wait("request \(number)") { requests(peer.received).count == number + 1 && peer.ends(with: "{}") }
                peer.say(ok)
                world.wait("answer \(number)") { client.received.count(of: "200 OK") == number + 1 }
            }
            client.forget()
            client.say(post("{}", "x-api-key: key-of-alice"))
            world.wait("the refusal") { client.ends(with: "}}") }
            let said = try #require(answers(client.received, to: [.post]).first)
            #expect(said.status == 429)
            for line in ["Retry-After: 30", "RateLimit-Policy: \"requests\";q=2;w=60", "RateLimit: \"requests\";r=0;t=30"] { #expect(said.head.contains(line + "\r\n"), "\(said.head)") }

            let first = try world.connect()
            first.say(post("{}", "x-api-key: key-of-bob"))
            let second = try world.connect()
            let peer = try world.upstream(0)
            world.wait("the first") { requests(peer.received).count == 3 && peer.ends(with: "{}") }
            second.say(post("{}", "x-api-key: key-of-bob"))
            world.wait("the refusal") { second.received.count(of: "RateLimit-Policy: \"streams\";q=1;qu=\"concurrent-requests\"\r\n") == 1 }
            // A client that leaves gives its stream back.
            first.reset()
            world.wait("the client to go") { world.clientCount == 2 }
            second.forget()
            second.say(post("{}", "x-api-key: key-of-bob"))
            let next = try world.upstream(1)
            world.wait("the second") { next.ends(with: "{}") }
            answer(world, second, next)
            world.settle()
        }

        @Test func `a caller that is named anew while a request is under way leaves no stream behind`() throws {
            let world = try World { settings, _ in settings.keysFile = "/nowhere" }
            keyed(world, [entry("alice")])
            let client = try world.connect()
            client.say(post("{}", "x-api-key: key-of-alice"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{}") }
            func streams() -> [UInt64] { (0..<2).map { world.slot.value(Rows.caller($0) + Rows.nameCells + CallerFigure.streamsOpen.rawValue) } }
            #expect(streams() == [1, 0])
            keyed(world, [CallerKeyEntry(name: "alicia", hash: hash("key-of-alice"), requestsPerMinute: nil, concurrentStreams: nil, created: "now")])
            answer(world, client, peer)
            #expect(streams() == [0, 0])
            world.settle()
        }

        // MARK: Callers without keys

        @Test func `our key is spent for this machine only`() throws {
            let world = try World { settings, port in settings.upstreams = UpstreamList([upstream(port, key: "ours")]) }
            func status(_ fields: String..., host: String = "localhost:8080") throws -> UInt16 {
                let client = try world.connect()
                client.say((["GET /v1/models HTTP/1.1", "Host: \(host)", "X-Request-ID: t"] + fields).map { $0 + "\r\n" }.joined() + "\r\n")
                var sent = 0
                world.wait("an answer") {
                    if let peer = world.upstreams.last, requests(peer.received).count > sent {
                        sent = requests(peer.received).count
                        peer.say(ok)
                        peer.forget()
                    }
                    return client.ends(with: "}")
                }
                return answers(client.received, to: [.get]).first?.status ?? 0
            }
            #expect(try status() == 200)
            #expect(try status(host: "127.0.0.1") == 200)
            #expect(try status(host: "[::1]:1") == 200)
            #expect(try status("Origin: http://localhost:3000") == 200)
            #expect(try status("Origin: https://evil.example") == 403)
            #expect(try status(host: "evil.example") == 403)
            #expect(try status(host: "localhost.evil.example") == 403)
            #expect(try status("X-Forwarded-For: 192.0.2.1") == 403)
            #expect(try status("Forwarded: for=192.0.2.1") == 403)
            world.settle()
        }

        @Test func `callers' own keys pass through untouched`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(post("{}", "Authorization: Bearer theirs", "x-api-key: theirs-too"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{}") }
            #expect(peer.received.count(of: "\r\nAuthorization: Bearer theirs\r\n") == 1 && peer.received.count(of: "\r\nx-api-key: theirs-too\r\n") == 1)
            answer(world, client, peer)
            world.settle()
        }

        // MARK: Pages

        @Test func `the browser's question is answered here, and answers say who may read them`() throws {
            let world = try World { settings, _ in settings.allowedOrigins = AllowedOrigins("local,https://app.example") ?? .localOnly }
            let client = try world.connect()
            func ask(_ origin: String) -> String {
                client.forget()
                client.say(head("OPTIONS /v1/chat/completions HTTP/1.1", "Host: x", "Origin: \(origin)", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,x-a"))
                world.wait("the answer") { client.ends(with: "\r\n\r\n") || client.ends(with: "}") }
                return String(decoding: client.received, as: UTF8.self)
            }
            let listed = ask("https://app.example")
            #expect(listed.hasPrefix("HTTP/1.1 204 No Content\r\n") && !listed.contains("Content-Length"))
            for line in ["Access-Control-Allow-Origin: https://app.example", "Access-Control-Allow-Credentials: true", "Access-Control-Allow-Headers: authorization,x-a", "Vary: Origin"] {
                #expect(listed.contains("\r\n\(line)\r\n"), "\(line)")
            }
            let local = ask("http://localhost:5173")
            #expect(local.contains("\r\nAccess-Control-Allow-Origin: http://localhost:5173\r\n") && !local.contains("Credentials"))
            let foreign = ask("https://evil.example")
            #expect(foreign.hasPrefix("HTTP/1.1 403 ") && !foreign.contains("Access-Control") && foreign.contains("\r\nVary: Origin\r\n"))
            #expect(world.upstreams.isEmpty)

            client.forget()
            client.say(post("{}", "Origin: https://app.example"))
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{}") }
            peer.say(head("HTTP/1.1 200 OK", "Content-Length: 2", "Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: x", "Vary: Accept") + "{}")
            world.wait("the answer") { client.ends(with: "{}") }
            let said = String(decoding: client.received, as: UTF8.self)
            #expect(said.contains("\r\nAccess-Control-Allow-Origin: https://app.example\r\n") && !said.contains("Allow-Origin: *") && !said.contains("Expose-Headers: x\r\n"))
            #expect(said.contains("\r\nVary: Accept\r\n") && said.contains("\r\nVary: Origin\r\n"))
            let exposed = said.split(separator: "\r\n").first { $0.hasPrefix("Access-Control-Expose-Headers:") } ?? ""
            for field in said.split(separator: "\r\n").filter({ $0.hasPrefix("X-") }) {
                let name = field.prefix { $0 != ":" }
                #expect(exposed.contains(name), "a page that asked must be able to read it")
            }
            world.settle()
        }

        @Test func `a question with names that are none is answered whole`() throws {
            let world = try World { settings, _ in settings.allowedOrigins = AllowedOrigins("https://app.example") ?? .localOnly }
            let client = try world.connect()
            let beginning = "OPTIONS /v1/models HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: "
            client.say(Array(beginning.utf8) + [UInt8](repeating: 0xFF, count: 60 << 10) + Array("\r\n\r\n".utf8))
            world.wait("the answer") { client.ends(with: "\r\n\r\n") }
            #expect(client.received.count(of: "HTTP/1.1 204 No Content\r\n") == 1 && client.received.count(of: "Allow-Headers") == 0)
            world.settle()
        }

        @Test func `a page may read that its request was too large`() throws {
            let world = try World { settings, _ in
                settings.allowedOrigins = AllowedOrigins("https://app.example") ?? .localOnly
                settings.maxRequestBodyBytes = 10
            }
            let client = try world.connect()
            client.say(post("01234567890", "Origin: https://app.example"))
            world.wait("the refusal") { client.ends(with: "TRUTHTABLE_MAX_REQUEST_BODY\"}") }
            #expect(client.received.count(of: "HTTP/1.1 413 ") == 1 && client.received.count(of: "\r\nAccess-Control-Allow-Origin: https://app.example\r\n") == 1)
            world.settle()
        }

        // MARK: Captures

        @Test func `a test that is not captured leaves nothing in the next capture`() throws {
            let world = try World { settings, _ in
                settings.testMode = true
                settings.optOutHeader = "X-No-Audit"
            }
            let client = try world.connect()
            client.say(post("{\"test_response\":\"kept to myself\"}", "X-No-Audit: yes"))
            world.wait("the test's answer") { client.received.count(of: "kept to myself") == 1 }
            #expect(world.captureBytes == 0)
            client.forget()
            client.say(post())
            let peer = try world.upstream(0)
            world.wait("the request") { peer.ends(with: "{}") }
            answer(world, client, peer)
            world.wait("the capture") { world.captures.count == 1 }
            #expect(world.captures.first?.responseBody == Array("{}".utf8))
            world.settle()
        }

        @Test func `only what the rules take is captured`() throws {
            let world = try World { settings, _ in
                settings.capturePaths = (try? Settings(pairs: [("TRUTHTABLE_CAPTURE_PATHS", "/v1/*,!/v1/files*")]).capturePaths) ?? .all
                settings.optOutHeader = "X-No-Audit"
            }
            let client = try world.connect()
            var number = 0
            for request in [post(path: "/v1/files/1"), post(path: "/other"), post("{}", "x-no-audit: yes"), post("{}", "X-No-Audit: 0"), post(path: "/v1/x")] {
                client.say(request)
                let peer = try world.upstream(0)
                number += 1
                world.wait("request \(number)") { requests(peer.received).count == number && peer.ends(with: "{}") }
                peer.say(ok)
                world.wait("answer \(number)") { client.received.count(of: "200 OK") == number }
            }
            world.wait("the captures") { world.captures.count == 2 }
            #expect(world.captures.map(\.target) == ["/v1/chat/completions", "/v1/x"])
            world.settle()
        }
    }
}
