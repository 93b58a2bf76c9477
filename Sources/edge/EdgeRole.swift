// The edge: clients on one side, upstreams on the other, copies of what is said to the dispatcher.
import CLinux
import Configuration
import EventLoop
import Glibc
import IPC
import Outbound
import Role
import TLS
import Telemetry

struct EdgeRole: RoleLogic, ~Copyable {
    static var role: ProcessRole { .edge }

    private static let sweepInterval: Duration = .milliseconds(250)
    /// How long a reader of the access log that does not read can hold up the end.
    private static let logPatience: Duration = .seconds(1)

    private let birth: Birth
    private let listeners: [Int32]
    private var isListening = true
    private var proxy: Proxy
    private var attached: Attach?
    private var attachedQueries: Attach?
    /// After the last exchange of a drain: until when the access log may still be written.
    private var logLimit: Instant?

    init(_ birth: Birth) throws(RoleFailure) {
        let settings = birth.settings
        var listeners = [InheritedDescriptor.proxyListener.number(in: .edge) ?? -1]
        if settings.adminPort != 0, let admin = InheritedDescriptor.adminListener.number(in: .edge) { listeners.append(admin) }
        let accessLog: AccessLog?
        let quotas: CallerQuotas
        let (clientTLS, upstreamTLS) = try Self.makeTLS(settings)
        do {
            accessLog = settings.accessLog == .off ? nil : try AccessLog(InheritedDescriptor.accessLog.number(in: .edge) ?? -1)
            quotas = try birth.scoreboard.openQuotas(of: birth.place.number)
            for (slot, listener) in listeners.enumerated() { try birth.loop.add(listener, [.readable], Token(kind: EdgeToken.listener, slot: UInt32(slot))) }
        } catch {
            throw RoleFailure("cannot begin: \(error)")
        }
        let connections = Proxy.connections(settings)
        if connections < settings.maxConnections {
            birth.log.warn(
                "Open files are few: raise their limit (ulimit -n, LimitNOFILE=) to have all of TRUTHTABLE_MAX_CONNECTIONS",
                ["connections": .number(connections), "max_connections": .number(settings.maxConnections)])
        }
        let resolver = try Self.makeResolver(birth.loop)
        let keys = settings.keysFile.isEmpty ? nil : try Self.readKeys(settings.keysFile, birth.loop)
        // What a dead predecessor held and never sent is booked before anything new is captured.
        birth.slot.add(.droppedEdgeLost, birth.scoreboard.unsent(edge: birth.place.number))
        birth.loop.schedule(Token(kind: EdgeToken.sweep), after: Self.sweepInterval)
        var proxy = Proxy(
            settings, loop: birth.loop, log: birth.log, slot: birth.slot, scoreboard: birth.scoreboard, quotas: quotas, tls: upstreamTLS, resolver: resolver,
            accessLog: accessLog)
        proxy.clientTLS = clientTLS
        proxy.adminListener = listeners.count > 1 ? listeners[1] : -1
        if let keys { proxy.gateway.begin(keys.watch, keys.entries) }
        self.proxy = proxy
        self.listeners = listeners
        self.birth = birth
    }

    private static func makeTLS(_ settings: Settings) throws(RoleFailure) -> (TLSServerContext?, TLSClientContext?) {
        do throws(TLSError) {
            return (try settings.makeClientTLS(), try settings.makeUpstreamTLS())
        } catch {
            throw RoleFailure(settings.sentence(error), exitCode: .configuration)
        }
    }

    private static func makeResolver(_ loop: Loop) throws(RoleFailure) -> Resolver {
        do throws(SystemError) {
            let resolver = try Resolver()
            try loop.add(resolver.wakeupDescriptor, .readable, Token(kind: EdgeToken.resolver))
            return resolver
        } catch {
            throw RoleFailure("cannot begin: \(error)")
        }
    }

    private static func readKeys(_ path: String, _ loop: Loop) throws(RoleFailure) -> (watch: CallerKeyWatch, entries: [CallerKeyEntry]) {
        do {
            let (watch, entries) = try CallerKeyWatch.begin(path)
            try loop.add(watch.wakeupDescriptor, .readable, Token(kind: EdgeToken.keys))
            return (watch, entries)
        } catch {
            throw RoleFailure("\(error)")
        }
    }

