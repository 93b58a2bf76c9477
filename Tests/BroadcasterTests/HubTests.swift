// Who gets what: envelopes, subscriptions, resuming, lost audits, slow clients.
import EventLoop
import HTTP
import IPC
import Testing

@testable import broadcaster

struct HubTests {
    @Test func `both envelopes wrap the same bytes`() {
        var test = TestHub()
        let data = test.join(.data, id: "one")
        let payload = test.join(.payload, id: "two")
        test.event(7, 1, .auditComplete, json("r1", ",\"grade\":\"B\""))
        #expect(
            test.messages(data) == [
                #"{"type":"connected","timestamp":"2025-11-25T21:52:50.123Z","data":{"client_id":"one"}}"#,
                #"{"type":"audit_result","epoch":"7","seq":1,"timestamp":"2025-11-25T21:52:50.123Z","data":"# + json("r1", ",\"grade\":\"B\"") + "}",
            ])
        let texts = test.messages(payload)
        #expect(texts.first == #"{"type":"connected","timestamp":"2025-11-25T21:52:50.123Z","payload":{"client_id":"two"}}"#)
        #expect(
            texts.contains(
                #"{"type":"audit_complete","epoch":"7","seq":1,"timestamp":"2025-11-25T21:52:50.123Z","payload":"# + json("r1", ",\"grade\":\"B\"") + "}"))
    }

    @Test func `each envelope has its kinds`() {
        var test = TestHub()
        let data = test.join(.data)
        let payload = test.join(.payload)
        test.event(7, 1, .auditStarted, json("r1"))
        test.event(7, 2, .auditComplete, json("r1"))
        test.event(7, 3, .auditStarted, json("r2"))
        test.event(7, 4, .auditFailed, json("r2", ",\"error\":\"audit timed out\""))
        #expect(test.brief(data) == ["audit_result 7:2 r1", "error 7:4 r2"])
        #expect(test.brief(payload) == ["audit_started 7:1 r1", "audit_complete 7:2 r1", "audit_started 7:3 r2", "audit_failed 7:4 r2"])
        #expect(test.brief(data) == [], "nothing comes twice")
    }

    @Test func `an event is rendered once per envelope`() {
        var test = TestHub()
        let keys = (0..<1000).map { test.join($0 % 2 == 0 ? .data : .payload) }
        for key in keys { _ = test.messages(key) }
        let before = test.hub.renderings
        test.event(7, 1, .auditComplete, json("r1"))
        #expect(keys.allSatisfy { test.brief($0).count == 1 })
        #expect(test.hub.renderings - before == 2)
    }

    @Test func `an event is compressed once for all who agreed on the same window`() {
        var test = TestHub()
        let framings: [Framing] = [.webSocket, .deflated15, .deflated12, .deflated9, .eventStream]
        let keys = (0..<100).map { test.join(.data, framing: framings[$0 % framings.count]) }
        for key in keys { _ = test.bytes(key) }
        let before = test.hub.renderings
        let body = json("r1", ",\"text\":\"" + String(repeating: "the same again and ", count: 200) + "\"")
        test.event(7, 1, .auditComplete, body)
        let message = #"{"type":"audit_result","epoch":"7","seq":1,"timestamp":"2025-11-25T21:52:50.123Z","data":"# + body + "}"
        for (index, key) in keys.enumerated() {
            let bytes = test.bytes(key)
            switch framings[index % framings.count] {
            case .webSocket: #expect(bytes.withUnsafeBytes { frames($0) } == [message])
            case .eventStream: #expect(String(decoding: bytes, as: UTF8.self) == "id: 7:1\ndata: \(message)\n\n")
            case .deflated15, .deflated12, .deflated9:
                #expect(bytes.withUnsafeBytes { frames($0) } == ["compressed " + message])
                #expect(bytes.count < 400)
            }
        }
        #expect(test.hub.renderings - before == 5)
    }

