// The proxy's state and what all its parts share. The parts: ClientSide (requests in, answers out), UpstreamSide (connect,
// answers in), Forwarding (heads re-serialised), OwnPaths (what the edge answers itself), Callers (who may ask), Choosing (which
// upstream is asked).
import CLinux
import Configuration
import EventLoop
import Glibc
import HTTP
import Inbound
import Outbound
import TLS
import Telemetry

/// Kinds of the edge's tokens.
enum EdgeToken {
    static let listener: UInt8 = 1
    static let client: UInt8 = 2
    static let upstream: UInt8 = 3
    static let captures: UInt8 = 4
    static let sweep: UInt8 = 5
    static let resolver: UInt8 = 6
    static let accept: UInt8 = 7
    /// Rings at once, so that a turn does not wait; nobody answers it.
    static let again: UInt8 = 8
    static let queries: UInt8 = 9
    static let keys: UInt8 = 10
}

/// Its methods are `mutating` also where they change nothing: a borrowing one is handed a copy of all of it, 2.5 KB for each call.
struct Proxy: ~Copyable {
    /// Bytes read from a socket at once: an answer of 64 KiB and its head, with room.
    static let readBytes = 128 << 10
    /// A client or upstream that has this much waiting stops the reads that feed it.
    static let highWater = 256 << 10
    /// ... and at this much they go on.
    static let lowWater = highWater / 4
    /// Data up to this size is copied behind what waits, larger data is written from where it lies.
    static let copyBytes = 8 << 10
    /// How long a closed connection is listened to, so that its last answer is not lost to a reset.
    static let lingerNanoseconds: UInt64 = 2_000_000_000
    /// How long a drain waits for the request of a client that has just connected.
    static let drainPatienceNanoseconds: UInt64 = 500_000_000

    let settings: Settings
    let loop: Loop
    let log: Log
    let slot: ScoreboardSlot
    let scoreboard: Scoreboard
    let access: AccessPolicy
    let pathPrefix: UnsafeRawBufferPointer
    /// The product's own paths have a port of their own.
    let hasAdminPort: Bool
    let limits: HeadLimits
    let chunkLimits: ChunkLimits
    let outputPool: BlockPool
    let capturePool: BlockPool

    var clients: Slab<ClientConnection>
    var upstreams: Slab<UpstreamConnection>
    /// When a slot's owner runs out of time, in nanoseconds; `.max` for never. Apart from the slots, so that the sweep
    /// reads a few pages.
    let clientDeadlines: UnsafeMutablePointer<UInt64>
    let upstreamDeadlines: UnsafeMutablePointer<UInt64>
    /// When the exchange of a client must be over, whatever it does.
    let exchangeDeadlines: UnsafeMutablePointer<UInt64>

    /// Rules for TLS from clients; nil when they speak plainly. Replaced by a reload.
    var clientTLS: TLSServerContext?
    var targets: [UnsafeMutablePointer<Target>]
    var requestHead = HeadParser()
    var answerHead = HeadParser()
    let readBuffer: UnsafeMutableRawBufferPointer
    let scratch: UnsafeMutableRawBufferPointer
    var captures: CaptureOutbox
    var queries = QueryOutbox()
    var accessLog: AccessLog?
    var resolver: Resolver
    var namer = ExchangeNamer()
    var traceIDs = TraceIDs()
    var wallClock: WallClock
    var perAddress: AddressCounts
    let redaction: Redaction
    var gateway: Gateway
    /// Slots whose kernel buffers may hold more than one turn's share, and clients that were held up: they go on in the next
    /// turn.
    var readAgain: [(isClient: Bool, slot: UInt32, generation: UInt32)] = []
    var isDraining = false
    /// -1 without one.
    var adminListener: Int32 = -1
    /// While a request begins: the length of its body if all of it has come with the head, and how much of it was passed over because
    /// the request was answered at once.
    var bodyAtHand = 0
    var passedOver = 0

    // Settings as the hot path wants them.
    let captureLimit: Int
    let capturesEnabled: Bool
    let trustIsListed: Bool
    let headNanoseconds: UInt64
    let idleNanoseconds: UInt64
    let bodyNanoseconds: UInt64
    let upstreamNanoseconds: UInt64
    let answerIdleNanoseconds: UInt64
    let exchangeNanoseconds: UInt64
    let tunnelNanoseconds: UInt64
    let connectNanoseconds: UInt64
    let poolNanoseconds: UInt64

