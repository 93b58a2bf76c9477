// The role on real sockets: handshakes, refusals, frames, its channel, slow clients, the end.
import CLinux
import Configuration
import EventLoop
import Glibc
import HTTP
import IPC
import Testing

@testable import Role
@testable import broadcaster

@Suite(.serialized)
struct RoleTests {
    @Test func `both ports speak their envelope`() throws {
        let test = try RoleHarness()
        try test.attach()
        test.turn(for: 20)
        #expect(test.subscriptions == [Subscribe(epoch: 0, sequence: 0)])
        let direct = try #require(test.open())
        let edge = try #require(test.open("/api/ws", unix: true))
        let asked = try #require(test.open("/ws?envelope=payload"))
        #expect(test.slot.value(.clientsOpen) == 3 && test.slot.value(.clientsConnected) == 3)
        test.event(7, 1, .auditStarted, json("r1"))
        test.event(7, 2, .auditComplete, json("r1", ",\"trust_score\":81.5"))
        for (client, expected) in [
            (direct, ["audit_result 7:2 r1"]), (edge, ["audit_started 7:1 r1", "audit_complete 7:2 r1"]),
            (asked, ["audit_started 7:1 r1", "audit_complete 7:2 r1"]),
        ] {
            #expect(test.wait(client) { $0.brief == expected })
            #expect(client.messages.first.map(short) == "connected")
        }
        #expect(test.slot.value(.eventsReceived) == 2)
        direct.frame(.ping, Array("hi".utf8))
        direct.frame(.binary, [0, 1])
        direct.say(#"{"type":"subscribe","types":["audit_started"]}"#)
        #expect(test.wait(direct) { $0.pongs == ["hi"] && $0.brief.suffix(2) == ["error", "subscribed"] })
        direct.frame(.close, [0x03, 0xE8])
        #expect(test.wait(direct) { $0.closeCode == 1000 && $0.isAtEnd })
        #expect(test.slot.value(.clientsOpen) == 2)
    }

    @Test(arguments: [
        ("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200", #"{"status":"ok"}"#),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", "not found"),
        ("POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "405", "use GET"),
        ("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", "426", "WebSocket client"),
        (TestClient.handshake("/ws").replacing("Version: 13", with: "Version: 8"), "426", "use 13"),
        (TestClient.handshake("/ws").replacing("ZQ==", with: "ZQ="), "400", "base64"),
        (TestClient.handshake("/ws?since=x"), "400", "EPOCH:SEQ"),
        (TestClient.handshake("/ws", "Origin: https://elsewhere.example\r\n"), "403", "TRUTHTABLE_ALLOWED_ORIGINS"),
        (TestClient.handshake("/ws").replacing("localhost", with: "elsewhere.example"), "401", "token"),
        (TestClient.handshake("/ws?token=wrong"), "401", "token is wrong"),
        (TestClient.handshake("/ws?token=sesame", "Origin: https://elsewhere.example\r\n"), "101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        (TestClient.handshake("/ws", "Origin: http://localhost:5173\r\n"), "101", ""),
        (TestClient.handshake("/ws", "Origin: null\r\n"), "101", ""),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://elsewhere.example\r\n\r\n", "403", "{\"error\":"),
        (TestClient.handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate;;\r\n"), "400", "Sec-WebSocket-Extensions"),
        (TestClient.handshake("/ws-echo"), "404", "not found"),
        ("GET /events HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", "401", "token"),
        ("GET /events?since=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400", "EPOCH:SEQ"),
        ("GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: x\r\n\r\n", "400", "Last-Event-ID"),
        ("POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "405", "use GET"),
        ("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", "Content-Type: text/event-stream"),
        (TestClient.handshake("/ws", "Cookie: a=b; truthtable_token=sesame\r\n").replacing("Host: localhost", with: "Host: elsewhere.example"), "101", ""),
        (TestClient.handshake("/ws", "Authorization: Bearer sesame\r\n").replacing("Host: localhost", with: "Host: elsewhere.example"), "101", ""),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", "Content-Security-Policy: default-src 'none'; script-src 'self'; "),
    ])
    func `who may see what`(_ request: String, _ status: String, _ part: String) throws {
        var settings = Settings()
        settings.accessToken = "sesame"
        let test = try RoleHarness(settings)
        let answer = test.ask(request)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer.prefix(300))")
        #expect(answer.contains(part), "\(answer.prefix(600))")
    }

    @Test func `a ticket opens the dashboard once`() throws {
        var settings = Settings()
        settings.accessToken = "sesame"
        settings.dashboardTicket = "once"
        let test = try RoleHarness(settings)
        func enter(_ ticket: String, _ more: String = "") -> String { test.ask("GET /?ticket=\(ticket) HTTP/1.1\r\nHost: elsewhere.example\r\n\(more)\r\n") }
        #expect(enter("").hasPrefix("HTTP/1.1 401 "))
        #expect(enter("wrong").contains("used already or is too old"))
        let first = enter("once")
        #expect(first.hasPrefix("HTTP/1.1 303 ") && first.contains("\r\nLocation: /\r\n") && first.contains("\r\nCache-Control: no-store\r\n"))
        #expect(first.contains("\r\nSet-Cookie: truthtable_token=sesame; HttpOnly; SameSite=Strict; Path=/\r\n"))
        #expect(enter("once").hasPrefix("HTTP/1.1 401 "))
        let again = enter("once", "Cookie: truthtable_token=sesame\r\n")
        #expect(again.hasPrefix("HTTP/1.1 303 ") && !again.contains("Set-Cookie"), "who is in already stays in")
    }

    @Test func `a ticket is worth nothing without a token, and when it is old`() throws {
        var ticket = Ticket("once", at: start)
        let answers = [Ticket.lifetime, .seconds(3599), .zero].map { ticket.redeem("once", at: start + $0) }
        #expect(answers == [false, true, false])
        var none = Ticket("", at: start)
        let answer = none.redeem("", at: start)
        #expect(!answer)
        var settings = Settings()
        settings.dashboardTicket = "once"
        let test = try RoleHarness(settings)
        #expect(test.ask("GET /?ticket=once HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n").hasPrefix("HTTP/1.1 401 "))
    }

    @Test func `a stream of events resumes by its last id`() throws {
        let test = try RoleHarness()
        try test.attach()
        func listen(_ target: String, _ fields: String = "") -> TestClient {
            let client = TestClient(port: test.port, path: nil)
            client.send(Array("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n".utf8))
            return client
        }
        let all = listen("/events")
        let some = listen("/events?types=audit_started&envelope=payload")
        #expect(test.wait(all) { $0.text.contains("client_id") } && test.wait(some) { $0.text.contains("client_id") })
        #expect(all.text.hasPrefix("HTTP/1.1 200 ") && all.text.contains("Content-Type: text/event-stream") && all.text.contains("retry: 1000\n\n"))
        #expect(test.slot.value(.clientsOpen) == 2)
        for sequence in 1...3 as ClosedRange<UInt64> {
            test.event(7, sequence * 2 - 1, .auditStarted, json("r\(sequence)"))
            test.event(7, sequence * 2, .auditComplete, json("r\(sequence)"))
        }
        #expect(test.wait(all) { $0.text.contains("id: 7:6\ndata: {\"type\":\"audit_result\"") })
        #expect(test.wait(some) { $0.text.contains("id: 7:5\ndata: {\"type\":\"audit_started\"") })
        #expect(!some.text.contains("audit_complete") && !all.text.contains("audit_started"))
        let back = listen("/events?since=7:1", "Last-Event-ID: 7:4\r\n")
        #expect(test.wait(back) { $0.text.contains("id: 7:6\n") })
        #expect(!back.text.contains("id: 7:4\n") && !back.text.contains("history_lost"), "the field is newer than the URL")
        #expect(test.slot.value(.clientsOpen) == 3)
        shutdown(some.descriptor, Int32(SHUT_WR))
        #expect(test.wait(some) { $0.isAtEnd } && test.slot.value(.clientsOpen) == 2)
        test.role.drain(until: test.loop.now + .seconds(5))
        #expect(test.wait(all) { $0.isAtEnd && $0.text.hasSuffix("\r\n0\r\n\r\n") })
    }

    /// Large news without end: the client that does not read is dropped, the other one gets each at once.
    private func newsUntilDropped(_ stuck: TestClient, _ reader: TestClient, _ test: RoleHarness) {
        let more = ",\"x\":\"" + String(repeating: "x", count: 30_000) + "\""
        for sequence in 1...2000 as ClosedRange<UInt64> where test.slot.value(.slowClientsDropped) == 0 {
            test.event(7, sequence, .auditComplete, json("r\(sequence)", more))
            #expect(test.wait(reader) { $0.messages.count == sequence + 1 })
        }
        // Clients are looked at once a second.
        #expect(test.wait(reader) { _ in test.slot.value(.slowClientsDropped) > 0 })
        #expect(test.slot.value(.slowClientsDropped) == 1)
        #expect(test.wait(stuck) { $0.isAtEnd })
    }

    @Test func `a stream that is not read is ended and counted`() throws {
        let test = try RoleHarness()
        try test.attach()
        let stuck = TestClient(port: test.port, path: nil)
        stuck.send(Array("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        #expect(test.wait(stuck) { $0.text.contains("client_id") })
        let reader = try #require(test.open())
        newsUntilDropped(stuck, reader, test)
    }

    @Test(arguments: ["", "; client_max_window_bits", "; server_max_window_bits=12", "; server_max_window_bits=10; client_no_context_takeover"])
    func `compressed messages go both ways`(_ parameters: String) throws {
        let test = try RoleHarness()
        try test.attach()
        let client = try #require(test.open(fields: "Sec-WebSocket-Extensions: permessage-deflate\(parameters)\r\n"))
        let message = Array(#"{"type":"subscribe","types":["audit_started"]}"#.utf8) + [UInt8](repeating: 0x20, count: 100)
        client.frame(.text, deflate(message), isCompressed: true)
        #expect(test.wait(client) { $0.brief == ["subscribed"] })
        test.event(7, 1, .auditStarted, json("r1", ",\"x\":\"" + String(repeating: "x", count: 3000) + "\""))
        #expect(test.wait(client) { $0.brief.last == "audit_started 7:1 r1" })
        #expect(client.compressedCount == 1)
        client.frame(.text, [0xFF, 0xFF], isCompressed: true)
        #expect(test.wait(client) { $0.closeCode == 1007 && $0.isAtEnd })
    }

    @Test func `a small message that inflates beyond the limit is refused`() throws {
        let test = try RoleHarness()
        let client = try #require(test.open(fields: "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        let bomb = [UInt8](repeating: 0x20, count: WebSocketDecoder.defaultMessageLimitBytes + 1)
        let small = deflate(bomb)
        #expect(small.count < 2000)
        client.frame(.text, small, isCompressed: true)
        #expect(test.wait(client) { $0.closeCode == 1009 && $0.isAtEnd })
    }

    @Test func `the echo is there when it is asked for`() throws {
        var settings = Settings()
        settings.webSocketEcho = true
        let test = try RoleHarness(settings)
        let client = try #require(test.open("/ws-echo"))
        let long = String(repeating: "long ", count: 400_000)
        client.say("hello")
        client.say(long)
        client.frame(.ping, Array("p".utf8))
        #expect(test.wait(client) { $0.messages == ["hello", long] && $0.pongs == ["p"] })
        client.frame(.close, [0x03, 0xE8])
        #expect(test.wait(client) { $0.closeCode == 1000 && $0.isAtEnd })
        #expect(test.slot.value(.clientsConnected) == 0)
    }

    @Test func `the edge's clients were checked by the edge`() throws {
        let test = try RoleHarness()
        #expect(test.open("/ws", unix: true, fields: "Origin: https://elsewhere.example\r\n") != nil)
        #expect(test.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", unix: true).hasPrefix("HTTP/1.1 404 "))
    }

    @Test func `a client that breaks the protocol is told and closed`() throws {
        let test = try RoleHarness()
        for (bytes, code) in [([0x81, 0x01, 0x61], 1002), ([0x81, 0xFF, 0, 0, 0, 0, 0, 0x08, 0, 1, 0, 0, 0, 0], 1009), ([0xFF, 0x80], 1002)]
            as [([UInt8], UInt16)]
        {
            let client = try #require(test.open())
            client.send(bytes)
            #expect(test.wait(client) { $0.closeCode == code && $0.isAtEnd })
        }
        #expect(test.slot.value(.clientsOpen) == 0)
    }

    @Test func `a malformed frame ends the channel and nothing else`() throws {
        let test = try RoleHarness()
        try test.attach()
        let client = try #require(test.open())
        test.event(7, 1, .auditComplete, json("r1"))
        #expect(test.wait(client) { $0.brief == ["audit_result 7:1 r1"] })
        _ = test.channel?.send(Subscribe(epoch: 1, sequence: 1))  // nothing that a dispatcher says
        _ = test.channel?.flush(in: test.loop)
        test.turn(for: 50)
        #expect(!test.isAttached)
        #expect(test.slot.value(.framesMalformed) == 1)
        #expect(test.birth.givenUp.messages.map(\.channel.generation) == [1], "the supervisor is asked for a new one")
        try test.attach()
        test.turn(for: 20)
        #expect(test.subscriptions.last == Subscribe(epoch: 7, sequence: 1))
        test.event(7, 1, .auditComplete, json("r1"))
        test.event(7, 2, .auditComplete, json("r2"))
        #expect(test.wait(client) { $0.brief == ["audit_result 7:1 r1", "audit_result 7:2 r2"] })
    }

    @Test func `a client that comes back gets thousands of events at its own pace`() throws {
        let test = try RoleHarness()
        try test.attach()
        test.turn(for: 20)
        let more = ",\"x\":\"" + String(repeating: "x", count: 2000) + "\""
        for sequence in 1...5000 as ClosedRange<UInt64> {
            test.event(7, sequence, .auditComplete, json("r\(sequence)", more))
        }
        while test.slot.value(.eventsReceived) < 5000 { test.turn() }
        let client = try #require(test.open("/ws?since=7:0"))
        let slow = try #require(test.open("/ws?since=7:10"))
        #expect(test.wait(client) { $0.messages.count == 5001 })
        #expect(client.brief.last == "audit_result 7:5000 r5000")
        #expect(test.wait(slow) { $0.messages.count == 4991 })
        #expect(test.slot.value(.slowClientsDropped) == 0)
    }

    @Test func `a client that does not read is dropped and the others are not held up`() throws {
        let test = try RoleHarness()
        try test.attach()
        let stuck = try #require(test.open())
        let reader = try #require(test.open())
        newsUntilDropped(stuck, reader, test)
        #expect(stuck.closeCode == 1013)
        #expect(test.slot.value(.clientsOpen) == 1)
    }

    @Test func `a dispatcher's death is told before its successor has events`() throws {
        let test = try RoleHarness()
        let dispatcher = try test.scoreboard.claim(.dispatcher, incarnation: 7)
        try test.attach()
        let client = try #require(test.open("/ws?envelope=payload"))
        test.event(7, 1, .auditStarted, json("r1"))
        test.event(7, 2, .auditStarted, json("r2"))
        test.event(7, 3, .auditComplete, json("r2"))
        #expect(test.wait(client) { $0.brief.count == 3 })
        dispatcher.add(.jobsCompleted, 4)
        dispatcher.add(.jobsFailed)
        _ = try test.scoreboard.claim(.dispatcher, incarnation: 9)
        try test.attach()
        #expect(test.wait(client) { $0.brief.last == "audit_failed r1" && $0.messages.contains { $0.contains("\"successful_audits\":3") } })
    }

    @Test func `an event to a thousand clients never holds the loop for long`() throws {
        let test = try RoleHarness()
        try test.attach()
        let clients = try (0..<1000).map { _ in try #require(test.open()) }
        test.event(7, 1, .auditComplete, json("r1", ",\"x\":\"" + String(repeating: "x", count: 2000) + "\""))
        var longest: UInt64 = 0
        var turns = 0
        while test.slot.value(.messagesSent) < 2000, turns < 1000 {
            let before = cpuTime()
            test.turn()
            longest = max(longest, cpuTime() - before)
            turns += 1
        }
        #expect(longest < 20_000_000, "\(longest) ns in one of \(turns) turns")
        for client in clients {
            client.read()
            #expect(client.brief == ["audit_result 7:1 r1"])
        }
    }

    /// Of this thread: other tests run beside this one.
    private func cpuTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    @Test func `drain says good-bye after the last event`() throws {
        let test = try RoleHarness()
        try test.attach()
        let clients = try (0..<3).map { _ in try #require(test.open()) }
        test.event(7, 1, .auditComplete, json("r1"))
        test.role.drain(until: test.loop.now + .seconds(5))
        for client in clients {
            #expect(test.wait(client) { $0.closeCode == 1001 && $0.isAtEnd })
            #expect(client.brief == ["audit_result 7:1 r1"])
        }
        test.turn(for: 100)
        #expect(!test.isDrained, "the clients' side is still open")
    }
}
