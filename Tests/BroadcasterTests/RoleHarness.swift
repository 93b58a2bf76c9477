// The whole role on real sockets in one thread: a dispatcher's end of its channel, and clients that speak HTTP and WebSocket.
import CLinux
import Configuration
import EventLoop
import Glibc
import HTTP
import IPC
import Telemetry

@testable import Role
@testable import broadcaster

final class RoleHarness {
    let loop: Loop
    var role: BroadcasterRole
    let slot: ScoreboardSlot
    let scoreboard: Scoreboard
    let birth: Birth
    let port: UInt16
    let path: String
    /// The dispatcher's end.
    var channel: Channel?
    let pool = BlockPool(limitBytes: 64 << 20)
    private var generation: UInt32 = 0
    /// What the broadcaster subscribed to, in order.
    var subscriptions: [Subscribe] = []

    init(_ settings: Settings = Settings()) throws {
        cl_ignore_sigpipe()
        loop = try Loop()
        let (scoreboard, descriptor) = try Scoreboard.create()
        close(descriptor)
        slot = ScoreboardSlot.standalone()
        self.scoreboard = scoreboard
        let tcp = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 4096)))
        port = UInt16(try checked("port", cl_local_port(tcp.number)))
        path = "/tmp/tt-broadcaster-\(getpid())-\(port)"
        let unix = Descriptor(owning: try checked("listen", cl_listen_unix(path, 16)))
        birth = Birth(
            place: .broadcaster, incarnation: 1, settings: settings, loop: loop, log: Log(.broadcaster, level: .error), scoreboard: scoreboard,
            slot: slot)
        role = try BroadcasterRole(birth, webSocket: tcp, edge: unix)
    }

    deinit { unlink(path) }

    var isAttached: Bool { channel != nil }
    var isDrained: Bool { role.isDrained }

    /// One turn of the role's loop, and of the dispatcher's end.
    func turn() {
        role.turnEnded()
        try! loop.turn(patience: 1) { (token, readiness) throws(SystemError) in
            if token.kind == 100 {
                var received: [Subscribe] = []
                let end = channel?.handle(readiness, in: loop) { header, payload throws(FrameError) in
                    switch try EventToDispatcher(header, payload) {
                    case .subscribe(let subscribe): received.append(subscribe)
                    }
                }
                subscriptions += received
                if (end ?? nil) != nil { channel = nil }
            } else {
                role.handle(token, readiness)
            }
        } alarm: { (token) throws(SystemError) in
            role.alarm(token)
        }
        role.turnEnded()
    }

    func turn(for milliseconds: UInt64) {
        let end = cl_monotonic_ns() + milliseconds * 1_000_000
        while cl_monotonic_ns() < end { turn() }
    }

    /// A new dispatcher's channel, or the same one's next.
    func attach() throws {
        var ends: [Int32] = [-1, -1]
        try checked("socketpair", cl_socket_pair(&ends))
        generation += 1
        channel = try Channel(
            Attach(kind: .event, peer: UInt16(Place.broadcaster.index), generation: generation), Descriptor(owning: ends[0]), in: loop,
            token: Token(kind: 100, generation: generation), pool: pool, outboxLimit: 32 << 20)
        role.attach(Attach(kind: .event, peer: UInt16(Place.dispatcher.index), generation: generation), Descriptor(owning: ends[1]))
    }

    func event(_ epoch: UInt64, _ sequence: UInt64, _ kind: EventKind, _ text: String, milliseconds: UInt64? = nil) {
        Array(text.utf8).withUnsafeBytes { bytes in
            _ = channel?.send(
                Event(
                    epoch: epoch, sequence: sequence, kind: kind, milliseconds: milliseconds ?? UInt64(wallClockMilliseconds()), json: bytes.bytes))
        }
        _ = channel?.flush(in: loop)
    }

    /// Turns until the client has what is waited for; false after five seconds.
    func wait(_ client: TestClient, _ isDone: (TestClient) -> Bool) -> Bool {
        let limit = cl_monotonic_ns() + 5_000_000_000
        while cl_monotonic_ns() < limit {
            turn()
            client.read()
            if isDone(client) { return true }
        }
        return false
    }

    /// The answer to a request, head and body.
    func ask(_ request: String, unix: Bool = false) -> String {
        let client = TestClient(port: port, path: unix ? path : nil)
        client.send(Array(request.utf8))
        _ = wait(client) { $0.isAtEnd || $0.isWhole }
        return client.text
    }

    /// A client with an open WebSocket; nil when it was refused.
    func open(_ target: String = "/ws", unix: Bool = false, fields: String = "") -> TestClient? {
        let client = TestClient(port: port, path: unix ? path : nil)
        client.send(Array(TestClient.handshake(target, fields).utf8))
        guard wait(client, { $0.hasHead }), client.text.hasPrefix("HTTP/1.1 101 ") else { return nil }
        client.beginFrames()
        return client
    }
}

