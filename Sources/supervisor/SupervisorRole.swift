// The parent of all: no data path, never blocks. It starts the children, joins them by channels, starts again what dies,
// and ends them in order.
import CLinux
import Configuration
import EventLoop
import Glibc
import IPC
import Role
import Telemetry

final class SupervisorRole {
    private enum Kind {
        static let control: UInt8 = 1
        static let death: UInt8 = 2
        static let signal: UInt8 = 3
        static let status: UInt8 = 4
        static let restart: UInt8 = 5
        static let heartbeat: UInt8 = 6
        static let drainLimit: UInt8 = 7
    }

    /// How often each child is asked for a sign of life.
    private static let heartbeat: Duration = .milliseconds(500)
    /// What a dismissed auditor has beyond the limit of its audit.
    private static let dismissalGrace: Duration = .seconds(1)
    /// From fork to Ready.
    private static let startLimit: Duration = .seconds(10)

    private var settings: Settings
    private let loop: Loop
    private let log: Log
    private let logWriter: LogWriter
    private let listeners: Listeners
    private let spawner: Spawner
    private let scoreboard: Scoreboard
    private let scoreboardDescriptor: Descriptor
    private let slot: ScoreboardSlot
    /// -1 without one; open as long as the process lives.
    private let accessLog: Int32
    private let signals: Signals
    private var status: StatusServer
    private var children: [Child] = []
    /// Auditors that are wanted: the setting, until somebody says otherwise.
    private var wantedAuditors: Int
    private var broker = ChannelBroker()
    private var nextIncarnation: UInt64
    private var random = SystemRandomNumberGenerator()
    private var drain: DrainPlan?
    private var exitCode: ExitCode?
    private var bannerShown = false
    private let banner: Banner
    private let serviceManager = ServiceManager()
    private var servesClients = false

    init(_ loaded: LoadedSettings) throws(StartFailure) {
        settings = loaded.settings
        wantedAuditors = loaded.settings.auditorCount
        do throws(SystemError) {
            signals = try Signals([SIGTERM, SIGINT, SIGHUP])
            loop = try Loop()
            logWriter = try LogWriter()
            log = Log(.supervisor, level: Log.Level(name: loaded.settings.logLevel.rawValue) ?? .info, descriptor: try Self.ownLogPipe(logWriter))
        } catch {
            throw StartFailure(.internal, "cannot begin: \(error)")
        }
        for warning in loaded.warnings { log.warn("\(warning)") }
        _ = cl_raise_file_limit()
        spawner = try Spawner(settings)
        accessLog = try Self.openAccessLog(settings.accessLog)
        listeners = try Listeners(settings)  // the last thing that people can get wrong: it leaves paths behind
        settings.runtimeDirectory = listeners.directory  // edges find the broadcaster's socket there
        if settings.accessToken.isEmpty, !settings.listensOnLoopbackOnly { settings.accessToken = try Self.makeToken() }
        if !settings.accessToken.isEmpty, settings.dashboardTicket.isEmpty { settings.dashboardTicket = try Self.makeToken() }
        // Later than that of any process of any earlier supervisor on this machine, as long as the clock goes forward.
        nextIncarnation = UInt64(clamping: wallClockMilliseconds()) << 16
        do {
            let made = try Scoreboard.create()
            scoreboard = made.scoreboard
            scoreboardDescriptor = Descriptor(owning: made.descriptor)
            slot = try scoreboard.claim(.supervisor, incarnation: nextIncarnation)
        } catch {
            throw StartFailure(.internal, "cannot make the scoreboard: \(error)")
        }
        banner = Banner(settings, madeToken: loaded.settings.accessToken.isEmpty, proxyPort: listeners.proxyPort, webSocketPort: listeners.webSocketPort)
        do throws(SystemError) {
            try loop.add(signals.descriptor.number, .readable, Token(kind: Kind.signal))
            status = try StatusServer(listeners.control.number, in: loop, kind: Kind.status)
        } catch {
            throw StartFailure(.internal, "cannot begin: \(error)")
        }
    }

