// Calls to one server over one connection at a time: which wait, which are out, when to connect again, when a connection that says
// nothing is dead. A state machine: the time is an argument, bytes go in and out, no socket, clock or randomness inside.
//
//     idle --a call--> connecting --connected--> ready --lost, GOAWAY and empty--> idle or resting
//                          \--failed--> resting --backoff over--> connecting
//
// Leaves to others: the socket and TLS, what calls mean, whether a call that failed is made again.
import EventLoop

package final class ClientChannel {
    package struct Limits: Sendable {
        package var messageBytes = 4 << 20
        /// Calls that wait for a connection or for the peer's limit of streams; more are refused.
        package var waitingCalls = 1024
        /// A connection with calls out that says nothing for so long is asked for a sign of life…
        package var pingAfter: Duration = .seconds(20)
        /// … and is dead when it gives none within this.
        package var pingLimit: Duration = .seconds(10)
        /// First rest after a failed connection; doubled by each further one up to the longest.
        package var firstRest: Duration = .milliseconds(100)
        package var longestRest: Duration = .seconds(5)

        package init() {}
    }

    package struct Outcome {
        package let id: UInt64
        package let result: Result<[UInt8], RPCStatus>
    }

    /// Instead of `Limits.pingAfter` for a server that finds the pings too many: what servers put up with unless they are told otherwise.
    private static let calmPingAfter: Duration = .seconds(300)

    private enum State {
        case idle
        case resting(until: Instant, why: String)
        case connecting
        case ready(ClientSession)
    }

    private struct Waiting {
        let id: UInt64
        let path: String
        let message: [UInt8]
    }

    private let authority: String
    private let isTLS: Bool
    private let userAgent: String
    private let limits: Limits
    private var state = State.idle
    private var waiting: [Waiting] = []
    /// Of all calls, waiting or out.
    private var deadlines: [UInt64: Instant] = [:]
    private var outcomes: [Outcome] = []
    /// Failed connections in a row.
    private var failures = 0
    private var heardAt = Instant(nanoseconds: 0)
    private var pingSentAt: Instant?
    private var pongs: UInt64 = 0
    private var pingAfter: Duration

    package init(authority: String, isTLS: Bool, userAgent: String, limits: Limits = Limits()) {
        self.authority = authority
        self.isTLS = isTLS
        self.userAgent = userAgent
        self.limits = limits
        pingAfter = limits.pingAfter
    }

    /// The peer speaks HTTP/2 to us.
    package var isReady: Bool { if case .ready(let session) = state { session.hasSettings } else { false } }
    /// A socket is wanted: open one, then say `connected` or `disconnected`.
    package var wantsConnection: Bool { if case .connecting = state { true } else { false } }
    /// The connection is of no more use: close it.
    package private(set) var wantsClose = false

    // MARK: Calls

    package func call(_ id: UInt64, path: String, message: [UInt8], deadline: Instant, now: Instant) {
        guard waiting.count < limits.waitingCalls else {
            return finish(id, .failure(RPCStatus(.resourceExhausted, "too many calls wait for the engine")))
        }
        guard message.count <= limits.messageBytes else {
            return finish(id, .failure(RPCStatus(.resourceExhausted, "the request is longer than \(limits.messageBytes) bytes")))
        }
        deadlines[id] = deadline
        waiting.append(Waiting(id: id, path: path, message: message))
        advance(now)
    }

    /// Nothing is reported of it any more.
    package func cancel(_ id: UInt64, now: Instant) {
        guard deadlines.removeValue(forKey: id) != nil else { return }
        waiting.removeAll { $0.id == id }
        if case .ready(let session) = state { session.cancel(id) }
        advance(now)
    }

    package func takeOutcomes() -> [Outcome] {
        defer { outcomes = [] }
        return outcomes
    }

    private func finish(_ id: UInt64, _ result: Result<[UInt8], RPCStatus>) {
        deadlines[id] = nil
        outcomes.append(Outcome(id: id, result: result))
    }

    // MARK: The connection

    /// Connects although no call waits: to find out whether the server is there. A rest is kept.
    package func connect(now: Instant) {
        switch state {
        case .idle: state = .connecting
        case .resting(let until, _): if now >= until { state = .connecting }
        case .connecting, .ready: break
        }
    }

    package func connected(now: Instant) {
        guard case .connecting = state else { return }
        var sessionLimits = ClientSession.Limits()
        sessionLimits.messageBytes = limits.messageBytes
        state = .ready(ClientSession(authority: authority, isTLS: isTLS, userAgent: userAgent, limits: sessionLimits))
        heardAt = now
        pingSentAt = nil
        pongs = 0
        advance(now)
    }

    /// The connection failed, ended or was closed; `jitter` is drawn from 0.5..<1.
    package func disconnected(_ why: String, now: Instant, jitter: Double) {
        wantsClose = false
        switch state {
        case .idle, .resting: return
        case .connecting: break
        case .ready(let session):
            let worked = session.hasSettings
            session.abandon(session.failure ?? why)
            collect(session)
            // One that worked is followed by the next at once; a peer that never said who it is, is as good as absent.
            if worked {
                failures = 0
                state = waiting.isEmpty ? .idle : .connecting
                return
            }
        }
        failures += 1
        state = .resting(until: now + min(limits.firstRest * (1 << min(failures - 1, 16)), limits.longestRest) * jitter, why: why)
        // What waited was not sent: whoever called decides whether it waits for the next try.
        for call in waiting { finish(call.id, .failure(RPCStatus(.unavailable, why))) }
        waiting = []
    }

    package func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) {
        guard case .ready(let session) = state else { return }
        heardAt = now
        session.receive(bytes)
        collect(session)
        if session.pongs > pongs {
            pongs = session.pongs
            pingSentAt = nil
        }
        advance(now)
    }

    package func takeOutput(now: Instant) -> [UInt8] {
        guard case .ready(let session) = state else { return [] }
        let output = session.takeOutput()
        collect(session)
        if session.failure != nil { wantsClose = true }
        return output
    }

    /// Why the connection is closed, after `wantsClose`.
    package var closeReason: String {
        guard case .ready(let session) = state else { return "" }
        return session.failure ?? (session.isLeaving ? "the engine ends the connection" : "no answer to a ping within \(limits.pingLimit)")
    }

    private func collect(_ session: ClientSession) {
        for finished in session.takeFinished() where deadlines[finished.id] != nil { finish(finished.id, finished.result) }
    }

    /// Moves what can move.
    private func advance(_ now: Instant) {
        switch state {
        case .idle: if !waiting.isEmpty { state = .connecting }
        case .resting(let until, let why):
            if now >= until {
                state = waiting.isEmpty ? .idle : .connecting
            } else {
                for call in waiting { finish(call.id, .failure(RPCStatus(.unavailable, why))) }
                waiting = []
            }
        case .connecting: break
        case .ready(let session):
            if session.failure != nil || session.isLeaving {
                if session.isAnnoyed { pingAfter = max(limits.pingAfter, Self.calmPingAfter) }
                if session.failure != nil || session.openCalls == 0 { wantsClose = true }
                return
            }
            if session.openCalls == 0, !waiting.isEmpty { heardAt = now }  // idle connections are silent
            while session.openCalls < session.concurrency, !waiting.isEmpty {
                let next = waiting.removeFirst()
                guard let deadline = deadlines[next.id] else { continue }
                session.begin(next.id, path: next.path, message: next.message, timeoutMilliseconds: now.duration(to: deadline).milliseconds)
            }
            collect(session)
        }
    }

    // MARK: Time

    package var nextAlarm: Instant? {
        var next = deadlines.values.min() ?? .distantFuture
        switch state {
        case .ready(let session):
            if let pingSentAt {
                next = min(next, pingSentAt + limits.pingLimit)
            } else if session.openCalls > 0 {
                next = min(next, heardAt + pingAfter)
            }
        case .resting(let until, _): if !waiting.isEmpty { next = min(next, until) }
        case .idle, .connecting: break
        }
        return next == .distantFuture ? nil : next
    }

    /// Ringing at other times does no harm.
    package func alarm(now: Instant) {
        for (id, deadline) in deadlines where deadline <= now {
            waiting.removeAll { $0.id == id }
            if case .ready(let session) = state { session.cancel(id) }
            finish(id, .failure(RPCStatus(.deadlineExceeded, "no answer in time")))
        }
        if case .ready(let session) = state {
            if let pingSentAt {
                if now >= pingSentAt + limits.pingLimit { wantsClose = true }
            } else if session.openCalls > 0, now >= heardAt + pingAfter {
                pingSentAt = now
                session.ping()
            }
        }
        advance(now)
    }
}
