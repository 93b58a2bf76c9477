// Every message: what is encoded is decoded again; cut anywhere, continued or out of range it is an error.
import Testing

@testable import IPC

/// Tries every truncation of `payload` up to `fixed`, where a remainder begins, and more bytes if there is none.
private func refusesOtherLengths(_ payload: [UInt8], fixed: Int? = nil, _ decode: (RawSpan) throws -> Void) {
    for length in 0..<(fixed ?? payload.count) {
        do {
            try payload[..<length].withUnsafeBytes { try decode($0.bytes) }
            Issue.record("cut to \(length) of \(payload.count) bytes it was taken")
        } catch FrameError.truncated {
        } catch {
            Issue.record("cut to \(length) of \(payload.count) bytes: \(error)")
        }
    }
    guard fixed == nil else { return }
    for extra in [1, 2, 300] {
        #expect(throws: FrameError.trailingBytes(extra)) {
            try (payload + pattern(extra)).withUnsafeBytes { try decode($0.bytes) }
        }
    }
}

/// For messages that are values: the decoded one equals the encoded one. `remainder` bytes at the end may be cut.
private func roundTrip<M: Message & Equatable>(_ messages: [M], remainder: Int? = nil) throws {
    for message in messages {
        let payload = encoded(message)
        let back = try payload.withUnsafeBytes { try M(from: PayloadReader($0.bytes)) }
        #expect(back == message)
        refusesOtherLengths(payload, fixed: remainder.map { payload.count - $0 }) { _ = try M(from: PayloadReader($0)) }
    }
}

/// Overwrites bytes of a good payload and expects the named field to be out of range.
private func refuses(_ field: String, _ payload: [UInt8], at offset: Int, _ values: [[UInt8]], _ decode: (RawSpan) throws -> Void) {
    for value in values {
        var bad = payload
        bad.replaceSubrange(offset..<offset + value.count, with: value)
        #expect(throws: FrameError.outOfRange(field), "\(field) \(value)") { try bad.withUnsafeBytes { try decode($0.bytes) } }
    }
}

private let strings = ["", "a", "grüße 🧾", "\0\r\n"]
private let noDataChannels: [[UInt8]] = ([0] + (5...255)).map { [$0] }

struct ControlMessageTests {
    @Test func hello() throws {
        for build in strings + [String(repeating: "b", count: 300)] {
            let payload = encoded(Hello(role: .max, place: .max, build: build))
            try payload.withUnsafeBytes {
                let back = try Hello(from: PayloadReader($0.bytes))
                #expect(back.role == .max && back.place == .max && back.build == build)
            }
            refusesOtherLengths(payload) { _ = try Hello(from: PayloadReader($0)) }
        }
    }

    @Test func configure() throws {
        let most = (0..<Configure.mostPairs).map { (name: "N\($0)", value: "v") }
        let rows: [[(name: String, value: String)]] = [[], [("TRUTHTABLE_PORT", "8080")], [("", "")], [("a", "1"), ("a", "2")], most]
        for pairs in rows {
            let payload = encoded(Configure(incarnation: .max, pairs: pairs))
            try payload.withUnsafeBytes {
                let back = try Configure(from: PayloadReader($0.bytes))
                #expect(back.incarnation == .max)
                #expect(back.pairs.map(\.name) == pairs.map(\.name))
                #expect(back.pairs.map(\.value) == pairs.map(\.value))
            }
            refusesOtherLengths(payload) { _ = try Configure(from: PayloadReader($0)) }
        }
        refuses("count of pairs", encoded(Configure(incarnation: 1, pairs: most)), at: 8, [[1, 1], [255, 255]]) {
            _ = try Configure(from: PayloadReader($0))
        }
    }

    @Test func attach() throws {
        try roundTrip([ChannelKind.capture, .audit, .event, .query].map { Attach(kind: $0, peer: .max, generation: .max) })
        try roundTrip([Attach(kind: .capture, peer: 0, generation: 0)])
        try roundTrip([ChannelGivenUp(Attach(kind: .event, peer: 2, generation: .max))])
        refuses("kind", encoded(Attach(kind: .audit, peer: 1, generation: 2)), at: 0, noDataChannels) { _ = try Attach(from: PayloadReader($0)) }
    }