    /// The supervisor's own lines take the children's way, so that a stalled standard error never stops it.
    private static func ownLogPipe(_ writer: LogWriter) throws(SystemError) -> Int32 {
        var pipe: [Int32] = [-1, -1]
        try checked("pipe", Glibc.pipe(&pipe) < 0 ? -errno : 0)
        for end in pipe {
            cl_set_close_on_exec(end)
            _ = cl_set_nonblocking(end)
        }
        writer.add(Descriptor(owning: pipe[0]), origin: "supervisor")
        return pipe[1]
    }

    /// 128 random bits in hexadecimal.
    private static func makeToken() throws(StartFailure) -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard bytes.withUnsafeMutableBytes({ cl_random($0.baseAddress, $0.count) }) >= 0 else {
            throw StartFailure(.internal, "no random bytes for an access token: set TRUTHTABLE_ACCESS_TOKEN")
        }
        return bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private static func openAccessLog(_ setting: AccessLog) throws(StartFailure) -> Int32 {
        switch setting {
        case .off: return -1
        case .standardError: return STDERR_FILENO
        case .file(let path):
            let number = cl_open_append(path)
            guard number >= 0 else {
                throw StartFailure(.configuration, "cannot write TRUTHTABLE_ACCESS_LOG \(path): \(SystemError.text(-number)): name a file that this user can write, in a folder that exists")
            }
            return number
        }
    }

    /// Runs the product until it is told to end, or gives up.
    func run() -> ExitCode {
        log.info("Starting TruthTable", ["version": .string(Build.version), "pid": .number(getpid())])
        var places: [(Place, ProcessRole)] = [(.broadcaster, .broadcaster), (.dispatcher, .dispatcher)]
        for number in 0..<wantedAuditors { if let place = Place(.auditor, number) { places.append((place, .auditor)) } }
        for number in 0..<settings.edgeCount { if let place = Place(.edge, number) { places.append((place, .edge)) } }
        for (place, role) in places {
            let child = Child(place, role, now: loop.now)
            children.append(child)
            start(child)
        }
        loop.schedule(Token(kind: Kind.heartbeat), after: Self.heartbeat)
        while exitCode == nil || children.contains(where: \.isAlive) {
            loop.turn { token, readiness in handle(token, readiness) } alarm: { token in alarm(token) }
            for child in children where child.control != nil {
                if child.control?.flush(in: loop) != nil { child.control = nil }
            }
        }
        settleAccounts()
        log.info("Final ledger", ["ledger": .string(scoreboard.ledger.json)])
        log.info("TruthTable stopped", ["exit_code": .number(exitCode?.rawValue ?? 0)])
        listeners.removePaths()
        logWriter.finish()
        return exitCode ?? .clean
    }

    // MARK: What is ready

    private func handle(_ token: Token, _ readiness: Readiness) {
        switch token.kind {
        case Kind.signal: while let number = signals.next() { signalled(number) }
        case Kind.status: answerStatus(token, readiness)
        case Kind.control:
            if let child = child(token) { handleControl(child, readiness) }
        case Kind.death:
            if let child = child(token) { reap(child) }
        default: break
        }
    }

    private func alarm(_ token: Token) {
        switch token.kind {
        case Kind.restart:
            guard let child = child(token), child.state == .resting else { return }
            guard isWanted(child) else {
                child.state = .ended
                return advanceDrain()
            }
            if child.policy.alarm(at: loop.now) == .start { restart(child) }
        case Kind.death:
            guard let child = child(token) else { return }
            reap(child)
            if self.child(token) != nil, child.isAlive { loop.schedule(token, after: Self.heartbeat) }
        case Kind.heartbeat:
            checkHearts()
            loop.schedule(Token(kind: Kind.heartbeat), after: Self.heartbeat)
        case Kind.drainLimit:
            guard drain != nil else { return }
            log.warn("Drain limit reached, ending what still runs")
            exitCode = exitCode ?? .clean  // nothing is started again
            killAll()
        default: break
        }
    }

    /// Slots are places; generations are incarnations, so that what is late from an earlier process finds nobody.
    private func child(_ token: Token) -> Child? {
        children.first { $0.place.index == Int(token.slot) && $0.incarnations & 0xFF_FFFF == token.generation }
    }

    private func token(_ kind: UInt8, _ child: Child) -> Token {
        Token(kind: kind, slot: UInt32(child.place.index), generation: child.incarnations)
    }

    // MARK: Life of a child

