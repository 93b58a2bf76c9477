// The proxy on a real loop with loopback sockets: clients and the upstream are the test's, and so is the dispatcher's end of
// the capture channel. Nothing sleeps: `wait` turns the loop until a condition holds.
import CLinux
import Configuration
import EventLoop
import Glibc
import IPC
import Outbound
import Synchronization
import Telemetry
import Testing

@testable import edge

/// A capture as the dispatcher sees it.
struct Seen {
    let head: CaptureHead
    let requestID: String
    let caller: String
    let upstream: String
    let method: String
    let target: String
    let requestFields: String
    let requestBody: [UInt8]
    let responseFields: String
    let responseBody: [UInt8]

    init(_ capture: borrowing Capture) {
        head = capture.head
        requestID = text(capture.requestID)
        caller = text(capture.caller)
        upstream = text(capture.upstream)
        method = text(capture.method)
        target = text(capture.target)
        requestFields = text(capture.requestFields)
        requestBody = bytes(capture.requestBody)
        responseFields = text(capture.responseFields)
        responseBody = bytes(capture.responseBody)
    }
}

func bytes(_ span: RawSpan) -> [UInt8] { span.withUnsafeBytes { Array($0) } }
func text(_ span: RawSpan) -> String { String(decoding: bytes(span), as: UTF8.self) }

/// The reading end of a capture channel.
final class CaptureReader {
    let peer: Peer
    private var decoder = FrameDecoder(limit: ChannelKind.capture.payloadLimit)
    private var used = 0
    private(set) var opened: UInt64?
    private(set) var captures: [Seen] = []
    private(set) var error: FrameError?
    /// The first message of the channel.
    private(set) var firstType: UInt16?

    init(_ peer: Peer) { self.peer = peer }

    func pump() -> Bool {
        let moved = peer.pump()
        while used < peer.received.count, error == nil {
            decoder.fill { room in
                let count = min(room.count, peer.received.count - used)
                peer.received[used..<(used + count)].withUnsafeBytes { room.copyMemory(from: $0) }
                used += count
                return count
            }
            do throws(FrameError) {
                while try decoder.next(
                    { header, payload throws(FrameError) in
                        if firstType == nil { firstType = header.type }
                        switch try CaptureToDispatcher(header, payload) {
                        case .open(let open): opened = open.sentBefore
                        case .capture(let capture): captures.append(Seen(capture))
                        }
                    }, refused: { error throws(FrameError) in throw error })
                {}
            } catch {
                self.error = error
            }
        }
        if used == peer.received.count {
            used = 0
            peer.forget()
        }
        return moved
    }
}

/// Names that the test resolves when it likes.
final class Names: Sendable {
    private let answer = Mutex<Resolution?>(nil)

    func resolve() -> Resolution {
        while true {
            if let answer = answer.withLock({ $0 }) { return answer }
            usleep(500)
        }
    }

    func become(_ resolution: Resolution) { answer.withLock { $0 = resolution } }
}

final class World {
    let loop: Loop
    var proxy: Proxy
    let slot = ScoreboardSlot.standalone()
    let port: UInt16
    let upstreamPort: UInt16
    private(set) var clients: [Peer] = []
    /// Connections that the proxy has made, in order.
    private(set) var upstreams: [Peer] = []
    private(set) var reader: CaptureReader?
    /// Captures of channels that have ended.
    private(set) var earlier: [Seen] = []
    var attached = Attach(kind: .capture, peer: 1, generation: 0)
    let listener: Descriptor
    private let upstreamListener: Descriptor
    private var acceptsUpstream = true
    private var broadcasterListener: Descriptor?
    private(set) var dashboards: [Peer] = []
    private(set) var channelEnd: ChannelEnd?
    var sweeps = true
    /// Peers end when they are told that the other side has: as servers do with a tunnel.
    private var endsBack = false
    private let directory: String
    /// Seconds until something that is waited for will not happen any more.
    static let patience = 5.0

    static func settings(_ change: (inout Settings) -> Void = { _ in }) -> Settings {
        var settings = Settings()
        settings.maxConnections = 64
        settings.upstreamIdleConnections = 8
        settings.captureMemoryBytes = 8 << 20
        // What differs from run to run has tests of its own.
        settings.answerHeaders = false
        settings.traceContext = false
        settings.breakerFaults = 0  // upstreams fail as often as tests like
        change(&settings)
        return settings
    }