    // MARK: Peers

    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor) {
        if attach.kind == .query { return attachQueries(attach, descriptor) }
        guard attach.kind == .capture else { return }
        let token = Token(kind: EdgeToken.captures, generation: attach.generation)
        attached = attach
        if let error = proxy.captures.attach(attach, descriptor, in: birth.loop, token: token) {
            birth.log.error("Cannot use the capture channel", ["cause": .string("\(error)")])
        }
    }

    private mutating func attachQueries(_ attach: Attach, _ descriptor: consuming Descriptor) {
        do throws(SystemError) {
            let token = Token(kind: EdgeToken.queries, generation: attach.generation)
            proxy.answerUnanswered(try proxy.queries.attach(attach, descriptor, in: birth.loop, token: token))
            attachedQueries = attach
        } catch {
            birth.log.error("Cannot use the query channel", ["cause": .string("\(error)")])
        }
    }

    mutating func peerEnded(_ ended: PeerEnded) {}

    mutating func handle(_ batch: ReadyBatch) {
        for (token, readiness) in batch where token.kind == EdgeToken.upstream && readiness.mayRead { proxy.idleUpstreamReady(token, readiness) }
        for (token, readiness) in batch { handle(token, readiness) }
    }

    mutating func handle(_ token: Token, _ readiness: Readiness) {
        switch token.kind {
        case EdgeToken.client: proxy.clientReady(token, readiness)
        case EdgeToken.upstream: proxy.upstreamReady(token, readiness)
        case EdgeToken.listener: if isListening { proxy.accept(listeners[Int(token.slot)]) }
        case EdgeToken.captures:
            guard proxy.captures.isFor(token) else { return }
            captureChannelEnded(proxy.captures.handle(readiness, in: birth.loop))
        case EdgeToken.queries:
            guard proxy.queries.isFor(token) else { return }
            queryChannelEnded(proxy.queriesReady(readiness))
        case EdgeToken.resolver: proxy.resolved()
        case EdgeToken.keys: proxy.takeKeys()
        default: break
        }
    }

    mutating func alarm(_ token: Token) {
        switch token.kind {
        case EdgeToken.sweep:
            proxy.wallClock.adjust()
            proxy.sweep()
            proxy.lookAtKeys()
            birth.loop.schedule(Token(kind: EdgeToken.sweep), after: Self.sweepInterval)
        case EdgeToken.accept:
            guard isListening else { return }
            for (slot, listener) in listeners.enumerated() { birth.loop.modify(listener, [.readable], Token(kind: EdgeToken.listener, slot: UInt32(slot))) }
        default: break
        }
    }

    mutating func turnEnded() {
        proxy.continueReading()
        // Captures first: a question about one must not overtake it.
        captureChannelEnded(proxy.captures.flush(in: birth.loop))
        queryChannelEnded(proxy.flushQueries())
        if !isListening, logLimit == nil, proxy.isIdle, proxy.captures.isEmpty { logLimit = birth.loop.now + Self.logPatience }
    }

    private mutating func queryChannelEnded(_ end: ChannelEnd?) {
        guard let end, let attachedQueries else { return }
        birth.channelEnded(attachedQueries, end)
        self.attachedQueries = nil
    }

    private mutating func captureChannelEnded(_ end: ChannelEnd?) {
        guard let end, let attached else { return }
        birth.channelEnded(attached, end)
        self.attached = nil
    }

    mutating func reload() {
        proxy.reloadCertificates()
        proxy.reloadKeys()
    }

    // MARK: The end

    mutating func drain(until limit: Instant) {
        isListening = false
        proxy.beginDraining(listeners)
        for listener in listeners {
            birth.loop.remove(listener)
            close(listener)
        }
    }

    /// The sweep's alarm asks again and again.
    var isDrained: Bool {
        guard proxy.isIdle, proxy.captures.isEmpty, let logLimit else { return false }
        return proxy.accessLog?.isWritten ?? true || birth.loop.now >= logLimit
    }
}
