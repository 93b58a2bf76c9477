// The tee: what a capture holds, and how captures leave.
import CLinux
import EventLoop
import HTTP
import IPC
import Telemetry
import Testing

@testable import edge

/// A writer that was given a request and an answer, and the frame that came out, decoded.
private struct Written {
    var writer: CaptureWriterBox
    let pool: BlockPool

    final class CaptureWriterBox {
        var writer: CaptureWriter
        init(_ pool: BlockPool) { writer = CaptureWriter(in: pool) }
    }

    init(_ request: String, pool: BlockPool) throws {
        self.pool = pool
        writer = CaptureWriterBox(pool)
        var parser = HeadParser()
        let bytes = Array(request.utf8)
        var position = 0
        _ = try parser.parseRequest(bytes.span.bytes, from: &position, limits: HeadLimits(headBytes: 256 << 10, targetBytes: 128 << 10))
        writer.writer.begin(
            &parser, bytes.span.bytes, requestID: Array("req".utf8).span.bytes, auditName: .none, caller: Array("me".utf8).span.bytes, acceptedMilliseconds: 7,
            without: Redaction(furtherWords: []))
    }

    func request(_ data: [UInt8], limit: Int) { data.withUnsafeBytes { writer.writer.requestBody($0, limit: limit) } }
    func response(_ data: [UInt8], limit: Int) { data.withUnsafeBytes { writer.writer.responseBody($0, limit: limit) } }

    func answer(_ head: String, behindWholeRequest: Bool = false) throws {
        var parser = HeadParser()
        let bytes = Array(head.utf8)
        var position = 0
        _ = try parser.parseResponse(bytes.span.bytes, to: .get, from: &position)
        writer.writer.responseHead(
            &parser, bytes.span.bytes, behindWholeRequest: behindWholeRequest, upstream: Array("up".utf8).span.bytes, without: Redaction(furtherWords: []))
    }

    /// Nil when the writer had no room.
    func frame() -> [UInt8]? {
        var frame = BlockChain(in: pool)
        guard let length = writer.writer.finish(id: 9, to: &frame) else { return nil }
        var all: [UInt8] = []
        frame.forEachPiece { all += $0 }
        #expect(all.count == length)
        return all
    }

    /// Nil when the writer had no room.
    func finish() throws -> Seen? {
        guard let all = frame() else { return nil }
        var decoder = FrameDecoder(limit: ChannelKind.capture.payloadLimit)
        var seen: Seen?
        var used = 0
        while used < all.count {
            decoder.fill { room in
                let count = min(room.count, all.count - used)
                all[used..<(used + count)].withUnsafeBytes { room.copyMemory(from: $0) }
                used += count
                return count
            }
            while try decoder.next(
                { header, payload throws(FrameError) in
                    guard case .capture(let capture) = try CaptureToDispatcher(header, payload) else { return }
                    seen = Seen(capture)
                }, refused: { error throws(FrameError) in throw error })
            {}
        }
        return seen
    }
}

@Suite struct CaptureWriterTests {
    private let pool = BlockPool(limitBytes: 4 << 20)

    @Test func `a capture is what was said`() throws {
        let written = try Written(
            "POST /v1/x?a=1&api_key=hush&b=&token&c==&key=&&secret=s=t&s=1;k%65y=hush;hush&m=1;n=2; HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hush\r\nA: b\r\nX-Secret-Thing:hush\r\nCookie: hush\r\n\r\n",
            pool: pool)
        written.request(Array("question".utf8), limit: 100)
        try written.answer("HTTP/1.1 201 Created\r\nSet-Cookie: hush\r\nContent-Type: application/json\r\n\r\n")
        written.response(Array("ans".utf8), limit: 100)
        written.request(Array("!".utf8), limit: 100)
        written.response(Array("wer".utf8), limit: 100)
        written.writer.writer.times(upstreamStart: 1, firstByte: 2, duration: 3)
        let seen = try #require(try written.finish())
        #expect(seen.requestID == "req" && seen.method == "POST" && seen.head.status == 201 && seen.head.flags == [])
        #expect(seen.target == "/v1/x?a=1&api_key=[redacted]&b=&token&c==&key=[redacted]&&secret=[redacted]&s=1;k%65y=[redacted]&m=1;n=2;")
        #expect(seen.requestFields == "Host: x\r\nAuthorization: [redacted]\r\nA: b\r\nX-Secret-Thing: [redacted]\r\nCookie: [redacted]\r\n")
        #expect(seen.responseFields == "Set-Cookie: [redacted]\r\nContent-Type: application/json\r\n")
        #expect(seen.requestBody == Array("question!".utf8) && seen.responseBody == Array("answer".utf8))
        #expect(seen.head.durationMicroseconds == 3 && seen.head.acceptedMilliseconds == 7)
        #expect(pool.usedBytes == 0 && !written.writer.writer.isActive)
    }

