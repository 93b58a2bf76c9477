// Connections of clients: let in up to the limits, closed.
import CLinux
import EventLoop
import Glibc

extension Proxy {
    private static var acceptsPerTurn: Int { 64 }

    mutating func accept(_ listener: Int32) {
        for _ in 0..<Self.acceptsPerTurn {
            guard clients.count < clients.capacity else { return pauseListener(listener) }
            var address = InlineArray<46, UInt8>(repeating: 0)
            var length = 0
            var isLoopback = false
            var number: Int32 = 0
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { text in
                number = cl_accept(listener, text.baseAddress, text.count, &isLoopback)
                while number >= 0, length < 45, text[length] != 0 {
                    address[length] = UInt8(bitPattern: text[length])
                    length += 1
                }
            }
            if number < 0 {
                switch -number {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    slot.add(.connectionsRefused)
                    return pauseListener(listener)
                case ECONNABORTED, EINTR: continue
                default: return
                }
            }
            cl_set_nodelay(number)
            let connection = ClientConnection(
                descriptor: number, isLoopback: isLoopback, address: address, addressLength: length, outputPool: outputPool, capturePool: capturePool)
            guard let (index, generation) = clients.insert(connection) else {
                close(number)
                return
            }
            clientDeadlines.advanced(by: index).initialize(to: now &+ headNanoseconds)
            let token = Token(kind: EdgeToken.client, slot: UInt32(index), generation: generation)
            guard (try? loop.add(number, [.readable, .writable, .peerClosed, .edgeTriggered], token)) != nil else {
                freeClient(index)
                return
            }
            slot.add(.connectionsAccepted)
        }
    }

    /// Too many connections or descriptors: clients wait in the backlog until some are gone.
    private func pauseListener(_ listener: Int32) {
        loop.modify(listener, [], Token(kind: EdgeToken.listener))
        loop.schedule(Token(kind: EdgeToken.accept), after: .milliseconds(100))
    }

    mutating func freeClient(_ index: Int) {
        guard clients.isLive(index) else { return }
        close(clients.at(index).pointee.descriptor)
        clients.remove(index)
    }
}