    init(_ given: Settings = World.settings(), host: String = "127.0.0.1", basePath: String = "", names: Names = Names(), _ change: (inout Settings, UInt16) -> Void = { _, _ in }) throws {
        cl_ignore_sigpipe()
        loop = try Loop()
        listener = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 1024)))
        upstreamListener = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 1024)))
        port = UInt16(cl_local_port(listener.number))
        upstreamPort = UInt16(cl_local_port(upstreamListener.number))
        directory = "/tmp/tt-edge-\(getpid())-\(port)"
        mkdir(directory, 0o700)
        var settings = given
        settings.upstreams = UpstreamList([Upstream(UpstreamURL(isTLS: false, host: host, port: Int(upstreamPort), basePath: basePath))])
        settings.runtimeDirectory = directory
        change(&settings, upstreamPort)
        let (scoreboard, descriptor) = try Scoreboard.create()
        close(descriptor)
        let place = try #require(Place(.edge, 0))
        let resolver = try Resolver { _ in names.resolve() }
        let silence = open("/dev/null", O_WRONLY)
        proxy = Proxy(
            settings, loop: loop, log: Log(place, level: .error, descriptor: silence), slot: slot, scoreboard: scoreboard, quotas: .standalone(), tls: nil,
            resolver: resolver, accessLog: nil)
        try loop.add(listener.number, .readable, Token(kind: EdgeToken.listener))
        try loop.add(proxy.resolver.wakeupDescriptor, .readable, Token(kind: EdgeToken.resolver))
        try attach()
    }

    deinit {
        unlink(directory + "/broadcaster")
        rmdir(directory)
    }

    // MARK: The dispatcher's end

    /// A new capture channel; the one before it is forgotten.
    func attach() throws {
        var ends: [Int32] = [-1, -1]
        try checked("socketpair", cl_socket_pair(&ends))
        earlier += reader?.captures ?? []
        attached = Attach(kind: .capture, peer: 1, generation: attached.generation + 1)
        reader = CaptureReader(Peer(Descriptor(owning: ends[1])))
        channelEnd = nil
        let error = proxy.captures.attach(attached, Descriptor(owning: ends[0]), in: loop, token: captureToken)
        #expect(error == nil)
    }

    private var captureToken: Token { Token(kind: EdgeToken.captures, generation: attached.generation) }

    var captures: [Seen] { earlier + (reader?.captures ?? []) }

    // MARK: Turning

    func connect(receiveBuffer: Int32? = nil) throws -> Peer {
        let client = try Peer.connect(to: port, receiveBuffer: receiveBuffer)
        clients.append(client)
        return client
    }

    /// New connections of the proxy are not accepted: they wait in the backlog.
    func holdUpstream(_ held: Bool) { acceptsUpstream = !held }

    func serveDashboards() throws {
        broadcasterListener = Descriptor(owning: try checked("listen", cl_listen_unix(directory + "/broadcaster", 16)))
    }

    /// One turn of the edge's loop as its role makes it, then the peers'.
    func turn(patience: Int32 = 1) {
        let batch = loop.wait(patience)
        for (token, readiness) in batch where token.kind == EdgeToken.upstream && readiness.mayRead { proxy.idleUpstreamReady(token, readiness) }
        for (token, readiness) in batch {
            switch token.kind {
            case EdgeToken.client: proxy.clientReady(token, readiness)
            case EdgeToken.upstream: proxy.upstreamReady(token, readiness)
            case EdgeToken.listener: proxy.accept(listener.number)
            case EdgeToken.resolver: proxy.resolved()
            case EdgeToken.captures:
                if proxy.captures.isFor(token), let end = proxy.captures.handle(readiness, in: loop) { channelEnd = end }
            default: break
            }
        }
        for token in loop.dueAlarms() {
            if token.kind == EdgeToken.accept { loop.modify(listener.number, [.readable], Token(kind: EdgeToken.listener)) }
        }
        if sweeps { proxy.sweep() }
        proxy.continueReading()
        if !proxy.captures.isEmpty, let end = proxy.captures.flush(in: loop) { channelEnd = end }
        pumpPeers()
    }

    func pumpPeers() {
        func accept(_ listener: Int32) -> Peer? {
            var loopback = false
            let number = cl_accept(listener, nil, 0, &loopback)
            return number < 0 ? nil : Peer(Descriptor(owning: number))
        }
        while acceptsUpstream, let peer = accept(upstreamListener.number) { upstreams.append(peer) }
        if let number = broadcasterListener?.number { while let peer = accept(number) { dashboards.append(peer) } }
        for peer in clients { _ = peer.pump() }
        for peer in upstreams { _ = peer.pump() }
        for peer in dashboards { _ = peer.pump() }
        if endsBack { for peer in upstreams + dashboards where peer.end != nil { peer.close() } }
        _ = reader?.pump()
    }

    /// Turns until `condition` holds; a failure says what was waited for.
    @discardableResult
    func wait(_ what: @autoclosure () -> String, seconds: Double = World.patience, location: SourceLocation = #_sourceLocation, _ condition: () -> Bool) -> Bool {
        let end = cl_monotonic_ns() + UInt64(seconds * 1e9)
        var turns = 0
        while !condition() {
            defer { turns += 1 }
            guard cl_monotonic_ns() < end else {
                Issue.record("waited for \(what())", sourceLocation: location)
                return false
            }
            turn(patience: turns < 3 ? 0 : 1)
        }
        return true
    }

    /// Turns for a while in which nothing is to happen.
    func turns(_ count: Int = 20) { for _ in 0..<count { turn() } }

    /// Says as much as makes something wait for a client that does not read, and not so much that the upstream is held up.
    func fill(from upstream: Peer) {
        let piece = [UInt8](repeating: 120, count: 32 << 10)
        wait("something to wait") {
            if upstream.unsent == 0, outputBytes == 0 { upstream.say(piece) }
            return upstream.unsent == 0 && outputBytes > 0
        }
    }

    var clientCount: Int { proxy.clients.count }
    var upstreamCount: Int { proxy.upstreams.count }
    var outputBytes: Int { proxy.outputPool.usedBytes }
    var captureBytes: Int { proxy.capturePool.usedBytes }
    var isIdle: Bool { proxy.isIdle }

    // MARK: What must hold

    /// The live upstream connection number `index`, once the proxy has made it.
    func upstream(_ index: Int, location: SourceLocation = #_sourceLocation) throws -> Peer {
        wait("connection \(index) to the upstream", location: location) { upstreams.count > index }
        return try #require(upstreams.count > index ? upstreams[index] : nil, sourceLocation: location)
    }

    /// Everybody leaves; nothing may be left: no slot, no block, every capture sent and read, and the counters agree.
    func settle(_ name: String = "", location: SourceLocation = #_sourceLocation) {
        endsBack = true
        defer { endsBack = false }
        for peer in clients { peer.close() }
        for peer in clients where peer.isOpen { peer.reset() }
        wait("\(name): clients to go: \(proxy.clients.count)", location: location) { proxy.clients.count == 0 }
        checkIdle(name, location)
        for peer in upstreams + dashboards { peer.reset() }
        wait("\(name): connections to the upstream to go: \(proxy.upstreams.count)", location: location) { proxy.upstreams.count == 0 }
        let idle = proxy.targets.flatMap { $0.pointee.idle }
        #expect(idle.isEmpty, "\(name): idle list", sourceLocation: location)
        wait("\(name): captures to be read", location: location) { proxy.captures.isEmpty && proxy.capturePool.usedBytes == 0 }
        wait("\(name): \(captures.count) of \(slot.value(.captureSent)) captures", location: location) {
            UInt64(captures.count) == slot.value(.captureSent) || channelEnd != nil || attached.generation > 1
        }
        #expect(reader?.error == nil, "\(name): malformed frame", sourceLocation: location)
        #expect(outputBytes == 0, "\(name): output blocks", sourceLocation: location)
        #expect(captureBytes == 0, "\(name): capture blocks", sourceLocation: location)
        #expect(slot.value(.captured) == slot.value(.captureSent) + slot.value(.droppedCaptureBacklog), "\(name): captures do not add up", sourceLocation: location)
        clients = []
        upstreams = []
        dashboards = []
        turn()
    }

    /// Without clients, every connection to an upstream is idle, and listed once.
    private func checkIdle(_ name: String, _ location: SourceLocation) {
        let idle = proxy.targets.flatMap { $0.pointee.idle }
        #expect(Set(idle).count == idle.count, "\(name): listed twice", sourceLocation: location)
        #expect(idle.count == upstreamCount, "\(name): \(upstreamCount) connections, \(idle.count) idle", sourceLocation: location)
        let areIdle = idle.allSatisfy { proxy.upstreams.isLive($0) && proxy.upstreams.at($0).pointee.client == -1 }
        #expect(areIdle, "\(name): not idle", sourceLocation: location)
    }
}

