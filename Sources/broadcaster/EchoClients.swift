// `/ws-echo`: every message back to its sender, on the same codec as the dashboards' messages, for conformance suites
// (scripts/autobahn.sh). No pings, no events; only with TRUTHTABLE_WS_ECHO.
import HTTP
import Inbound

private final class EchoClient {
    let id: ConnectionID
    let deflate: DeflateAgreement?
    var decoder: WebSocketDecoder
    /// Echoes that its full output did not take.
    var waiting: [[UInt8]] = []
    var waitingBytes = 0

    init(_ id: ConnectionID, _ deflate: DeflateAgreement?) {
        self.id = id
        self.deflate = deflate
        decoder = WebSocketDecoder(role: .server, messageLimitBytes: EchoClients.messageLimitBytes, allowsCompression: deflate != nil)
    }
}

struct EchoClients: ~Copyable {
    static let messageLimitBytes = 16 << 20
    /// For one that sends without reading.
    private static let waitingLimitBytes = 32 << 20

    private let server: HTTPServer
    private var clients: [UInt32: EchoClient] = [:]
    private var inflater = MessageInflater()
    private var deflaters = InlineArray<3, MessageDeflater> { MessageDeflater(windowBits: DeflateAgreement.windows[$0]) }

    init(_ server: HTTPServer) { self.server = server }

    mutating func open(_ id: ConnectionID, _ handshake: Handshake) {
        guard server.upgrade(id, handshake.answer.span.bytes) else { return }
        clients[id.slot] = EchoClient(id, handshake.deflate)
    }

    mutating func read(_ bytes: borrowing RawSpan, from id: ConnectionID) {
        guard let client = client(id) else { return }
        var position = 0
        do throws(WebSocketError) {
            while true {
                switch try client.decoder.next(bytes, from: &position) {
                case .needMore: return
                case .text(let isCompressed):
                    if isCompressed {
                        let text = try inflater.inflateText(client.decoder.message, limit: Self.messageLimitBytes)
                        echo(client, .text, text.span.bytes)
                    } else {
                        echo(client, .text, client.decoder.message)
                    }
                case .binary(let isCompressed):
                    if isCompressed {
                        let message = try inflater.inflate(client.decoder.message, limit: Self.messageLimitBytes)
                        echo(client, .binary, message.span.bytes)
                    } else {
                        echo(client, .binary, client.decoder.message)
                    }
                case .ping: send(client, Message.frame(.pong, client.decoder.control))
                case .pong: break
                case .close(let code): return end(client, code)
                }
            }
        } catch {
            end(client, error.closeCode)
        }
    }

    mutating func drained(_ id: ConnectionID) {
        guard let client = client(id) else { return }
        while let frame = client.waiting.first, server.send(id, frame) {
            client.waiting.removeFirst()
            client.waitingBytes -= frame.count
        }
    }

    mutating func forget(_ id: ConnectionID) {
        if client(id) != nil { clients[id.slot] = nil }
    }

    private func client(_ id: ConnectionID) -> EchoClient? {
        guard let client = clients[id.slot], client.id == id else { return nil }
        return client
    }

    private mutating func echo(_ client: EchoClient, _ opcode: WebSocketOpcode, _ message: borrowing RawSpan) {
        if let window = Framing(client.deflate).window, deflaters[window].deflate(message) {
            send(client, Message.frame(opcode, deflaters[window].message, isCompressed: true))
        } else {
            send(client, Message.frame(opcode, message))
        }
    }

    private mutating func send(_ client: EchoClient, _ frame: [UInt8]) {
        if client.waiting.isEmpty, server.send(client.id, frame) { return }
        client.waiting.append(frame)
        client.waitingBytes += frame.count
        if client.waitingBytes > Self.waitingLimitBytes { end(client, WebSocketCloseCode.tryAgainLater) }
    }

    private mutating func end(_ client: EchoClient, _ code: UInt16?) {
        for frame in client.waiting { server.send(client.id, frame) }
        server.send(client.id, Message.closeFrame(code, ""))
        server.close(client.id)
        forget(client.id)
    }
}