    @Test func peerEnded() throws {
        try roundTrip([
            PeerEnded(kind: .audit, peer: 0, generation: 0, signal: 0, ordered: false),
            PeerEnded(kind: .event, peer: .max, generation: .max, signal: .max, ordered: true),
        ])
        let payload = encoded(PeerEnded(kind: .capture, peer: 1, generation: 2, signal: 9, ordered: true))
        refuses("kind", payload, at: 0, noDataChannels) { _ = try PeerEnded(from: PayloadReader($0)) }
        refuses("ordered", payload, at: 8, [[2], [255]]) { _ = try PeerEnded(from: PayloadReader($0)) }
    }

    @Test func drain() throws { try roundTrip([Drain(limitMilliseconds: 0), Drain(limitMilliseconds: .max)]) }

    @Test(arguments: [MessageType.ping, .reload, .pong, .ready, .drained])
    func `messages that are their type take no payload and keep their id`(_ type: MessageType) throws {
        let header = FrameHeader(length: 0, type: type.rawValue, id: .max)
        func taken(_ payload: [UInt8]) throws -> Bool {
            try payload.withUnsafeBytes {
                if type == .ping || type == .reload {
                    return switch (type, try ControlToChild(header, $0.bytes)) {
                    case (.ping, .ping(.max)), (.reload, .reload): true
                    default: false
                    }
                }
                return switch (type, try ControlToSupervisor(header, $0.bytes)) {
                case (.pong, .pong(.max)), (.ready, .ready), (.drained, .drained): true
                default: false
                }
            }
        }
        #expect(try taken([]))
        #expect(throws: FrameError.trailingBytes(1)) { try taken([0]) }
    }
}

struct DataMessageTests {
    @Test func captureOpen() throws { try roundTrip([CaptureOpen(sentBefore: 0), CaptureOpen(sentBefore: .max)]) }
    @Test func nack() throws { try roundTrip([Nack(lease: 0), Nack(lease: .max)]) }
    @Test func subscribe() throws { try roundTrip([Subscribe(epoch: 0, sequence: 0), Subscribe(epoch: .max, sequence: .max)]) }

    @Test func credit() throws {
        try roundTrip([Credit(count: 1), Credit(count: .max)])
        refuses("count", encoded(Credit(count: 1)), at: 0, [[0, 0]]) { _ = try Credit(from: PayloadReader($0)) }
    }

    @Test func lookup() throws {
        try roundTrip(strings.map { Lookup(waitMilliseconds: .max, id: $0) })
    }

    @Test func recent() throws {
        var recent = Recent(limit: 100)
        try roundTrip([recent, Recent(limit: 1)])
        recent.beforeEpoch = .max
        recent.beforeSequence = .max
        recent.sinceMilliseconds = .max
        for text in strings {
            recent.grade = text
            recent.model = text
            recent.path = text
            try roundTrip([recent])
        }
        refuses("limit", encoded(recent), at: 0, [[0, 0], [101, 0], [255, 255]]) { _ = try Recent(from: PayloadReader($0)) }
    }

    @Test(arguments: [0, 1, 5000]) func submit(length: Int) throws {
        try pattern(length).withUnsafeBytes { capture in
            let payload = encoded(Submit(waitMilliseconds: .max, capture: capture.bytes))
            try payload.withUnsafeBytes {
                let back = try Submit(from: PayloadReader($0.bytes))
                #expect(back.waitMilliseconds == .max && array(back.capture) == pattern(length))
            }
            refusesOtherLengths(payload, fixed: 4) { _ = try Submit(from: PayloadReader($0)) }
        }
    }

