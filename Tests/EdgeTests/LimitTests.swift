// Limits on who may come, how many, and how long: addresses, trust, total times.
import CLinux
import Configuration
import EventLoop
import Glibc
import HTTP
import IPC
import Testing

@testable import edge

extension Exchanges {
    @Suite(.serialized) struct Limits {
        private let get = head("GET /a HTTP/1.1", "Host: x", "X-Request-ID: t")
        private let ok = head("HTTP/1.1 200 OK", "Content-Length: 2") + "ok"

        // MARK: Addresses

        @Test func `an address with too many connections is told so, and gets others when some are gone`() throws {
            let world = try World(World.settings { $0.maxConnectionsPerAddress = 2 })
            let first = try (0..<2).map { _ in try world.connect() }
            world.wait("two clients") { world.clientCount == 2 }
            let refused = try world.connect()
            world.wait("503 and the end") { refused.has("HTTP/1.1 503 ") && refused.end != nil }
            let (list, error) = readAnswers(refused.received, to: [.get])
            #expect(error == nil && list.count == 1 && list[0].isWhole && refused.has("Connection: close\r\n"))
            #expect(world.slot.value(.connectionsRefused) == 1 && world.slot.value(.connectionsAccepted) == 2)
            let other = try Peer.connect(to: world.port, from: "127.0.0.9")
            other.say(head("GET /health HTTP/1.1", "Host: x"))
            world.wait("an answer to another address") { _ = other.pump(); return other.has("HTTP/1.1 200 ") }
            first[0].close()
            world.wait("one client fewer") { world.clientCount == 2 }
            let next = try world.connect()
            next.say(head("GET /health HTTP/1.1", "Host: x"))
            world.wait("an answer") { next.has("HTTP/1.1 200 ") }
            other.close()
            world.settle()
        }

        @Test func `a trusted proxy may have as many as it likes`() throws {
            let world = try World(World.settings { $0.maxConnectionsPerAddress = 1; $0.trustedProxies = TrustedProxies("127.0.0.0/8")! })
            _ = try (0..<5).map { _ in try world.connect() }
            world.wait("five clients") { world.clientCount == 5 }
            world.settle()
        }