    @Test(arguments: [0, 1, 3000, 5000, 20_000]) func `a frame is the same whether its answer came behind its request or not`(_ size: Int) throws {
        for fields in ["", "Authorization: hush\r\nA: b\r\n", "A: \(String(repeating: "a", count: 5000))\r\nX-Secret: hush\r\n"] {
            let frames = try [false, true].map { behindWholeRequest in
                let written = try Written("POST /v1/x?a=1 HTTP/1.1\r\nHost: x\r\n\(fields)\r\n", pool: pool)
                written.request([UInt8](repeating: 1, count: size), limit: 6000)
                try written.answer("HTTP/1.1 200 OK\r\n\(fields)\r\n", behindWholeRequest: behindWholeRequest)
                for _ in 0..<3 { written.response([UInt8](repeating: 2, count: size), limit: 16_000) }
                return try #require(written.frame())
            }
            #expect(frames[0] == frames[1])
            #expect(pool.usedBytes == 0)
        }
    }

    @Test(arguments: [0, 1, 4999, 5000, 5001, 20_000]) func `bodies are cut at the limit, and counted beyond it`(_ limit: Int) throws {
        let written = try Written("GET / HTTP/1.1\r\nHost: x\r\n\r\n", pool: pool)
        try written.answer("HTTP/1.1 200 OK\r\n\r\n")
        let piece = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        for _ in 0..<5 {
            written.request(piece, limit: limit)
            written.response(piece, limit: limit)
        }
        let seen = try #require(try written.finish())
        let whole = Array([[UInt8]](repeating: piece, count: 5).joined())
        #expect(seen.requestBody == Array(whole.prefix(limit)) && seen.responseBody == Array(whole.prefix(limit)))
        #expect(seen.head.requestBodyBytes == 5000 && seen.head.responseBodyBytes == 5000)
        #expect(seen.head.flags == (limit < 5000 ? [.requestTruncated, .responseTruncated] : []))
    }

    @Test(arguments: 1...6) func `what finds no room is dropped whole`(_ blocks: Int) throws {
        let small = BlockPool(limitBytes: blocks * 4096)
        let written = try Written("GET / HTTP/1.1\r\nHost: x\r\nA: \(String(repeating: "a", count: 6000))\r\n\r\n", pool: small)
        try written.answer("HTTP/1.1 200 OK\r\nA: \(String(repeating: "a", count: 6000))\r\n\r\n")
        written.response([UInt8](repeating: 1, count: 4000), limit: 1 << 20)
        let seen = try written.finish()
        #expect((seen != nil) == (blocks >= 5))
        #expect(small.usedBytes == 0)
    }

    /// The longest target that settings allow is longer than what a capture keeps of one, and redaction makes it grow.
    @Test(arguments: [100, 60_000, 65_534, 65_535, 65_536, 100_000]) func `a target is cut, not wrapped`(_ length: Int) throws {
        for parameter in ["a=b&", "key=&"] {
            let query = String(String(repeating: parameter, count: length / parameter.utf8.count + 1).prefix(length))
            let written = try Written("GET /?\(query) HTTP/1.1\r\nHost: x\r\n\r\n", pool: pool)
            try written.answer("HTTP/1.1 200 OK\r\n\r\n")
            let seen = try #require(try written.finish())
            #expect(seen.target.hasPrefix("/?\(parameter.prefix(3))") && seen.target.utf8.count <= 65_535)
            let isCut = parameter == "a=b&" ? length > 65_533 : length > 100
            #expect(seen.head.flags == (isCut ? [.targetTruncated] : []), "\(length) bytes of \(parameter)")
            #expect(seen.requestFields == "Host: x\r\n")
        }
        #expect(pool.usedBytes == 0)
    }

    /// A frame over the channel's limit would end the channel, and with it the captures of others.
    @Test func `a capture that no frame holds is dropped`() throws {
        let written = try Written("GET / HTTP/1.1\r\nHost: x\r\n\r\n", pool: pool)
        try written.answer("HTTP/1.1 200 OK\r\n\r\n")
        written.response([UInt8](repeating: 1, count: 1 << 20), limit: 1 << 30)
        #expect(try written.finish() == nil)
        #expect(pool.usedBytes == 0)
    }

