// Connections to upstreams: an idle one, or a new one to an address of the target's host.
import CLinux
import EventLoop
import Glibc
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
            return adopt(index, number, isPending: pending, addressIndex: 0)
        case .tcp(let host, _):
            switch resolver.lookup(host, now: loop.now) {
            case .addresses(let addresses): return connect(index, addresses, from: 0)
            case .failed(let reason):
                fail(index, "cannot resolve \(host): \(reason)")
                return false
            case .pending:
                target.pointee.resolving.append(index)
                client.pointee.exchange.isResolving = true
                return false
            }
        }
    }

    /// Tries the addresses in order until one connects or is on its way.
    private mutating func connect(_ index: Int, _ addresses: [String], from first: Int) -> Bool {
        let target = targets[clients.at(index).pointee.exchange.target]
        guard case .tcp(_, let port) = target.pointee.endpoint else { return false }
        var lastError: Int32 = 0
        for addressIndex in first..<max(first, addresses.count) {
            var number: Int32 = -1
            var pending = false
            let result = cl_connect_tcp(addresses[addressIndex], port, &number, &pending)
            if result == 0 { return adopt(index, number, isPending: pending, addressIndex: addressIndex) }
            lastError = -result
        }
        fail(index, "cannot connect to \(target.pointee.name): \(SystemError.text(lastError))")
        return false
    }

    private mutating func adopt(_ index: Int, _ number: Int32, isPending: Bool, addressIndex: Int) -> Bool {
        let client = clients.at(index)
        let target = targets[client.pointee.exchange.target]
        cl_set_nodelay(number)
        var connection = UpstreamConnection(
            descriptor: number, target: client.pointee.exchange.target, phase: isPending ? .connecting : .active, client: index, outputPool: outputPool)
        connection.addressIndex = addressIndex
        connection.isEstablished = target.pointee.tls == nil
        if let context = target.pointee.tls, case .tcp(let host, _) = target.pointee.endpoint {
            do throws(TLSError) {
                connection.tls = try TLSSession(context, descriptor: number, host: host)
            } catch {
                close(number)
                fail(index, "cannot begin TLS with \(target.pointee.name): \(error)")
                return false
            }
        }
        guard let (upstream, generation) = upstreams.insert(connection) else {
            close(number)
            fail(index, "no room for another connection to \(target.pointee.name)")
            return false
        }
        upstreamDeadlines.advanced(by: upstream).initialize(to: now &+ connectNanoseconds)
        client.pointee.exchange.upstream = upstream
        let token = Token(kind: EdgeToken.upstream, slot: UInt32(upstream), generation: generation)
        guard (try? loop.add(number, [.readable, .writable, .peerClosed, .edgeTriggered], token)) != nil else {
            freeUpstream(upstream)
            client.pointee.exchange.upstream = -1
            fail(index, "cannot watch another connection to \(target.pointee.name)")
            return false
        }
        slot.add(.upstreamConnections)
        return true
    }

    /// Look-ups have ended: exchanges that waited for them go on.
    mutating func resolved() {
        _ = resolver.finished(now: loop.now)
        for target in targets {
            let waiting = target.pointee.resolving
            target.pointee.resolving = []
            for index in waiting where clients.isLive(index) && clients.at(index).pointee.exchange.isResolving {
                let client = clients.at(index)
                client.pointee.exchange.isResolving = false
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
    }

    mutating func connectFailed(_ upstream: Int, _ code: Int32) {
        let connection = upstreams.at(upstream)
        let index = connection.pointee.client
        let next = connection.pointee.addressIndex + 1
        let target = targets[connection.pointee.target]
        // What waits for the connection goes to the next address.
        var waiting = BlockChain(in: outputPool)
        swap(&waiting, &connection.pointee.output)
        freeUpstream(upstream)
        guard index >= 0 else { return }
        clients.at(index).pointee.exchange.upstream = -1
        if case .tcp(let host, _) = target.pointee.endpoint, case .addresses(let addresses) = resolver.lookup(host, now: loop.now), next < addresses.count {
            guard connect(index, addresses, from: next) else { return }
            swap(&waiting, &upstreams.at(clients.at(index).pointee.exchange.upstream).pointee.output)
            return
        }
        fail(index, "cannot connect to \(target.pointee.name): \(SystemError.text(code))")
    }
}
