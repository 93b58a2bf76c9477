// Connections from clients: both sides here, over a socket pair, each with its turn; the test may stand between them.
import CLinux
import EventLoop
import Glibc
import TLS
import Testing

/// A server and a client that talk by a socket pair.
private struct Pair: ~Copyable {
    let ends: Ends
    var client: TLSSession
    var server: TLSSession

    init(_ server: TLSServerContext, _ client: TLSClientContext, sendBuffer: Int32? = nil) throws {
        let ends = try Ends()
        if var sendBuffer { setsockopt(ends.far.number, SOL_SOCKET, SO_SNDBUF, &sendBuffer, 4) }
        let near = try TLSSession(client, descriptor: ends.near.number, host: "localhost")
        let far = try TLSSession(accepting: server, descriptor: ends.far.number)
        self.ends = ends
        self.client = near
        self.server = far
    }

    mutating func shakeHands() -> (client: TLSResult, server: TLSResult) {
        var results = (client: TLSResult.wantsRead, server: TLSResult.wantsRead)
        for _ in 0..<10 where results != (.bytes(0), .bytes(0)) {
            if results.client == .wantsRead { results.client = client.handshake() }
            if results.server == .wantsRead { results.server = server.handshake() }
        }
        return results
    }
}

/// Two connected ends.
private struct Ends: ~Copyable {
    let near: Descriptor
    let far: Descriptor

    init() throws {
        var ends: [Int32] = [-1, -1]
        try checked("socketpair", cl_socket_pair(&ends))
        near = Descriptor(owning: ends[0])
        far = Descriptor(owning: ends[1])
    }
}

@Suite struct ServerTests {
    let server: TLSServerContext
    let client: TLSClientContext

    static func identity(_ certificate: String, _ key: String) -> TLSIdentity {
        TLSIdentity(certificateFile: Peer.shared.directory + "/" + certificate, keyFile: Peer.shared.directory + "/" + key)
    }

    init() throws {
        server = try TLSServerContext(Self.identity("good.pem", "good.key"))
        client = try TLSClientContext(caFile: Peer.shared.authority)
    }

