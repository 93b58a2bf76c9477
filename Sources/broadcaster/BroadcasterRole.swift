// The broadcaster: events from the dispatcher go out to every dashboard. Peers: the dispatcher, by one channel.
import Configuration
import EventLoop
import IPC
import Role
import Telemetry

struct BroadcasterRole: RoleLogic, ~Copyable {
    static var role: ProcessRole { .broadcaster }

    /// Kinds of tokens.
    private enum Kind {
        static let events: UInt8 = 1
        static let server: UInt8 = 2
        static let pump: UInt8 = 3
        static let tick: UInt8 = 4
    }

    private static let tickInterval = Duration.seconds(1)

    private let loop: Loop
    private let scoreboard: Scoreboard
    private var inbox: EventInbox
    private var dashboards: Dashboards
    /// A newer dispatcher than the events here come from, seen at the last tick.
    private var successor: UInt64 = 0

    init(_ birth: Birth) throws(RoleFailure) {
        guard let webSocket = InheritedDescriptor.webSocketListener.number(in: Self.role),
            let edge = InheritedDescriptor.broadcasterListener.number(in: Self.role)
        else { throw RoleFailure("the broadcaster inherits no listeners") }
        try self.init(birth, webSocket: Descriptor(owning: webSocket), edge: Descriptor(owning: edge))
    }

    /// On any two listening sockets.
    init(_ birth: Birth, webSocket: consuming Descriptor, edge: consuming Descriptor) throws(RoleFailure) {
        dashboards = try Self.listen(birth, webSocket, edge)
        inbox = EventInbox(Kind.events, birth)
        loop = birth.loop
        scoreboard = birth.scoreboard
        dashboards.tick(birth.scoreboard)
        birth.loop.schedule(Token(kind: Kind.tick), after: Self.tickInterval)
    }

    private static func listen(_ birth: Birth, _ webSocket: consuming Descriptor, _ edge: consuming Descriptor) throws(RoleFailure) -> Dashboards {
        do throws(SystemError) {
            return try Dashboards(
                (Kind.server, Kind.pump), in: birth.loop, birth.settings, birth.log, birth.slot, webSocket: webSocket, edge: edge)
        } catch {
            throw RoleFailure("cannot listen: \(error)")
        }
    }

    // MARK: Peers

    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor) {
        guard attach.kind == .event else { return }
        inbox.readAll { event in dashboards.take(event) }
        inbox.attach(attach, descriptor, newest: dashboards.newest)
        dashboards.dispatcherAttached()
    }

    /// Told to the dispatcher only; its own end shows at the channel.
    mutating func peerEnded(_ ended: PeerEnded) {}

    // MARK: The loop

    mutating func handle(_ token: Token, _ readiness: Readiness) {
        switch token.kind {
        case Kind.events: inbox.handle(token, readiness) { event in dashboards.take(event) }
        case Kind.server: dashboards.handle(token, readiness)
        default: return
        }
    }

    mutating func alarm(_ token: Token) {
        guard token.kind == Kind.tick else { return dashboards.alarm(token) }
        loop.schedule(token, after: Self.tickInterval)
        noticeSuccessor()
        dashboards.tick(scoreboard)
    }

    mutating func turnEnded() {
        inbox.flush()
        dashboards.turnEnded()
    }

    mutating func drain(until limit: Instant) {
        inbox.readAll { event in dashboards.take(event) }
        dashboards.drain()
    }

    var isDrained: Bool { dashboards.connectionCount == 0 }

    /// A dispatcher's incarnation is the epoch of its events, so that a new one is noticed before it has any. At the second
    /// look: by then all that the old one had sent is here, whose channel ended before.
    private mutating func noticeSuccessor() {
        guard inbox.isAttached, let incarnation = scoreboard.inhabitant(of: .dispatcher)?.incarnation, incarnation > dashboards.newest.epoch else { return }
        if successor == incarnation { dashboards.dispatcherReplaced(by: incarnation) }
        successor = incarnation
    }
}