/// Lines ended by CR LF, and the empty one.
func head(_ lines: String...) -> String { lines.map { $0 + "\r\n" }.joined() + "\r\n" }

/// A request as the upstream gets it: what the proxy adds is the same for all tests.
func forwarded(_ world: World, _ requestLine: String, _ fields: [String] = [], framing: [String] = [], id: String = "t") -> String {
    let lines =
        [requestLine, "Host: 127.0.0.1:\(world.upstreamPort)"] + fields
        + ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Request-ID: \(id)", "User-Agent: TruthTable-Proxy/1.0"] + framing
    return lines.map { $0 + "\r\n" }.joined() + "\r\n"
}

/// An answer as the client gets it.
func answered(_ statusLine: String, _ fields: [String] = [], framing: [String] = [], id: String = "t") -> String {
    let lines = [statusLine] + fields + ["X-TruthTable-Request-ID: \(id)", "X-Request-ID: \(id)"] + framing
    return lines.map { $0 + "\r\n" }.joined() + "\r\n"
}

extension [UInt8] {
    /// How often `part` occurs.
    func count(of part: String) -> Int {
        let part = Array(part.utf8)
        var count = 0
        var position = 0
        while position + part.count <= self.count {
            if self[position] == part[0], self[position..<(position + part.count)].elementsEqual(part) {
                count += 1
                position += part.count
            } else {
                position += 1
            }
        }
        return count
    }

    func has(_ part: String) -> Bool { count(of: part) > 0 }
}

extension Peer {
    func has(_ part: String) -> Bool { received.has(part) }
    func ends(with part: String) -> Bool { received.suffix(part.utf8.count).elementsEqual(part.utf8) }
}

/// All tests that turn a loop, one after the other: they measure time.
@Suite(.serialized) enum Exchanges {}
