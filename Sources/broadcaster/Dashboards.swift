// The dashboards' connections: HTTP until the handshake, then WebSocket frames or a stream of events. The hub decides what each of them
// gets; here it is sent, as fast as each of them takes it, and never so much at once that the loop is held up.
import CLinux
import Configuration
import EventLoop
import HTTP
import IPC
import Inbound
import Telemetry

/// One connected dashboard.
private final class Client {
    let id: ConnectionID
    /// By which the hub knows it.
    let key: Int
    let clientID: String
    /// Gets a stream of events instead of WebSocket frames, and says nothing.
    let isStream: Bool
    var decoder: WebSocketDecoder
    /// Its output took no more; `drained` ends that.
    var isFull = false

    init(_ id: ConnectionID, _ key: Int, _ clientID: String, _ framing: Framing) {
        self.id = id
        self.key = key
        self.clientID = clientID
        isStream = framing == .eventStream
        decoder = WebSocketDecoder(role: .server, allowsCompression: framing.window != nil)
    }
}

/// A walk over all clients that may be interrupted.
private struct Round {
    private var left = 0
    private var next = 0

    var isOver: Bool { left == 0 }
    mutating func begin(_ count: Int) { left = count }

    /// The index of the next client; they stand at 0..<count.
    mutating func step(_ count: Int) -> Int? {
        guard left > 0, count > 0 else {
            left = 0
            return nil
        }
        if next >= count { next = 0 }
        defer { next += 1 }
        left -= 1
        return next
    }
}

struct Dashboards: ~Copyable {
    /// Longest wait for a client to take any of what waits for it.
    static let writeLimit = Duration.seconds(10)
    /// Bytes that wait for one client outside the ring.
    static let outputBytes = 256 << 10
    /// Messages that go out by one system call.
    private static let batchBytes = 64 << 10
    /// For one client before it is the others' turn.
    private static let pumpBytes = 256 << 10
    /// For all clients before the loop looks at what else there is.
    private static let pumpTime = Duration.milliseconds(8)
    /// Clients between two looks at the clock.
    private static let clockInterval = 16

    private let loop: Loop
    private let log: Log
    private let slot: ScoreboardSlot
    private let server: HTTPServer
    private let pumpToken: Token
    private var routes: Routes
    private var hub: Hub
    private var echoes: EchoClients
    private var inflater = MessageInflater()
    /// By slot of the connection.
    private var clients: [Client?] = []
    /// There is something new to send.
    private var news = Round()
    /// A second has passed: pings and limits.
    private var looks = Round()
    private var pumpIsScheduled = false
    /// Milliseconds since 1970 at the last look; read once for thousands of clients.
    private var wall: UInt64 = 0
    private var isDraining = false

    /// `kinds` are the kinds of tokens of the server and of the pump. The listeners are closed with the process or by `drain`.
    init(
        _ kinds: (server: UInt8, pump: UInt8), in loop: Loop, _ settings: Settings, _ log: Log, _ slot: ScoreboardSlot,
        webSocket: consuming Descriptor, edge: consuming Descriptor
    ) throws(SystemError) {
        var limits = HTTPServerLimits()
        limits.connections = settings.maxConnections
        limits.head = HeadLimits(headBytes: settings.maxHeadBytes, fieldCount: settings.maxHeaderFields, targetBytes: settings.maxTargetBytes)
        limits.bodyBytes = 0
        limits.headTime = settings.headTimeout
        limits.idleTime = settings.keepAliveTimeout
        limits.outputBytes = Self.outputBytes
        limits.stallTime = Self.writeLimit
        server = HTTPServer(on: loop, tokenKind: kinds.server, limits: limits)
        _ = try server.listen(on: webSocket)
        routes = Routes(server, settings, edgeListener: try server.listen(on: edge), at: loop.now)
        echoes = EchoClients(server)
        pumpToken = Token(kind: kinds.pump)
        hub = Hub(countLimit: settings.eventRingCount, byteLimit: settings.eventRingBytes)
        self.loop = loop
        self.log = log
        self.slot = slot
    }

    var count: Int { hub.count }
    var connectionCount: Int { server.connectionCount }
    /// Of the newest event that is here.
    var newest: EventNumber { hub.events.newest }

    // MARK: Inputs

    mutating func handle(_ token: Token, _ readiness: Readiness) {
        server.handle(token, readiness) { event in receive(event) }
    }

    mutating func alarm(_ token: Token) {
        if token == pumpToken {
            pumpIsScheduled = false
        } else {
            server.alarm(token) { event in receive(event) }
        }
    }