    @Test(arguments: [1, 16_384, 16_385, 200_000]) func `accepts what the client side sends`(_ size: Int) throws {
        var pair = try Pair(server, client)
        let out = pattern(size)
        var sent = 0
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 30_000)
        var last = TLSResult.wantsRead
        for _ in 0..<10_000 where last != .end {
            if sent < size {
                if case .bytes(let count) = out[sent...].withUnsafeBytes({ pair.client.write($0) }) { sent += count }
                if sent == size { pair.client.close() }
            }
            last = chunk.withUnsafeMutableBytes { pair.server.read(into: $0) }
            if case .bytes(let count) = last { received += chunk[..<count] }
        }
        #expect(last == .end)
        #expect(received == out)
        let agreed = pair.server.applicationProtocol
        #expect(agreed == "http/1.1")
    }

    /// A chain of blocks that grows while it is written, behind a reader that takes little: nothing is lost, doubled or mixed.
    @Test(arguments: [0, 100, 4080, 20_000, 70_000]) func `chains are sent whole to slow readers`(_ ahead: Int) throws {
        var pair = try Pair(server, client, sendBuffer: 4096)
        #expect(pair.shakeHands() == (.bytes(0), .bytes(0)))
        let pool = BlockPool(limitBytes: 1 << 20)
        var chain = BlockChain(in: pool)
        let all = pattern(300_000)
        var given = ahead
        let first = all[..<ahead].withUnsafeBytes { chain.append($0) }
        #expect(first == ahead)
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 3000)
        var last = BlockChain.Sent.blocked
        for _ in 0..<10_000 where received.count < all.count {
            let piece = min(30_000, all.count - given)
            if piece > 0 {
                let (sent, isComplete) = all[given..<(given + piece)].withUnsafeBytes { pair.server.send(&chain, followedBy: $0) }
                last = sent
                #expect(isComplete)
                given += piece
            } else {
                last = pair.server.send(&chain)
            }
            if case .bytes(let count) = chunk.withUnsafeMutableBytes({ pair.client.read(into: $0) }) { received += chunk[..<count] }
        }
        #expect(last == .all)
        #expect(received == all)
        #expect(pool.usedBytes == 0)
    }

    @Test func `a chain without room says so`() throws {
        var pair = try Pair(server, client, sendBuffer: 4096)
        #expect(pair.shakeHands() == (.bytes(0), .bytes(0)))
        var chain = BlockChain(in: BlockPool(limitBytes: 8192))
        let (sent, isComplete) = pattern(1_000_000).withUnsafeBytes { pair.server.send(&chain, followedBy: $0) }
        #expect(sent == .blocked)
        #expect(!isComplete)
    }

    @Test(arguments: [true, false]) func `a farewell is told from a cut`(_ saysFarewell: Bool) throws {
        var pair = try Pair(server, client, sendBuffer: 4096)
        #expect(pair.shakeHands() == (.bytes(0), .bytes(0)))
        var chain = BlockChain(in: BlockPool(limitBytes: 1 << 20))
        #expect(pattern(50_000).withUnsafeBytes { chain.append($0) } == 50_000)
        var isSaid = false
        var received = 0
        var chunk = [UInt8](repeating: 0, count: 50_000)
        var last = TLSResult.wantsRead
        for _ in 0..<10_000 where last != .end && last != .failed(.truncated) {
            if pair.server.send(&chain) == .all, !isSaid {
                if saysFarewell { isSaid = pair.server.close() } else { isSaid = shutdown(pair.ends.far.number, Int32(SHUT_WR)) == 0 }
            }
            last = chunk.withUnsafeMutableBytes { pair.client.read(into: $0) }
            if case .bytes(let count) = last { received += count }
        }
        #expect(last == (saysFarewell ? .end : .failed(.truncated)))
        #expect(received == 50_000)
    }

    @Test func `later connections resume, those of a new context begin anew`() throws {
        let renewed = try TLSServerContext(Self.identity("good.pem", "good.key"))
        for (context, isResumed) in zip([server, server, server, renewed, renewed], [false, true, true, false, true]) {
            var pair = try Pair(context, client)
            #expect(pair.shakeHands() == (.bytes(0), .bytes(0)))
            _ = Array("x".utf8).withUnsafeBytes { pair.server.write($0) }
            var byte: [UInt8] = [0]
            #expect(byte.withUnsafeMutableBytes { pair.client.read(into: $0) } == .bytes(1))  // the ticket comes before it
            let (here, there) = (pair.server.isResumed, pair.client.isResumed)
            #expect(here == isResumed && there == isResumed)
        }
    }

    // MARK: What is no handshake

    /// The client's first flight, as bytes.
    private func hello() throws -> [UInt8] {
        let ends = try Ends()
        var session = try TLSSession(client, descriptor: ends.near.number, host: "localhost")
        #expect(session.handshake() == .wantsRead)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(ends.far.number, &bytes, bytes.count)
        return Array(bytes[..<count])
    }

    /// What the server side makes of `pieces`, and of the end if there is one.
    private func judged(_ pieces: [ArraySlice<UInt8>], isWhole: Bool = false) throws -> TLSResult {
        let ends = try Ends()
        var session = try TLSSession(accepting: server, descriptor: ends.far.number)
        var result = TLSResult.wantsRead
        for piece in pieces where !piece.isEmpty {
            #expect(result == .wantsRead)
            _ = piece.withUnsafeBytes { Glibc.write(ends.near.number, $0.baseAddress, $0.count) }
            result = session.handshake()
        }
        if isWhole {
            shutdown(ends.near.number, Int32(SHUT_WR))
            result = session.handshake()
        }
        return result
    }

    @Test func `a first flight is the same wherever reads end, and nothing when it ends early`() throws {
        let bytes = try hello()
        for cut in 0..<bytes.count {
            #expect(try judged([bytes[..<cut], bytes[cut...]]) == .wantsRead, "cut at \(cut)")
            #expect(try judged([bytes[..<cut]], isWhole: true) == .failed(.closedInHandshake), "ends at \(cut)")
        }
    }

    @Test func `every changed byte of a first flight is survived`() throws {
        let bytes = try hello()
        for position in 0..<bytes.count {
            var changed = bytes
            changed[position] ^= 0xFF
            switch try judged([changed[...]], isWhole: true) {
            case .failed: break
            case let other: Issue.record("byte \(position): \(other)")
            }
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", TLSError.plainHTTP), ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", .plainHTTP), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .notTLS),
        ("\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}", .notTLS), ("SSH-2.0-OpenSSH_9.2\r\n", .notTLS),
    ]) func `other protocols are told`(_ text: String, _ error: TLSError) throws {
        #expect(try judged([Array(text.utf8)[...]]) == .failed(error))
    }

    // MARK: Files

    @Test(arguments: [
        ("none", "good.key", "cannot use DIR/none: No such file or directory"),
        ("good.pem", "none", "cannot use DIR/none: No such file or directory"),
        ("good.key", "good.key", "cannot use DIR/good.key: it holds no certificate in PEM form"),
        ("good.pem", "good.pem", "cannot use DIR/good.pem: it holds no private key in PEM form"),
        ("good.pem", "locked.key", "cannot use DIR/locked.key: it needs a passphrase: store it without one"),
        ("good.pem", "other.key", "the key in DIR/other.key does not belong to the certificate in DIR/good.pem: name its own key"),
        ("good.pem", "rsa.key", "the key in DIR/rsa.key does not belong to the certificate in DIR/good.pem: name its own key"),
    ]) func `files that cannot be used are refused by name`(_ certificate: String, _ key: String, _ sentence: String) {
        let expected = sentence.split(separator: "DIR", omittingEmptySubsequences: false).joined(separator: Peer.shared.directory)
        do {
            _ = try TLSServerContext(Self.identity(certificate, key))
            Issue.record("accepted")
        } catch {
            #expect(error.description.lowercased() == expected.lowercased())
        }
        do {
            _ = try TLSClientContext(caFile: nil, identity: Self.identity(certificate, key))
            Issue.record("accepted")
        } catch {
            #expect(error.description.lowercased() == expected.lowercased())
        }
    }

    @Test func `a certificate is described`() throws {
        let certificate = server.certificate
        #expect(certificate.names == "localhost, 127.0.0.1, ::1")
        #expect(certificate.lastDay.count == 10)
    }
}
