// Calls on one connection: every way in which a server can answer, or not, by bytes.
import Testing

@testable import GRPC

private struct Ending: Sendable {
    let name: String
    let bytes: [UInt8]
    let code: RPCCode
    let message: String
}

private let endings: [Ending] = [
    Ending(name: "trailers only", bytes: Frames.headers(1, Frames.head + [("grpc-status", "5"), ("grpc-message", "gone%20%C3%BC")], ends: true), code: .notFound, message: "gone ü"),
    Ending(
        name: "trailers", bytes: Frames.headers(1, Frames.head) + Frames.headers(1, [("grpc-status", "13"), ("grpc-message", "100%")], ends: true), code: .internal, message: "100%"),
    Ending(name: "a status of the future", bytes: Frames.headers(1, Frames.head + [("grpc-status", "99")], ends: true), code: .unknown, message: ""),
    Ending(name: "no number for a status", bytes: Frames.headers(1, Frames.head + [("grpc-status", "x")], ends: true), code: .unknown, message: ""),
    Ending(name: "no status", bytes: Frames.headers(1, Frames.head) + Frames.data(1, [], ends: true), code: .unknown, message: "the answer ended without a status"),
    Ending(name: "OK without a message", bytes: Frames.headers(1, Frames.head + [("grpc-status", "0")], ends: true), code: .internal, message: "the answer holds no message"),
    Ending(
        name: "half a message", bytes: Frames.headers(1, Frames.head) + Frames.data(1, [0, 0, 0, 0, 9, 1]) + Frames.headers(1, [("grpc-status", "0")], ends: true), code: .internal,
        message: "the answer is not one whole message"),
    Ending(
        name: "two messages",
        bytes: Frames.headers(1, Frames.head) + Frames.data(1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + Frames.headers(1, [("grpc-status", "0")], ends: true), code: .internal,
        message: "the answer is not one whole message"),
    Ending(
        name: "compressed as nobody offered",
        bytes: Frames.headers(1, Frames.head + [("grpc-encoding", "zstd")]) + Frames.data(1, [1, 0, 0, 0, 1, 9]) + Frames.headers(1, [("grpc-status", "0")], ends: true), code: .internal,
        message: "the answer is compressed as zstd, which was not offered"),
    Ending(
        name: "broken compression",
        bytes: Frames.headers(1, Frames.head + [("grpc-encoding", "gzip")]) + Frames.data(1, [1, 0, 0, 0, 1, 9]) + Frames.headers(1, [("grpc-status", "0")], ends: true), code: .internal,
        message: "the answer's compression is broken"),
    Ending(name: "HTTP 401", bytes: Frames.headers(1, [(":status", "401")], ends: true), code: .unauthenticated, message: "the answer is HTTP 401, not gRPC"),
    Ending(name: "HTTP 404 with a body", bytes: Frames.headers(1, [(":status", "404")]) + Frames.data(1, [1, 2], ends: true), code: .unimplemented, message: "the answer is HTTP 404, not gRPC"),
    Ending(name: "HTTP 503", bytes: Frames.headers(1, [(":status", "503")], ends: true), code: .unavailable, message: "the answer is HTTP 503, not gRPC"),
    Ending(name: "HTTP 418", bytes: Frames.headers(1, [(":status", "418")], ends: true), code: .unknown, message: "the answer is HTTP 418, not gRPC"),
    Ending(
        name: "a web page", bytes: Frames.headers(1, [(":status", "200"), ("content-type", "text/html")]) + Frames.data(1, [60], ends: true), code: .unknown,
        message: "the answer is text/html, not gRPC"),
    Ending(
        name: "gRPC-Web, which frames its trailers otherwise",
        bytes: Frames.headers(1, [(":status", "200"), ("content-type", "application/grpc-web+proto")]) + Frames.data(1, [0, 0, 0, 0, 0]) + Frames.headers(1, [("grpc-status", "0")], ends: true),
        code: .unknown, message: "the answer is application/grpc-web+proto, not gRPC"),
    Ending(name: "closed without an answer", bytes: Frames.reset(1, 0), code: .internal, message: "the stream was closed without an answer"),
    Ending(name: "refused stream", bytes: Frames.reset(1, 7), code: .unavailable, message: "the stream was reset with code 7"),
    Ending(name: "reset", bytes: Frames.reset(1, 2), code: .internal, message: "the stream was reset with code 2"),
    Ending(name: "calm down", bytes: Frames.reset(1, 11), code: .resourceExhausted, message: "the stream was reset with code 11"),
    Ending(name: "cancelled", bytes: Frames.headers(1, Frames.head) + Frames.reset(1, 8), code: .cancelled, message: "the stream was reset with code 8"),
    Ending(name: "leaving before the call", bytes: Frames.goAway(last: 0, 0), code: .unavailable, message: "the engine ends the connection"),
]

@Test(arguments: endings) private func `calls that end badly say why, wherever reads end`(_ ending: Ending) {
    let bytes = Frames.settings() + ending.bytes
    for cut in 0...bytes.count {
        let session = sessionWithCall()
        session.receive(Array(bytes[..<cut]))
        session.receive(Array(bytes[cut...]))
        let finished = session.takeFinished()
        #expect(finished.map(\.id) == [7], "\(ending.name), cut at \(cut)")
        #expect(finished.first?.result.status == RPCStatus(ending.code, ending.message), "\(ending.name), cut at \(cut)")
        #expect(session.openCalls == 0)
    }
}

@Test func `an answer is a message, wherever reads end`() throws {
    let bytes = Frames.settings() + Frames.answer(1, [9, 8, 7])
    for cut in 0...bytes.count {
        let session = sessionWithCall()
        session.receive(Array(bytes[..<cut]))
        session.receive(Array(bytes[cut...]))
        #expect(try session.takeFinished().map { try $0.result.get() } == [[9, 8, 7]], "cut at \(cut)")
    }
}

@Test func `interim answers are passed over`() throws {
    let session = sessionWithCall()
    session.receive(Frames.settings() + Frames.headers(1, [(":status", "103")]) + Frames.answer(1, [1]))
    #expect(try session.takeFinished().map { try $0.result.get() } == [[1]])
}

@Test func `a gzipped answer is unpacked, within the limit`() throws {
    // Python's gzip.compress(b"a" * 20, mtime=0)
    let packed: [UInt8] = [0x1F, 0x8B, 0x8, 0x0, 0x0, 0x0, 0x0, 0x0, 0x2, 0x3, 0x4B, 0x4C, 0xC4, 0x4, 0x0, 0xCE, 0x8B, 0x6F, 0x26, 0x14, 0x0, 0x0, 0x0]
    let bytes =
        Frames.settings() + Frames.headers(1, Frames.head + [("grpc-encoding", "gzip")]) + Frames.data(1, [1, 0, 0, 0, UInt8(packed.count)] + packed)
        + Frames.headers(1, [("grpc-status", "0")], ends: true)
    let session = sessionWithCall()
    session.receive(bytes)
    #expect(try session.takeFinished().map { try $0.result.get() } == [[UInt8](repeating: 0x61, count: 20)])
    let body = [1, 0, 0, 0, UInt8(packed.count)] + packed
    #expect(try RPCMessage.decode(body, encoding: "gzip", limit: packed.count).count == 20)
    #expect(throws: RPCStatus.self) { try RPCMessage.decode([1, 0, 0, 0, 20] + packed.prefix(20), encoding: "gzip", limit: 1000) }
    #expect(throws: RPCStatus(.internal, "the answer's compression is broken")) {
        try RPCMessage.decode([1, 0, 0, 0, UInt8(packed.count + 1)] + packed + [0], encoding: "gzip", limit: 1000)
    }
}