    @Test func `one that is discarded holds nothing`() throws {
        let written = try Written("GET / HTTP/1.1\r\nHost: x\r\n\r\n", pool: pool)
        #expect(written.writer.writer.isActive && pool.usedBytes > 0)
        written.writer.writer.discard()
        #expect(!written.writer.writer.isActive && pool.usedBytes == 0)
    }
}

@Suite struct CaptureOutboxTests {
    /// An outbox, its pool, and dispatchers' ends one after the other.
    private final class Post {
        let loop: Loop
        let pool: BlockPool
        let slot = ScoreboardSlot.standalone()
        var outbox: CaptureOutbox
        var reader: CaptureReader?
        var generation: UInt32 = 0
        var end: ChannelEnd?

        init(pool limit: Int = 1 << 20, sentBefore: UInt64 = 0, capacity: Int = 256) throws {
            cl_ignore_sigpipe()
            loop = try Loop()
            pool = BlockPool(limitBytes: limit)
            outbox = CaptureOutbox(pool: pool, slot: slot, sentBefore: sentBefore, capacity: capacity)
        }

        func attach() throws {
            var ends: [Int32] = [-1, -1]
            try checked("socketpair", cl_socket_pair(&ends))
            reader = CaptureReader(Peer(Descriptor(owning: ends[1])))
            generation += 1
            end = nil
            let attach = Attach(kind: .capture, peer: 1, generation: generation)
            let error = outbox.attach(attach, Descriptor(owning: ends[0]), in: loop, token: Token(kind: EdgeToken.captures, generation: generation))
            #expect(error == nil)
        }

        func turn() {
            loop.turn(patience: 0) { token, readiness in
                if outbox.isFor(token), let end = outbox.handle(readiness, in: loop) { self.end = end }
            } alarm: { _ in }
            if let end = outbox.flush(in: loop) { self.end = end }
            _ = reader?.pump()
        }

        func capture(_ size: Int) throws {
            let written = try Written("GET /\(slot.value(.captured)) HTTP/1.1\r\nHost: x\r\n\r\n", pool: pool)
            written.response([UInt8](repeating: 1, count: size), limit: .max)
            outbox.take(&written.writer.writer, in: loop)
            check()
        }

        var waiting: UInt64 { UInt64(outbox.waitingFrames) }

        func check(_ location: SourceLocation = #_sourceLocation) {
            #expect(slot.value(.captured) == slot.value(.captureSent) + slot.value(.droppedCaptureBacklog) + waiting, sourceLocation: location)
        }
    }

    @Test func `captures wait for a channel, and go over it in order`() throws {
        let post = try Post(sentBefore: 41)
        for _ in 0..<10 { try post.capture(100) }
        post.turn()
        #expect(post.waiting == 10)
        try post.attach()
        for _ in 0..<5 { post.turn() }
        let reader = try #require(post.reader)
        #expect(reader.firstType == MessageType.captureOpen.rawValue && reader.opened == 41)
        #expect(reader.captures.map(\.target) == (0..<10).map { "/\($0)" })
        post.check()
        #expect(post.waiting == 0 && post.pool.usedBytes == 0)
    }

    @Test func `many bytes do not wait for the end of the turn`() throws {
        let post = try Post()
        try post.attach()
        try post.capture(1000)
        #expect(post.slot.value(.captureSent) == 0)
        try post.capture(200_000)
        #expect(post.slot.value(.captureSent) == 2)
        _ = post.reader?.pump()
        #expect(post.reader?.captures.map(\.target) == ["/0", "/1"])
        post.check()
    }

    @Test func `many bytes go on as soon as a full channel was read, in the same turn`() throws {
        let post = try Post(pool: 64 << 20)
        try post.attach()
        func read() -> Int {
            while post.reader?.pump() == true {}
            return post.reader?.captures.count ?? 0
        }
        while post.outbox.isEmpty { try post.capture(200_000) }
        let received = read()
        try post.capture(200_000)
        #expect(received > 0 && read() > received)
        for _ in 0..<20 where UInt64(post.reader?.captures.count ?? 0) < post.slot.value(.captured) { post.turn() }
        #expect(UInt64(post.reader?.captures.count ?? 0) == post.slot.value(.captured) && post.reader?.error == nil)
        post.check()
    }

