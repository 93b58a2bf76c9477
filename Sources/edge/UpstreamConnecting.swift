// Connections to upstreams: an idle one, or a new one to an address of the target's host.
import CLinux
import EventLoop
import Glibc
import Outbound
import TLS

extension Proxy {
    /// Gives the exchange a connection: an idle one, else a new one. False when it has been answered with a failure, or
    /// waits for the target's addresses.
    mutating func connect(_ index: Int, fresh: Bool = false) -> Bool {
        let client = clients.at(index)
        let target = targets[client.pointee.exchange.target]
        while !fresh, let upstream = target.pointee.idle.popLast() {
            guard upstreams.isLive(upstream) else { continue }
            let connection = upstreams.at(upstream)
            // What it said behind its last answer is still to be read, and would pass for the next one.
            guard !connection.pointee.hasMore else {
                freeUpstream(upstream)
                continue
            }
            connection.pointee.phase = .active
            connection.pointee.client = index
            connection.pointee.isReused = true
            client.pointee.exchange.upstream = upstream
            runClock(upstream)
            return true
        }
        switch target.pointee.endpoint {
        case .unix(let path):
            var number: Int32 = -1
            var pending = false
            let result = cl_connect_unix(path, &number, &pending)
            guard result == 0 else {
                fail(index, "cannot connect to \(target.pointee.name): \(SystemError.text(-result))")
                return false
            }
            return adopt(index, number, isPending: pending, cursor: nil, deadline: now &+ connectNanoseconds)
        case .tcp(let host, _):
            switch resolver.lookup(host, now: loop.now) {
            case .addresses(let addresses):
                let cursor = AddressCursor(addresses, deadline: loop.now + settings.connectTimeout, preferred: target.pointee.preferred)
                return connectNext(index, cursor)
            case .failed(let reason):
                fail(index, "cannot resolve \(host): \(reason)")
                return false
            case .pending:
                client.pointee.exchange.isResolving = true
                clientDeadlines[index] = now &+ connectNanoseconds
                return false
            }
        }
    }

