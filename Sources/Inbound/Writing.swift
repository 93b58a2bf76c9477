// Bytes that go out: at once when the socket takes them, else from a bounded queue when it does. What is written to the
// connection that is being worked on is collected and leaves in one system call at the end of its run.
import CLinux
import EventLoop
import Glibc

extension HTTPServer {
    static var lineEnd: UnsafeRawBufferPointer { bytes(of: "\r\n") }

    private static func bytes(of text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    func write(_ connection: UnsafeMutablePointer<Connection>, _ text: StaticString) { write(connection, Self.bytes(of: text)) }

    func write(_ connection: UnsafeMutablePointer<Connection>, _ bytes: UnsafeRawBufferPointer) {
        guard connection.pointee.id == current else { return transmit(connection, bytes) }
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        write(connection, bytes, none, none)
    }

    /// Three pieces as one. A failure shows as `.broken`, and the connection ends when its role can be told.
    func write(
        _ connection: UnsafeMutablePointer<Connection>, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
        _ third: UnsafeRawBufferPointer
    ) {
        let count = first.count + second.count + third.count
        if connection.pointee.id == current {
            if count > Self.scratchBytes - corked { flushCork(connection) }
            if count <= Self.scratchBytes - corked {
                collect(first)
                collect(second)
                collect(third)
                return
            }
        }
        transmit(connection, first, second, third)
    }

    private func collect(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        memcpy(cork + corked, source, bytes.count)
        corked += bytes.count
    }

    /// Sends what was collected for the current connection.
    func flushCork(_ connection: UnsafeMutablePointer<Connection>) {
        guard corked > 0 else { return }
        let bytes = UnsafeRawBufferPointer(start: cork, count: corked)
        corked = 0
        transmit(connection, bytes)
    }

    /// One piece, which is what a broadcast sends to each of thousands of clients: straight from where it lies, and copied
    /// only as far as the socket does not take it.
    private func transmit(_ connection: UnsafeMutablePointer<Connection>, _ bytes: UnsafeRawBufferPointer) {
        guard !connection.pointee.flags.contains(.broken) else { return }
        var sent = 0
        if connection.pointee.output.isEmpty {
            sent = cl_send(connection.pointee.descriptor.number, bytes.baseAddress, bytes.count)
            if sent == bytes.count { return }
            if sent == -Int(EAGAIN) { sent = 0 }
            guard sent >= 0 else { return fail(connection) }
            connection.pointee.deadline = loop.now + limits.stallTime
        }
        // The pool of all clients' output is used up: this one cannot be served.
        guard connection.pointee.output.appendAll(UnsafeRawBufferPointer(rebasing: bytes[sent...])) else { return fail(connection) }
    }

    private func transmit(
        _ connection: UnsafeMutablePointer<Connection>, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
        _ third: UnsafeRawBufferPointer
    ) {
        guard !connection.pointee.flags.contains(.broken) else { return }
        var sent = 0
        if connection.pointee.output.isEmpty {
            sent = withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { pieces in
                var used = 0
                for piece in [first, second, third] where piece.count > 0 {
                    pieces.initializeElement(
                        at: used, to: iovec(iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress), iov_len: piece.count))
                    used += 1
                }
                return used == 0 ? 0 : cl_send_vector(connection.pointee.descriptor.number, pieces.baseAddress, Int32(used))
            }
            if sent == -Int(EAGAIN) { sent = 0 }
            guard sent >= 0 else { return fail(connection) }
            guard sent < first.count + second.count + third.count else { return }
            connection.pointee.deadline = loop.now + limits.stallTime
        }
        for piece in [first, second, third] {
            let skipped = min(sent, piece.count)
            sent -= skipped
            // The pool of all clients' output is used up: this one cannot be served.
            guard connection.pointee.output.appendAll(UnsafeRawBufferPointer(rebasing: piece[skipped...])) else { return fail(connection) }
        }
    }

    private func fail(_ connection: UnsafeMutablePointer<Connection>) {
        connection.pointee.flags.insert(.broken)
        goOnLater(connection)
    }

    /// Sends of what waits as much as the socket takes.
    func flush(_ connection: UnsafeMutablePointer<Connection>) {
        let before = connection.pointee.output.count
        switch connection.pointee.output.send(to: connection.pointee.descriptor.number) {
        case .broken: connection.pointee.flags.insert(.broken)
        case .blocked:
            if connection.pointee.output.count < before { connection.pointee.deadline = loop.now + limits.stallTime }
        case .all:
            switch connection.pointee.phase {
            case .head: connection.pointee.deadline = loop.now + limits.idleTime
            case .body: connection.pointee.deadline = loop.now + limits.bodyTime
            default: connection.pointee.deadline = .distantFuture
            }
        }
    }
}
