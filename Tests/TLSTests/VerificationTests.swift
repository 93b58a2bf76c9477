// Who is let in: certificates, names, versions, and the sentence that each refusal gets.
import EventLoop
import TLS
import Testing

@Suite struct VerificationTests {
    struct Refusal: Sendable {
        let listener: String
        var host = "localhost"
        let sentence: String
    }

    static let refusals = [
        Refusal(listener: "other", sentence: "host name mismatch: certificate is for other.example, *.wild.example, 192.0.2.1, not for localhost"),
        Refusal(listener: "other", host: "wild.example", sentence: "host name mismatch: certificate is for other.example, *.wild.example, 192.0.2.1, not for wild.example"),
        Refusal(listener: "other", host: "a.b.wild.example", sentence: "host name mismatch: certificate is for other.example, *.wild.example, 192.0.2.1, not for a.b.wild.example"),
        Refusal(listener: "other", host: "127.0.0.1", sentence: "host name mismatch: certificate is for other.example, *.wild.example, 192.0.2.1, not for 127.0.0.1"),
        Refusal(listener: "good", host: "127.0.0.2", sentence: "host name mismatch: certificate is for localhost, 127.0.0.1, ::1, not for 127.0.0.2"),
        Refusal(listener: "nameless", host: "nameless", sentence: "host name mismatch: certificate is for no host (its common name, leaf nameless, does not count), not for nameless"),
        Refusal(listener: "stranger", sentence: "unknown authority Unheard Of: add its certificate with TRUTHTABLE_UPSTREAM_CA_FILE (an engine's with TRUTHTABLE_ENGINE_CA_FILE)"),
        Refusal(listener: "self", sentence: "unknown authority localhost: add its certificate with TRUTHTABLE_UPSTREAM_CA_FILE (an engine's with TRUTHTABLE_ENGINE_CA_FILE)"),
        Refusal(listener: "expired", sentence: "certificate has expired: that of leaf expired ended on 2021-02-03"),
        Refusal(listener: "future", sentence: "certificate is not valid yet: that of leaf future begins on 2090-01-01, check the clocks"),
        Refusal(listener: "tls11", sentence: "the peer is too old: it does not speak TLS 1.2 or newer"),
        Refusal(listener: "plain", sentence: "the peer does not speak TLS on this port: is it http://?"),
        Refusal(listener: "closes", sentence: "the peer closed the connection during the TLS handshake"),
    ]

    @Test(arguments: refusals) func `refusals say what is wrong`(_ row: Refusal) throws {
        let context = try TLSClientContext(caFile: Peer.shared.authority)
        var connection = try Connection(context, port: Peer.shared.port(row.listener), host: row.host)
        let first = connection.handshake()
        guard case .failed(let error) = first else {
            Issue.record("\(row.listener): \(first)")
            return
        }
        // A peer that closes with bytes unread resets the connection.
        if row.listener == "closes", case .system = error { return }
        #expect(error.description == row.sentence)
        // Final, whatever is called next.
        #expect(connection.write("x") == first)
        #expect(connection.readAll() == ([], first))
        connection.session.close()
    }

    @Test(arguments: [
        ("good", "localhost"), ("good", "LOCALHOST"), ("good", "localhost."), ("good", "127.0.0.1"), ("good", "::1"), ("good", "[::1]"),
        ("other", "other.example"), ("other", "any.wild.example"), ("other", "192.0.2.1"), ("tls12", "localhost"),
    ]) func `names and addresses that a certificate is for`(_ listener: String, _ host: String) throws {
        let context = try TLSClientContext(caFile: Peer.shared.authority)
        var connection = try Connection(context, port: Peer.shared.port(listener), host: host)
        #expect(connection.handshake() == .bytes(0))
        let (isEstablished, agreed, version) = (connection.session.isEstablished, connection.session.applicationProtocol, connection.session.version)
        #expect(isEstablished)
        #expect(agreed == "http/1.1")
        #expect(version == (listener == "tls12" ? "TLSv1.2" : "TLSv1.3"))
        #expect(connection.write("facts\n") == .bytes(6))
        let (facts, result) = connection.readText()
        #expect(result == .end)
        let announced = host.first?.isNumber == true || host.contains(":") ? "None" : host == "LOCALHOST" || host == "localhost." ? "localhost" : host
        #expect(facts.hasPrefix(announced + " TLSv1"), "\(facts)")
    }

    @Test(arguments: [true, false]) func `a server that asks for a certificate gets it`(_ has: Bool) throws {
        let directory = Peer.shared.directory
        let identity = TLSIdentity(certificateFile: directory + "/other.pem", keyFile: directory + "/other.key")
        let context = try TLSClientContext(caFile: Peer.shared.authority, identity: has ? identity : nil)
        var connection = try Connection(context, port: Peer.shared.port("mutual"))
        // In TLS 1.3 the client's part of the handshake is over before the server has judged it.
        #expect(connection.handshake() == .bytes(0))
        if has { #expect(connection.write("end\n") == .bytes(4)) }
        let (text, result) = connection.readText()
        #expect(text == (has ? "whole" : ""))
        if has { #expect(result == .end) } else { #expect(result == .failed(.alert("tlsv13 alert certificate required"))) }
    }

    @Test func `the authority is needed`() throws {
        let context = try TLSClientContext(caFile: nil)
        var connection = try Connection(context, port: Peer.shared.port("good"))
        #expect(connection.handshake() == .failed(.unknownAuthority(issuer: "Test Authority")))
    }

    @Test func `a certificate that signs nothing can be trusted itself`() throws {
        let context = try TLSClientContext(caFile: Peer.shared.directory + "/self.pem")
        var connection = try Connection(context, port: Peer.shared.port("self"))
        #expect(connection.handshake() == .bytes(0))
    }

    @Test(arguments: ["/nowhere/ca.pem", "/dev/null", "/etc/hostname"]) func `files without authorities are refused by name`(_ path: String) throws {
        do {
            _ = try TLSClientContext(caFile: path)
            Issue.record("accepted")
        } catch {
            #expect(error.description.hasPrefix("cannot use \(path): "), "\(error)")
        }
    }

    @Test(arguments: ["", ".", "[]", "a b", "a\0b", "ü.example", String(repeating: "a", count: 300)])
    func `what is no host name is refused before anything is sent`(_ host: String) throws {
        let context = try TLSClientContext(caFile: nil)
        let socket = try connected(port: Peer.shared.port("good"))
        do {
            _ = try TLSSession(context, descriptor: socket.number, host: host)
            if host != "[]" { Issue.record("accepted") }
        } catch {
            #expect(error == .badHost(host))
        }
    }
}
