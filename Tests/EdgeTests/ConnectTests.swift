// Ways to an upstream: several addresses, dead ones, names that nobody answers for, idle connections that have ended.
import CLinux
import Configuration
import EventLoop
import Glibc
import Outbound
import Testing

@testable import edge

/// An address whose connections are never made: a listener with a full backlog.
private final class DeadAddress {
    let listener: Descriptor
    private var waiting: [Int32] = []

    init(_ address: String, port: UInt16) throws {
        listener = Descriptor(owning: try checked("listen", cl_listen_tcp(address, port, 0)))
        for _ in 0..<4 {
            var number: Int32 = -1
            var pending = false
            try checked("connect", cl_connect_tcp(address, port, &number, &pending))
            waiting.append(number)
        }
    }

    deinit { for number in waiting { close(number) } }
}

extension Exchanges {
    @Suite(.serialized) struct Connects {
        private let get = head("GET /a HTTP/1.1", "Host: x", "X-Request-ID: t")
        private let post = head("POST /a HTTP/1.1", "Host: x", "X-Request-ID: t", "Content-Length: 2") + "{}"
        private let ok = head("HTTP/1.1 200 OK", "Content-Length: 2") + "ok"
        private let last = head("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close") + "ok"

        private func world(_ addresses: [String], _ change: (inout Settings) -> Void = { _ in }) throws -> World {
            let names = Names()
            names.become(.found(addresses))
            return try World(World.settings(change), host: "upstream.test", names: names)
        }

        @Test func `addresses that refuse are passed by, whatever was said meanwhile`() throws {
            let world = try world(["127.0.0.21", "127.0.0.22", "127.0.0.1"])
            let client = try world.connect()
            client.say(post)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "{}") }
            upstream.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            #expect(world.slot.value(.upstreamFailures) == 0)
            world.settle()
        }

        @Test func `an address that does not answer costs its share, once`() throws {
            let world = try world(["127.0.0.23", "127.0.0.1"]) { $0.connectTimeout = .milliseconds(1200) }
            let dead = try DeadAddress("127.0.0.23", port: world.upstreamPort)
            var took: [Duration] = []
            for number in 0..<3 {
                let client = try world.connect()
                let start = Instant.now
                client.say(post)
                let upstream = try world.upstream(number)
                world.wait("the request") { upstream.ends(with: "{}") }
                took.append(start.duration(to: .now))
                upstream.say(last)
                world.wait("the answer") { client.ends(with: "ok") }
            }
            // Its share is half the time; all of the time would have been a 502.
            #expect(took[0] > .milliseconds(500), "\(took)")
            #expect(took[1] < .milliseconds(500) && took[2] < .milliseconds(500), "\(took)")
            withExtendedLifetime(dead) { world.settle() }
        }

        @Test func `when no address answers in time it is said of which`() throws {
            let world = try world(["127.0.0.24", "127.0.0.25"]) { $0.connectTimeout = .milliseconds(600) }
            let dead = try DeadAddress("127.0.0.24", port: world.upstreamPort)
            let client = try world.connect()
            client.say(get)
            world.wait("502") { client.has("HTTP/1.1 502 ") }
            #expect(world.upstreamCount == 0 && world.slot.value(.upstreamFailures) == 1)
            withExtendedLifetime(dead) { world.settle() }
        }

        @Test(arguments: [false, true]) func `a name that nobody answers for has its time`(_ isTest: Bool) throws {
            let names = Names()
            let world = try World(World.settings { $0.connectTimeout = .milliseconds(300); $0.testMode = isTest }, host: "upstream.test", names: names)
            let client = try world.connect()
            client.say(isTest ? post : get)
            world.wait("502") { client.has("HTTP/1.1 502 ") }
            names.become(.found(["127.0.0.1"]))
            world.turns(30)
            #expect(world.upstreams.isEmpty, "nobody waits for it any more")
            client.forget()
            client.say(get)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            world.settle()
        }

        // MARK: Idle connections

        /// A client, and the idle connection that its first request has left.
        private func idle(_ world: World) throws -> (Peer, Peer) {
            let client = try world.connect()
            client.say(post)
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "{}") }
            upstream.say(ok)
            world.wait("an idle connection") { client.ends(with: "ok") && world.proxy.targets[0].pointee.idle.count == 1 }
            client.forget()
            upstream.forget()
            return (client, upstream)
        }

        /// An end, or bytes that nobody asked for, told in the same turn as the next request and behind it.
        @Test(arguments: ["end", "reset", "bytes", "bytes and end"]) func `an idle connection with something to read is not used`(_ what: String) throws {
            let world = try World()
            let (client, first) = try idle(world)
            client.say(post)
            if what.hasPrefix("bytes") { first.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") }
            if what.hasSuffix("end") { first.finish() }
            if what == "reset" { first.reset() }
            let second = try world.upstream(1)
            world.wait("the request on a new connection") { second.ends(with: "{}") }
            #expect(first.received.isEmpty)
            second.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            #expect(!client.has("408") && world.slot.value(.upstreamFailures) == 0)
            world.settle()
        }

        /// Only the write tells that the connection is gone: nothing of the request was sent, so that it is not a repetition.
        /// The last read that a turn allows has filled the buffer, and the answer ended there: what stands behind it is told by no
        /// readiness again, and is read at the turn's end, behind the clients that go on.
        @Test func `an idle connection that was not read empty is not used`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(get)
            let first = try world.upstream(0)
            world.wait("the request") { first.ends(with: "\r\n\r\n") }
            first.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            let idle = try #require(world.proxy.targets[0].pointee.idle.last)
            world.proxy.upstreams.at(idle).pointee.hasMore = true
            client.forget()
            client.say(get)
            let second = try world.upstream(1)
            world.wait("the request") { second.ends(with: "\r\n\r\n") }
            second.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            #expect(first.received.count(of: "GET") == 1)
            world.settle()
        }

        @Test(arguments: [2, 20_000]) func `a POST that an idle connection takes nothing of goes over a new one`(_ size: Int) throws {
            let world = try World()
            let (client, first) = try idle(world)
            let body = String(repeating: "x", count: size)
            client.say(head("POST /a HTTP/1.1", "Host: x", "Content-Length: \(size)") + body)
            _ = client.pump()
            first.reset()
            world.proxy.clients.at(0).pointee.hasMore = true
            world.proxy.readClient(0)
            let second = try world.upstream(1)
            world.wait("the request on a new connection") { second.ends(with: "\r\n\r\n" + body) }
            second.say(ok)
            world.wait("the answer") { client.ends(with: "ok") }
            #expect(world.slot.value(.upstreamFailures) == 0)
            world.settle()
        }
    }
}
