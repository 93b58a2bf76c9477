// Mutated bytes against all decoders: nothing traps, and what is said does not depend on where reads end. A failure
// names its seed and round: `TRUTHTABLE_FUZZ_SEED=n swift test --filter HTTPTests.Fuzz`. The count of rounds is
// `TRUTHTABLE_FUZZ_ROUNDS`.

import Glibc
import HTTP
import Testing

struct FuzzTests {
    private static func setting(_ name: String) -> UInt64? {
        guard let value = getenv(name) else { return nil }
        return UInt64(String(cString: value))
    }

    static let seed = setting("TRUTHTABLE_FUZZ_SEED") ?? UInt64.random(in: 0...UInt64.max)
    /// In all, over the six kinds.
    static let rounds = Int(setting("TRUTHTABLE_FUZZ_ROUNDS") ?? 300_000)

    /// Runs a share of the rounds on mutated entries of a corpus; `check` says what was wrong.
    private func fuzz(
        _ name: String, share: Int, _ corpus: [[UInt8]], _ tokens: [[UInt8]],
        _ check: (_ bytes: [UInt8], _ cuts: [Int]) -> String?
    ) {
        print("fuzzing \(name): seed \(Self.seed)")
        var failures = 0
        for round in 0..<Self.rounds / share where failures < 5 {
            // Each round has its own numbers: a failure is repeated without those before it.
            var random = Randomness(seed: Self.seed &+ UInt64(round) &* 0x1_0000_0001)
            let bytes = Mutation.mutated(corpus, tokens, using: &random)
            let cuts = Mutation.cuts(bytes.count, using: &random)
            if let failure = check(bytes, cuts) {
                failures += 1
                Issue.record("\(name), seed \(Self.seed), round \(round): \(failure); cuts \(cuts) of \(bytes)")
            }
        }
    }

    private static let headTokens: [[UInt8]] = [
        "\r\n", "\r\n\r\n", "\n", "\r", " ", "\t", ":", ",", "\0", "\u{7F}", "\u{E9}", "Host: a\r\n", "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n", "Connection: close, x\r\n", "Upgrade: websocket\r\n", "HTTP/1.0", "http://", "?", "#", "[::1]:80",
        "Expect: 100-continue\r\n", "x: y\r\n", "Connection", "content-length", "chunked", "99999999999999999999",
    ].map { Array($0.utf8) }

    @Test func `request heads`() {
        let texts = RequestHeadTests.accepted.map(\.text) + RequestHeadTests.refused.map(\.text)
        var parser = HeadParser()
        fuzz("request heads", share: 6, texts.map { Array($0.utf8) }, Self.headTokens) { bytes, cuts in
            let whole = Fingerprint.ofRequest(bytes, [], &parser)
            if let broken = whole.broken { return broken }
            if whole.length > 0, let broken = Fingerprint.ofForwarded(bytes, &parser) { return broken }
            let pieces = Fingerprint.ofRequest(bytes, cuts, &parser)
            return whole == pieces ? nil : "\(whole) at once, \(pieces) in pieces"
        }
    }

    @Test func `response heads`() {
        let texts = ResponseHeadTests.framings.map(\.text) + ResponseHeadTests.refused.map(\.text)
        var parser = HeadParser()
        fuzz("response heads", share: 6, texts.map { Array($0.utf8) }, Self.headTokens) { bytes, cuts in
            let whole = Fingerprint.ofResponse(bytes, [], &parser)
            if let broken = whole.broken { return broken }
            let pieces = Fingerprint.ofResponse(bytes, cuts, &parser)
            return whole == pieces ? nil : "\(whole) at once, \(pieces) in pieces"
        }
    }

    @Test func `chunked bodies`() {
        let texts = ChunkedDecoderTests.accepted.map(\.text) + ChunkedDecoderTests.refused.map(\.text)
        let tokens = ["\r\n", "0\r\n\r\n", "\n", "\r", ";", "f", "5\r\nhello\r\n", "ffffffffffffffff", "A: b\r\n", " ", "\0"]
        fuzz("chunked bodies", share: 6, texts.map { Array($0.utf8) }, tokens.map { Array($0.utf8) }) { bytes, cuts in
            let whole = ChunkedDecoderTests.decode(bytes)
            if whole.consumed > bytes.count || whole.data.count > bytes.count { return "more than there was: \(whole)" }
            let pieces = ChunkedDecoderTests.decode(bytes, cuts: cuts)
            return whole == pieces ? nil : "\(whole) at once, \(pieces) in pieces"
        }
    }

