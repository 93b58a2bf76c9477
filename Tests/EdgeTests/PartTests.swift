// The edge's small parts, each by itself.
import EventLoop
import HTTP
import Simulation
import Testing

@testable import edge

@Suite struct SlabTests {
    /// Tells when it goes.
    struct Guest: ~Copyable {
        let number: Int
        let count: UnsafeMutablePointer<Int>

        init(_ number: Int, _ count: UnsafeMutablePointer<Int>) {
            self.number = number
            self.count = count
            count.pointee += 1
        }

        deinit { count.pointee -= 1 }
    }

    @Test func `slots are reused, last freed first, under new generations`() {
        let alive = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        alive.initialize(to: 0)
        defer { alive.deallocate() }
        var slab = Slab<Guest>(capacity: 3)
        var generations: [UInt32] = []
        for number in 0..<3 {
            let place = slab.insert(Guest(number, alive))
            #expect(place?.slot == number)
            generations.append(place?.generation ?? 0)
        }
        let full = slab.insert(Guest(9, alive))
        #expect(full == nil && alive.pointee == 3)
        var state = (slab.count, slab.highWater)
        #expect(state == (3, 3))
        slab.remove(0)
        slab.remove(2)
        slab.remove(2)
        state = (slab.count, alive.pointee)
        #expect(state == (1, 1))
        let stale = slab.find(0, generations[0])
        #expect(stale == nil)
        let second = slab.insert(Guest(5, alive))
        #expect(second?.slot == 2 && second?.generation != generations[2])
        let old = slab.find(2, generations[2])
        #expect(old == nil)
        let found = slab.find(2, second?.generation ?? 0)?.pointee.number
        #expect(found == 5)
        let outside = slab.find(3, 1) == nil && slab.find(.max, 1) == nil && !slab.isLive(-1) && !slab.isLive(3)
        #expect(outside)
        for slot in 0..<3 { slab.remove(slot) }
        #expect(alive.pointee == 0)
    }

    @Test func `a generation fits into a token`() {
        var slab = Slab<UInt8>(capacity: 1)
        for _ in 0..<1000 {
            let place = slab.insert(1)
            let generation = place?.generation ?? .max
            let token = Token(kind: EdgeToken.client, slot: 0, generation: generation)
            #expect(token.generation == generation && token.kind == EdgeToken.client)
            slab.remove(0)
        }
    }
}

@Suite struct ByteBufferTests {
    private func add(_ bytes: [UInt8], _ buffer: inout ByteBuffer) { bytes.withUnsafeBytes { buffer.append($0) } }

    @Test func `bytes come out as they went in`() {
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        var random = UInt64(1)
        for _ in 0..<300 {
            random = random &* 6_364_136_223_846_793_005 &+ 1
            let count = Int(random >> 33) % 300
            if random >> 40 & 3 > 1 {
                let piece = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
                add(piece, &buffer)
                model += piece
            } else {
                buffer.removeFirst(count)
                model.removeFirst(min(count, model.count))
            }
            let (same, empty) = (buffer.bytes.elementsEqual(model), buffer.isEmpty)
            #expect(same && empty == model.isEmpty)
        }
        buffer.removeAll()
        let count = buffer.count
        #expect(count == 0)
        buffer.append(UnsafeRawBufferPointer(start: nil, count: 0))
        let rest = buffer.bytes.count
        #expect(rest == 0)
    }
}

@Suite struct BodyReaderTests {
    struct Row: Sendable {
        let name: String
        let framing: BodyFraming
        let bytes: String
        let body: String
        /// What belongs to the next message.
        let rest: String
        let isDone: Bool
    }

    static let rows = [
        Row(name: "none", framing: .none, bytes: "next", body: "", rest: "next", isDone: true),
        Row(name: "length", framing: .length(5), bytes: "hellonext", body: "hello", rest: "next", isDone: true),
        Row(name: "short", framing: .length(50), bytes: "hello", body: "hello", rest: "", isDone: false),
        Row(name: "no length", framing: .length(0), bytes: "next", body: "", rest: "next", isDone: true),
        Row(name: "largest", framing: .length(.max), bytes: "hello", body: "hello", rest: "", isDone: false),
        Row(name: "chunked", framing: .chunked, bytes: "2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX: y\r\n\r\nnext", body: "hello", rest: "next", isDone: true),
        Row(name: "until close", framing: .untilClose, bytes: "hello", body: "hello", rest: "", isDone: false),
    ]