    init(
        _ settings: Settings, loop: Loop, log: Log, slot: ScoreboardSlot, scoreboard: Scoreboard, quotas: CallerQuotas, tls: TLSClientContext?,
        resolver: consuming Resolver, accessLog: AccessLog?
    ) {
        self.settings = settings
        self.loop = loop
        self.log = log
        self.slot = slot
        self.scoreboard = scoreboard
        self.resolver = resolver
        self.accessLog = accessLog
        pathPrefix = settings.pathPrefix.keptBytes
        hasAdminPort = settings.adminPort != 0
        access = AccessPolicy(token: settings.accessToken, allowedOrigins: settings.allowedOrigins)
        limits = HeadLimits(headBytes: settings.maxHeadBytes, fieldCount: settings.maxHeaderFields, targetBytes: settings.maxTargetBytes)
        chunkLimits = ChunkLimits(lineBytes: settings.maxChunkLineBytes, trailerBytes: settings.maxTrailerBytes)
        outputPool = BlockPool(limitBytes: 256 << 20)
        capturePool = BlockPool(limitBytes: settings.captureMemoryBytes)
        let capacity = Self.connections(settings)
        clients = Slab(capacity: capacity)
        upstreams = Slab(capacity: capacity + settings.upstreamIdleConnections)
        clientDeadlines = .allocate(capacity: capacity)
        exchangeDeadlines = .allocate(capacity: capacity)
        upstreamDeadlines = .allocate(capacity: capacity + settings.upstreamIdleConnections)
        readBuffer = .allocate(byteCount: Self.readBytes, alignment: 64)
        scratch = .allocate(byteCount: 2 * settings.maxHeadBytes + 4096, alignment: 64)
        gateway = Gateway(settings, quotas)
        targets = gateway.makeTargets(settings, tls: tls, slot: slot, now: loop.now)
        captures = CaptureOutbox(
            pool: capturePool, slot: slot, sentBefore: slot.value(.captureSent), capacity: settings.captureMemoryBytes / 4096)
        wallClock = WallClock()
        perAddress = AddressCounts(limit: settings.maxConnectionsPerAddress)
        redaction = Redaction(furtherWords: settings.redactNames)
        captureLimit = settings.captureBodyLimitBytes
        capturesEnabled = settings.auditEnabled
        trustIsListed = settings.trustedProxies.isListed
        headNanoseconds = UInt64(settings.headTimeout.nanoseconds)
        idleNanoseconds = UInt64(settings.keepAliveTimeout.nanoseconds)
        bodyNanoseconds = UInt64(settings.bodyIdleTimeout.nanoseconds)
        upstreamNanoseconds = UInt64(settings.upstreamTimeout.nanoseconds)
        answerIdleNanoseconds = UInt64(settings.answerIdleTimeout.nanoseconds)
        exchangeNanoseconds = UInt64(settings.exchangeTimeout.nanoseconds)
        tunnelNanoseconds = UInt64(settings.tunnelIdleTimeout.nanoseconds)
        connectNanoseconds = UInt64(settings.connectTimeout.nanoseconds)
        poolNanoseconds = UInt64(settings.upstreamIdleTimeout.nanoseconds)
    }

    var broadcasterTarget: Int { targets.count - 1 }

    /// Monotonic time of this turn.
    @inline(__always)
    var now: UInt64 { loop.now.nanoseconds }

    // MARK: Time limits