final class TestClient {
    let descriptor: Int32
    private(set) var bytes: [UInt8] = []
    private(set) var isAtEnd = false
    private(set) var messages: [String] = []
    private(set) var pongs: [String] = []
    private(set) var closeCode: UInt16?
    private(set) var compressedCount = 0
    private var decoder = WebSocketDecoder(role: .client, messageLimitBytes: 4 << 20, allowsCompression: true)
    private var inflater = MessageInflater()
    private var isFraming = false

    init(port: UInt16, path: String?) {
        var fd: Int32 = -1
        var pending = false
        _ = path.map { cl_connect_unix($0, &fd, &pending) } ?? cl_connect_tcp("127.0.0.1", port, &fd, &pending)
        descriptor = fd
    }

    deinit { close(descriptor) }

    static func handshake(_ target: String, _ fields: String = "") -> String {
        "GET \(target) HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(fields)\r\n"
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Where the body begins, once the head is whole.
    private var headEnd: Int? {
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first { bytes[$0..<$0 + 4].elementsEqual("\r\n\r\n".utf8) }.map { $0 + 4 }
    }

    var hasHead: Bool { headEnd != nil }

    /// Of an answer with a Content-Length, or without a body.
    var isWhole: Bool {
        guard let headEnd else { return false }
        let name = "Content-Length: "
        let lines = String(decoding: bytes[..<headEnd], as: UTF8.self).split(separator: "\r\n")
        let length = lines.first { $0.hasPrefix(name) }.flatMap { Int($0.dropFirst(name.count)) } ?? 0
        return bytes.count >= headEnd + length
    }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { cl_send(descriptor, $0.baseAddress, $0.count) }
            if sent > 0 { rest = rest.dropFirst(sent) } else if sent != -Int(EAGAIN) { return }
        }
    }

    func frame(_ opcode: WebSocketOpcode, _ payload: [UInt8], isCompressed: Bool = false) {
        var room = [UInt8](repeating: 0, count: payload.count + 14)
        let count = room.withUnsafeMutableBytes { room in
            var sink = unsafe ByteSink(room)
            payload.withUnsafeBytes { sink.appendFrame(opcode, $0.bytes, mask: WebSocketMask(key: 0x1234_5678)) }
            return sink.count
        }
        if isCompressed { room[0] |= 0x40 }
        send(Array(room[..<count]))
    }

    func say(_ text: String) { frame(.text, Array(text.utf8)) }

    func beginFrames() {
        isFraming = true
        guard let headEnd else { return }
        let rest = Array(bytes[headEnd...])
        bytes.removeAll()
        decode(rest)
    }

    func read() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = buffer.withUnsafeMutableBytes { cl_receive(descriptor, $0.baseAddress, $0.count) }
            if count == 0 || count < 0 && count != -Int(EAGAIN) { isAtEnd = true }
            guard count > 0 else { return }
            if isFraming { decode(Array(buffer[..<count])) } else { bytes += buffer[..<count] }
        }
    }

    private func decode(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var position = 0
            while let event = try? decoder.next(bytes.bytes, from: &position), event != .needMore {
                switch event {
                case .text(isCompressed: true):
                    compressedCount += 1
                    messages.append(String(decoding: (try? inflater.inflateText(decoder.message, limit: 4 << 20)) ?? [], as: UTF8.self))
                case .text: messages.append(Self.message(decoder))
                case .pong: pongs.append(Self.control(decoder))
                case .close(let code): closeCode = code ?? 0
                default: break
                }
            }
        }
    }

    private static func message(_ decoder: borrowing WebSocketDecoder) -> String {
        decoder.message.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private static func control(_ decoder: borrowing WebSocketDecoder) -> String {
        decoder.control.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    var brief: [String] { messages.map(short).filter { !["connected", "health_update", "stats_update"].contains($0) } }
}