    private mutating func receive(_ event: HTTPServerEvent) {
        switch event {
        case .request(let request):
            switch routes.answer(request, at: loop.now) {
            case nil: return
            case .webSocket(let handshake, let query):
                open(request, query, Framing(handshake.deflate)) { $0.upgrade(request.id, handshake.answer.span.bytes) }
            case .eventStream(let fields, let query):
                open(request, query, .eventStream) { $0.beginStream(request.id, 200, fields) && $0.stream(request.id, Array("retry: 1000\n\n".utf8)) }
            case .echo(let handshake): echoes.open(request.id, handshake)
            }
        case .bytes(let id, let bytes):
            if let client = client(id) { read(bytes, from: client) } else { echoes.read(bytes, from: id) }
        case .drained(let id):
            guard let client = client(id) else { return echoes.drained(id) }
            client.isFull = false
            pump(client)
        case .peerFinished(let id):  // who listens to a stream keeps its side open
            guard let client = client(id) else { return }
            server.close(id)
            forget(client)
        case .closed(let id):
            if let client = client(id) { forget(client) } else { echoes.forget(id) }
        }
    }

    // MARK: Events

    /// A channel to a dispatcher is there.
    mutating func dispatcherAttached() { hub.attached(at: loop.now, wall: readWall()) }

    /// A dispatcher of this epoch works now, with or without events.
    mutating func dispatcherReplaced(by epoch: UInt64) {
        hub.dispatcherReplaced(by: epoch, wall: readWall())
        tellLost()
    }

    /// An event from the dispatcher; it goes out when the turn ends.
    mutating func take(_ event: borrowing Event) {
        let taken = hub.take(event, at: loop.now, wall: readWall())
        tellLost()
        switch taken {
        case .repeated: return
        case .unusable:
            slot.add(.eventsReceived)
            log.error("An event is no JSON object, it is passed over", ["epoch": .number(event.epoch), "seq": .number(event.sequence)])
        case .kept(let kind, let facts, let isHistory):
            slot.add(.eventsReceived)
            everybodyIsDue()
            guard kind == .auditComplete, !isHistory else { return }
            log.info(
                "Audit result broadcast",
                [
                    "request_id": .string(facts.requestID), "trust_score": .string(facts.trustScore), "grade": .string(facts.grade?.name ?? "N/A"),
                    "clients": .number(hub.count),
                ])
        }
    }

    private mutating func tellLost() {
        let lost = hub.takeLostCount()
        guard lost > 0 else { return }
        everybodyIsDue()
        log.warn("Audits were lost with their dispatcher", ["count": .number(lost)])
    }

    @discardableResult
    private mutating func readWall() -> UInt64 {
        wall = UInt64(clamping: wallClockMilliseconds())
        return wall
    }

    // MARK: Connections

    /// `begin` sends the head of the answer; false when the client is gone.
    private mutating func open(_ request: HTTPRequest, _ query: DashboardQuery, _ framing: Framing, _ begin: (HTTPServer) -> Bool) {
        guard !isDraining else { return routes.refuse(request, 503, "TruthTable is being stopped: try again when it runs") }
        guard let name = randomName(), begin(server) else { return }
        let client = Client(request.id, hub.join(name, query, framing, at: loop.now), name, framing)
        let index = Int(request.id.slot)
        while clients.count <= index { clients.append(nil) }
        clients[index] = client
        slot.add(.clientsConnected)
        slot.set(.clientsOpen, hub.count)
        log.info("Client connected (total: \(hub.count))", ["client_id": .string(name), "peer": .string(request.peer.isEmpty ? "edge" : request.peer)])
        readWall()
        pump(client)
    }

    /// Says Close and ends the connection when the client has had the time to read it.
    private mutating func end(_ client: Client, _ code: UInt16?, reason: StaticString) {
        if client.isStream {
            server.endStream(client.id, keepsConnection: false)
        } else {
            send(client, Message.closeFrame(code, reason))
            server.close(client.id)
        }
        forget(client)
    }

    private mutating func forget(_ client: Client) {
        clients[Int(client.id.slot)] = nil
        hub.leave(client.key)
        slot.set(.clientsOpen, hub.count)
        log.info("Client disconnected (total: \(hub.count))", ["client_id": .string(client.clientID)])
    }

    private func client(_ id: ConnectionID) -> Client? {
        let index = Int(id.slot)
        guard index < clients.count, let client = clients[index], client.id == id else { return nil }
        return client
    }

    // MARK: Frames