    private func start(_ child: Child) {
        child.incarnations += 1
        child.isOrdered = false
        child.owesReload = false
        child.state = .starting
        child.startedAt = .now
        child.lastSign = child.startedAt
        do throws(SystemError) {
            let started = try spawner.start(child.role, child.place, inherited: inherited(child.role))
            child.pid = started.pid
            child.pidfd = Descriptor(owning: started.pidfd)
            logWriter.add(Descriptor(owning: started.log), origin: child.place.description)
            let control = Descriptor(owning: started.control)
            try loop.add(started.pidfd, .readable, token(Kind.death, child))
            child.control = try ControlChannel(control, in: loop, token: token(Kind.control, child))
        } catch {
            log.error("Cannot start a process", ["role": .string(child.place.description), "cause": .string("\(error)")])
            guard child.pid != 0 else { return ended(child) }
            _ = cl_signal_group(child.pid, SIGKILL)
            loop.schedule(token(Kind.death, child), after: Self.heartbeat)  // nothing may be there to report its end
        }
    }

    private func inherited(_ role: ProcessRole) -> [Int32] {
        InheritedDescriptor.table(for: role).dropFirst().map { descriptor in
            switch descriptor {
            case .control: -1  // made by the spawner
            case .scoreboard: scoreboardDescriptor.number
            case .proxyListener: listeners.proxy
            case .adminListener: listeners.admin
            case .webSocketListener: listeners.webSocket
            case .broadcasterListener: listeners.broadcaster.number
            case .accessLog: accessLog
            }
        }
    }

    private func handleControl(_ child: Child, _ readiness: Readiness) {
        guard child.control != nil else { return }
        var messages: [ControlToSupervisor] = []
        let end = child.control!.handle(readiness, in: loop) { header, payload, _ throws(FrameError) in
            messages.append(try ControlToSupervisor(header, payload))
        }
        for message in messages { handle(message, from: child) }
        guard let end else { return }
        if case .violation(let error) = end {
            slot.add(.framesMalformed)
            log.error("Malformed frame on a control channel, ending the process", ["role": .string(child.place.description), "cause": .string("\(error)")])
            _ = cl_signal_group(child.pid, SIGKILL)
        }
        child.control = nil  // its death is reported by its pidfd
    }

    private func handle(_ message: ControlToSupervisor, from child: Child) {
        child.lastSign = loop.now
        switch message {
        case .hello(let hello):
            guard hello.build == Build.identity, hello.role == child.role.rawValue, Int(hello.place) == child.place.index else {
                log.error(
                    "A process of another build was started, ending it: install all executables of one build",
                    ["role": .string(child.place.description), "build": .string(hello.build), "expected": .string(Build.identity)])
                _ = cl_signal_group(child.pid, SIGKILL)
                return
            }
            nextIncarnation += 1
            send(child) { $0.send(Configure(incarnation: nextIncarnation, pairs: settings.pairs(for: child.role))) }
            // Good for one process: the next one could not know that it was used.
            if child.role == .broadcaster { settings.dashboardTicket = "" }
        case .ready:
            child.state = .ready
            // Not before: a new dispatcher first books what its predecessors left open, and what edges sent meanwhile over a
            // new channel would be booked as lost, and received as well.
            child.isPresent = true
            join(child)
            child.policy.ready()
            if child.owesReload { send(child) { $0.send(.reload) } }
            log.info(
                "Process ready",
                ["role": .string(child.place.description), "pid": .number(child.pid), "after": .duration(child.startedAt.duration(to: loop.now))])
            tellOnceServing()
            showBannerOnce()
            if let group = drain?.group, child.place.group == group { order(child) } else if isSurplus(child) { dismiss(child) }
        case .pong: break
        case .channelGivenUp(let notice): renew(notice, from: child)
        case .drained:
            log.info(child.role == .dispatcher ? "Worker pool stopped gracefully" : "Process drained", ["role": .string(child.place.description)])
        }
    }

    /// Sends to a child; one that lets its control frames pile up does not work any more.
    private func send(_ child: Child, _ message: (inout ControlChannel) -> Bool) {
        guard child.control != nil else { return }
        if !message(&child.control!) {
            log.error("Control channel full, ending the process", ["role": .string(child.place.description)])
            _ = cl_signal_group(child.pid, SIGKILL)
        }
    }