    @Test(arguments: rows) func `a body ends where it ends, wherever reads end`(_ row: Row) throws {
        let bytes = Array(row.bytes.utf8)
        for cut in 0...bytes.count {
            var reader = BodyReader(row.framing)
            var body: [UInt8] = []
            var used = 0
            for part in [bytes[..<cut], bytes[cut...]] {
                let piece = Array(part)
                var position = 0
                pieces: while true {
                    switch try reader.next(piece.span.bytes, from: &position) {
                    case .data(let offset, let count): body += piece[offset..<(offset + count)]
                    case .needMore, .end: break pieces
                    }
                }
                used += position
                if reader.isDone { break }
            }
            #expect(String(decoding: body, as: UTF8.self) == row.body, "\(row.name), cut at \(cut)")
            #expect(reader.isDone == row.isDone, "\(row.name), cut at \(cut)")
            if reader.isDone { #expect(String(decoding: bytes[used...], as: UTF8.self).hasSuffix(row.rest), "\(row.name), cut at \(cut)") }
        }
    }

    @Test func `only a body without an end of its own ends with the connection`() {
        #expect(BodyReader(.untilClose).endsWithConnection)
        for framing in [BodyFraming.none, .length(1), .chunked] { #expect(!BodyReader(framing).endsWithConnection) }
    }

    @Test func `an error stays`() {
        var reader = BodyReader(.chunked)
        let bytes = Array("xx".utf8)
        for _ in 0..<2 {
            var position = 0
            #expect(throws: HTTPError.self) { _ = try reader.next(bytes.span.bytes, from: &position) }
        }
        #expect(!reader.isDone)
    }
}

@Suite struct ExchangeNameTests {
    private func text(_ name: ExchangeName, _ prefix: StaticString = "req_") -> String {
        withUnsafeTemporaryAllocation(byteCount: ExchangeName.length, alignment: 1) { room in
            var sink = ByteSink(room)
            name.write(prefix, into: &sink)
            #expect(!sink.overflowed && sink.count == ExchangeName.length)
            return String(decoding: room, as: UTF8.self)
        }
    }

    @Test func `names are unique and sort by time`() {
        var namer = ExchangeNamer()
        let names = (0..<100).map { text(namer.next(milliseconds: 1_764_000_000_000 + UInt64($0 / 10))) }
        #expect(Set(names).count == 100)
        #expect(names == names.sorted())
        #expect(names[0].hasPrefix("req_019ab6"))
        #expect(names.allSatisfy { name in ExchangeName.accepts(Array(name.utf8).span.bytes) })
        _ = text(namer.next(milliseconds: .max))
    }

    @Test func `they tell the time and the count`() throws {
        var namer = ExchangeNamer()
        for (index, milliseconds) in [5, 5, 1 << 47, 5, 0, 0, .max, (1 << 48) - 1, 1 << 48].enumerated() as EnumeratedSequence<[UInt64]> {
            let name = text(namer.next(milliseconds: milliseconds)).dropFirst(4)
            #expect(UInt64(name.prefix(12), radix: 16) == milliseconds & 0xFFFF_FFFF_FFFF)
            #expect(UInt32(name.suffix(8), radix: 16) == UInt32(index + 1))
        }
    }

    @Test(arguments: [
        ("a", true), ("A-z_0.9", true), (String(repeating: "x", count: 64), true), ("", false), (String(repeating: "x", count: 65), false), ("a b", false),
        ("a\r\nb: c", false), ("a,b", false), ("a;b", false), ("é", false), ("\0", false), ("<x>", false), ("a\"", false),
    ]) func `a client's name is taken over only if it is harmless`(_ name: String, _ accepted: Bool) {
        #expect(ExchangeName.accepts(Array(name.utf8).span.bytes) == accepted)
    }
}

@Suite struct RedactionTests {
    @Test(arguments: [
        ("Authorization", true), ("cookie", true), ("Set-Cookie", true), ("X-API-Key", true), ("api_key", true), ("apikey", true), ("x-access-TOKEN", true),
        ("client_secret", true), ("Password", true), ("x-amz-signature", true), ("X-Goog-Signature", true), ("monkey", true), ("Proxy-Authorization", true),
        ("Accept", false), ("Content-Type", false), ("ke", false), ("k", false), ("", false), ("tokeN", true), ("toke", false), ("secre-t", false),
    ]) func `secrets are known by their names`(_ name: String, _ secret: Bool) {
        #expect(Redaction(furtherWords: []).isSecret(Array(name.utf8).span.bytes) == secret)
    }

    /// By the letter, without any of the tests that make it fast.
    private func isSecretPlainly(_ name: [UInt8], _ words: [String]) -> Bool {
        let folded = name.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
        return words.contains { word in
            let word = Array(word.utf8)
            return word.count <= folded.count && (0...folded.count - word.count).contains { folded[$0..<$0 + word.count].elementsEqual(word) }
        }
    }

    private static let words = ["authorization", "cookie", "key", "token", "secret", "password", "signature"]

    @Test(arguments: [[], ["passport", "x-card", "q", "ua_1"]]) func `whatever a name is, only the words count`(_ further: [String]) {
        let redaction = Redaction(furtherWords: further)
        let words = Self.words + further
        var random = SeededRandom(seed: 3)
        var secrets = 0
        for _ in 0..<40_000 {
            var name: [UInt8] = []
            for _ in 0..<random.below(5) {
                switch random.below(4) {
                case 0: name += (0..<random.below(6)).map { _ in UInt8(random.below(256)) }
                case 1: name += Array(["-", "_", "x", "Accept", "Ranges", "to", "ken", "7"][random.below(8)].utf8)
                default:
                    // A word, perhaps in the other case, perhaps damaged.
                    var word = Array(words[random.below(words.count)].utf8)
                    if random.below(2) == 0 { word = word.map { random.below(2) == 0 ? $0 ^ 0x20 : $0 } }
                    if random.below(2) == 0 { word.remove(at: random.below(word.count)) }
                    if random.below(3) == 0, word.count > 1 { word.swapAt(random.below(word.count), random.below(word.count)) }
                    name += word
                }
            }
            let isSecret = isSecretPlainly(name, words)
            secrets += isSecret ? 1 : 0
            #expect(redaction.isSecret(name.span.bytes) == isSecret, "\(String(decoding: name, as: UTF8.self))")
        }
        #expect((1000..<39_000).contains(secrets))
    }

    /// What the parser tells of a name decides as its letters would.
    @Test(arguments: [[], ["agent"]]) func `names that the parser knows are what their letters say`(_ further: [String]) throws {
        for known in FieldName.allCases where known != .other && known != .host {
            let name = "\(known.text)"
            var parser = HeadParser()
            let value = known == .contentLength ? "1" : known == .transferEncoding ? "chunked" : known == .expect ? "100-continue" : "v"
            let bytes = Array("POST / HTTP/1.1\r\nHost: x\r\n\(name): \(value)\r\n\r\n".utf8)
            var position = 0
            _ = try parser.parseRequest(bytes.span.bytes, from: &position)
            #expect(parser.field(1).name == known)
            #expect(Redaction(furtherWords: further).isSecret(parser.field(1), in: bytes.span.bytes) == isSecretPlainly(Array(name.utf8), Self.words + further), "\(name)")
        }
    }

    @Test(arguments: [
        ("Authorization", true), ("Cookie", true), ("Set-Cookie", true), ("X-API-Key", true), ("Proxy-Authorization", true), ("Sec-WebSocket-Key", true),
        ("X-Session-Token", true), ("Host", false), ("Accept-Encoding", false), ("X-Request-ID", false), ("Keep-Alive", false),
    ]) func `and so are fields`(_ name: String, _ secret: Bool) throws {
        var parser = HeadParser()
        let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\n\(name == "Host" ? "A" : name): value\r\n\r\n".utf8)
        var position = 0
        _ = try parser.parseRequest(bytes.span.bytes, from: &position)
        #expect(Redaction(furtherWords: []).isSecret(parser.field(1), in: bytes.span.bytes) == secret)
    }
}

@Suite struct FurtherRedactionTests {
    private let redaction = Redaction(furtherWords: ["passport", "x-card", "ua_1"])

    @Test(arguments: [
        ("Passport", true), ("my_passport_no", true), ("passpor", false), ("X-Card-Number", true), ("x_card", false), ("UA_1", true), ("ua-1", false), ("x", false), ("", false),
        ("api_key", true),
    ]) func `further words are found in any case, with the others`(_ name: String, _ secret: Bool) {
        #expect(redaction.isSecret(Array(name.utf8).span.bytes) == secret)
    }

    @Test(arguments: [
        ("api_key", true), ("%61pi_%6Bey", true), ("api%5Fkey", true), ("%6b%65%79", true), ("%4B%45%59", true), ("k%65", false), ("ke%79", true), ("k%", false), ("%", false), ("k%6", false),
        ("%zzkey", true), ("ke%7", false), ("p%61ssport", true), ("%256b%2565%2579", false), ("%6bey%", true),
    ]) func `parameters are read as a server reads them`(_ name: String, _ secret: Bool) {
        #expect(redaction.isSecretParameter(Array(name.utf8).span.bytes) == secret)
    }

    @Test(arguments: [("User-Agent", true), ("Accept", false), ("Host", false), ("Authorization", true)])
    func `further words count for names that the parser knows, too`(_ name: String, _ secret: Bool) throws {
        var parser = HeadParser()
        let bytes = Array("GET / HTTP/1.1\r\n\(name == "Host" ? "" : "Host: x\r\n")\(name): value\r\n\r\n".utf8)
        var position = 0
        _ = try parser.parseRequest(bytes.span.bytes, from: &position)
        #expect(Redaction(furtherWords: ["agent"]).isSecret(parser.field(parser.fieldCount - 1), in: bytes.span.bytes) == secret)
    }
}

@Suite struct WallClockTests {
    @Test func `it goes with the monotonic clock, from the wall's time`() {
        let clock = WallClock()
        let now = Instant.now.nanoseconds
        let wall = UInt64(clamping: wallClockMilliseconds())
        let shown = clock.milliseconds(now)
        #expect(shown + 100 > wall && shown < wall + 100)
        #expect(clock.milliseconds(now + 5_000_000_000) == shown + 5000 || clock.milliseconds(now + 5_000_000_000) == shown + 5001)
        _ = clock.milliseconds(0)
        _ = clock.milliseconds(.max)
    }
}

@Suite struct TestRequestTests {
    @Test(arguments: [
        "", "{}", "[]", "null", "{\"test_response\":1}", "{\"test_response\":", "\u{FEFF}{}", "{\"messages\":[{\"test_response\":\"x\"}]}", "\"test_response\"",
    ]) func `other bodies are no tests`(_ body: String) { #expect(TestRequest(Array(body.utf8)) == nil) }

    @Test func `a test is answered whole or in words`() throws {
        let request = #"{"model":"m\"","stream":true,"messages":[{"role":"user","content":"four"},{"content":[]},{}],"test_response":"one  two\nthree"}"#
        let test = try #require(TestRequest(Array(request.utf8)))
        #expect(test.stream && test.contentType == "text/event-stream")
        let stream = String(decoding: test.streamedBody(id: "i", created: 5), as: UTF8.self)
        let events = stream.split(separator: "\n\n", omittingEmptySubsequences: false)
        #expect(events.last == "" && events.dropLast().last == "data: [DONE]")
        #expect(events.dropLast().allSatisfy { $0.hasPrefix("data: ") })
        #expect(stream.contains(#""content":"one""#) && stream.contains(#""content":" ""#) && stream.contains(#""content":" two\nthree""#))
        let whole = String(decoding: test.body(id: "i", created: .max), as: UTF8.self)
        #expect(whole.contains(#""content":"one  two\nthree""#) && whole.contains(#""model":"m\"""#) && whole.contains(#""prompt_tokens":1"#))
    }
}
