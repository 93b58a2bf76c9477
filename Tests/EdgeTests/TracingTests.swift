// The trace context of forwarded requests: continued or begun, and what is written of it.
import Configuration
import Testing

@testable import edge

extension Exchanges {
    @Suite struct TracingTests {
        private static let theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        /// What the upstream gets of both fields for a request with these.
        private func forwarded(_ fields: [String], tracing: Bool = true) throws -> (traceparent: [String], tracestate: [String], capture: Seen?) {
            let world = try World(World.settings { $0.traceContext = tracing })
            let client = try world.connect()
            client.say("GET /x HTTP/1.1\r\nHost: x\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n")
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            let lines = String(decoding: upstream.received, as: UTF8.self).split(separator: "\r\n").map(String.init)
            upstream.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            world.wait("the capture") { world.captures.count == 1 }
            let capture = world.captures.first
            world.settle()
            func values(_ name: String) -> [String] { lines.filter { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) } }
            return (values("traceparent"), values("tracestate"), capture)
        }

        @Test func `a trace goes on with a span of its own`() throws {
            let seen = try forwarded(["traceparent: \(Self.theirs)", "tracestate: a=1,b=2"])
            let written = try #require(seen.traceparent.first)
            #expect(seen.traceparent.count == 1)
            #expect(written.wholeMatch(of: /00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01/) != nil)
            #expect(!written.contains("b7ad6b7169203331") && seen.tracestate == ["a=1,b=2"])
            let head = try #require(seen.capture).head
            #expect(written == "00-\(head.traceIDText)-\(head.spanIDText)-01" && head.parentSpanID == 0xb7ad_6b71_6920_3331)
        }

        @Test func `flags that level 2 knows go on, others do not; later versions become ours`() throws {
            for (version, flags, written) in [("00", "03", "03"), ("00", "fe", "02"), ("00", "00", "00"), ("cc", "ff", "03")] {
                let seen = try forwarded(["traceparent: \(version)-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\(flags)"])
                #expect(seen.traceparent.first?.hasPrefix("00-0af7651916cd43dd8448eb211c80319c-") == true)
                #expect(seen.traceparent.first?.hasSuffix("-\(written)") == true)
            }
        }

        @Test(arguments: [
            [], ["traceparent: nonsense", "tracestate: a=1"], ["traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            ["traceparent: \(theirs)", "traceparent: \(theirs)", "tracestate: a=1"], ["tracestate: a=1"], ["traceparent:", "tracestate: a=1"],
        ])
        func `without a valid field a trace begins, and nobody's state goes on`(_ fields: [String]) throws {
            let (one, other) = (try forwarded(fields), try forwarded(fields))
            for seen in [one, other] {
                #expect(seen.traceparent.count == 1 && seen.tracestate.isEmpty)
                #expect(seen.traceparent.first?.wholeMatch(of: /00-[0-9a-f]{32}-[0-9a-f]{16}-03/) != nil)
                #expect(seen.capture?.head.parentSpanID == 0)
            }
            #expect(one.traceparent != other.traceparent)
            #expect(one.traceparent.first?.contains("0af7651916cd43dd8448eb211c80319c") == false)
        }

        @Test func `several tracestate fields become one list, a malformed one is left out`() throws {
            #expect(try forwarded(["traceparent: \(Self.theirs)", "tracestate: a=1", "tracestate: b=2 , c=3"]).tracestate == ["a=1,b=2 , c=3"])
            #expect(try forwarded(["traceparent: \(Self.theirs)", "tracestate: a=1", "tracestate: a=2"]).tracestate == [])
            #expect(try forwarded(["traceparent: \(Self.theirs)", "tracestate:"]).tracestate == [])
        }

        @Test func `turned off, both pass through`() throws {
            let seen = try forwarded(["traceparent: any", "tracestate: thing"], tracing: false)
            #expect(seen.traceparent == ["any"] && seen.tracestate == ["thing"] && seen.capture?.head.spanID == 0)
        }

        @Test(arguments: [true, false]) func `what an answer came through is not its upstream's to say`(_ isTold: Bool) throws {
            let world = try World(World.settings { $0.answerHeaders = isTold })
            let client = try world.connect()
            client.say("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            let upstream = try world.upstream(0)
            world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
            upstream.say("HTTP/1.1 200 OK\r\nX-TruthTable-Audit-ID: theirs\r\nx-truthtable-request-id: theirs\r\nX-TruthTable-Overhead-Ms: theirs\r\nX-TruthTable-Upstream: theirs\r\nX-Other: kept\r\nContent-Length: 2\r\n\r\n{}")
            world.wait("the answer") { client.ends(with: "{}") }
            #expect(!client.has("theirs") && client.has("\r\nX-Other: kept\r\n"))
            #expect(client.received.count(of: "X-TruthTable-Request-ID: ") == 1)
            world.settle()
        }

        @Test func `an answer tells what it came through`() throws {
            let world = try World(World.settings { $0.answerHeaders = true })
            for type in ["application/json", "text/html"] {
                let client = try world.connect()
                client.say("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
                let upstream = try world.upstream(0)
                world.wait("the request") { upstream.ends(with: "\r\n\r\n") }
                upstream.forget()
                upstream.say("HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nContent-Length: 2\r\n\r\n{}")
                world.wait("the answer") { client.ends(with: "{}") }
                let answer = String(decoding: client.received, as: UTF8.self)
                #expect(answer.firstMatch(of: /\r\nX-TruthTable-Overhead-Ms: \d+\.\d{3}\r\n/) != nil)
                #expect(answer.contains("\r\nX-TruthTable-Upstream: 127.0.0.1:\(world.upstreamPort)\r\n"))
                let audit = answer.firstMatch(of: /\r\nX-TruthTable-Audit-Id: (aud_[0-9a-f]{24})\r\n/)
                #expect((audit != nil) == (type == "application/json"), "only what is captured can be audited")
                client.reset()
            }
            world.settle()
        }
    }
}
