// The engine behind gRPC: many audits over one connection. The shell around `ClientChannel` (calls and the connection's life) and
// `RemoteAudit` (what is called when): sockets, bytes, the log.
import Auditing
import Configuration
import EventLoop
import GRPC
import Outbound
import Role
import TLS
import Telemetry

final class GRPCEngine: Engine {
    private let address: HostAndPort
    private let tls: TLSClientContext?
    private let dialer: Dialer
    private let log: Log
    private let channel: ClientChannel
    private var connection: ServerConnection?
    private var generation: UInt32 = 0
    private var audits: [UInt64: RemoteAudit] = [:]
    private var deadlines: [UInt64: Instant] = [:]
    /// Calls under way, and whose they are.
    private var calls: [UInt64: UInt64] = [:]
    private var lastCall: UInt64 = 0
    private var outcomes: [EngineOutcome] = []
    private(set) var unreachable: String?
    private var wasReached = false
    /// When to connect although no audit asks for it.
    private var probeAt: Instant

    /// Between two tries of an engine that is not there, so that its return is seen without an audit.
    private static let probeInterval: Duration = .seconds(5)

    init(_ settings: Settings, _ dialer: Dialer, _ log: Log) throws(TLSError) {
        address = settings.grpcAddress
        tls = settings.grpcTLS ? try TLSClientContext(caFile: settings.engineCAFile.isEmpty ? nil : settings.engineCAFile, applicationProtocol: "h2") : nil
        self.dialer = dialer
        self.log = log
        var limits = ClientChannel.Limits()
        limits.messageBytes = settings.grpcMessageLimitBytes
        channel = ClientChannel(authority: address.description, isTLS: settings.grpcTLS, userAgent: "truthtable/\(Build.version)", limits: limits)
        probeAt = dialer.loop.now  // people want to know at the start
    }

    // MARK: Audits

    func begin(_ task: EngineTask) {
        let audit = RemoteAudit(task.auditCase)
        audits[task.id] = audit
        deadlines[task.id] = task.deadline
        act(audit.begin(), task.id)
        settle()
    }

    func cancel(_ id: UInt64) {
        forget(id)
        for (call, audit) in calls where audit == id {
            calls[call] = nil
            channel.cancel(call, now: dialer.loop.now)
        }
    }

    private func forget(_ id: UInt64) {
        audits[id] = nil
        deadlines[id] = nil
    }

    private func act(_ action: RemoteAudit.Action, _ id: UInt64) {
        switch action {
        case .wait: break  // `nextAlarm` knows
        case .over(let result):
            forget(id)
            outcomes.append(EngineOutcome(id: id, result: result))
        case .call(let path, let message):
            lastCall += 1
            calls[lastCall] = id
            channel.call(lastCall, path: path, message: message, deadline: deadlines[id] ?? dialer.loop.now, now: dialer.loop.now)
        }
    }

    func takeOutcomes() -> [EngineOutcome] {
        defer { outcomes = [] }
        return outcomes
    }

    // MARK: Time and readiness

    var nextAlarm: Instant? {
        var next = min(channel.nextAlarm ?? .distantFuture, probeAt)
        next = min(next, connection?.nextAlarm ?? .distantFuture)
        for audit in audits.values { next = min(next, audit.nextAlarm ?? .distantFuture) }
        return next == .distantFuture ? nil : next
    }

    func advance() {
        let now = dialer.loop.now
        use(connection?.alarm() ?? [])
        channel.alarm(now: now)
        if now >= probeAt {
            probeAt = .distantFuture
            channel.connect(now: now)
        }
        for (id, var audit) in audits {
            guard let action = audit.alarm(now: now) else { continue }
            audits[id] = audit
            act(action, id)
        }
        settle()
    }

    func handle(_ token: Token, _ readiness: Readiness) {
        guard let connection, connection.token == token else { return }
        use(connection.handle(readiness))
        settle()
    }

    func resolved() {
        use(connection?.resolved(&dialer.resolver) ?? [])
        settle()
    }

    /// Hands on what the channel has to say, until it has nothing more.
    private func settle() {
        let now = dialer.loop.now
        while true {
            if channel.wantsConnection, connection == nil { dial() }
            if let connection {
                let output = channel.takeOutput(now: now)
                use(connection.write(output))
            }
            if channel.wantsClose, let connection {
                connection.close()
                lost(channel.closeReason)
            }
            if channel.isReady, unreachable != nil || !wasReached { reached() }
            let ended = channel.takeOutcomes()
            guard !ended.isEmpty else { return }
            for call in ended {
                guard let id = calls.removeValue(forKey: call.id), var audit = audits[id] else { continue }
                let action = audit.answered(call.result, now: now, jitter: .random(in: 0.5..<1))
                audits[id] = audit
                act(action, id)
            }
        }
    }

    // MARK: The connection

    private func dial() {
        generation &+= 1
        let token = Token(kind: AuditorToken.grpc, generation: generation)
        let connection = ServerConnection(address.host, UInt16(clamping: address.port), tls: tls, in: dialer.loop, token: token)
        self.connection = connection
        use(connection.connect(&dialer.resolver, limit: dialer.connectLimit))
    }

    private func use(_ events: [ServerConnection.Event]) {
        for event in events {
            switch event {
            case .opened: channel.connected(now: dialer.loop.now)
            case .received(let bytes): bytes.withUnsafeBytes { channel.receive($0, now: dialer.loop.now) }
            case .ended(let why):
                // What is wrong with what the peer said last tells more than that it hung up then; it shows when we would object.
                _ = channel.takeOutput(now: dialer.loop.now)
                lost(channel.wantsClose ? channel.closeReason : why)
            }
        }
    }

    private func lost(_ why: String) {
        let spoke = channel.isReady
        connection = nil
        if !spoke {
            if unreachable == nil { log.warn("Could not connect to audit engine at \(address)", ["engine": "grpc", "cause": .string(why)]) }
            unreachable = why
            probeAt = dialer.loop.now + Self.probeInterval
        }
        channel.disconnected("could not reach the engine at \(address): \(why)", now: dialer.loop.now, jitter: .random(in: 0.5..<1))
    }

    private func reached() {
        log.info("Audit engine connected", ["engine": "grpc", "address": .string(address.description)])
        wasReached = true
        unreachable = nil
    }
}