    private mutating func read(_ bytes: borrowing RawSpan, from client: Client) {
        var position = 0
        do throws(WebSocketError) {
            while true {
                switch try client.decoder.next(bytes, from: &position) {
                case .needMore:
                    return pump(client)
                case .text(let isCompressed):
                    if isCompressed {
                        let text = try inflater.inflateText(client.decoder.message, limit: client.decoder.messageLimitBytes)
                        hub.receive(text.span.bytes, from: client.key)
                    } else {
                        hub.receive(client.decoder.message, from: client.key)
                    }
                    // Answers go out before the next message is looked at: how many wait stays small.
                    pump(client)
                case .binary:
                    hub.refuse(client.key, "binary messages are not understood: send JSON as text")
                    pump(client)
                case .ping: send(client, Message.frame(.pong, client.decoder.control))
                case .pong: break
                case .close(let code):
                    return end(client, code, reason: "")
                }
                hub.with(client.key) { subscriber, _ in subscriber.heard(at: loop.now) }
            }
        } catch {
            log.debug("Client broke the protocol", ["client_id": .string(client.clientID), "cause": .string("\(error)")])
            end(client, error.closeCode, reason: "protocol violation")
        }
    }

    /// A control frame; a client whose output is full goes without.
    private func send(_ client: Client, _ frame: [UInt8]) { server.send(client.id, frame) }

    // MARK: Sending

    private mutating func everybodyIsDue() { news.begin(clients.count) }

    /// All that was ready has been handled: clients get what is new, for as long as others can wait.
    mutating func turnEnded() {
        guard !news.isOver || !looks.isOver else { return }
        readWall()
        let limit = Instant.now + Self.pumpTime
        var steps = 0
        var made = hub.renderings
        while !news.isOver || !looks.isOver {
            // Writing and compressing an event takes longer than to send it.
            if steps == Self.clockInterval || made != hub.renderings {
                if Instant.now >= limit { break }
                steps = 0
                made = hub.renderings
            }
            steps += 1
            // One of each at a time: there may be news without end, and a slow client must be seen.
            if let index = news.step(clients.count), let client = clients[index] { pump(client) }
            if let index = looks.step(clients.count), let client = clients[index] { look(client) }
        }
        guard !news.isOver || !looks.isOver, !pumpIsScheduled else { return }
        pumpIsScheduled = true
        loop.schedule(pumpToken, at: loop.now + .nanoseconds(1))  // in the next turn
    }

    /// Sends a client what it has not got, until its output is full or it is the others' turn.
    private mutating func pump(_ client: Client) {
        let server = server
        var sent = 0
        while !client.isFull {
            guard sent < Self.pumpBytes else { return everybodyIsDue() }
            let count = hub.write(client.key, limit: Self.batchBytes, wall: wall) { bytes in
                guard client.isStream ? server.stream(client.id, bytes.bytes) : server.send(client.id, bytes.bytes) else {
                    client.isFull = true
                    return false
                }
                sent += bytes.count
                return true
            }
            guard count > 0 else { return }
            slot.add(.messagesSent, UInt64(count))
        }
    }

    // MARK: Time

    /// About once a second.
    mutating func tick(_ scoreboard: Scoreboard) {
        let clients = hub.count
        hub.tick(
            at: loop.now, wall: readWall(), health: { HealthReading(scoreboard, clients: clients) },
            stats: { StatsReading(scoreboard) })
        slot.set(.ringEvents, hub.events.count)
        slot.set(.ringBytes, hub.events.byteCount)
        slot.set(.connectionsOpen, server.connectionCount)
        everybodyIsDue()
        looks.begin(self.clients.count)
    }

    /// Pings and limits of one client, about once a second.
    private mutating func look(_ client: Client) {
        let now = loop.now
        let due = hub.with(client.key) { subscriber, events in subscriber.due(in: events, isFull: client.isFull, at: now) }
        switch due ?? nil {
        case nil: return
        case .ping: send(client, Message.frame(.ping, RawSpan()))
        case .comment: server.stream(client.id, Array(":\n\n".utf8))
        case .closeSlow:
            slot.add(.slowClientsDropped)
            log.warn("Client did not keep up, closing it", ["client_id": .string(client.clientID)])
            end(client, WebSocketCloseCode.tryAgainLater, reason: "too slow: connect again with since")
        case .end:
            server.abort(client.id)
            forget(client)
        }
    }

    /// Takes nobody new and says good-bye to all, after what waits for them.
    mutating func drain() {
        isDraining = true
        server.drain()
        for client in clients {
            guard let client else { continue }
            pump(client)
            end(client, WebSocketCloseCode.goingAway, reason: "TruthTable is being stopped")
        }
    }

    /// 64 bits of chance: names meet in logs, nothing depends on them.
    private func randomName() -> String? {
        var bits: UInt64 = 0
        guard cl_random(&bits, 8) >= 0 else { return nil }
        let digits = String(bits, radix: 16)
        return "client_" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}
