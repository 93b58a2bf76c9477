// Connections of clients: let in up to the limits, closed.
import CLinux
import Configuration
import EventLoop
import Glibc
import TLS

extension Proxy {
    private static var acceptsPerTurn: Int { 64 }

    /// Descriptors that are no connection: epoll, log, channels, name server, files of the system's libraries.
    private static var reservedDescriptors: Int { 32 }

    /// What an address gets that has too many connections. It costs one write; who reads it is told what to do.
    private static var refusal: StaticString {
        """
        HTTP/1.1 503 Service Unavailable\r
        Content-Type: application/json\r
        Content-Length: 68\r
        Connection: close\r
        \r
        {"error":"connections over TRUTHTABLE_MAX_CONNECTIONS_PER_ADDRESS"}

        """
    }

    /// As many as there may be, and as there are descriptors for: each may need one to an upstream, too.
    static func connections(_ settings: Settings) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return settings.maxConnections }
        return min(settings.maxConnections, max(1, (Int(clamping: limit.rlim_cur) - reservedDescriptors) / 2))
    }

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
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: return pauseListener(listener)
                case ECONNABORTED, EINTR: continue
                default: return
                }
            }
            let isTrusted = settings.trustedProxies.isListed && source(address, length).map(settings.trustedProxies.contains) ?? false
            // An address that others stand behind is not limited.
            if perAddress.limit > 0, !isTrusted, let source = source(address, length), !perAddress.enter(source) {
                slot.add(.connectionsRefused)
                turnAway(number)
                continue
            }
            cl_set_nodelay(number)
            var connection = ClientConnection(
                descriptor: number, isLoopback: isLoopback, isTrusted: isTrusted, address: address, addressLength: length, outputPool: outputPool,
                capturePool: capturePool)
            connection.isAdmin = listener == adminListener
            if let clientTLS {
                do throws(TLSError) {
                    connection.tls = try TLSSession(accepting: clientTLS, descriptor: number)
                } catch {  // no memory
                    slot.add(.connectionsRefused)
                    leave(connection)
                    close(number)
                    return
                }
            }
            guard let (index, generation) = clients.insert(connection) else {
                close(number)
                return
            }
            clientDeadlines.advanced(by: index).initialize(to: now &+ headNanoseconds)
            exchangeDeadlines.advanced(by: index).initialize(to: .max)
            let token = Token(kind: EdgeToken.client, slot: UInt32(index), generation: generation)
            guard (try? loop.add(number, [.readable, .writable, .peerClosed, .edgeTriggered], token)) != nil else {
                freeClient(index)
                return
            }
            slot.add(.connectionsAccepted)
        }
    }

    private mutating func leave(_ connection: borrowing ClientConnection) {
        guard perAddress.limit > 0, !connection.isTrusted, let source = source(connection.address, connection.addressLength) else { return }
        perAddress.leave(source)
    }

    private func source(_ address: InlineArray<46, UInt8>, _ length: Int) -> IPAddress? {
        var address = address
        return withUnsafeBytes(of: &address) { IPAddress(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
    }

    /// Said and closed at once: a connection that is refused must not cost a slot.
    private func turnAway(_ number: Int32) {
        if clientTLS == nil { _ = cl_send(number, Self.refusal.utf8Start, Self.refusal.utf8CodeUnitCount) }
        close(number)
    }

    /// Too many connections or descriptors: clients wait in the backlog until some are gone.
    private func pauseListener(_ listener: Int32) {
        slot.add(.acceptPauses)
        loop.modify(listener, [], Token(kind: EdgeToken.listener, slot: listener == adminListener ? 1 : 0))
        loop.schedule(Token(kind: EdgeToken.accept), after: .milliseconds(100))
    }

    mutating func freeClient(_ index: Int) {
        guard clients.isLive(index) else { return }
        let client = clients.at(index)
        leave(client.pointee)
        client.pointee.end()
        clients.remove(index)
    }
}
