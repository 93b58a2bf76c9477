// Each way to answer late, oddly or wrongly, over a real socket.
import EventLoop
import Glibc
import JSON
import Testing

@testable import mockllm

@Suite struct FailureTests {
    static let hello = #""messages":[{"role":"user","content":"Hello there"}]"#
    static let streamed = #""stream":true,"# + hello

    @Test(arguments: [hello, streamed])
    func `no answer, no HTTP`(_ members: String) throws {
        let harness = try Harness()
        let refused = try harness.chat(members, "X-Mock-Fail: refuse\r\n")
        #expect(refused.raw.isEmpty && refused.error == 0)
        let reset = try harness.chat(members, "X-Mock-Fail: reset\r\n")
        #expect(reset.raw.isEmpty && reset.error == ECONNRESET)
        let garbage = try harness.chat(members, "X-Mock-Fail: garbage\r\n")
        #expect(garbage.raw.hasSuffix("This is no HTTP.\n") && garbage.status == 0)
    }

    @Test func `bodies are cut in the middle`() throws {
        let harness = try Harness()
        let whole = try harness.chat(Self.hello)
        let cut = try harness.chat(Self.hello, "X-Mock-Fail: cut\r\n")
        #expect(cut.head.contains("Content-Length: \(whole.body.utf8.count)\r\n"))
        #expect(cut.body == String(whole.body.prefix(whole.body.utf8.count / 2)))
        let early = try harness.chat(Self.hello, "X-Mock-Fail: cut\r\nX-Mock-After: 10\r\n")
        #expect(early.body == String(whole.body.prefix(10)))
        let chunk = try harness.chat(Self.hello, "X-Mock-Fail: cut_chunk\r\nX-Mock-After: 10\r\n")
        #expect(chunk.raw.hasSuffix("\r\n\r\n\(String(whole.body.utf8.count, radix: 16))\r\n" + whole.body.prefix(10)))
        let reset = try harness.chat(Self.hello, "X-Mock-Fail: reset\r\nX-Mock-After: 10\r\n")
        #expect(reset.error == ECONNRESET)
    }

    @Test func `streams are cut between events and within a chunk`() throws {
        let harness = try Harness()
        let whole = try harness.chat(Self.streamed).events
        let cut = try harness.chat(Self.streamed, "X-Mock-Fail: cut\r\nX-Mock-After: 3\r\n")
        #expect(cut.events == Array(whole.prefix(3)))
        #expect(cut.raw.hasSuffix("\n\n\r\n"), "whole chunks, no last one")
        let half = try harness.chat(Self.streamed, "X-Mock-Fail: cut\r\n")
        #expect(half.events == Array(whole.prefix(whole.count / 2)))
        let chunk = try harness.chat(Self.streamed, "X-Mock-Fail: cut_chunk\r\nX-Mock-After: 3\r\n")
        #expect(chunk.events.prefix(3) == whole.prefix(3) && !chunk.raw.hasSuffix("\r\n"))
        let last = try harness.chat(Self.streamed, "X-Mock-Fail: cut\r\nX-Mock-After: \(whole.count)\r\n")
        #expect(last.events == whole && !last.raw.hasSuffix("0\r\n\r\n"))
        #expect(try harness.chat(Self.streamed, "X-Mock-Fail: reset\r\nX-Mock-After: 3\r\n").error == ECONNRESET)
    }

    @Test(arguments: [hello, streamed])
    func `bodies without a length end with the connection`(_ members: String) throws {
        let harness = try Harness()
        let whole = try harness.chat(members)
        for failure in ["close_delimited", "no_length"] {
            let answer = try harness.chat(members, "X-Mock-Fail: \(failure)\r\n")
            #expect(answer.body == whole.body)
            #expect(!answer.head.contains("Content-Length") && !answer.head.contains("Transfer-Encoding"))
            #expect(answer.head.contains("Connection: close") == (failure == "close_delimited"))
        }
        let chunked = try harness.chat(members, "X-Mock-Fail: chunked\r\n")
        #expect(chunked.body == whole.body && chunked.head.contains("Transfer-Encoding: chunked") && chunked.raw.hasSuffix("\r\n0\r\n\r\n"))
    }

