// A small HTTP/1.1 server on the role's loop (RFC 9112): for roles with light HTTP, not for the proxy's traffic. It owns the
// clients' connections, reads whole requests and hands them out as events, writes the answers; what to answer is the role's.
//
// Requests of one connection are handed out one at a time, in order: the next one after the answer to the last and when that
// has left this process, so a client that sends without reading costs what its limits allow and no more.
// Here the connections and the order of work; `Accepting` makes them, `Reading` and `Answering` are the two directions,
// `Writing` the bytes that go out, `Deadlines` what takes too long.
// Leaves to others: TLS, routing, compression, WebSocket frames.
import CLinux
import EventLoop
import Glibc
import HTTP

/// Used on one thread only. The role routes readinesses and alarms of the server's token kind to `handle` and `alarm`.
package final class HTTPServer {
    package let limits: HTTPServerLimits
    /// A field `Date` in each answer (RFC 9110 §6.6.1); without it the same answer is the same bytes.
    package var sendsDate = true

    let loop: Loop
    let kind: UInt8
    let pool: BlockPool
    var connections: ConnectionTable
    var listeners: [Listener] = []
    var parser = HeadParser()
    var dateField = DateField()
    /// No connection is kept after its answer.
    var isDraining = false
    var sweepIsScheduled = false
    var heldBytes = 0

    /// The connection that `run` works on. What is written to it is collected and sent once, at the end of the run.
    var current = ConnectionID.none
    /// Connections to go on with in the next turn.
    private var queue: [ConnectionID] = []

    /// What was read for the current connection and is not used yet; a connection that uses up its input needs no memory.
    let scratch: UnsafeMutableRawPointer
    var scratchStart = 0
    var scratchEnd = 0
    /// What was written for the current connection and is not sent yet.
    let cork: UnsafeMutableRawPointer
    var corked = 0

    /// A socket's default buffer and more than nearly every request or answer.
    static let scratchBytes = 64 << 10
    /// One run ends after so many steps (each reads at most `scratchBytes` or hands out one event), so that no client
    /// holds up the others.
    static let runLimitSteps = 128

    // Slots of tokens that mean no connection.
    static let queueSlot = UInt32.max
    static let sweepSlot = UInt32.max - 1
    static let restSlot = UInt32.max - 2
    static let firstListenerSlot = UInt32.max - 2 - UInt32(listenerLimit)
    static let listenerLimit = 64

    /// `kind` is the kind of all tokens of this server: the role uses it for nothing else.
    package init(on loop: Loop, tokenKind kind: UInt8, limits: HTTPServerLimits = HTTPServerLimits()) {
        self.loop = loop
        self.kind = kind
        self.limits = limits
        pool = BlockPool(limitBytes: limits.allOutputBytes)
        connections = ConnectionTable(capacity: limits.connections)
        scratch = .allocate(byteCount: Self.scratchBytes, alignment: 16)
        cork = .allocate(byteCount: Self.scratchBytes, alignment: 16)
    }

    deinit {
        scratch.deallocate()
        cork.deallocate()
    }

    package var connectionCount: Int { connections.count }

    // MARK: The loop

    /// Something of this server is ready. `receive` may call everything here but `handle` and `alarm`.
    package func handle(_ token: Token, _ readiness: Readiness, _ receive: (HTTPServerEvent) -> Void) {
        guard token.kind == kind else { return }
        if token.slot >= Self.firstListenerSlot { return accept(Int(token.slot - Self.firstListenerSlot)) }
        guard let connection = connections.find(ConnectionID(token)) else { return }
        if !readiness.isDisjoint(with: [.readable, .peerClosed, .hungUp, .failed]) { connection.pointee.flags.insert(.mayRead) }
        // Both sides are closed, or the socket failed: no answer can arrive. An upgraded one may still have bytes to read.
        if !readiness.isDisjoint(with: [.failed, .hungUp]), connection.pointee.phase != .upgraded {
            connection.pointee.flags.insert(.broken)
        }
        let finishes = readiness.contains(.peerClosed) && connection.pointee.flags.insert(.peerFinished).inserted
        run(connection, tellsFinish: finishes, receive)
    }

    /// An alarm of this server's kind is due.
    package func alarm(_ token: Token, _ receive: (HTTPServerEvent) -> Void) {
        guard token.kind == kind else { return }
        switch token.slot {
        case Self.queueSlot:
            let ready = queue
            queue.removeAll(keepingCapacity: true)
            for id in ready {
                guard let connection = connections.find(id) else { continue }
                connection.pointee.flags.remove(.queued)
                run(connection, receive)
            }
        case Self.sweepSlot: sweep(receive)
        case Self.restSlot: resumeAccepting()
        default: break
        }
    }

    /// Goes on with a connection when the loop turns next: events are only handed out from `handle` and `alarm`.
    func goOnLater(_ connection: UnsafeMutablePointer<Connection>) {
        guard connection.pointee.id != current, connection.pointee.flags.insert(.queued).inserted else { return }
        queue.append(connection.pointee.id)
        // Not before the next turn: alarms that are due already ring in this one, without looking at other clients.
        if queue.count == 1 { loop.schedule(Token(kind: kind, slot: Self.queueSlot), at: loop.now + .nanoseconds(1)) }
    }

    // MARK: One connection

    /// Does all that can be done for a connection now. It is not removed before the end, whatever the role calls.
    func run(_ connection: UnsafeMutablePointer<Connection>, tellsFinish: Bool = false, _ receive: (HTTPServerEvent) -> Void) {
        assert(current == .none, "handle and alarm are not called from an event")
        let id = connection.pointee.id
        current = id
        scratchStart = 0
        scratchEnd = 0
        var steps = Self.runLimitSteps
        while steps > 0, step(connection, receive) { steps -= 1 }
        flushCork(connection)
        if tellsFinish, connection.pointee.phase == .answering || connection.pointee.phase == .streaming {
            receive(.peerFinished(id))
        }
        if connection.pointee.output.isEmpty, connection.pointee.flags.remove(.refusedOutput) != nil, connection.pointee.concernsRole {
            receive(.drained(id))
        }
        flushCork(connection)
        keepInput(connection)
        current = .none
        if connection.pointee.phase == .ended || connection.pointee.flags.contains(.broken) { return end(connection, receive) }
        let owesEvent = connection.pointee.output.isEmpty && connection.pointee.flags.contains(.refusedOutput)
        // What the last two events brought about is gone on with in the next turn, too.
        if steps == 0 || owesEvent || hasWork(connection), connection.pointee.output.isEmpty { goOnLater(connection) }
    }

    private func hasWork(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        switch connection.pointee.phase {
        case .closing: true
        // Input that is kept in `head` is a part of one, unless the head before it was answered just now.
        case .head: connection.pointee.flags.contains(.mayRead) || !connection.pointee.input.isEmpty && !connection.pointee.flags.contains(.headStarted)
        case .upgraded: connection.pointee.flags.contains(.mayRead) || !connection.pointee.input.isEmpty
        default: false
        }
    }

    /// One step of a connection's life; false when it must wait for its client or its role.
    private func step(_ connection: UnsafeMutablePointer<Connection>, _ receive: (HTTPServerEvent) -> Void) -> Bool {
        if connection.pointee.flags.contains(.broken) { return false }
        if corked >= Self.scratchBytes / 2 { flushCork(connection) }
        if !connection.pointee.output.isEmpty { flush(connection) }
        switch connection.pointee.phase {
        case .head:
            // The answer before goes first: a client that does not read gets no further answers.
            guard connection.pointee.output.isEmpty else { return false }
            return useInput(connection, receive) || readInput(connection)
        case .body, .upgraded:
            return useInput(connection, receive) || readInput(connection)
        case .answering, .streaming, .ended:
            return false
        case .closing:
            flushCork(connection)
            guard connection.pointee.output.isEmpty else { return false }
            linger(connection)
            return true
        case .lingering:
            return discardInput(connection)
        }
    }

    /// Closes a connection; the role hears of it if it must.
    func end(_ connection: UnsafeMutablePointer<Connection>, _ receive: (HTTPServerEvent) -> Void) {
        let id = connection.pointee.id
        let concernsRole = connection.pointee.concernsRole
        connection.pointee.phase = .ended
        if concernsRole { receive(.closed(id)) }
        heldBytes -= connection.pointee.held
        connections.remove(id)
    }
}
