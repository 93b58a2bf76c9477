// How exchanges and connections end: who leaves when, what is left over, what the other side sees.
import Configuration
import EventLoop
import HTTP
import IPC
import Outbound
import Telemetry
import Testing

@testable import edge

extension Exchanges {
    @Suite(.serialized) struct Ends {
        private let get = head("GET /a HTTP/1.1", "Host: x", "X-Request-ID: t")
        private let ok = head("HTTP/1.1 200 OK", "Content-Length: 2") + "ok"

        // MARK: The client leaves

        @Test func `a client that leaves together with its request cancels the upstream`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(get)
            client.finish()
            world.wait("the end") { world.clientCount == 0 && world.slot.value(.connectionsAccepted) == 1 }
            #expect(world.slot.value(.clientAborts) == 1)
            #expect(world.upstreamCount == 0)
            world.settle()
        }

        // MARK: The upstream fails

        @Test func `requests sent ahead of a failed one are answered`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(get)
            let first = try world.upstream(0)
            world.wait("the request") { first.ends(with: "\r\n\r\n") }
            client.say(head("GET /health HTTP/1.1", "Host: x"))
            world.turns()
            first.close()
            world.wait("502, then 200") { client.has("HTTP/1.1 502 ") && client.has("HTTP/1.1 200 ") }
            world.settle()
        }

        @Test func `requests in the same packet as a failed one are answered`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(get + head("GET /health HTTP/1.1", "Host: x"))
            let first = try world.upstream(0)
            world.wait("the request") { first.ends(with: "\r\n\r\n") }
            first.say("garbage")
            world.wait("502, then 200") { client.has("HTTP/1.1 502 ") && client.has("HTTP/1.1 200 ") }
            world.settle()
        }

        /// A connection to the upstream that has served one request and is idle.
        private func reused(_ world: World) throws -> (client: Peer, upstream: Peer) {
            let client = try world.connect()
            client.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            client.forget()
            upstream.forget()
            return (client, upstream)
        }

        @Test func `GET is repeated once when an idle connection was dead`() throws {
            let world = try World()
            let (client, upstream) = try reused(world)
            client.say(get)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.reset()
            let second = try world.upstream(1)
            world.wait("the request again") { second.ends(with: "\r\n\r\n") }
            #expect(second.text == forwarded(world, "GET /a HTTP/1.1"))
            second.reset()
            world.wait("502") { client.has("HTTP/1.1 502 ") }
            #expect(world.upstreams.count == 2)
            world.settle()
        }

        @Test func `GET is not repeated after a byte of an answer`() throws {
            for bytes in ["garbage", head("HTTP/1.1 103 Early Hints", "Link: </a>")] {
                let world = try World()
                let (client, upstream) = try reused(world)
                client.say(get)
                world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
                upstream.say(bytes)
                world.turns()
                upstream.reset()
                world.wait("502") { client.has("HTTP/1.1 502 ") }
                world.turns()
                #expect(world.upstreams.count == 1, "\(bytes)")
                world.settle()
            }
        }

        @Test func `GET is not repeated when its time is up`() throws {
            let world = try World(World.settings { $0.upstreamTimeout = .milliseconds(200) })
            let (client, upstream) = try reused(world)
            client.say(get)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            world.wait("502") { client.has("HTTP/1.1 502 ") }
            #expect(world.upstreams.count == 1)
            world.settle()
        }

        @Test func `what is left of a POST is never sent to another connection`() throws {
            let world = try World()
            let (client, upstream) = try reused(world)
            upstream.isReading = false
            client.say(head("POST /a HTTP/1.1", "Host: x", "Content-Length: 16777216"))
            client.say([UInt8](repeating: 65, count: 16 << 20))
            world.wait("a full upstream") { world.outputBytes > 200 << 10 }
            upstream.reset()
            world.wait("502") { client.has("HTTP/1.1 502 ") || world.upstreams.count > 1 }
            world.turns()
            #expect(world.upstreams.count == 1)
            client.reset()
            world.settle()
        }

        @Test func `a request is repeated to a host that has to be looked up again`() throws {
            let names = Names()
            names.become(.found(["127.0.0.1"]))
            let world = try World(host: "upstream.test", names: names)
            let (client, upstream) = try reused(world)
            world.proxy.resolver = try Resolver { _ in names.resolve() }  // knows nothing any more
            try world.loop.add(world.proxy.resolver.wakeupDescriptor, .readable, Token(kind: EdgeToken.resolver))
            client.say(get)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.reset()
            let second = try world.upstream(1)
            world.wait("the request again") { second.ends(with: "\r\n\r\n") }
            second.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            world.settle()
        }

        @Test func `no answer is written into another one`() throws {
            let early = head("HTTP/1.1 200 OK", "Content-Length: 100") + "early"
            // A bad chunk, and too much of a body, while the answer to it is under way.
            for (request, rest) in [("", "zz\r\n"), ("5\r\nhello\r\n", "800\r\n" + String(repeating: "x", count: 2048) + "\r\n")] {
                let world = try World(World.settings { $0.maxRequestBodyBytes = 1024 })
                let client = try world.connect()
                client.say(head("POST /a HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + request)
                let upstream = try world.upstream(0)
                world.wait("the request") { upstream.has("\r\n\r\n") }
                upstream.say(early)
                world.wait("the early answer") { client.ends(with: "early") }
                client.say(rest)
                world.wait("the cut") { client.end != nil }
                #expect(client.received.count(of: "HTTP/1.1 ") == 1)
                world.settle()
            }
        }

        @Test func `an answer that is cut while its client is slow is followed by nothing`() throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(300) })
            let client = try world.connect()
            client.isReading = false
            client.say(get + head("GET /health HTTP/1.1", "Host: x"))
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 100000000"))
            world.fill(from: upstream)
            upstream.close()
            world.wait("the client's time to be up") { world.clientCount == 0 }
            #expect(world.slot.value(.badRequests) == 0)
            client.isReading = true
            world.wait("the cut") { client.end != nil }
            #expect(client.received.count(of: "HTTP/1.1 ") == 1)
            world.settle()
        }

        // MARK: Ends of the product

        @Test func `a drain lets begun requests end and takes no others`() throws {
            let world = try World()
            let idle = try world.connect()
            let begun = try world.connect()
            let active = try world.connect()
            begun.say("GET /a HT")
            active.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            world.turns(5)
            world.proxy.beginDraining([world.listener.number])
            world.wait("the idle client's end") { idle.end != nil }
            #expect(!world.isIdle)
            begun.say("TP/1.1\r\nHost: x\r\nX-Request-ID: t\r\n\r\n")
            let second = try world.upstream(1)
            world.wait("the begun request") { second.ends(with: "\r\n\r\n") }
            for (client, peer) in [(active, upstream), (begun, second)] {
                peer.say(ok)
                world.wait("its answer") { client.ends(with: "ok") && client.end != nil }
                #expect(client.has("Connection: close\r\n"))
            }
            world.settle()
            #expect(world.isIdle)
        }

        @Test func `a drain serves who waited to be let in`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(get)
            _ = client.pump()  // no turn: it is not accepted yet
            world.proxy.beginDraining([world.listener.number])
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(ok)
            world.wait("its answer") { client.ends(with: "ok") && client.end != nil }
            #expect(client.has("Connection: close\r\n"))
            world.settle()
        }

        @Test func `a refused request is not named after the one before it`() throws {
            let world = try World()
            let (client, _) = try reused(world)
            client.say("BAD\r\n\r\n")
            world.wait("400") { client.has("HTTP/1.1 400 ") && client.end != nil }
            #expect(!client.has("Request-ID: t\r\n"))
            #expect(client.has("X-Request-ID: req_"))
            world.settle()
        }
    }
}