    /// Ends what has run out of time. Cheap enough to look at every slot a few times per second.
    mutating func sweep() {
        let now = self.now
        for index in 0..<clients.highWater where clientDeadlines[index] <= now && clients.isLive(index) {
            clientTimedOut(index)
        }
        endLateQueries()  // first: where an exchange's time is over it is an upstream that is late
        for index in 0..<clients.highWater where exchangeDeadlines[index] <= now && clients.isLive(index) {
            exchangeTimedOut(index)
        }
        for index in 0..<upstreams.highWater where upstreamDeadlines[index] <= now && upstreams.isLive(index) {
            upstreamTimedOut(index)
        }
        slot.set(.connectionsOpen, clients.count)
        slot.set(.upstreamConnectionsOpen, upstreams.count)
        slot.set(.upstreamConnectionsIdle, targets.reduce(0) { $0 + $1.pointee.idle.count })
        showBreakers()
        slot.set(.captureMemoryBytes, capturePool.usedBytes)
        slot.set(.captureBacklog, captures.waitingFrames)
        if let accessLog { slot.add(.logLinesDropped, accessLog.takeDropped()) }
    }

    /// Reads on where a turn's share was used up, and where somebody need not wait any more.
    mutating func continueReading() {
        guard !readAgain.isEmpty else { return }
        let again = readAgain
        readAgain.removeAll(keepingCapacity: true)
        for entry in again {
            if entry.isClient {
                if clients.find(entry.slot, entry.generation) != nil { continueClient(Int(entry.slot)) }
            } else if upstreams.find(entry.slot, entry.generation) != nil {
                readUpstream(Int(entry.slot))
            }
        }
        // No readiness will tell of these: the next turn must not wait for one.
        if !readAgain.isEmpty { loop.schedule(Token(kind: EdgeToken.again), after: .zero) }
    }

    /// A client that was held up goes on at the end of this turn: not from here, where its bytes may be in use.
    mutating func resume(_ index: Int) {
        guard clients.at(index).pointee.isHeldUp else { return }
        clients.at(index).pointee.isHeldUp = false
        readAgain.append((true, UInt32(index), clients.generation(index)))
    }

    // MARK: Draining

    /// Takes no new requests; idle connections close, exchanges finish.
    ///
    /// Who was let in by then is served: connections that waited to be accepted, requests that lie unread. A connection that
    /// has not asked anything yet has a moment to do so.
    mutating func beginDraining(_ listeners: [Int32]) {
        isDraining = true
        var before = -1
        while clients.count > before {
            before = clients.count
            for listener in listeners { accept(listener) }
        }
        for index in 0..<clients.highWater where clients.isLive(index) && clients.at(index).pointee.phase == .head {
            clients.at(index).pointee.hasMore = true
            readClient(index)
        }
        queries.hurry(until: drainWaitLimit)
        for target in targets { closeIdle(target) }
        for index in 0..<clients.highWater where clients.isLive(index) {
            let client = clients.at(index)
            switch client.pointee.phase {
            case .head where !client.pointee.received.isEmpty || client.pointee.hasMore: break  // a request that has begun is the last one
            case .head where !client.pointee.hasAsked: clientDeadlines[index] = min(clientDeadlines[index], now &+ Self.drainPatienceNanoseconds)
            case .head where client.pointee.output.isEmpty: freeClient(index)
            case .head: client.pointee.closesAfterOutput = true
            case .exchange: client.pointee.exchange.keepAlive = false
            case .tunnel: clientGone(index)
            case .lingering: break  // ends soon by itself
            }
        }
    }

    mutating func closeIdle(_ target: UnsafeMutablePointer<Target>) {
        for upstream in target.pointee.idle { freeUpstream(upstream) }
        target.pointee.idle = []
    }

    /// No exchange is under way.
    var isIdle: Bool { clients.count == 0 }

    // MARK: Ends of exchanges