    @Test func `WebSocket streams`() {
        let corpus = WebSocketDecoderTests.accepted.map(\.bytes) + WebSocketDecoderTests.refused.map(\.bytes)
        let tokens = [frame(0x81, "a"), frame(0x01, "b"), frame(0x80, "c"), frame(0x89, "p"), frame(0x88), [0x81], [0xFF], [0xFE], [0x7F]]
        fuzz("WebSocket streams", share: 6, corpus, tokens) { bytes, cuts in
            for role in [WebSocketDecoder.Role.server, .client] {
                let whole = WebSocketTranscript.of(bytes, role: role, limit: 1000, allowsCompression: role == .client)
                let pieces = WebSocketTranscript.of(
                    bytes, cuts: cuts, role: role, limit: 1000, allowsCompression: role == .client)
                if whole != pieces { return "\(whole) at once, \(pieces) in pieces" }
            }
            return nil
        }
    }

    /// A server's whole way for inbound messages: decoder, inflater, UTF-8. What ends a connection ends it with one of the codes
    /// that a server may send, wherever reads end.
    @Test func `compressed WebSocket streams`() {
        let texts = ["{\"type\":\"subscribe\"}", "", String(repeating: "abc ", count: 100), "\u{E9}\u{1F600}"].map { Array($0.utf8) }
        var deflater = MessageDeflater(windowBits: 15)
        let deflated = texts.map { text in
            _ = deflater.deflate((text + [UInt8](repeating: 0x20, count: 40)).span.bytes)
            return deflater.message.withUnsafeBytes { Array($0) }
        }
        let bomb = deflater.deflate([UInt8](repeating: 0, count: 5000).span.bytes) ? deflater.message.withUnsafeBytes { Array($0) } : []
        let corpus =
            deflated.map { frame(0xC1, $0) } + deflated.map { frame(0x41, Array($0.prefix(5))) + frame(0x89, "p") + frame(0x80, Array($0.dropFirst(5))) }
            + [frame(0xC2, bomb), frame(0xC1, [0]), frame(0xC1)] + WebSocketDecoderTests.accepted.map(\.bytes)
        let tokens = [frame(0xC1, deflated[2]), frame(0x41, [0xF2]), frame(0x80, [0, 0]), frame(0x88, [0x03, 0xE8]), [0xC1], [0x82], [0xFF], [0, 0, 0xFF, 0xFF]]
        fuzz("compressed WebSocket streams", share: 6, corpus, tokens) { bytes, cuts in
            let whole = InboundTranscript.of(bytes, [])
            if let code = whole.closeCode, ![1002, 1007, 1009].contains(code) { return "closed with \(code)" }
            if whole.longest > 1000 { return "\(whole.longest) bytes of a message" }
            let pieces = InboundTranscript.of(bytes, cuts)
            return whole == pieces ? nil : "\(whole) at once, \(pieces) in pieces"
        }
    }
}

/// What a server makes of a client's bytes, in a few numbers.
private struct InboundTranscript: Equatable {
    var hash = 0
    var longest = 0
    /// Why the server ends the connection.
    var closeCode: UInt16?