    /// A new pair for each link of this child whose other end is there.
    private func join(_ child: Child) {
        if child.role == .dispatcher {
            for other in children where other.isPresent {
                for link in ChannelBroker.links(of: other.place) { handOut(link, to: other, and: child) }
            }
        } else if let dispatcher = children.first(where: { $0.role == .dispatcher && $0.isPresent }) {
            for link in ChannelBroker.links(of: child.place) { handOut(link, to: child, and: dispatcher) }
        }
    }

    /// One end could not use a channel any more: both get a new one, if it is still the current one.
    private func renew(_ notice: ChannelGivenUp, from child: Child) {
        guard let place = child.role == .dispatcher ? Place(index: Int(notice.channel.peer)) : child.place, let link = ChannelBroker.links(of: place).first(where: { $0.kind == notice.channel.kind }),
            broker.generation(of: link) == notice.channel.generation, let other = children.first(where: { $0.place == link.place && $0.isPresent }),
            let dispatcher = children.first(where: { $0.role == .dispatcher && $0.isPresent })
        else { return }
        handOut(link, to: other, and: dispatcher)
    }

    private func handOut(_ link: ChannelBroker.Link, to child: Child, and dispatcher: Child) {
        var pair: [Int32] = [-1, -1]
        guard cl_socket_pair(&pair) >= 0 else {
            log.error("Cannot make a channel", ["role": .string(child.place.description), "cause": .string(SystemError.text(errno))])
            return
        }
        let generation = broker.renew(link)
        let end = Descriptor(owning: pair[0])
        let dispatchersEnd = Descriptor(owning: pair[1])
        attach(child, Attach(kind: link.kind, peer: UInt16(dispatcher.place.index), generation: generation), end)
        attach(dispatcher, Attach(kind: link.kind, peer: UInt16(child.place.index), generation: generation), dispatchersEnd)
    }

    private func attach(_ child: Child, _ attach: Attach, _ end: consuming Descriptor) {
        guard child.control != nil else { return }
        if !child.control!.send(attach, passing: end) {
            log.error("Control channel full, ending the process", ["role": .string(child.place.description)])
            _ = cl_signal_group(child.pid, SIGKILL)
        }
    }

    private func reap(_ child: Child) {
        var code: Int32 = 0
        var signal: Int32 = 0
        guard child.pid != 0 else { return }
        // Whatever it left behind in its group; before it is reaped, because then its number may go to somebody else.
        _ = cl_signal_group(child.pid, SIGKILL)
        guard cl_reap(child.pid, &code, &signal) == 1 else { return }
        try? scoreboard.retire(child.place)
        for link in ChannelBroker.links(of: child.place) {
            guard let generation = broker.generation(of: link) else { continue }
            for dispatcher in children where dispatcher.role == .dispatcher && dispatcher.isPresent {
                let notice = PeerEnded(
                    kind: link.kind, peer: UInt16(child.place.index), generation: generation, signal: UInt8(clamping: signal),
                    ordered: child.isOrdered)
                send(dispatcher) { $0.send(notice) }
            }
        }
        if !child.isOrdered {
            log.error(
                "Process ended", ["role": .string(child.place.description), "pid": .number(child.pid), "exit_code": .number(code), "signal": .number(signal)])
        }
        // Once one of its kind worked, the settings were good: a file that became unusable since then must not end what runs.
        let worked = children.contains { $0.role == child.role && $0.policy.wasEverReady }
        if code == ExitCode.configuration.rawValue, !worked, exitCode == nil {
            log.error("The settings cannot be used, giving up: see the line above", ["role": .string(child.place.description)])
            exitCode = .configuration
            killAll()
        }
        ended(child)
    }

    private func ended(_ child: Child) {
        child.pid = 0
        child.pidfd = nil
        child.control = nil
        child.isPresent = false
        guard isWanted(child) else {
            child.state = .ended
            advanceDrain()
            return
        }
        child.state = .resting
        switch child.policy.exited(at: loop.now, jitter: Double.random(in: 0.5..<1, using: &random)) {
        case nil: break
        case .start: restart(child)
        case .sleep(let until): loop.schedule(token(Kind.restart, child), at: until)
        case .giveUp:
            log.error("A process that the product needs never became ready, giving up: see its lines above", ["role": .string(child.place.description)])
            exitCode = .unavailable
            killAll()
        }
    }