        @Test func `counts go up to the limit and down to nothing`() throws {
            var counts = AddressCounts(limit: 2)
            let (one, same, other) = (try #require(IPAddress("2001:db8::1")), try #require(IPAddress("2001:db8::ffff:1")), try #require(IPAddress("2001:db8:0:1::1")))
            var entered = [counts.enter(one), counts.enter(same), counts.enter(one), counts.enter(other)]
            #expect(entered == [true, true, false, true])
            counts.leave(same)
            entered = [counts.enter(one), counts.enter(same)]
            #expect(entered == [true, false])
            for _ in 0..<3 { counts.leave(one) }  // once more than it came
            entered = [counts.enter(same), counts.enter(same), counts.enter(same)]
            #expect(entered == [true, true, false])
        }

        // MARK: Trust

        private func forwarded(_ world: World, _ fields: String...) throws -> String {
            let count = world.upstreams.count
            let client = try world.connect()
            client.say((["GET /a HTTP/1.1", "Host: x", "X-Request-ID: t"] + fields).map { $0 + "\r\n" }.joined() + "\r\n")
            let upstream = try world.upstream(count)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            let text = upstream.text
            upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 0", "Connection: close"))
            world.wait("the answer") { client.ends(with: "\r\n\r\n") }
            return text
        }

        @Test func `what clients say of others is replaced unless they are trusted`() throws {
            let said = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", "X-Forwarded-Proto: HTTPS", "X-Forwarded-Host: y", "Forwarded: for=192.0.2.1"]
            for (list, isTrusted) in [("none", false), ("10.0.0.0/8", false), ("127.0.0.1", true), ("::1,127.0.0.0/8", true)] {
                let world = try World(World.settings { $0.trustedProxies = TrustedProxies(list)! })
                let request = try forwarded(world, said[0], said[1], said[2], said[3], said[4])
                let expected = isTrusted ? "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n" : "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
                #expect(request.contains(expected), "\(list): \(request)")
                #expect(request.contains("\r\nForwarded: ") == isTrusted && request.contains("X-Forwarded-Host: y") == isTrusted, "\(list)")
                world.settle()
            }
        }

        @Test func `a trusted peer's protocol is http or https`() throws {
            let world = try World(World.settings { $0.trustedProxies = TrustedProxies("127.0.0.1")! })
            for (said, kept) in [("https", "https"), ("http", "http"), ("httpsx", "http"), ("wss", "http"), ("https, http", "http")] {
                #expect(try forwarded(world, "X-Forwarded-Proto: \(said)").contains("\r\nX-Forwarded-Proto: \(kept)\r\n"), "\(said)")
            }
            world.settle()
        }

        @Test(arguments: [
            ([], nil), (["1.1.1.1"], "1.1.1.1"), (["1.1.1.1, 2.2.2.2"], "2.2.2.2"), (["1.1.1.1, 10.0.0.1"], "1.1.1.1"), (["1.1.1.1", "10.0.0.1 ,10.0.0.2"], "1.1.1.1"),
            (["10.0.0.1"], "10.0.0.1"), (["1.1.1.1:80"], "1.1.1.1"), (["[2001:db8::1]:80, 10.0.0.1"], "2001:db8::1"), (["2001:DB8::1"], "2001:DB8::1"),
            (["unknown"], nil), (["1.1.1.1, unknown, 10.0.0.1"], "10.0.0.1"), ([""], nil), ([", ,"], nil), (["1.1.1.1,"], nil), (["["], nil), (["[]:1"], nil),
            (["3.3.3.3"] + Array(repeating: "10.0.0.1", count: 12), "10.0.0.1"), (["\"1.1.1.1\""], nil),
        ] as [([String], String?)])
        func `the client is the last address that is not trusted`(_ lines: [String], _ client: String?) throws {
            var parser = HeadParser()
            let bytes = Array(("GET / HTTP/1.1\r\nHost: x\r\n" + lines.map { "X-Forwarded-For: \($0)\r\n" }.joined() + "\r\n").utf8)
            var position = 0
            _ = try parser.parseRequest(bytes.span.bytes, from: &position)
            let range = parser.clientRange(bytes.span.bytes, TrustedProxies("10.0.0.0/8")!)
            #expect(range.map { String(decoding: bytes[$0.lowerBound..<$0.upperBound], as: UTF8.self) } == client)
        }

        // MARK: Total time

        private let short: (inout Settings) -> Void = { $0.exchangeTimeout = .milliseconds(400) }

        @Test func `a body that trickles, or an answer, has a limit in all`() throws {
            for isAnswer in [false, true] {
                let world = try World(World.settings(short))
                let client = try world.connect()
                client.say(head("POST /a HTTP/1.1", "Host: x", "Content-Length: \(isAnswer ? 1 : 1000)") + "x")
                let upstream = try world.upstream(0)
                world.wait("the request") { upstream.ends(with: "x") }
                if isAnswer { upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 1000")) }
                let start = Instant.now
                var said = 0
                world.wait("the end") {
                    while said < Int(start.duration(to: .now) / .milliseconds(20)) {
                        (isAnswer ? upstream : client).say("y")
                        said += 1
                    }
                    return client.end != nil
                }
                #expect(start.duration(to: .now) > .milliseconds(300) && said < 200)
                #expect(client.received.count(of: "HTTP/1.1 ") == 1 && client.has(isAnswer ? "HTTP/1.1 200 " : "HTTP/1.1 408 "))
                #expect(world.upstreamCount == 0)
                #expect(world.slot.value(.upstreamFailures) == (isAnswer ? 1 : 0))
                world.settle()
            }
        }

        @Test func `interim answers are no answer`() throws {
            let world = try World(World.settings(short))
            let client = try world.connect()
            client.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            let start = Instant.now
            var said = 0
            world.wait("502") {
                while said < Int(start.duration(to: .now) / .milliseconds(50)) {
                    upstream.say(head("HTTP/1.1 103 Early Hints", "Link: </x>"))
                    said += 1
                }
                return client.has("HTTP/1.1 502 ")
            }
            world.settle()
        }

        @Test func `a client that reads too slowly is cut at the limit`() throws {
            let world = try World(World.settings(short))
            let client = try world.connect()
            client.say(get)
            client.isReading = false
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 16777216"))
            upstream.say([UInt8](repeating: 120, count: 16 << 20))
            world.wait("the end") { world.clientCount == 0 }
            #expect(world.slot.value(.clientAborts) == 1)
            world.settle()
        }

        @Test func `the limit is that of one exchange, not of a connection`() throws {
            let world = try World(World.settings(short))
            let client = try world.connect()
            let start = Instant.now
            var count = 0
            while start.duration(to: .now) < .milliseconds(900) {
                client.say(get)
                let upstream = try world.upstream(0)
                world.wait("a request") { upstream.ends(with: "\r\n\r\n") }
                upstream.forget()
                upstream.say(ok)
                count += 1
                world.wait("an answer") { client.received.count(of: "HTTP/1.1 200 OK") == count }
            }
            #expect(client.end == nil)
            world.settle()
        }

        @Test func `pauses in an answer have a limit of their own`() throws {
            let world = try World(World.settings { $0.upstreamTimeout = .seconds(60); $0.answerIdleTimeout = .milliseconds(200) })
            let client = try world.connect()
            client.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            let start = Instant.now
            world.wait("a pause before the answer") { start.duration(to: .now) > .milliseconds(700) }
            #expect(client.end == nil)
            upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 5") + "ab")
            world.wait("the cut") { client.end != nil }
            #expect(client.ends(with: "ab"))
            world.settle()
        }

        // MARK: The last write

        @Test func `a client that leaves with a part of its answer has aborted`() throws {
            for close in [false, true] {
                let world = try World()
                let client = try world.connect()
                client.isReading = false
                client.say(head("POST /a HTTP/1.1", "Host: x", close ? "Connection: close" : "A: b", "Content-Length: 2") + "{}")
                let upstream = try world.upstream(0)
                world.wait("the request") { upstream.ends(with: "{}") }
                upstream.say(head("HTTP/1.1 200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked"))
                let chunk = Array("8000\r\n".utf8) + [UInt8](repeating: 120, count: 32 << 10) + Array("\r\n".utf8)
                world.wait("a part of the answer to wait") {
                    if upstream.unsent == 0, world.outputBytes == 0 { upstream.say(chunk) }
                    return upstream.unsent == 0 && world.outputBytes > 0
                }
                upstream.say("0\r\n\r\n")
                world.wait("the upstream's connection to be idle") { world.proxy.targets[0].pointee.idle.count == 1 }
                #expect(world.outputBytes > 0 && world.slot.value(.clientAborts) == 0 && world.captures.isEmpty)
                client.reset()
                world.wait("the abort") { world.slot.value(.clientAborts) == 1 && world.captures.count == 1 }
                #expect(world.captures.first?.head.flags.contains(.clientAborted) == true)
                world.settle()
            }
        }
    }
}