    static func of(_ bytes: [UInt8], _ cuts: [Int]) -> InboundTranscript {
        var decoder = WebSocketDecoder(role: .server, messageLimitBytes: 1000, allowsCompression: true)
        var inflater = MessageInflater()
        var transcript = InboundTranscript()
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = Array(bytes[start..<end])
            start = end
            var position = 0
            do throws(WebSocketError) {
                reading: while true {
                    switch try decoder.next(piece.span.bytes, from: &position) {
                    case .needMore: break reading
                    case .text(isCompressed: true): transcript.add(1, try inflater.inflateText(decoder.message, limit: 1000))
                    case .binary(isCompressed: true): transcript.add(2, try inflater.inflate(decoder.message, limit: 1000))
                    case .text: transcript.add(3, decoder.message.withUnsafeBytes { Array($0) })
                    case .binary: transcript.add(4, decoder.message.withUnsafeBytes { Array($0) })
                    case .ping: transcript.add(5, decoder.control.withUnsafeBytes { Array($0) })
                    case .pong: transcript.add(6, decoder.control.withUnsafeBytes { Array($0) })
                    case .close(let code): transcript.add(7 + Int(code ?? 0), decoder.control.withUnsafeBytes { Array($0) })
                    }
                }
            } catch {
                transcript.closeCode = error.closeCode
                return transcript
            }
        }
        return transcript
    }

    private mutating func add(_ kind: Int, _ payload: [UInt8]) {
        longest = max(longest, payload.count)
        hash = payload.reduce(hash &* 31 &+ kind) { $0 &* 31 &+ Int($1) }
    }
}

enum Mutation {
    /// An entry of the corpus after one to six random changes.
    static func mutated(_ corpus: [[UInt8]], _ tokens: [[UInt8]], using random: inout Randomness) -> [UInt8] {
        var bytes = corpus[number(below: corpus.count, using: &random)]
        for _ in 0...number(below: 6, using: &random) {
            let position = number(below: bytes.count + 1, using: &random)
            switch number(below: 7, using: &random) {
            case 0 where position < bytes.count:
                bytes[position] = UInt8(truncatingIfNeeded: random.next())
            case 1 where position < bytes.count:
                bytes[position] ^= 1 << UInt8(truncatingIfNeeded: random.next() & 7)
            case 2:
                bytes.removeSubrange(position..<min(bytes.count, position + 1 + number(below: 4, using: &random)))
            case 3:
                let end = min(bytes.count, position + 1 + number(below: 30, using: &random))
                bytes.insert(contentsOf: Array(bytes[position..<end]), at: position)
            case 4:
                let other = corpus[number(below: corpus.count, using: &random)]
                bytes = Array(bytes[..<position]) + other[number(below: other.count + 1, using: &random)...]
            default:
                bytes.insert(contentsOf: tokens[number(below: tokens.count, using: &random)], at: position)
            }
        }
        return bytes.count > 2000 ? Array(bytes[..<2000]) : bytes
    }

    /// Up to five places where a read ends, in order.
    static func cuts(_ count: Int, using random: inout Randomness) -> [Int] {
        (0...number(below: 5, using: &random)).map { _ in number(below: count + 1, using: &random) }.sorted()
    }

    private static func number(below limit: Int, using random: inout Randomness) -> Int {
        limit <= 1 ? 0 : Int(random.next() % UInt64(limit))
    }
}

/// What a parse came to in a few numbers, cheap enough for hundreds of thousands of rounds.
struct Fingerprint: Equatable {
    /// 0 while incomplete or refused.
    var length = 0
    var error: HTTPError?
    var contents: UInt64 = 0
    /// A rule of the table that did not hold.
    var broken: String?

    static func ofRequest(_ bytes: [UInt8], _ cuts: [Int], _ parser: inout HeadParser) -> Fingerprint {
        var position = 0
        for end in cuts + [bytes.count] {
            do throws(HTTPError) {
                let arrived = bytes.span.bytes.extracting(0..<end)
                if let length = try parser.parseRequest(arrived, from: &position) {
                    return Fingerprint(length, parser, bytes)
                }
            } catch {
                return Fingerprint(error: error)
            }
        }
        return Fingerprint()
    }

    static func ofResponse(_ bytes: [UInt8], _ cuts: [Int], _ parser: inout HeadParser) -> Fingerprint {
        var position = 0
        let method: Method = bytes.count % 3 == 0 ? .head : .get
        for end in cuts + [bytes.count] {
            do throws(HTTPError) {
                let arrived = bytes.span.bytes.extracting(0..<end)
                if let length = try parser.parseResponse(arrived, to: method, from: &position) {
                    return Fingerprint(length, parser, bytes)
                }
            } catch {
                return Fingerprint(error: error)
            }
        }
        return Fingerprint()
    }