    @Test(arguments: AnswerKind.allCases) func answer(kind: AnswerKind) throws {
        try pattern(300).withUnsafeBytes { json in
            let payload = encoded(Answer(kind: kind, json: json.bytes))
            try payload.withUnsafeBytes {
                let back = try Answer(from: PayloadReader($0.bytes))
                #expect(back.kind == kind && array(back.json) == pattern(300))
            }
            refusesOtherLengths(payload, fixed: 1) { _ = try Answer(from: PayloadReader($0)) }
            refuses("kind", payload, at: 0, [[0], [12], [255]]) { _ = try Answer(from: PayloadReader($0)) }
        }
    }

    @Test(arguments: [0, 1, 5000]) func job(length: Int) throws {
        let capture = pattern(length)
        for attempt in [Job.attempts.lowerBound, Job.attempts.upperBound] {
            let payload = capture.withUnsafeBytes { encoded(Job(lease: .max, attempt: attempt, limitMilliseconds: .max, capture: $0.bytes)) }
            try payload.withUnsafeBytes {
                let back = try Job(from: PayloadReader($0.bytes))
                let fields = (back.lease, back.attempt, back.limitMilliseconds)
                #expect(fields == (.max, attempt, .max))
                let run = array(back.capture)
                #expect(run == capture)
            }
            refusesOtherLengths(payload, fixed: 13) { _ = try Job(from: PayloadReader($0)) }
            refuses("attempt", payload, at: 8, [[0], [17], [255]]) { _ = try Job(from: PayloadReader($0)) }
        }
    }

    @Test(arguments: [AuditOutcome.completed, .skipped, .failed], [nil, 0, 1000] as [UInt16?])
    func auditResult(outcome: AuditOutcome, score: UInt16?) throws {
        for json in [[], pattern(3000)] {
            for text in strings {
                let result = AuditResult(
                    lease: .max, outcome: outcome, scoreTenths: score, claims: .max, unsupportedClaims: .max, processingMicroseconds: .max,
                    grade: "N/A", reason: text, detail: text + text, json: json)
                try roundTrip([result], remainder: json.count)
            }
        }
        let payload = encoded(AuditResult(lease: 1, outcome: outcome, scoreTenths: score))
        refuses("outcome", payload, at: 8, [[0], [4], [255]]) { _ = try AuditResult(from: PayloadReader($0)) }
        refuses("score", payload, at: 9, [[0xE9, 0x03], [0xFE, 0xFF]]) { _ = try AuditResult(from: PayloadReader($0)) }
    }

    @Test(arguments: EventKind.allCases) func event(kind: EventKind) throws {
        for json in [[], pattern(700)] {
            let payload = json.withUnsafeBytes { encoded(Event(epoch: .max, sequence: .max, kind: kind, milliseconds: .max, json: $0.bytes)) }
            try payload.withUnsafeBytes {
                let back = try Event(from: PayloadReader($0.bytes))
                let fields = (back.epoch, back.sequence, back.kind, back.milliseconds)
                #expect(fields == (.max, .max, kind, .max))
                let run = array(back.json)
                #expect(run == json)
            }
            refusesOtherLengths(payload, fixed: 25) { _ = try Event(from: PayloadReader($0)) }
            refuses("sequence", payload, at: 8, [[UInt8](repeating: 0, count: 8)]) { _ = try Event(from: PayloadReader($0)) }
            refuses("kind", payload, at: 16, ([0] + (5...255)).map { [$0] }) { _ = try Event(from: PayloadReader($0)) }
        }
    }
}

struct PayloadTests {
    @Test func `the longest string fits, bytes that are no UTF-8 are replaced`() throws {
        let longest = String(repeating: "x", count: 65_535)
        var writer = PayloadWriter()
        writer.string(longest)
        writer.run([3, 0, 0x61, 0xFF, 0x62])
        try writer.bytes.withUnsafeBytes {
            var reader = PayloadReader($0.bytes)
            let first = try reader.string("longest")
            #expect(first == longest)
            let second = try reader.string("not UTF-8")
            #expect(second == "a\u{FFFD}b")
            try reader.end()
        }
    }