@Test func `limits hold`() {
    var limits = ClientSession.Limits()
    limits.messageBytes = 100
    for (size, fits) in [(100, true), (101, false)] {
        let session = sessionWithCall(limits)
        session.receive(Frames.settings() + Frames.answer(1, [UInt8](repeating: 1, count: size)))
        _ = session.takeOutput()
        let status = session.takeFinished().first?.result.status
        #expect((status == nil) == fits)
        #expect(fits || status == RPCStatus(.resourceExhausted, "the answer is longer than 100 bytes"))
    }
    limits.fieldBytes = 500
    let session = sessionWithCall(limits)
    session.receive(Frames.settings() + Frames.headers(1, Frames.head + [("x", String(repeating: "y", count: 500))]) + Frames.data(1, [0, 0, 0, 0, 0]))
    #expect(frameTypes(session.takeOutput()).contains(3), "the stream is reset")
    #expect(session.takeFinished().first?.result.status?.code == .resourceExhausted)
}

@Test func `a server's compliance is not taken for granted`() {
    for bytes in [Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), [UInt8](repeating: 0xFF, count: 64), Frames.frame(1, flags: 4, stream: 2, [0x82]), Frames.data(3, [1])] {
        let session = sessionWithCall()
        session.receive(bytes)
        _ = session.takeOutput()
        if session.failure == nil { session.receive(Frames.settings()) }
        _ = session.takeOutput()
        session.abandon(session.failure ?? "")
        #expect(session.failure != nil)
        #expect(session.takeFinished().first?.result.status?.code == .unavailable)
    }
}