    @Test func `what cannot be made smaller, and what is old, goes uncompressed`() {
        var test = TestHub()
        let key = test.join(.data, framing: .deflated15)
        #expect(test.messages(key).map(short) == ["connected"], "a message to one client only")
        for sequence in 1...40 as ClosedRange<UInt64> { test.event(7, sequence, .auditComplete, json("r\(sequence)", ",\"x\":\"" + String(repeating: "x", count: 100) + "\"")) }
        let texts = test.messages(key)
        #expect(texts.count == 40)
        #expect(texts.prefix(8).allSatisfy { $0.hasPrefix("{") }, "older than what is kept ready")
        #expect(texts.suffix(32).allSatisfy { $0.hasPrefix("compressed {") })
    }

    @Test func `line ends in JSON do not end an event of a stream`() {
        var test = TestHub()
        let key = test.join(.data, framing: .eventStream)
        _ = test.bytes(key)
        test.event(7, 1, .auditComplete, "{\"request_id\":\r\n\"r1\",\n\"a\":1}")
        #expect(String(decoding: test.bytes(key), as: UTF8.self).hasSuffix("\"data\":{\"request_id\":  \"r1\", \"a\":1}}\n\n"))
    }

    @Test func `repeated and older events are ignored`() {
        var test = TestHub()
        let key = test.join()
        for sequence in [1, 2, 2, 1, 3, 3] as [UInt64] { test.event(7, sequence, .auditComplete, json("r\(sequence)")) }
        test.event(6, 9, .auditComplete, json("old"))
        #expect(test.brief(key) == ["audit_complete 7:1 r1", "audit_complete 7:2 r2", "audit_complete 7:3 r3"])
        #expect(test.hub.events.newest == EventNumber(epoch: 7, sequence: 3))
    }

    @Test(arguments: ["", "[]", "{", "{\"a\":1}}", "null", "{\"a\":\u{1}}", "{\"request_id\":}"])
    func `what is no object is passed over`(_ text: String) {
        var test = TestHub()
        let key = test.join()
        if case .unusable = test.event(7, 1, .auditComplete, text) {} else { Issue.record("kept \(text)") }
        test.event(7, 2, .auditComplete, json("r2"))
        #expect(test.brief(key) == ["audit_complete 7:2 r2"])
    }

    @Test func `what is no UTF-8 is passed over`() {
        var test = TestHub()
        let bytes = Array("{\"a\":\"".utf8) + [0xC3] + Array("\"}".utf8)
        let taken = bytes.withUnsafeBytes {
            test.hub.take(Event(epoch: 7, sequence: 1, kind: .auditComplete, milliseconds: wall, json: $0.bytes), at: start, wall: wall)
        }
        if case .unusable = taken {} else { Issue.record("kept") }
    }

