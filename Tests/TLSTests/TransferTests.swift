// Bytes both ways: sizes, tiny buffers, ends, edge-triggered loops, resumption.
import CLinux
import EventLoop
import Glibc
import TLS
import Testing

/// The bytes that `send N` sends.
func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }

/// Equality of megabytes, of which a failed `#expect` would compute the difference for minutes.
private func same(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    if a == b { return true }
    let first = zip(a, b).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    print("\(a.count) bytes instead of \(b.count), the first difference at \(first ?? min(a.count, b.count))")
    return false
}

@Suite struct TransferTests {
    let context: TLSClientContext

    init() throws { context = try TLSClientContext(caFile: Peer.shared.authority) }

    @Test(arguments: ["good", "tls12"]) func `the handshake happens inside the first write`(_ listener: String) throws {
        var connection = try Connection(context, port: Peer.shared.port(listener))
        #expect(connection.write("end\n") == .bytes(4))
        #expect(connection.readText() == ("whole", .end))
        connection.session.close()
    }

    @Test func `a cut is no end`() throws {
        var connection = try Connection(context, port: Peer.shared.port("good"))
        #expect(connection.write("cut\n") == .bytes(4))
        #expect(connection.readText() == ("part", .failed(.truncated)))
    }

    @Test func `nothing is written and nothing is read into no room`() throws {
        var connection = try Connection(context, port: Peer.shared.port("good"))
        #expect(connection.session.write(UnsafeRawBufferPointer(start: nil, count: 0)) == .bytes(0))
        #expect(connection.session.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0)) == .bytes(0))
        #expect(connection.write("end\n") == .bytes(4))
        #expect(connection.readText() == ("whole", .end))
    }

    @Test(arguments: [1, 16_383, 16_384, 16_385, 2_000_000]) func `answers arrive whole through tiny buffers`(_ size: Int) throws {
        var connection = try Connection(context, port: Peer.shared.port("good"), sendBuffer: 4096)
        #expect(connection.write("send \(size)\n") == .bytes("send \(size)\n".utf8.count))
        let (bytes, result) = connection.readAll()
        #expect(result == .end)
        #expect(same(bytes, pattern(size)))
    }

    @Test func `a large write waits and is taken up from moved bytes`() throws {
        var connection = try Connection(context, port: Peer.shared.port("good"), sendBuffer: 4096)
        #expect(connection.handshake() == .bytes(0))
        let before = connection.waits
        #expect(connection.write("swallow 2000000\n") == .bytes(16))
        #expect(connection.write(pattern(2_000_000)) == .bytes(2_000_000))
        #expect(connection.waits > before)
        #expect(connection.readText() == ("done", .end))
    }

    @Test func `short reads leave the rest pending`() throws {
        var connection = try Connection(context, port: Peer.shared.port("good"))
        #expect(connection.write("end\n") == .bytes(4))
        #expect(connection.readAll(atMost: 0).0 == [])
        var byte: [UInt8] = [0]
        var result = TLSResult.wantsRead
        let deadline = Instant.now + .seconds(10)
        while result == .wantsRead, Instant.now < deadline { result = byte.withUnsafeMutableBytes { connection.session.read(into: $0) } }
        #expect(result == .bytes(1))
        let hasUnread = connection.session.hasUnread
        #expect(hasUnread)
        #expect(connection.readText() == ("hole", .end))
    }

    /// The edge's way: both directions registered once, edge-triggered; everything that waits is repeated after any readiness.
    @Test func `an edge-triggered loop moves megabytes both ways`() throws {
        let total = 1_000_000
        let loop = try Loop()
        var connection = try Connection(context, port: Peer.shared.port("good"), sendBuffer: 4096)
        try loop.add(connection.socket.number, [.readable, .writable, .edgeTriggered], Token(kind: 1))
        let out = Array("echo\n".utf8) + pattern(total)
        var sent = 0
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 10_000)
        let deadline = Instant.now + .seconds(30)
        var failure: TLSResult?
        while received.count < total, failure == nil, Instant.now < deadline {
            loop.turn(patience: 5_000) { _, _ in
                var moved = true
                while moved, failure == nil {
                    moved = false
                    if sent < out.count {
                        switch out[sent...].withUnsafeBytes({ connection.session.write($0) }) {
                        case .bytes(let count): (sent, moved) = (sent + count, true)
                        case .wantsRead, .wantsWrite: break
                        case let other: failure = other
                        }
                    }
                    switch chunk.withUnsafeMutableBytes({ connection.session.read(into: $0) }) {
                    case .bytes(let count):
                        received += chunk[..<count]
                        moved = true
                    case .wantsRead, .wantsWrite: break
                    case let other: failure = other
                    }
                }
            } alarm: { _ in
            }
        }
        #expect(failure == nil)
        #expect(same(received, pattern(total)))
    }

    @Test(arguments: ["good", "tls12"]) func `later connections resume`(_ listener: String) throws {
        for round in 0..<4 {
            var connection = try Connection(context, port: Peer.shared.port(listener))
            #expect(connection.write("facts\n") == .bytes(6))
            let (facts, result) = connection.readText()
            #expect(result == .end)
            let isResumed = connection.session.isResumed
            #expect(isResumed == (round > 0), "round \(round)")
            #expect(facts.contains(round > 0 ? " True " : " False "), "\(facts)")
            if round == 1 { connection.session.close() }  // with and without a farewell
        }
    }

    @Test func `a session is not offered to another host`() throws {
        for (host, resumed) in [("localhost", false), ("localhost", true), ("127.0.0.1", false), ("127.0.0.1", true)] {
            var connection = try Connection(context, port: Peer.shared.port("good"), host: host)
            #expect(connection.write("end\n") == .bytes(4))
            #expect(connection.readText() == ("whole", .end))
            let isResumed = connection.session.isResumed
            #expect(isResumed == resumed)
        }
    }

    @Test func `many hosts are forgotten, not refused`() throws {
        let socket = try connected(port: Peer.shared.port("silent"))
        for number in 0..<200 { _ = try TLSSession(context, descriptor: socket.number, host: "host\(number).example") }
    }

    @Test func `a peer that is gone is an error, not a signal`() throws {
        var ends: [Int32] = [-1, -1]
        try checked("socketpair", cl_socket_pair(&ends))
        let mine = Descriptor(owning: ends[0])
        _ = Descriptor(owning: ends[1])
        var session = try TLSSession(context, descriptor: mine.number, host: "localhost")
        #expect(session.handshake() == .failed(.system(SystemError("connection", code: EPIPE))))
    }
}