    /// Whether a dead child is to be replaced. During a drain only those are that others still need: dispatcher and auditors,
    /// until it is their turn. (A broadcaster would have nobody to talk to, its listeners are closed.)
    private func isWanted(_ child: Child) -> Bool {
        guard exitCode == nil, !isSurplus(child) else { return false }
        guard let drain else { return true }
        return child.role != .broadcaster && drain.isYetToCome(child.place.group)
    }

    private func restart(_ child: Child) {
        child.restarts += 1
        switch child.role {
        case .edge: slot.add(.restartsEdge)
        case .dispatcher: slot.add(.restartsDispatcher)
        case .auditor: slot.add(.restartsAuditor)
        case .broadcaster: slot.add(.restartsBroadcaster)
        case .supervisor: break
        }
        start(child)
    }

    // MARK: Scaling

    private func isSurplus(_ child: Child) -> Bool { child.role == .auditor && child.place.number >= wantedAuditors }

    /// Makes it so many auditors: new ones start, surplus ones finish the audits that they hold. The sentence tells why not, nil if so.
    private func scale(auditors count: Int) -> String? {
        guard drain == nil, exitCode == nil else { return "the product is being stopped" }
        guard SettingsTable.auditorCounts.contains(count) else {
            return "the number of auditors must be from \(SettingsTable.auditorCounts.lowerBound) to \(SettingsTable.auditorCounts.upperBound)"
        }
        log.info("Scaling auditors", ["from": .number(wantedAuditors), "to": .number(count)])
        wantedAuditors = count
        for child in children where isSurplus(child) { dismiss(child) }
        for number in 0..<count {
            if let child = children.first(where: { $0.role == .auditor && $0.place.number == number }) {
                guard child.state == .ended else { continue }  // one that drains is started again at its end
                child.policy = RestartPolicy(startedAt: loop.now, longestRest: Child.longestRest(.auditor), isEssential: false)
                start(child)
            } else if let place = Place(.auditor, number) {
                let child = Child(place, .auditor, now: loop.now)
                children.append(child)
                start(child)
            }
        }
        return nil
    }

    /// A surplus auditor ends when it has answered what it holds; one that has not begun, as soon as it is ready.
    private func dismiss(_ child: Child) {
        switch child.state {
        case .resting: child.state = .ended
        case .ready:
            child.isOrdered = true
            child.state = .draining
            let limit = settings.auditTimeout + Self.dismissalGrace
            send(child) { $0.send(Drain(limitMilliseconds: UInt32(clamping: limit.milliseconds))) }
        case .starting, .draining, .ended: break
        }
    }

    /// Asks everybody for a sign of life and ends those that gave none for too long.
    private func checkHearts() {
        for child in children where child.isAlive {
            let silence = child.lastSign.duration(to: loop.now)
            let limit =
                child.state == .starting ? Self.startLimit : child.role == .auditor ? settings.auditorHungTimeout : settings.hungTimeout
            if silence > limit {
                slot.add(.hungKilled)
                log.error(
                    "Process shows no sign of life, ending it",
                    ["role": .string(child.place.description), "pid": .number(child.pid), "silent_for": .duration(silence)])
                _ = cl_signal_group(child.pid, SIGKILL)
            } else if child.isPresent {
                send(child) { $0.send(.ping) }
            }
        }
    }

    // MARK: The end

    /// What nobody is left to book: captures that a dead edge held, and those that the dispatcher had not settled.
    private func settleAccounts() {
        for number in 0..<Place.edgeCount {
            guard let place = Place(.edge, number), let edge = try? scoreboard.claim(place, incarnation: nextIncarnation) else { continue }
            edge.add(.droppedEdgeLost, scoreboard.unsent(edge: number))
        }
        guard let dispatcher = try? scoreboard.claim(.dispatcher, incarnation: nextIncarnation) else { return }
        for number in 0..<Place.edgeCount { dispatcher.add(.droppedChannelLost, edge: number, scoreboard.lostOnChannel(edge: number)) }
        let unsettled = scoreboard.unsettled
        dispatcher.add(.pendingLeft, scoreboard.stillPending)
        dispatcher.add(.droppedShutdown, unsettled)
    }

