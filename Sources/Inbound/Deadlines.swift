// What takes too long: heads, bodies, idle connections, clients that do not read. One alarm looks at all deadlines.
import EventLoop

extension HTTPServer {
    /// The alarm runs only while there are connections.
    func scheduleSweep() {
        guard !sweepIsScheduled else { return }
        sweepIsScheduled = true
        loop.schedule(Token(kind: kind, slot: Self.sweepSlot), after: limits.sweepInterval)
    }

    func sweep(_ receive: (HTTPServerEvent) -> Void) {
        sweepIsScheduled = false
        for slot in 0..<connections.highWater {
            guard let connection = connections.at(slot), connection.pointee.deadline <= loop.now else { continue }
            timeOut(connection, receive)
        }
        if connections.count > 0 { scheduleSweep() }
    }

    private func timeOut(_ connection: UnsafeMutablePointer<Connection>, _ receive: (HTTPServerEvent) -> Void) {
        let isWaitedFor = connection.pointee.phase == .head && connection.pointee.flags.contains(.headStarted) || connection.pointee.phase == .body
        guard isWaitedFor, connection.pointee.output.isEmpty else {
            // Idle, or it does not read: a socket's buffer of bytes that nobody wants is dropped too.
            abort(connection.pointee.id, reset: !connection.pointee.output.isEmpty, telling: receive)
            return
        }
        refuse(connection, 408, "tooSlow")
        run(connection, receive)
    }

    private func abort(_ id: ConnectionID, reset: Bool, telling receive: (HTTPServerEvent) -> Void) {
        guard let connection = connections.find(id) else { return }
        if connection.pointee.concernsRole {
            connection.pointee.flags.insert(.broken)
            if reset { Self.armReset(connection.pointee.descriptor.number) }
            end(connection, receive)
        } else {
            abort(id, reset: reset)
        }
    }
}