    /// The exchange is over, one way or another: books it, hands its capture on. The connections are the callers' affair.
    mutating func conclude(_ index: Int, flags: CaptureFlagsOfEnd = []) {
        let client = clients.at(index)
        let now = self.now
        let duration = now &- client.pointee.exchange.began
        switch client.pointee.exchange.status / 100 {
        case 2: slot.add(.responses2xx)
        case 3: slot.add(.responses3xx)
        case 4: slot.add(.responses4xx)
        case 5: slot.add(.responses5xx)
        case 1: slot.add(.responses1xx)
        default: break
        }
        if flags.contains(.clientAborted) { slot.add(.clientAborts) }
        if client.pointee.exchange.status >= 400 || !flags.isEmpty { countError(client, flags) }
        if client.pointee.exchange.query != 0 { queries.cancel(client.pointee.exchange.query) }
        if client.pointee.exchange.upstream >= 0 || client.pointee.exchange.firstByte > 0 { slot.observe(.exchange, microseconds: duration / 1000) }
        if client.pointee.exchange.upstreamBegan > 0, client.pointee.exchange.firstByte > 0 {
            slot.observe(.upstream, microseconds: UInt64(microseconds(client.pointee.exchange.upstreamBegan, now)))
            slot.observe(.overhead, microseconds: overheadNanoseconds(client) / 1000)
        }
        if client.pointee.exchange.capture.isActive {
            if client.pointee.exchange.answerBegan {
                if flags.contains(.clientAborted) { client.pointee.exchange.capture.mark([.clientAborted, .responseTruncated]) }
                if flags.contains(.upstreamBroken) { client.pointee.exchange.capture.mark([.upstreamBroken, .responseTruncated]) }
                client.pointee.exchange.capture.times(
                    upstreamStart: microseconds(client.pointee.exchange.began, client.pointee.exchange.upstreamBegan),
                    firstByte: microseconds(client.pointee.exchange.began, client.pointee.exchange.firstByte),
                    duration: UInt32(clamping: duration / 1000))
                slot.add(.capturedBytes, client.pointee.exchange.capture.bodyBytes)
                captures.take(&client.pointee.exchange.capture, in: loop)
            } else {
                client.pointee.exchange.capture.discard()
            }
        }
        if let accessLog { writeAccessLog(accessLog, index, duration: duration, flags) }
        // Whatever the exchange ended by, neither a trial nor a caller's stream may stay open.
        if client.pointee.exchange.permit != nil { report(index, .abandoned) }
        if client.pointee.exchange.caller >= 0 { releaseCaller(index) }
    }

    /// Of what has happened so far: from the request's head to the first byte sent to the upstream, and from the readiness that is
    /// being handled, which brought its answer's head or end, to now. What lies between is the upstream's time.
    mutating func overheadNanoseconds(_ client: UnsafeMutablePointer<ClientConnection>) -> UInt64 {
        let before = client.pointee.exchange.upstreamBegan &- client.pointee.exchange.began
        return (client.pointee.exchange.upstreamBegan > client.pointee.exchange.began ? before : 0) &+ (Instant.now.nanoseconds &- now)
    }

    /// Whose fault a failed exchange is, see `Counter.errorsClient`.
    private mutating func countError(_ client: UnsafeMutablePointer<ClientConnection>, _ flags: CaptureFlagsOfEnd) {
        let isForwarded = client.pointee.exchange.firstByte > 0
        if flags.contains(.upstreamBroken) {
            slot.add(.errorsUpstream)
        } else if flags.contains(.clientAborted) {
            slot.add(.errorsClient)
        } else {
            switch client.pointee.exchange.status {
            case 400..<500: slot.add(.errorsClient)
            case 501 where !isForwarded: slot.add(.errorsClient)  // what the request's head asks for is not to be had
            case 505 where !isForwarded: slot.add(.errorsClient)
            case 502: slot.add(.errorsUpstream)
            default: slot.add(isForwarded ? .errorsUpstream : .errorsProduct)
            }
        }
    }

    private func microseconds(_ from: UInt64, _ to: UInt64) -> UInt32 { to > from ? UInt32(clamping: (to - from) / 1000) : 0 }
}

/// How an exchange ended, where not in order.
struct CaptureFlagsOfEnd: OptionSet {
    let rawValue: UInt8
    static let clientAborted = CaptureFlagsOfEnd(rawValue: 1)
    static let upstreamBroken = CaptureFlagsOfEnd(rawValue: 2)
}

/// Wall-clock milliseconds without a system call per request: read when the loop's clock has moved by a millisecond.
struct WallClock {
    private var offset: Int64

    init() { offset = wallClockMilliseconds() - Int64(clamping: Instant.now.nanoseconds / 1_000_000) }

    /// Takes over changes of the wall clock; called a few times per second.
    mutating func adjust() { self = WallClock() }

    func milliseconds(_ monotonicNanoseconds: UInt64) -> UInt64 {
        UInt64(clamping: offset + Int64(clamping: monotonicNanoseconds / 1_000_000))
    }
}