    @Test(arguments: [(hello, 0, ""), (hello, 5, #"{"id""#), (streamed, 0, "")])
    func `stalls until the client leaves`(_ row: (members: String, after: Int, body: String)) throws {
        let harness = try Harness()
        let client = try harness.send(
            "/v1/chat/completions", "{\(row.members)}", "X-Mock-Fail: stall\r\nX-Mock-After: \(row.after)\r\n", close: false)
        harness.wait("the head") { client.text.hasSuffix("\r\n\r\n" + row.body) }
        for _ in 0..<20 { harness.mock.turn(patience: 0) }
        #expect(!client.hasEnded && Answer(client).body == row.body)
        client.finishSending()
        harness.wait("the end") { client.hasEnded && harness.mock.server.connectionCount == 0 }
    }

    @Test func `statuses have errors in OpenAI's shape`() throws {
        let harness = try Harness()
        for (status, type) in [(401, "authentication_error"), (429, "rate_limit_error"), (500, "server_error")] {
            let answer = try harness.chat(Self.streamed, "X-Mock-Status: \(status)\r\n")
            #expect(answer.status == status)
            #expect(try answer.json()["error"]?["type"]?.string == type)
            #expect(answer.head.contains("Retry-After: 1") == (status == 429))
        }
        #expect(try harness.exchange("/health", "", "X-Mock-Status: 503\r\n", method: "GET").status == 503)
        #expect(try harness.chat(Self.hello, "X-Mock-Status: 204\r\n").raw == "HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    }

    @Test func `controls come from the body too, and fields overrule it`() throws {
        let harness = try Harness()
        let members = #""mock":{"status":418,"answer":"Said.","size":3},"# + Self.hello
        #expect(try harness.chat(members).status == 418)
        let answer = try harness.chat(members, "x-mock-STATUS: 200\r\n").json()
        #expect(answer["choices"]?.array?.first?["message"]?["content"]?.string == "Sai")
        for bad in [#""mock":{"fail":"x"}"#, #""mock":{"delay_ms":-1}"#, #""mock":{"nope":1}"#, #""mock":{"size":1e99}"#, #""mock":{"size":[1]}"#, #""mock":3"#] {
            #expect(try harness.chat(bad).status == 400, "\(bad)")
        }
        #expect(try harness.chat(Self.hello, "X-Mock-Chunk: 0\r\n").status == 400)
    }

    @Test func `answers have the size that was asked for`() throws {
        let harness = try Harness()
        for size in [0, 1, 100, 1 << 20] {
            let json = try harness.chat(Self.hello, "X-Mock-Size: \(size)\r\n").json()
            #expect(json["choices"]?.array?.first?["message"]?["content"]?.string?.utf8.count == size)
        }
    }

    @Test func `a delay and a pace take their time`() throws {
        let harness = try Harness()
        let start = Instant.now
        #expect(try harness.chat(Self.hello, "X-Mock-Delay-Ms: 30\r\n").status == 200)
        #expect(start.duration(to: .now) >= .milliseconds(30))
        let middle = Instant.now
        let answer = try harness.chat(Self.streamed, "X-Mock-Pace-Ms: 2\r\n")
        #expect(middle.duration(to: .now) >= .milliseconds(2 * (answer.events.count - 1)))
    }

    @Test func `500 paced streams at once`() throws {
        let harness = try Harness()
        let whole = try harness.chat(Self.streamed).body
        let clients = try (0..<500).map { _ in try harness.send("/v1/chat/completions", "{\(Self.streamed)}", "X-Mock-Pace-Ms: 3\r\n") }
        for client in clients { harness.wait("a stream") { client.hasEnded } }
        #expect(clients.allSatisfy { Answer($0).body == whole })
    }

    @Test func `options`() throws {
        let options = try MockCommand.parse(["--port", "8090", "--host", "::1", "--delay-ms", "5", "--pace-ms", "6", "--chunk-tokens", "7", "--size", "8"])
        #expect(options.port == 8090 && options.host == "::1")
        #expect(options.controls.delayMilliseconds == 5 && options.controls.paceMilliseconds == 6)
        #expect(options.controls.chunkTokens == 7 && options.controls.size == 8)
        #expect(try MockCommand.parse(["--questions", "--json"]).asJSON)
        for bad in [["--port"], ["--port", "65536"], ["--port", "x"], ["--delay-ms", "-1"], ["--what"]] {
            #expect(throws: MockCommand.UsageError.self) { try MockCommand.parse(bad) }
        }
    }
}
