// The dashboards' connections: HTTP until the handshake, then WebSocket frames. The hub decides what each of them gets; here
// it is sent, as fast as each of them takes it, and never so much at once that the loop is held up.
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
    var decoder = WebSocketDecoder(role: .server, messageLimitBytes: WebSocketDecoder.defaultMessageLimitBytes)
    /// Its output took no more; `drained` ends that.
    var isFull = false

    init(_ id: ConnectionID, _ key: Int, _ clientID: String) {
        self.id = id
        self.key = key
        self.clientID = clientID
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
    private static let pumpBytes = 1 << 20
    /// For all clients before the loop looks at what else there is.
    private static let pumpTime = Duration.milliseconds(8)
    /// Clients between two looks at the clock.
    private static let clockInterval = 16

    private let loop: Loop
    private let log: Log
    private let slot: ScoreboardSlot
    private let server: HTTPServer
    private let pumpToken: Token
    private let routes: Routes
    private var hub: Hub
    /// By slot of the connection.
    private var clients: [Client?] = []
    /// Clients that have not been looked at since there was something new, beginning with `nextClient`.
    private var clientsLeft = 0
    private var nextClient = 0
    private var pumpIsScheduled = false
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
        routes = Routes(server, settings, edgeListener: try server.listen(on: edge))
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
            if let opening = routes.answer(request) { open(request, opening.handshake, opening.query) }
        case .bytes(let id, let bytes): read(bytes, from: id)
        case .drained(let id):
            guard let client = client(id) else { return }
            client.isFull = false
            pump(client)
        case .peerFinished: return
        case .closed(let id): forget(id)
        }
    }

    // MARK: Events

    /// A channel to a dispatcher is there.
    mutating func dispatcherAttached() { hub.attached(at: loop.now, wall: wall) }

    /// A dispatcher of this epoch works now, with or without events.
    mutating func dispatcherReplaced(by epoch: UInt64) {
        hub.dispatcherReplaced(by: epoch, wall: wall)
        tellLost()
    }

    /// An event from the dispatcher; it goes out when the turn ends.
    mutating func take(_ event: borrowing Event) {
        let taken = hub.take(event, at: loop.now, wall: wall)
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

    private var wall: UInt64 { UInt64(clamping: wallClockMilliseconds()) }

    // MARK: Connections

    private mutating func open(_ request: HTTPRequest, _ handshake: [UInt8], _ query: DashboardQuery) {
        guard !isDraining else { return routes.refuse(request, 503, "TruthTable is being stopped: try again when it runs") }
        guard let name = randomName(), server.upgrade(request.id, handshake.span.bytes) else { return }
        let client = Client(request.id, hub.join(name, query, at: loop.now), name)
        let index = Int(request.id.slot)
        while clients.count <= index { clients.append(nil) }
        clients[index] = client
        slot.add(.clientsConnected)
        slot.set(.clientsOpen, hub.count)
        log.info("Client connected (total: \(hub.count))", ["client_id": .string(name), "peer": .string(request.peer.isEmpty ? "edge" : request.peer)])
        pump(client)
    }

    /// Says Close and ends the connection when the client has had the time to read it.
    private mutating func end(_ client: Client, _ code: UInt16?, reason: StaticString) {
        send(client, Message.closeFrame(code, reason))
        server.close(client.id)
        forget(client.id)
    }

    private mutating func forget(_ id: ConnectionID) {
        guard let client = client(id) else { return }
        clients[Int(id.slot)] = nil
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

    private mutating func read(_ bytes: borrowing RawSpan, from id: ConnectionID) {
        guard let client = client(id) else { return }
        var position = 0
        do throws(WebSocketError) {
            while true {
                switch try client.decoder.next(bytes, from: &position) {
                case .needMore:
                    return pump(client)
                case .text:
                    hub.receive(client.decoder.message, from: client.key)
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

    private mutating func everybodyIsDue() { clientsLeft = clients.count }

    /// All that was ready has been handled: clients get what is new, for as long as others can wait.
    mutating func turnEnded() {
        guard clientsLeft > 0 else { return }
        let limit = Instant.now + Self.pumpTime
        while clientsLeft > 0 {
            if clientsLeft % Self.clockInterval == 0, Instant.now >= limit { break }
            if nextClient >= clients.count { nextClient = 0 }
            let index = nextClient
            nextClient += 1
            clientsLeft -= 1
            if let client = clients[index] { pump(client) }
        }
        if clientsLeft > 0, !pumpIsScheduled {
            pumpIsScheduled = true
            loop.schedule(pumpToken, at: loop.now + .nanoseconds(1))  // in the next turn
        }
    }

    /// Sends a client what it has not got, until its output is full or it is the others' turn.
    private mutating func pump(_ client: Client) {
        let server = server
        let wall = wall
        var sent = 0
        while !client.isFull {
            guard sent < Self.pumpBytes else { return everybodyIsDue() }
            let count = hub.write(client.key, limit: Self.batchBytes, wall: wall) { frames in
                guard server.send(client.id, frames.bytes) else {
                    client.isFull = true
                    return false
                }
                sent += frames.count
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
            at: loop.now, wall: wall, health: { HealthReading(scoreboard, clients: clients) },
            stats: { StatsReading(scoreboard) })
        for client in self.clients {
            guard let client else { continue }
            let due = hub.with(client.key) { subscriber, events in subscriber.due(in: events, isFull: client.isFull, at: loop.now) }
            switch due ?? nil {
            case nil: continue
            case .ping: send(client, Message.frame(.ping, RawSpan()))
            case .closeSlow:
                slot.add(.slowClientsDropped)
                log.warn("Client did not keep up, closing it", ["client_id": .string(client.clientID)])
                end(client, WebSocketCloseCode.tryAgainLater, reason: "too slow: connect again with since")
            case .end:
                server.abort(client.id)
                forget(client.id)
            }
        }
        slot.set(.ringEvents, hub.events.count)
        slot.set(.ringBytes, hub.events.byteCount)
        slot.set(.connectionsOpen, server.connectionCount)
        everybodyIsDue()
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