    private func signalled(_ number: Int32) {
        guard number != SIGHUP else { return reload() }
        guard drain == nil, exitCode == nil else {
            log.warn("Second signal, ending at once")
            exitCode = exitCode ?? .clean
            killAll()
            return
        }
        log.info("Received shutdown signal", ["signal": .string(number == SIGINT ? "SIGINT" : "SIGTERM")])
        listeners.closeToClients()
        drain = DrainPlan(startedAt: loop.now, limit: settings.drainTimeout)
        loop.schedule(Token(kind: Kind.drainLimit), after: settings.drainTimeout)
        if !serviceManager.stopping(limit: settings.drainTimeout) { log.warn("Cannot tell the service manager that the product stops") }
        advanceDrain()
    }

    /// Has the edges read certificates and keys again: only they know whether the files can be used.
    private func reload() {
        guard settings.namesCertificates || !settings.keysFile.isEmpty else {
            return log.info("Received SIGHUP: no setting names a certificate or a key file, nothing to reload")
        }
        log.info("Received SIGHUP, reloading certificates and keys")
        for child in children where child.role == .edge && child.isAlive {
            if child.isPresent { send(child) { $0.send(.reload) } } else { child.owesReload = true }
        }
    }

    /// Lets the next group drain once the one before it is gone.
    private func advanceDrain() {
        guard drain != nil else { return }
        let before = drain?.stage
        let group = drain?.advance { group in children.contains { $0.place.group == group && $0.isAlive } }
        guard let group else {
            exitCode = exitCode ?? .clean
            return
        }
        if drain?.stage == before, children.contains(where: { $0.place.group == group && $0.isOrdered }) { return }
        for child in children where child.place.group == group && child.isAlive { order(child) }
    }

    private func order(_ child: Child) {
        guard let drain, !child.isOrdered, child.state != .starting else { return }
        child.isOrdered = true
        child.state = .draining
        let left = max(0, loop.now.duration(to: drain.limit).milliseconds)
        send(child) { $0.send(Drain(limitMilliseconds: UInt32(clamping: left))) }
    }

    private func killAll() {
        for child in children where child.isAlive {
            child.isOrdered = true
            _ = cl_signal_group(child.pid, SIGKILL)
        }
    }

    // MARK: Telling

    private func statusReport() -> String {
        StatusReport(
            version: Build.version,
            auditors: StatusReport.Auditors(wanted: wantedAuditors, most: SettingsTable.auditorCounts.upperBound),
            processes: children.filter { !isSurplus($0) || $0.isAlive }.map { child in
                StatusReport.Process(
                    role: child.role.name, number: child.place.number, pid: child.pid, state: child.state.rawValue, restarts: child.restarts,
                    uptimeMilliseconds: child.isAlive ? child.startedAt.duration(to: .now).milliseconds : 0)
            },
            listeners: [
                StatusReport.Listener(name: "proxy", address: HostAndPort(host: settings.host, port: listeners.proxyPort).description),
                StatusReport.Listener(name: "websocket", address: HostAndPort(host: settings.host, port: listeners.webSocketPort).description),
                StatusReport.Listener(name: "control", address: listeners.directory + "/control"),
                StatusReport.Listener(name: "broadcaster", address: listeners.directory + "/broadcaster"),
            ] + (settings.adminPort == 0 ? [] : [StatusReport.Listener(name: "admin", address: HostAndPort(host: settings.host, port: settings.adminPort).description)]),
            ledger: scoreboard.ledger
        ).json
    }

    /// The edges are enough: an auditor that does not start must not have the service manager end what clients use.
    private func tellOnceServing() {
        guard !servesClients, children.allSatisfy({ $0.role != .edge || $0.state == .ready }) else { return }
        servesClients = true
        if !serviceManager.ready() { log.warn("Cannot tell the service manager that the product is ready") }
    }

    private func showBannerOnce() {
        guard !bannerShown, children.allSatisfy({ $0.state == .ready || isSurplus($0) }) else { return }
        bannerShown = true
        banner.show()
        log.info("TruthTable is ready", banner.fields)
    }

    private func answerStatus(_ token: Token, _ readiness: Readiness) {
        status.handle(token, readiness, in: loop) { request in
            switch request {
            case .status: statusReport()
            case .auditors(let count): scale(auditors: count).map { "{\"error\":\"\($0)\"}" } ?? "{\"auditors\":\(count)}"
            }
        }
    }
}