    @Test func `a channel that breaks in the middle of a turn is reported at its end, once`() throws {
        let post = try Post()
        try post.attach()
        post.reader = nil
        try post.capture(200_000)
        post.turn()
        #expect(post.end != nil)
        post.end = nil
        post.turn()
        #expect(post.end == nil)
    }

    @Test func `a channel is opened at once, also when captures have taken all memory`() throws {
        let post = try Post(pool: 64 << 10)
        for _ in 0..<40 { try post.capture(3000) }
        #expect(post.slot.value(.droppedCaptureBacklog) > 0)
        try post.attach()
        _ = post.reader?.pump()
        #expect(post.reader?.opened == 0)
        for _ in 0..<5 { post.turn() }
        #expect(post.reader?.error == nil)
        #expect(UInt64(post.reader?.captures.count ?? 0) == post.slot.value(.captureSent))
        #expect(post.pool.usedBytes == 0)
    }

    @Test(arguments: 1...4) func `the ring of captures goes round`(_ capacity: Int) throws {
        let post = try Post(capacity: capacity)
        try post.attach()
        for round in 1...3 * capacity {
            try post.capture(round)
            if round % 2 == 0 { try post.capture(10) }
            for _ in 0..<3 { post.turn() }
            #expect(post.waiting == 0 && post.pool.usedBytes == 0)
        }
        #expect(UInt64(post.reader?.captures.count ?? 0) == post.slot.value(.captureSent))
    }

    @Test func `more captures than the ring has places are dropped`() throws {
        let post = try Post(capacity: 8)
        for _ in 0..<20 { try post.capture(10) }
        #expect(post.slot.value(.droppedCaptureBacklog) == 12 && post.waiting == 8)
        try post.attach()
        for _ in 0..<5 { post.turn() }
        #expect(post.reader?.captures.count == 8 && post.pool.usedBytes == 0)
    }

    @Test func `a full channel blocks, and what it was offered goes down with it`() throws {
        let post = try Post(pool: 16 << 20, capacity: 4096)
        try post.attach()
        post.turn()
        post.reader?.peer.isReading = false
        for _ in 0..<600 { try post.capture(20_000) }
        for _ in 0..<5 { post.turn() }
        post.check()
        let sent = post.slot.value(.captureSent)
        #expect(sent > 0 && sent < 600 && post.waiting == 600 - sent)
        // The dispatcher dies in the middle of a frame.
        post.reader?.peer.isReading = true
        _ = post.reader?.pump()
        let received = post.reader?.captures.count ?? 0
        #expect(UInt64(received) < sent)
        post.reader = nil
        for _ in 0..<5 where post.end == nil { post.turn() }
        #expect(post.end != nil)  // closed, or reset where something was unread
        post.check()
        #expect(post.slot.value(.captureSent) == sent)
        // Its successor learns what was sent before, and gets the rest.
        try post.attach()
        for _ in 0..<200 where UInt64(post.reader?.captures.count ?? 0) < 600 - sent { post.turn() }
        let isEmpty = post.outbox.isEmpty
        #expect(isEmpty)
        #expect(post.reader?.opened == sent && post.reader?.error == nil)
        #expect(UInt64(post.reader?.captures.count ?? 0) == 600 - sent)
        #expect(post.reader?.captures.first?.target == "/\(sent)")
        #expect(post.slot.value(.captureSent) == 600 && post.pool.usedBytes == 0)
    }

    @Test func `a dispatcher that says something ends its channel`() throws {
        let post = try Post()
        try post.attach()
        post.turn()
        post.reader?.peer.say([UInt8](repeating: 0, count: 16))
        for _ in 0..<5 where post.end == nil { post.turn() }
        #expect(post.end == .violation(.unexpectedType(0)))
        try post.capture(10)
        post.turn()
        #expect(post.waiting == 1)
        try post.attach()
        for _ in 0..<5 { post.turn() }
        #expect(post.reader?.captures.count == 1)
    }

    @Test func `a new channel replaces one that lives`() throws {
        let post = try Post()
        try post.attach()
        for _ in 0..<3 { try post.capture(10) }
        post.turn()
        let first = post.reader
        try post.attach()
        try post.capture(10)
        for _ in 0..<5 { post.turn() }
        _ = first?.pump()
        #expect(first?.captures.count == 3 && first?.peer.end == .closed)
        #expect(post.reader?.opened == 3 && post.reader?.captures.map(\.target) == ["/3"])
    }
}
