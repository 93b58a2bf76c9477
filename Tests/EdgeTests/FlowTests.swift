// Bytes in motion: slow readers both ways, memory that stays bounded, data that must not be left lying, time limits.
import EventLoop
import HTTP
import IPC
import Outbound
import Telemetry
import Testing

@testable import edge

extension Exchanges {
    @Suite(.serialized) struct Flow {
        private let get = head("GET /a HTTP/1.1", "Host: x", "X-Request-ID: t")
        private let ok = head("HTTP/1.1 200 OK", "Content-Length: 2") + "ok"
        /// Bytes of which no two stretches of a few KiB are alike.
        private func pattern(_ count: Int) -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: count) { room, filled in
                for offset in stride(from: 0, to: count - 7, by: 8) { UnsafeMutableRawPointer(room.baseAddress!).storeBytes(of: offset &* 0x9E37_79B9, toByteOffset: offset, as: Int.self) }
                filled = count
            }
        }

        /// What one exchange may hold: a high-water mark, what one read adds, and block ends.
        private let bound = Proxy.highWater + 2 * Proxy.readBytes + (64 << 10)

        @Test(arguments: ["Content-Length: 6291456", "Transfer-Encoding: chunked"]) func `a slow upstream holds its client up, and all arrives`(_ framing: String) throws {
            let world = try World()
            let client = try world.connect()
            let size = 6 << 20
            let body = pattern(size)
            client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", framing))
            if framing.hasPrefix("T") {
                client.say("\(String(size, radix: 16))\r\n")
                client.say(body)
                client.say("\r\n0\r\n\r\n")
            } else {
                client.say(body)
            }
            let upstream = try world.upstream(0)
            upstream.readLimit = 16 << 10
            var most = 0
            world.wait("the whole request", seconds: 20) {
                most = max(most, world.outputBytes)
                return framing.hasPrefix("T") ? upstream.ends(with: "\r\n0\r\n\r\n") : upstream.received.suffix(size).count == size && upstream.received.count > size + 100
            }
            #expect(most <= bound)
            #expect(most > 0)
            let parsed = requests(upstream.received)
            #expect(parsed.count == 1 && parsed.first?.body == body)
            upstream.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            world.settle()
        }

        @Test(arguments: ["Content-Length: 6291456", "Transfer-Encoding: chunked", "Connection: close"]) func `a slow client holds its upstream up, and all arrives`(
            _ framing: String
        ) throws {
            let world = try World()
            let client = try world.connect()
            client.readLimit = 16 << 10
            client.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            let size = 6 << 20
            let body = pattern(size)
            upstream.say(head("HTTP/1.1 200 OK", "Content-Type: application/json", framing))
            if framing.hasPrefix("T") {
                upstream.say("\(String(size, radix: 16))\r\n")
                upstream.say(body)
                upstream.say("\r\n0\r\n\r\n")
            } else {
                upstream.say(body)
            }
            if framing.hasPrefix("Conn") { upstream.close() }
            var most = 0
            world.wait("the whole answer", seconds: 20) {
                most = max(most, world.outputBytes)
                return world.slot.value(.captured) == 1 && (framing.hasPrefix("Content") ? client.received.count > size + 100 : client.ends(with: "\r\n0\r\n\r\n"))
            }
            #expect(most <= bound)
            let parsed = answers(client.received, to: [.get])
            #expect(parsed.count == 1 && parsed.first?.body == body)
            world.settle()
            let capture = try #require(world.captures.first)
            #expect(capture.head.flags.contains(.responseTruncated))
            #expect(capture.head.responseBodyBytes == UInt64(size))
            #expect(capture.responseBody.elementsEqual(body.prefix(256 << 10)))
        }

        /// More than the socket's buffers hold has come, and nothing more will: no readiness tells of what was left.
        @Test func `what was left in the kernel is read in the next turn`() throws {
            let world = try World()
            world.sweeps = false
            let client = try world.connect()
            let size = 4 << 20
            client.say(head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", "Content-Length: \(size)"))
            client.say([UInt8](repeating: 65, count: size))
            for _ in 0..<100 { _ = client.pump() }
            let upstream = try world.upstream(0)
            let start = Instant.now
            while upstream.received.count < size, start.duration(to: .now) < .seconds(20) {
                world.turn(patience: 2000)
                for _ in 0..<20 { world.pumpPeers() }
            }
            #expect(start.duration(to: .now) < .seconds(5))
            world.wait("the whole request") { upstream.received.count > size }
            upstream.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            world.settle()
        }

        @Test func `requests sent ahead without reading the answers take bounded memory`() throws {
            let world = try World()
            let client = try world.connect()
            client.isReading = false
            let count = 30_000
            client.say(String(repeating: head("GET /metrics HTTP/1.1", "Host: x"), count: count))
            var most = 0
            for _ in 0..<300 {
                world.turn()
                most = max(most, world.outputBytes)
            }
            #expect(most > 0 && most <= bound + (64 << 10))
            client.reset()
            world.settle()
        }

        @Test func `every request sent ahead is answered in order`() throws {
            let world = try World()
            let client = try world.connect()
            let count = 3000
            client.say((0..<count).map { head("GET /health HTTP/1.1", "Host: x", "X-Request-ID: n\($0)") }.joined())
            client.isReading = false
            world.turns(50)
            client.isReading = true
            let last = answered("HTTP/1.1 200 OK", ["Content-Type: application/json"], id: "n\(count - 1)").suffix(20)
            world.wait("the last answer", seconds: 20) { client.received.count(of: "X-Request-ID: n\(count - 1)\r\n") > 0 && client.received.count(of: String(last)) > 0 }
            let names = answers(client.received, to: Array(repeating: .get, count: count)).map(\.name)
            #expect(names == (0..<count).map { "n\($0)" })
            world.settle()
        }

        // MARK: Time

        /// Turns until something happens; how long that took.
        private func time(_ world: World, _ what: String, until condition: () -> Bool) -> Duration {
            let start = Instant.now
            world.wait(what, condition)
            return start.duration(to: .now)
        }

        @Test func `a head has its time from the first byte, whatever trickles in`() throws {
            let world = try World(World.settings { $0.headTimeout = .milliseconds(400); $0.keepAliveTimeout = .milliseconds(100) })
            let client = try world.connect()
            client.say(head("GET /health HTTP/1.1", "Host: x"))
            world.wait("the answer") { client.has("HTTP/1.1 200 ") }
            client.forget()
            var position = 0
            let slow = Array("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".utf8)
            let start = Instant.now
            let took = time(world, "408") {
                let due = Int(start.duration(to: .now) / .milliseconds(20))
                while position < min(due, slow.count) {
                    client.say([slow[position]])
                    position += 1
                }
                return client.has("HTTP/1.1 408 ")
            }
            #expect(took > .milliseconds(380) && took < .seconds(5))
            world.wait("the end") { client.end != nil }
            world.settle()
        }

        @Test func `an idle client is closed without a word`() throws {
            let world = try World(World.settings { $0.keepAliveTimeout = .milliseconds(100) })
            let client = try world.connect()
            client.say(head("GET /health HTTP/1.1", "Host: x"))
            world.wait("the answer") { client.has("HTTP/1.1 200 ") }
            client.forget()
            world.wait("the end") { client.end != nil }
            #expect(client.received.isEmpty)
            world.settle()
        }

        @Test func `a body that stops has its time, an upstream that does not read has another`() throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(200); $0.upstreamTimeout = .milliseconds(600) })
            let slow = try world.connect()
            slow.say(head("POST /a HTTP/1.1", "Host: x", "Content-Length: 10") + "x")
            world.wait("408") { slow.has("HTTP/1.1 408 ") && slow.end != nil }
            let client = try world.connect()
            world.holdUpstream(true)
            client.say(head("POST /a HTTP/1.1", "Host: x", "Content-Length: 33554432"))
            client.say([UInt8](repeating: 65, count: 32 << 20))
            world.wait("an end") { client.end != nil }
            #expect(!client.has("HTTP/1.1 408 "), "the client was not asked for more")
            world.holdUpstream(false)
            client.reset()
            world.settle()
        }

        @Test func `an upstream has its time for the first byte and for each next one`() throws {
            for early in ["", head("HTTP/1.1 200 OK", "Content-Length: 5") + "ab"] {
                let world = try World(World.settings { $0.upstreamTimeout = .milliseconds(200); $0.answerIdleTimeout = .milliseconds(200) })
                let client = try world.connect()
                client.say(get)
                let upstream = try world.upstream(0)
                world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
                upstream.say(early)
                world.wait("the end") { early.isEmpty ? client.has("HTTP/1.1 502 ") : client.end != nil }
                #expect(client.received.count(of: "HTTP/1.1 ") == 1)
                world.settle()
            }
        }

        @Test func `a client that takes nothing has its time, also when its request ends meanwhile`() throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(300) })
            let client = try world.connect()
            client.isReading = false
            client.say(head("POST /a HTTP/1.1", "Host: x", "Content-Length: 5") + "1234")
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "1234") }
            upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 100000000"))
            upstream.say([UInt8](repeating: 120, count: 8 << 20))
            world.wait("a full client") { world.outputBytes > 200 << 10 }
            client.say("5")
            world.wait("the client's time to be up") { world.clientCount == 0 }
            #expect(world.slot.value(.clientAborts) == 1)
            world.settle()
        }

        @Test func `a client that takes nothing has no more time because its upstream says a little now and then`() throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(300) })
            let client = try world.connect()
            client.isReading = false
            client.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(head("HTTP/1.1 200 OK", "Content-Length: 100000000"))
            world.fill(from: upstream)
            world.wait("the client's time to be up", seconds: 3) {
                upstream.say("x")
                return world.clientCount == 0
            }
            #expect(world.slot.value(.clientAborts) == 1)
            world.settle()
        }

        /// It reads what there is and writes nothing: there is somebody who has read the answer's head and sends no more.
        @Test(arguments: ["Content-Length: 10", "Transfer-Encoding: chunked"]) func `a body that stops once its answer has begun has no limit of its own`(_ framing: String) throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(200) })
            let client = try world.connect()
            client.say(head("POST /a HTTP/1.1", "Host: x", framing) + "1\r\nx\r\n")
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.has("\r\n\r\n1\r\nx") }
            upstream.say(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
            for number in 1...12 {
                let begin = Instant.now
                world.wait("a pause") { begin.duration(to: .now) > .milliseconds(50) }
                upstream.say("4\r\nlive\r\n")
                world.wait("piece \(number)") { client.received.count(of: "live") == number || client.end != nil }
            }
            upstream.say("0\r\n\r\n")
            world.wait("the end of the answer") { client.ends(with: "0\r\n\r\n") && client.end != nil }
            #expect(world.slot.value(.clientAborts) == 0)
            world.settle()
        }

        @Test func `the limit of connections holds, and clients that wait get their turn`() throws {
            let world = try World(World.settings { $0.maxConnections = 4 })
            let first = try (0..<4).map { _ in try world.connect() }
            world.wait("four clients") { world.clientCount == 4 }
            let waiting = try world.connect()
            waiting.say(head("GET /health HTTP/1.1", "Host: x"))
            world.turns()
            #expect(waiting.received.isEmpty && waiting.end == nil)
            first[0].close()
            world.wait("the answer") { waiting.has("HTTP/1.1 200 ") }
            world.settle()
        }
    }
}