    init(error: HTTPError? = nil) { self.error = error }

    init(_ length: Int, _ parser: borrowing HeadParser, _ bytes: [UInt8]) {
        self.length = length
        mix(UInt64(parser.method.rawValue) | UInt64(parser.version.rawValue) << 8 | UInt64(parser.status) << 16)
        mix((parser.keepAlive ? 1 : 0) | (parser.expectsContinue ? 2 : 0) | UInt64(parser.upgrade.rawValue) << 8)
        switch parser.framing {
        case .none: mix(0)
        case .length(let count): mix(count)
        case .chunked: mix(.max)
        case .untilClose: mix(.max - 1)
        }
        for range in [
            parser.methodRange, parser.targetRange, parser.pathRange, parser.queryRange, parser.authorityRange,
            parser.reasonRange,
        ] {
            check(range, bytes)
        }
        var lineStart = 0
        for index in 0..<parser.fieldCount {
            let field = parser.field(index)
            check(field.nameRange, bytes)
            check(field.valueRange, bytes)
            mix(UInt64(field.name.rawValue) | (field.isHopByHop ? 256 : 0) | (field.isCanonical ? 512 : 0))
            if index > 0, field.nameRange.lowerBound != lineStart { broken = "lines do not touch" }
            lineStart = Int(field.lineEnd)
            if field.nameRange.isEmpty || field.valueRange.upperBound + 2 > lineStart { broken = "field \(index)" }
        }
        if parser.fieldCount > 0, lineStart + 2 != length { broken = "the last line ends at \(lineStart)" }
    }

    /// A forwarded head is accepted again, with the same fields that may travel and nothing else.
    static func ofForwarded(_ bytes: [UInt8], _ parser: inout HeadParser) -> String? {
        var position = 0
        guard (try? parser.parseRequest(bytes.span.bytes, from: &position)) != nil else { return "not parsed again" }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count * 2 + 400, alignment: 1)
        defer { buffer.deallocate() }
        var sink = ByteSink(buffer)
        sink.appendRequestLine(parser, bytes.span.bytes)
        sink.appendField("Host", "upstream")
        sink.appendFields(parser, bytes.span.bytes, except: .none.with(.host))
        sink.endHead()
        var expected: [[UInt8]] = []
        for index in 0..<parser.fieldCount {
            let field = parser.field(index)
            if field.isHopByHop || field.name == .host { continue }
            expected.append(Array(bytes[field.nameRange.lowerBound..<field.nameRange.upperBound]))
            expected.append(Array(bytes[field.valueRange.lowerBound..<field.valueRange.upperBound]))
        }
        let length = sink.count
        if sink.overflowed { return "the forwarded head does not fit" }
        let again = Array(buffer[..<length])
        position = 0
        guard let end = try? parser.parseRequest(again.span.bytes, from: &position), end == length else {
            // A hundred fields and our own are one too many.
            return parser.fieldCount >= 100 ? nil : "the forwarded head is refused: \(again)"
        }
        var found: [[UInt8]] = []
        for index in 1..<parser.fieldCount {
            let field = parser.field(index)
            found.append(Array(again[field.nameRange.lowerBound..<field.nameRange.upperBound]))
            found.append(Array(again[field.valueRange.lowerBound..<field.valueRange.upperBound]))
        }
        return found == expected ? nil : "the forwarded head differs: \(again)"
    }

    private mutating func mix(_ number: UInt64) {
        contents = (contents ^ number) &* 0x9E37_79B9_7F4A_7C15
        contents ^= contents >> 29
    }

    private mutating func check(_ range: ByteRange, _ bytes: [UInt8]) {
        mix(UInt64(range.start) << 32 | UInt64(range.count))
        if range.upperBound > length { broken = "\(range) beyond \(length)" }
        for byte in bytes[min(range.lowerBound, bytes.count)..<min(range.upperBound, bytes.count)] {
            if byte == 0x7F || (byte < 0x20 && byte != 0x09) { broken = "byte \(byte) in \(range)" }
        }
    }
}