    @Test func `audits that a dispatcher took with it are told as failed`() {
        var test = TestHub()
        let data = test.join(.data)
        let payload = test.join(.payload)
        for (sequence, id) in [(1, "a"), (2, "b"), (3, "c")] as [(UInt64, String)] {
            test.event(7, sequence, .auditStarted, json(id, ",\"path\":\"/v1/\(id)\""))
        }
        test.event(7, 4, .auditComplete, json("b"))
        test.event(9, 1, .auditStarted, json("d"))
        #expect(
            test.brief(payload) == [
                "audit_started 7:1 a", "audit_started 7:2 b", "audit_started 7:3 c", "audit_complete 7:4 b", "audit_failed a", "audit_failed c",
                "audit_started 9:1 d",
            ])
        let last = test.messages(data).last.flatMap(parse)
        #expect(last?["type"]?.string == "error")
        #expect(last?["data"]?["error"]?.string == "audit lost: the dispatcher was restarted")
        #expect(last?["data"]?["audit_id"]?.string == "aud_c")
        test.hub.dispatcherReplaced(by: 10, wall: wall)
        #expect(test.brief(payload) == ["audit_failed d"], "without an event of the new one too")
    }

    // MARK: Subscriptions

    @Test(arguments: [
        (#"{"type":"subscribe","types":["audit_started"]}"#, ["audit_started 7:1 r1"]),
        (#"{"type":"subscribe","types":["audit_result"]}"#, ["audit_complete 7:2 r1", "audit_complete 7:3 r2", "audit_complete 7:4 r3"]),
        (#"{"type":"subscribe","types":["error","audit_skipped"]}"#, ["audit_failed 7:5 r4"]),
        (#"{"type":"subscribe","types":[]}"#, []),
        (#"{"type":"subscribe","types":["audit_complete"],"grade_at_most":"C"}"#, ["audit_complete 7:3 r2"]),
        (#"{"type":"subscribe","types":["audit_complete"],"grade_at_most":"A"}"#, ["audit_complete 7:2 r1", "audit_complete 7:3 r2"]),
        (#"{"type":"subscribe","path":"/v1/chat/completions"}"#, ["audit_started 7:1 r1", "audit_complete 7:2 r1"]),
        (#"{"type":"subscribe","path":"/v1/*"}"#, ["audit_started 7:1 r1", "audit_complete 7:2 r1"]),
        (#"{"type":"subscribe","model":"gpt-*","types":["audit_complete","audit_failed"]}"#, ["audit_complete 7:3 r2", "audit_failed 7:5 r4"]),
        (#"{"type":"subscribe","path":null}"#, ["audit_started 7:1 r1", "audit_complete 7:2 r1", "audit_complete 7:3 r2", "audit_complete 7:4 r3", "audit_failed 7:5 r4"]),
    ])
    func `a subscription filters`(_ message: String, _ expected: [String]) {
        var test = TestHub()
        let key = test.join()
        _ = test.messages(key)
        test.say(key, message)
        #expect(test.brief(key) == ["subscribed"])
        test.event(7, 1, .auditStarted, json("r1", #","path":"/v1/chat/completions""#))
        test.event(7, 2, .auditComplete, json("r1", #","grade":"B","model":null"#))
        test.event(7, 3, .auditComplete, json("r2", #","grade":"D","model":"gpt-4o","path":"/chat""#))
        test.event(7, 4, .auditComplete, json("r3", #","grade":"N/A""#))
        test.event(7, 5, .auditFailed, json("r4"))
        #expect(test.brief(key) == expected)
    }

    @Test(arguments: [
        "", "hello", "{}", "[]", #"{"type":1}"#, #"{"type":"publish"}"#, #"{"type":"subscribe","types":"x"}"#,
        #"{"type":"subscribe","types":["nothing"]}"#, #"{"type":"subscribe","types":["connected"]}"#, #"{"type":"subscribe","types":[1]}"#,
        #"{"type":"subscribe","grade_at_most":"E"}"#, #"{"type":"subscribe","grade":"C"}"#, #"{"type":"subscribe","path":7}"#,
        String(repeating: "[", count: 100_000),
    ])
    func `a message that is not understood gets an answer and changes nothing`(_ message: String) {
        var test = TestHub()
        for envelope in Envelope.allCases {
            let key = test.join(envelope)
            _ = test.messages(key)
            test.say(key, message)
            let texts = test.messages(key)
            #expect(texts.count == 1)
            let value = texts.first.flatMap(parse)
            #expect(value?["type"]?.string == "error")
            #expect((value?["data"] ?? value?["payload"])?["error"]?.string?.isEmpty == false)
            test.event(7, UInt64(key) + 1, .auditComplete, json("r"))
            #expect(test.brief(key).count == 1)
        }
    }

    @Test func `messages to a client that sends without reading are few`() {
        var test = TestHub()
        let key = test.join()
        for _ in 0..<1000 { test.say(key, "?") }
        #expect(test.messages(key).count <= Subscriber.mostNotices + 2)
    }

    @Test(arguments: [
        ("", Envelope.data, nil), ("envelope=payload", .payload, nil), ("since=7:12", .data, EventNumber(epoch: 7, sequence: 12)),
        ("a&token=x&since=7:12&envelope=data", .data, EventNumber(epoch: 7, sequence: 12)),
    ] as [(String, Envelope, EventNumber?)])
    func `the query says envelope and place`(_ query: String, _ envelope: Envelope, _ since: EventNumber?) throws {
        let read = try dashboardQuery(query)
        #expect(read.envelope == envelope)
        #expect(read.since == since)
    }

    @Test func `the query may subscribe as a message does`() throws {
        let read = try dashboardQuery("types=audit_result,error&grade_at_most=C&path=/v1/*&model=gpt-4o")
        var expected = Subscription(.data)
        expected.kinds = [.auditComplete, .auditFailed]
        expected.gradeAtMost = .c
        expected.path = Subscription.Pattern("/v1/*")
        expected.model = Subscription.Pattern("gpt-4o")
        #expect(read.subscription == expected)
    }

    @Test(arguments: ["since=", "since=7", "since=7:", "since=:7", "since=-1:7", "since=7:99999999999999999999", "envelope=xml", "types=nothing", "types=audit_result,connected", "grade_at_most=E"])
    func `a wrong query is refused`(_ query: String) {
        #expect(throws: SubscriptionError.self) { try dashboardQuery(query) }
    }

    // MARK: Updates

    @Test func `updates come when they are due and only the newest`() {
        var test = TestHub()
        let key = test.join()
        #expect(test.messages(key).map(short) == ["connected", "health_update", "stats_update"], "a new one knows how things are")
        test.tick(after: .seconds(2))
        #expect(test.messages(key) == [], "no change")
        let stats = StatsReading(completed: 4, failed: 1, scored: 2, scoreSum: 171_000_000, timed: 3, timeSumMicroseconds: 12_900, ledger: TestHub.noLedger)
        test.tick(after: .seconds(2), stats: stats)
        test.tick(after: .seconds(2), stats: stats)
        #expect(
            test.messages(key) == [
                #"{"type":"stats_update","timestamp":"2025-11-25T21:52:50.123Z","payload":{"total_audits":4,"successful_audits":3,"failed_audits":1,"average_score":85.5,"average_time_ms":4,"ledger":\#(TestHub.noLedger.json)}}"#
            ])
        #expect(TestHub.noLedger.json.contains(#""dropped":{"capture_backlog":0,"queue_full":0,"#))
        let busy = HealthReading(auditService: "up", queueDepth: 3, queueSize: 9, workers: 2, running: 2, connections: 2)
        test.tick(after: .seconds(2), health: busy, stats: stats)
        #expect(
            test.messages(key) == [
                #"{"type":"health_update","timestamp":"2025-11-25T21:52:50.123Z","payload":{"audit_service":"up","queue_depth":3,"connections":2,"queue_size":9,"workers":2,"running":2}}"#
            ])
        let down = HealthReading(auditService: "down", queueDepth: 4, queueSize: 9, workers: 0, running: 0, connections: 2)
        test.tick(after: .seconds(1), health: busy, stats: stats)
        test.tick(after: .milliseconds(1), health: down, stats: stats)
        #expect(
            test.messages(key) == [
                #"{"type":"health_update","timestamp":"2025-11-25T21:52:50.123Z","payload":{"audit_service":"down","queue_depth":4,"connections":2,"queue_size":9,"workers":0,"running":0}}"#
            ])
        let data = test.join(.data)
        #expect(test.messages(data).map(short) == ["connected"])
        test.say(data, #"{"type":"subscribe","types":["stats_update"]}"#)
        #expect(test.messages(data).map(short) == ["subscribed", "stats_update"])
    }
}