@Test func `a request says what gRPC wants of it`() {
    let session = ClientSession(authority: "engine:1", isTLS: true, userAgent: "test")
    session.begin(1, path: "/a.B/C", message: [UInt8](repeating: 5, count: 40_000), timeoutMilliseconds: 1500)
    let output = session.takeOutput()
    #expect(output.starts(with: Frames.preface))
    let types = frameTypes(output)
    #expect(types.first == 4 && types.contains(1) && types.contains(0))
}

@Test func `cancelled calls are reset and reported no more`() {
    let session = sessionWithCall()
    session.cancel(7)
    #expect(frameTypes(session.takeOutput()) == [3])
    session.receive(Frames.settings() + Frames.answer(1, [1]))
    #expect(session.takeFinished().isEmpty && session.openCalls == 0)
}

@Test func `no bytes of a server make a session trap`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var state = seed
    func random() -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33)
    }
    let honest = Frames.settings([(3, 10)]) + Frames.pong() + Frames.answer(1, [9, 8, 7]) + Frames.goAway(last: 1, 0)
    for round in 0..<3000 {
        var bytes = honest
        for _ in 0...(random() % 4) { bytes[random() % bytes.count] = UInt8(truncatingIfNeeded: random()) }
        if round % 3 == 0 { bytes.removeSubrange((random() % bytes.count)...) }
        let session = sessionWithCall()
        session.receive(bytes)
        _ = session.takeOutput()
        session.abandon("over")
        #expect(session.takeFinished().count == 1, "seed \(seed), round \(round): each call ends once")
    }
}

@Test func `values of fields`() {
    #expect(RPCFields.message(Array("a%2".utf8)) == "a%2" && RPCFields.message(Array("%zz%41".utf8)) == "%zzA")
    #expect(RPCFields.timeout(milliseconds: 0) == "1m" && RPCFields.timeout(milliseconds: 99_999_999) == "99999999m")
    #expect(RPCFields.timeout(milliseconds: 100_000_000) == "100001S" && RPCFields.timeout(milliseconds: .max) == "99999999S")
    // google.rpc.Status{code: 8, details: [Any{type_url: "type.googleapis.com/google.rpc.RetryInfo"}]}
    var any = ProtobufWriter()
    any.text(1, "type.googleapis.com/google.rpc.RetryInfo")
    var status = ProtobufWriter()
    status.integer(1, 8)
    status.message(3, any.bytes)
    #expect(RPCFields.detailTypes(Array(base64(status.bytes).utf8)) == ["google.rpc.RetryInfo"])
    #expect(RPCFields.detailTypes(Array("*".utf8)).isEmpty && RPCFields.base64(Array("TQ==".utf8)) == [0x4D] && RPCFields.base64(Array("TWE".utf8)) == Array("Ma".utf8))
}

private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = (0..<3).reduce(UInt32(0)) { $0 << 8 | (start + $1 < bytes.count ? UInt32(bytes[start + $1]) : 0) }
        text += String((0..<min(4, bytes.count - start + 1)).map { alphabet[Int(group >> (18 - 6 * UInt32($0)) & 63)] })
    }
    return text
}
