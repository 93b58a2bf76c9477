// New connections: listening sockets, the limit, and rest when the system has no descriptors left.
import CLinux
import EventLoop
import Glibc

/// A listening socket of the server.
final class Listener {
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}

extension HTTPServer {
    /// Connections accepted at once, so that a burst does not keep the others waiting.
    private static let acceptsPerTurn = 64

    /// Accepts on a listening, non-blocking socket from now on; the index is told with each request.
    @discardableResult
    package func listen(on descriptor: consuming Descriptor) throws(SystemError) -> Int {
        guard listeners.count < Self.listenerLimit else { throw SystemError("listen", code: EMFILE) }
        let index = listeners.count
        try loop.add(descriptor.number, .readable, listenerToken(index))
        listeners.append(Listener(descriptor))
        return index
    }

    /// Closes the listening sockets and the connections without a request; others end with their answer. Upgraded
    /// ones are the role's to close.
    package func drain() {
        isDraining = true
        listeners.removeAll()
        for slot in 0..<connections.highWater {
            guard let connection = connections.at(slot), connection.pointee.phase == .head else { continue }
            guard connection.pointee.id != current, !connection.pointee.flags.contains(.headStarted) else { continue }
            connection.pointee.phase = .closing
            goOnLater(connection)
        }
    }

    private func listenerToken(_ index: Int) -> Token {
        Token(kind: kind, slot: Self.firstListenerSlot + UInt32(index))
    }

    func accept(_ index: Int) {
        guard index < listeners.count else { return }
        let listener = listeners[index].descriptor.number
        for _ in 0..<Self.acceptsPerTurn {
            var loopback = false
            var accepted: Int32 = 0
            let peer = String(unsafeUninitializedCapacity: 64) { bytes in
                bytes.withMemoryRebound(to: CChar.self) { text in
                    accepted = cl_accept(listener, text.baseAddress, text.count, &loopback)
                    return accepted < 0 ? 0 : text.firstIndex(of: 0) ?? 0
                }
            }
            guard accepted >= 0 else {
                switch -accepted {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: return restAccepting()
                case ECONNABORTED, EPROTO, EINTR: continue  // that client is gone
                default: return
                }
            }
            welcome(Descriptor(owning: accepted), peer, loopback, index)
        }
    }

    private func welcome(_ descriptor: consuming Descriptor, _ peer: String, _ isLoopback: Bool, _ listener: Int) {
        guard let id = connections.reserve() else { return turnAway(descriptor) }
        let number = descriptor.number
        do {
            try loop.add(number, [.readable, .writable, .peerClosed, .edgeTriggered], id.token(kind: kind))
        } catch {
            connections.giveBack(id)
            return turnAway(descriptor)
        }
        cl_set_nodelay(number)  // an error for Unix sockets, which need it not
        connections.insert(
            Connection(
                descriptor, id, peer: peer, isLoopback: isLoopback, listener: UInt8(listener), deadline: loop.now + limits.headTime, pool: pool))
        scheduleSweep()
    }

    /// Says why, if the empty socket takes it, and closes.
    private func turnAway(_ descriptor: consuming Descriptor) {
        let answer: StaticString =
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        _ = cl_send(descriptor.number, answer.utf8Start, answer.utf8CodeUnitCount)
    }

    /// Without this a listening socket that cannot be served would be ready again and again.
    private func restAccepting() {
        for (index, listener) in listeners.enumerated() { loop.modify(listener.descriptor.number, [], listenerToken(index)) }
        loop.schedule(Token(kind: kind, slot: Self.restSlot), after: limits.acceptRest)
    }

    func resumeAccepting() {
        for (index, listener) in listeners.enumerated() {
            loop.modify(listener.descriptor.number, .readable, listenerToken(index))
        }
    }
}
