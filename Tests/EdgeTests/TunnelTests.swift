// Tunnels: bytes both ways, ends passed on one by one, limits of silence.
import Configuration
import EventLoop
import Testing

@testable import edge

extension Exchanges {
    @Suite(.serialized) struct Tunnels {
        @Test func `the end of one side is passed on behind its last bytes, and the other one goes on`() throws {
            for endedByClient in [true, false] {
                let world = try World()
                let (client, upstream) = try tunnel(world)
                let (first, second) = endedByClient ? (client, upstream) : (upstream, client)
                second.isReading = false
                let last = [UInt8](repeating: 120, count: 1 << 20)
                first.say(last)
                world.wait("the last bytes to be sent, but for those that the tunnel has no room for") { first.unsent < 900 << 10 }
                second.isReading = true
                world.wait("the last bytes to be sent") { first.unsent == 0 }
                first.finish()
                world.wait("the end behind the last bytes") { second.end == .closed && second.received.count == last.count }
                for word in ["still", "here"] {
                    first.forget()
                    second.say(word)
                    world.wait("the other direction") { first.text == word }
                }
                #expect(first.end == nil && world.clientCount == 1)
                second.close()
                world.wait("the other end") { first.end == .closed && world.clientCount == 0 && world.upstreamCount == 0 }
                #expect(world.slot.value(.responses1xx) == 1)
                world.settle("ended by client: \(endedByClient)")
            }
        }

        @Test func `a side that breaks ends the other one`() throws {
            for brokenByClient in [true, false] {
                for half in [false, true] {
                    let world = try World()
                    let (client, upstream) = try tunnel(world)
                    let (first, second) = brokenByClient ? (client, upstream) : (upstream, client)
                    if half {
                        second.finish()
                        world.wait("half an end") { first.end == .closed }
                    }
                    first.reset()
                    world.wait("the end, half before: \(half), by client: \(brokenByClient)") { second.end != nil && world.upstreamCount == 0 }
                    world.settle()
                }
            }
        }

        @Test func `silence of both sides has a limit`() throws {
            let world = try World(World.settings { $0.tunnelIdleTimeout = .milliseconds(600); $0.bodyIdleTimeout = .seconds(60) })
            let (client, upstream) = try tunnel(world)
            let start = Instant.now
            for (number, peer) in [client, upstream, client, upstream].enumerated() {
                world.wait("time to pass") { start.duration(to: .now) > .milliseconds(300 * (number + 1)) }
                peer.say("x")
            }
            world.turns()
            #expect(client.end == nil && upstream.end == nil)
            world.wait("the end") { client.end != nil && upstream.end != nil && world.clientCount == 0 }
            #expect(start.duration(to: .now) > .milliseconds(1700))
            world.settle()
        }

        @Test func `half a tunnel has the time of a body`() throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(200) })
            let (client, upstream) = try tunnel(world)
            upstream.finish()
            world.wait("the end") { client.end != nil && world.clientCount == 0 }
            world.settle()
        }

        @Test func `a tunnel whose client leaves together with its last bytes ends`() throws {
            let world = try World()
            let (client, upstream) = try tunnel(world)
            client.say("last")
            client.finish()
            world.wait("the last bytes") { upstream.has("last") }
            world.wait("the client's end") { upstream.end != nil }
            upstream.close()
            world.wait("the end") { world.upstreamCount == 0 && world.clientCount == 0 }
            world.settle()
        }

        private func tunnel(_ world: World) throws -> (client: Peer, upstream: Peer) {
            let client = try world.connect()
            client.say(head("GET /chat HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "X-Request-ID: t"))
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say(head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"))
            world.wait("101") { client.ends(with: "\r\n\r\n") }
            client.forget()
            upstream.forget()
            return (client, upstream)
        }

        @Test func `a tunnel is concluded once, whoever ends it`() throws {
            for endedByClient in [true, false] {
                let world = try World()
                let (client, upstream) = try tunnel(world)
                client.say("hi")
                world.wait("hi") { upstream.text == "hi" }
                upstream.say("ho")
                world.wait("ho") { client.text == "ho" }
                if endedByClient { client.close() } else { upstream.close() }
                world.wait("the end") { endedByClient ? upstream.end != nil : client.end != nil }
                if endedByClient { upstream.close() } else { client.close() }
                world.wait("both ends") { world.clientCount == 0 && world.upstreamCount == 0 }
                #expect(world.slot.value(.responses1xx) == 1, "ended by client: \(endedByClient)")
                world.settle()
            }
        }

        @Test func `a tunnel's upstream ends while its client is slow`() throws {
            let world = try World()
            let (client, upstream) = try tunnel(world)
            client.isReading = false
            world.fill(from: upstream)
            upstream.close()
            world.turns()
            client.say("more")
            world.wait("the upstream's end") { world.upstreamCount == 0 }
            client.isReading = true
            world.wait("the end") { client.end != nil }
            world.settle()
        }

        @Test func `a tunnel that was slow once lives on`() throws {
            let world = try World(World.settings { $0.bodyIdleTimeout = .milliseconds(300) })
            let (client, upstream) = try tunnel(world)
            client.isReading = false
            upstream.say([UInt8](repeating: 120, count: 8 << 20))
            world.wait("a full tunnel") { world.outputBytes > 200 << 10 }
            client.isReading = true
            world.wait("all bytes") { client.received.count == 8 << 20 }
            let start = Instant.now
            world.wait("time to pass") { start.duration(to: .now) > .milliseconds(700) }
            #expect(client.end == nil)
            upstream.say("y")
            world.wait("one more") { client.received.count == 8 << 20 + 1 }
            world.settle()
        }

        @Test func `frames that a client sends before it has its 101 are not forgotten`() throws {
            let world = try World()
            let client = try world.connect()
            client.say(head("GET /chat HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "X-Request-ID: t"))
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            client.say("early")
            world.turns()
            upstream.say(head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"))
            world.wait("the early frame") { upstream.ends(with: "early") }
            world.settle()
        }

        @Test func `a drain ends tunnels`() throws {
            let world = try World()
            let (client, upstream) = try tunnel(world)
            world.proxy.beginDraining([world.listener.number])
            world.wait("both ends") { client.end != nil && upstream.end != nil }
            world.settle()
        }
    }
}
