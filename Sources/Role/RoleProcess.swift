// The skeleton that every child shares: birth, Hello, Configure, Ready, Ping, Attach, Drain, death.
import CLinux
import Configuration
import EventLoop
import Glibc
import IPC
import Telemetry

/// Runs a role until it is drained, or its supervisor is gone. The whole of a child's `main`.
package func runRole<Logic: RoleLogic & ~Copyable>(_: Logic.Type) -> Never {
    let arguments = CommandLine.arguments.dropFirst()
    let name = Logic.role.executableName
    if arguments.first == "--version" {
        print("\(name) \(Build.version)")
        exit(ExitCode.clean.rawValue)
    }
    guard arguments.first == "--place", let number = arguments.dropFirst().first.flatMap({ Int($0) }),
        let place = Place(role: Logic.role.name, number: number), cl_local_socket(InheritedDescriptor.controlNumber)
    else {
        complain(name, "this process is started by truthtable-supervisor: use `truthtable run`")
        exit(ExitCode.usage.rawValue)
    }
    cl_set_process_name("tt-\(place)")
    cl_ignore_sigpipe()
    do {
        var supervisor = try SupervisorInbox(in: Loop())
        let configure = try supervisor.introduce(Logic.role, place)
        var process = try RoleProcess<Logic>(place, configure, supervisor)
        try process.run()
        exit(ExitCode.clean.rawValue)
    } catch {
        Log(place).error("\(error)")
        exit(((error as? RoleFailure)?.exitCode ?? .internal).rawValue)
    }
}

/// What comes from the supervisor, in order, and the answers to it.
private struct SupervisorInbox: ~Copyable {
    static let token = Token(kind: 0xF0)

    let loop: Loop
    var channel: ControlChannel
    private var waiting: [(ControlToChild, Int32?)] = []  // with the descriptor of an Attach

    init(in loop: Loop) throws(SystemError) {
        self.loop = loop
        channel = try ControlChannel(Descriptor(owning: InheritedDescriptor.controlNumber), in: loop, token: Self.token)
    }

    /// Says Hello and waits for the settings.
    mutating func introduce(_ role: ProcessRole, _ place: Place) throws(RoleFailure) -> Configure {
        _ = channel.send(Hello(role: role.rawValue, place: UInt16(place.index), build: Build.identity))
        while true {
            flush()
            try loop.turn { _, readiness throws(RoleFailure) in try receive(readiness) } alarm: { _ throws(RoleFailure) in }
            guard let (message, _) = next() else { continue }
            guard case .configure(let configure) = message else { throw RoleFailure("the supervisor did not begin with Configure") }
            return configure
        }
    }

    mutating func receive(_ readiness: Readiness) throws(RoleFailure) {
        let end = channel.handle(readiness, in: loop) { header, payload, descriptors throws(FrameError) in
            let message = try ControlToChild(header, payload)
            if case .attach = message {
                waiting.append((message, try descriptors.take().release()))
            } else {
                waiting.append((message, nil))
            }
        }
        switch end {
        case nil: return
        case .violation(let error): throw RoleFailure("the supervisor sent a malformed frame: \(error)")
        case .closed, .broken: exit(ExitCode.clean.rawValue)  // nobody outlives the supervisor
        }
    }

    mutating func next() -> (ControlToChild, Int32?)? { waiting.isEmpty ? nil : waiting.removeFirst() }

    mutating func flush() {
        if channel.flush(in: loop) != nil { exit(ExitCode.clean.rawValue) }
    }
}

private struct RoleProcess<Logic: RoleLogic & ~Copyable>: ~Copyable {
    private static var drainToken: Token { Token(kind: 0xF1) }

    private let loop: Loop
    private var supervisor: SupervisorInbox
    private var logic: Logic
    private let birth: Birth
    private var toldDroppedLines: UInt64 = 0
    private var drainLimit: Instant?

    init(_ place: Place, _ configure: Configure, _ supervisor: consuming SupervisorInbox) throws(RoleFailure) {
        let loop = supervisor.loop
        let logic: Logic
        let birth: Birth
        do {
            let settings = try Settings(pairs: configure.pairs)
            let scoreboard = try Scoreboard(descriptor: InheritedDescriptor.scoreboardNumber)
            birth = Birth(
                place: place, incarnation: configure.incarnation, settings: settings, loop: loop,
                log: Log(place, level: Log.Level(name: settings.logLevel.rawValue) ?? .info), scoreboard: scoreboard,
                slot: try scoreboard.claim(place, incarnation: configure.incarnation))
            logic = try Logic(birth)
        } catch let failure as RoleFailure {
            throw failure
        } catch {
            throw RoleFailure("cannot begin: \(error)")
        }
        self.loop = loop
        self.logic = logic
        self.birth = birth
        self.supervisor = supervisor
        _ = self.supervisor.channel.send(.ready)
    }

    mutating func run() throws(RoleFailure) {
        while true {
            while let (message, descriptor) = supervisor.next() { try handle(message, descriptor) }
            logic.turnEnded()
            for message in birth.givenUp.messages { _ = supervisor.channel.send(message) }
            birth.givenUp.messages = []
            let isDone = drainLimit.map { logic.isDrained || loop.now >= $0 } ?? false
            if isDone { _ = supervisor.channel.send(.drained) }
            supervisor.flush()
            if isDone { return }
            let batch = loop.wait()
            for (token, readiness) in batch where token == SupervisorInbox.token { try supervisor.receive(readiness) }
            logic.handle(batch)
            for token in loop.dueAlarms() where token != Self.drainToken { logic.alarm(token) }
        }
    }

    private mutating func handle(_ message: ControlToChild, _ descriptor: Int32?) throws(RoleFailure) {
        switch message {
        case .configure: throw RoleFailure("configured twice")
        case .attach(let attach):
            if let descriptor { logic.attach(attach, Descriptor(owning: descriptor)) }
        case .peerEnded(let ended): logic.peerEnded(ended)
        case .ping(let nonce):
            _ = supervisor.channel.send(.pong, id: nonce)
            // Twice per second is often enough to tell what the log lost.
            birth.slot.add(.logLinesDropped, birth.log.droppedLines &- toldDroppedLines)
            toldDroppedLines = birth.log.droppedLines
        case .reload: logic.reload()
        case .drain(let drain):
            let limit = loop.now + .milliseconds(Int64(drain.limitMilliseconds))
            drainLimit = limit
            loop.schedule(Self.drainToken, at: limit)
            logic.drain(until: limit)
        }
    }
}