    @Test func `a string that is too long is cut between characters`() throws {
        // Two bytes each, so that the limit falls amid one; then all four-byte characters.
        for (text, kept) in [("a" + String(repeating: "ü", count: 40_000), 65_535), (String(repeating: "ü", count: 40_000), 65_534), (String(repeating: "🧾", count: 20_000), 65_532)] {
            var writer = PayloadWriter()
            writer.string(text)
            try writer.bytes.withUnsafeBytes {
                var reader = PayloadReader($0.bytes)
                let back = try reader.string("text")
                try reader.end()
                #expect(back.utf8.count == kept)
                #expect(text.hasPrefix(back))
            }
        }
    }

    @Test func `integers are little endian`() {
        var writer = PayloadWriter()
        writer.uint8(0xFE)
        writer.uint16(0x0102)
        writer.uint32(0x0304_0506)
        writer.uint64(0x0708_090A_0B0C_0D0E)
        #expect(writer.bytes == [0xFE, 2, 1, 6, 5, 4, 3, 0x0E, 0x0D, 0x0C, 0x0B, 0x0A, 9, 8, 7])
    }

    @Test func `the field that is cut is named, foreign lengths are refused`() {
        [UInt8](repeating: 1, count: 3).withUnsafeBytes { three in
            #expect(throws: FrameError.truncated("limit")) {
                var reader = PayloadReader(three.bytes)
                _ = try reader.uint32("limit")
            }
            for (count, error) in [(-1, FrameError.outOfRange("run")), (Int.min, .outOfRange("run")), (4, .truncated("run")), (Int.max, .truncated("run"))] {
                #expect(throws: error) {
                    var reader = PayloadReader(three.bytes)
                    _ = try reader.uint8("first")
                    _ = try reader.bytes(count: count, "run")
                }
            }
        }
    }
}

struct DirectionTests {
    typealias Decode = @Sendable (FrameHeader, RawSpan) throws -> Void

    /// Each direction of each channel, and the messages that it takes.
    static let directions: [(name: String, takes: Set<MessageType>, decode: Decode)] = [
        ("control to a child", [.configure, .attach, .peerEnded, .ping, .drain, .reload], { _ = try ControlToChild($0, $1) }),
        ("control to the supervisor", [.hello, .ready, .pong, .drained, .channelGivenUp], { _ = try ControlToSupervisor($0, $1) }),
        ("captures to the dispatcher", [.captureOpen, .capture], { _ = try CaptureToDispatcher($0, $1) }),
        ("jobs to an auditor", [.job], { _ = try AuditToAuditor($0, $1) }),
        ("results to the dispatcher", [.credit, .auditResult, .nack], { _ = try AuditToDispatcher($0, $1) }),
        ("queries to the dispatcher", [.submit, .lookup, .recent, .cancelQuery], { _ = try QueryToDispatcher($0, $1) }),
        ("answers to an edge", [.answer], { _ = try QueryToEdge($0, $1) }),
        ("events to a subscriber", [.event], { _ = try EventToSubscriber($0, $1) }),
        ("subscriptions to the dispatcher", [.subscribe], { _ = try EventToDispatcher($0, $1) }),
    ]

    @Test func `nobody takes a type that is not declared for its channel and direction`() {
        for direction in Self.directions {
            for raw in Array(0...300) + [0x0100 | MessageType.job.rawValue, UInt16.max] {
                let declared = MessageType(rawValue: raw).map(direction.takes.contains) ?? false
                var refused = false
                do {
                    try pattern(40).withUnsafeBytes { try direction.decode(FrameHeader(length: 40, type: raw), $0.bytes) }
                } catch FrameError.unexpectedType(raw) {
                    refused = true
                } catch {}
                #expect(refused == !declared, "\(direction.name), type \(raw)")
            }
        }
    }

    @Test func `every declared message is taken in one direction`() {
        for type in MessageType.allCases {
            #expect(Self.directions.count { $0.takes.contains(type) } == 1, "\(type)")
        }
    }
}
