// One connection to a server over TCP, with TLS if it is asked for: addresses are tried one after the other, bytes go both ways.
// For engines and other calls that are few and far between; the edge, where each allocation counts, does the same on its own tables.
// Leaves to others: what the bytes mean, time limits after the connection is made.
import CLinux
import EventLoop
import Glibc
import TLS

///     new --connect--> resolving --addresses--> connecting --> securing (TLS) --> open --> closed
///                          \-----------------------\--------------\-- failed --> closed
package final class ServerConnection {
    package enum Event: Equatable {
        case opened
        case received([UInt8])
        /// The last event: why it is over.
        case ended(String)
    }

    private enum State { case new, resolving, connecting, securing, open, closed }

    /// Read at once and handed out as one event.
    private static let readBytes = 64 << 10
    /// Reads per readiness, so that a busy peer does not keep the loop.
    private static let readsPerTurn = 8

    package let host: String
    package let port: UInt16
    /// Of the readinesses that are ours.
    package let token: Token
    private let loop: Loop
    private let context: TLSClientContext?
    private var state = State.new
    private var descriptor: Int32 = -1
    private var session: TLSSession?
    private var isSecure: Bool { context != nil }
    private var addresses: AddressCursor?
    private var output: [UInt8] = []
    private var interest = Readiness.readable
    /// When connecting, TLS included, is given up: all of it while the name is looked up, then this address.
    private var connectBy = Instant.distantFuture
    private var limit = Duration.zero

    package init(_ host: String, _ port: UInt16, tls: TLSClientContext?, in loop: Loop, token: Token) {
        self.host = host
        self.port = port
        self.token = token
        self.loop = loop
        context = tls
    }

    deinit { close() }

    package var isOpen: Bool { state == .open }
    package var nextAlarm: Instant? { state == .resolving || state == .connecting || state == .securing ? connectBy : nil }

    // MARK: Connecting

    package func connect(_ resolver: inout Resolver, limit: Duration) -> [Event] {
        guard state == .new else { return [] }
        self.limit = limit
        connectBy = loop.now + limit
        state = .resolving
        return resolved(&resolver)
    }

    /// To be called also when a look-up has ended (`Resolver.finished`).
    package func resolved(_ resolver: inout Resolver) -> [Event] {
        guard state == .resolving else { return [] }
        switch resolver.lookup(host, now: loop.now) {
        case .pending: return []
        case .failed(let reason): return end(reason)
        case .addresses(let found):
            addresses = AddressCursor(found, deadline: loop.now + limit)
            return tryNext()
        }
    }

    private func tryNext() -> [Event] {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        session = nil
        state = .connecting
        while let (address, until) = addresses?.next(now: loop.now) {
            var number: Int32 = -1
            var pending = false
            let result = cl_connect_tcp(address, port, &number, &pending)
            guard result == 0 else {
                addresses?.failed(SystemError.text(-result))
                continue
            }
            descriptor = number
            connectBy = until
            cl_set_nodelay(number)
            interest = [.readable, .writable]
            guard (try? loop.add(number, interest, token)) != nil else { return end("cannot watch the connection") }
            return []
        }
        return end(addresses?.failure ?? "no address")
    }

    private func beginTLS() -> [Event] {
        guard let context else {
            state = .open
            return [.opened]
        }
        do throws(TLSError) {
            session = try TLSSession(context, descriptor: descriptor, host: host)
        } catch {
            return end("\(error)")
        }
        state = .securing
        return []
    }

    /// Rings for `nextAlarm`.
    package func alarm() -> [Event] {
        guard let due = nextAlarm, due <= loop.now else { return [] }
        if state == .resolving { return end("no address of \(host) within TRUTHTABLE_CONNECT_TIMEOUT") }
        addresses?.failed(state == .securing ? "no agreement on TLS in time" : "no answer in time")
        return tryNext()
    }

    // MARK: Readiness

    package func handle(_ readiness: Readiness) -> [Event] {
        var events: [Event] = []
        if state == .connecting {
            guard readiness.mayWrite || readiness.isBroken else { return [] }
            let error = cl_socket_error(descriptor)
            guard error == 0 else {
                addresses?.failed(SystemError.text(-error))
                return tryNext()
            }
            events += beginTLS()
        }
        if state == .securing {
            switch session!.handshake() {
            case .bytes:
                state = .open
                events.append(.opened)
            case .wantsRead: wait(for: .readable)
            case .wantsWrite: wait(for: [.readable, .writable])
            case .end: return events + end("the server closed the connection instead of agreeing on TLS")
            case .failed(let error): return events + end("\(error)")
            }
        }
        guard state == .open else { return events }
        if readiness.mayRead || isSecure { events += read() }
        if state == .open { events += flush() }
        return events
    }

    private func read() -> [Event] {
        var events: [Event] = []
        var buffer = [UInt8](repeating: 0, count: Self.readBytes)
        for _ in 0..<Self.readsPerTurn {
            let count = buffer.withUnsafeMutableBytes { receive($0) }
            switch count {
            case .bytes(let count) where count > 0: events.append(.received(Array(buffer[..<count])))
            case .bytes, .wantsRead, .wantsWrite: return events
            case .end: return events + end("the server closed the connection")
            case .failed(let error): return events + end("\(error)")
            }
        }
        return events
    }

    private func receive(_ buffer: UnsafeMutableRawBufferPointer) -> TLSResult {
        if isSecure { return session!.read(into: buffer) }
        let count = cl_receive(descriptor, buffer.baseAddress, buffer.count)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        return count == -Int(EAGAIN) ? .wantsRead : .failed(.system(SystemError("recv", code: Int32(truncatingIfNeeded: -count))))
    }

    // MARK: Writing

    /// Queues bytes and sends what the socket takes; whoever writes bounds what may wait.
    package func write(_ bytes: [UInt8]) -> [Event] {
        guard !bytes.isEmpty, state != .closed else { return [] }
        output += bytes
        return state == .open ? flush() : []
    }

    private func flush() -> [Event] {
        var sent = 0
        defer {
            if state == .open {
                output.removeFirst(sent)
                wait(for: output.isEmpty ? .readable : [.readable, .writable])
            }
        }
        while sent < output.count {
            let result = output.withUnsafeBytes { send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            switch result {
            case .bytes(let count) where count > 0: sent += count
            case .bytes, .wantsRead, .wantsWrite: return []
            case .end: return end("the server closed the connection")
            case .failed(let error): return end("\(error)")
            }
        }
        return []
    }

    private func send(_ bytes: UnsafeRawBufferPointer) -> TLSResult {
        if isSecure { return session!.write(bytes) }
        let count = cl_send(descriptor, bytes.baseAddress, bytes.count)
        if count >= 0 { return .bytes(count) }
        return count == -Int(EAGAIN) ? .wantsWrite : .failed(.system(SystemError("send", code: Int32(truncatingIfNeeded: -count))))
    }

    private func wait(for wanted: Readiness) {
        guard wanted != interest else { return }
        interest = wanted
        loop.modify(descriptor, wanted, token)
    }

    // MARK: The end

    private func end(_ why: String) -> [Event] {
        guard state != .closed else { return [] }
        close()
        return [.ended(why)]
    }

    /// Closes it at once; no event follows.
    package func close() {
        state = .closed
        output = []
        if isSecure, descriptor >= 0, session != nil { session!.close() }
        session = nil
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