    /// Tries the addresses that are left until one connects or is on its way.
    private mutating func connectNext(_ index: Int, _ addresses: AddressCursor) -> Bool {
        var cursor = addresses
        let target = targets[clients.at(index).pointee.exchange.target]
        guard case .tcp(_, let port) = target.pointee.endpoint else { return false }
        var isShort = false  // of descriptors or memory, whichever address is asked
        while !isShort, let (address, until) = cursor.next(now: loop.now) {
            var number: Int32 = -1
            var pending = false
            var result = cl_connect_tcp(address, port, &number, &pending)
            // Idle connections are the first that give way when descriptors run out.
            while result == -EMFILE || result == -ENFILE, dropIdle() { result = cl_connect_tcp(address, port, &number, &pending) }
            if result == 0 { return adopt(index, number, isPending: pending, cursor: cursor, deadline: until.nanoseconds) }
            cursor.failed(SystemError.text(-result))
            isShort = [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(-result)
        }
        fail(index, "cannot connect to \(target.pointee.name): \(cursor.failure)", isOurs: isShort)
        return false
    }

    /// Closes an idle connection, of the first upstream that has any the one used longest ago; false when there is none.
    private mutating func dropIdle() -> Bool {
        for target in targets where !target.pointee.idle.isEmpty {
            freeUpstream(target.pointee.idle.removeFirst())
            return true
        }
        return false
    }

    private mutating func adopt(_ index: Int, _ number: Int32, isPending: Bool, cursor: AddressCursor?, deadline: UInt64) -> Bool {
        let client = clients.at(index)
        let target = targets[client.pointee.exchange.target]
        cl_set_nodelay(number)
        var connection = UpstreamConnection(
            descriptor: number, target: client.pointee.exchange.target, phase: .connecting, client: index, outputPool: outputPool)
        connection.addresses = cursor
        connection.isEstablished = target.pointee.tls == nil
        if let context = target.pointee.tls, case .tcp(let host, _) = target.pointee.endpoint {
            do throws(TLSError) {
                connection.tls = try TLSSession(context, descriptor: number, host: host)
            } catch {
                close(number)
                fail(index, "cannot begin TLS with \(target.pointee.name): \(error)", isOurs: true)
                return false
            }
        }
        // Every upstream may have its idle connections, together more than there is room for.
        if upstreams.count == upstreams.capacity { _ = dropIdle() }
        guard let (upstream, generation) = upstreams.insert(connection) else {
            close(number)
            fail(index, "no room for another connection to \(target.pointee.name)", isOurs: true)
            return false
        }
        upstreamDeadlines.advanced(by: upstream).initialize(to: deadline)
        client.pointee.exchange.upstream = upstream
        let token = Token(kind: EdgeToken.upstream, slot: UInt32(upstream), generation: generation)
        guard (try? loop.add(number, [.readable, .writable, .peerClosed, .edgeTriggered], token)) != nil else {
            freeUpstream(upstream)
            client.pointee.exchange.upstream = -1
            fail(index, "cannot watch another connection to \(target.pointee.name)", isOurs: true)
            return false
        }
        slot.add(.upstreamConnections)
        if !isPending { connected(upstream) }
        return true
    }

    /// The address answered. One behind dead ones goes first from now on; while the first one works, the order of the look-up
    /// counts, which may spread the load.
    mutating func connected(_ upstream: Int) {
        let connection = upstreams.at(upstream)
        connection.pointee.phase = .active
        if let addresses = connection.pointee.addresses {
            if !addresses.isAtFirst { targets[connection.pointee.target].pointee.preferred = addresses.address }
            upstreamDeadlines[upstream] = addresses.deadline.nanoseconds  // what is left is for agreeing on TLS
            connection.pointee.addresses = nil
        }
        runClock(upstream)
    }

    /// The address did not answer: what waits for the connection goes to the next one.
    mutating func connectFailed(_ upstream: Int, _ code: Int32) {
        let connection = upstreams.at(upstream)
        let index = connection.pointee.client
        let addresses = connection.pointee.addresses
        let target = targets[connection.pointee.target]
        let client = clients.at(index)
        swap(&client.pointee.exchange.waiting, &connection.pointee.output)
        freeUpstream(upstream)
        client.pointee.exchange.upstream = -1
        guard var addresses else { return fail(index, "cannot connect to \(target.pointee.name): \(SystemError.text(code))") }
        addresses.failed(SystemError.text(code))
        guard connectNext(index, addresses) else { return }
        swap(&client.pointee.exchange.waiting, &upstreams.at(client.pointee.exchange.upstream).pointee.output)
    }

    /// Look-ups have ended: exchanges that waited for them go on.
    mutating func resolved() {
        _ = resolver.finished(now: loop.now)
        for index in 0..<clients.highWater where clients.isLive(index) && clients.at(index).pointee.exchange.isResolving {
            let client = clients.at(index)
            // The end of another host's look-up is no more time for this one's.
            if case .tcp(let host, _) = targets[client.pointee.exchange.target].pointee.endpoint, case .pending = resolver.lookup(host, now: loop.now) { continue }
            endResolving(index)
            guard client.pointee.phase == .exchange, connect(index, fresh: true) else { continue }
            var head = ByteBuffer()
            swap(&head, &client.pointee.exchange.heldHead)
            let upstream = client.pointee.exchange.upstream
            let generation = upstreams.generation(upstream)
            guard appendUpstream(upstream, head.bytes) else { continue }
            if client.pointee.exchange.requestBody.isDone { requestEnded(index) }
            guard upstreams.find(UInt32(upstream), generation) != nil else { continue }
            flushUpstream(upstream)
            if clients.isLive(index) { resume(index) }
        }
    }

    /// It waits for no addresses any more: the limit of its body holds again.
    mutating func endResolving(_ index: Int) {
        let client = clients.at(index)
        client.pointee.exchange.isResolving = false
        clientDeadlines[index] = client.pointee.exchange.requestBody.isDone ? .max : now &+ bodyNanoseconds
    }

    // MARK: Idle connections

    /// An idle connection that something is to be read from is over, or has said what nobody asked: it must be gone before
    /// the requests of the same turn choose their connections. A request on it could be lost, and a POST is never repeated.
    mutating func idleUpstreamReady(_ token: Token, _ readiness: Readiness) {
        guard let connection = upstreams.find(token.slot, token.generation), connection.pointee.phase == .idle else { return }
        upstreamReady(token, readiness)
    }
}
