// The role's side of a connection: whole answers, streamed ones, raw bytes after an upgrade, and its end. Every call names
// its connection; one that has ended meanwhile, or is not in the phase that the call needs, answers false.
import CLinux
import EventLoop
import Glibc
import HTTP

/// How the client learns where a streamed body ends.
package enum StreamFraming: Equatable, Sendable {
    /// In chunks; for a client of HTTP/1.0 by the end of the connection.
    case chunked
    /// The announced number of bytes follows; fewer end the connection, more are not sent.
    case length(UInt64)
    /// By the end of the connection.
    case untilClose
}

extension HTTPServer {
    /// A whole answer. For HEAD its body is left out and its length told.
    @discardableResult
    package func respond(_ id: ConnectionID, _ status: UInt16, _ fields: HTTPFields = .none, _ body: borrowing RawSpan = RawSpan()) -> Bool {
        guard let connection = inPhase(.answering, id) else { return false }
        let hasNoBody = Self.isBodiless(status)
        body.withUnsafeBytes { body in
            writeHead(connection, status, fields, hasNoBody ? nil : .length(UInt64(body.count)))
            if !hasNoBody, !connection.pointee.flags.contains(.bodiless) { write(connection, body) }
        }
        finishAnswer(connection)
        return true
    }

    @discardableResult
    package func respond(_ id: ConnectionID, _ status: UInt16, _ fields: HTTPFields, _ body: [UInt8]) -> Bool {
        respond(id, status, fields, body.span.bytes)
    }

    @discardableResult
    package func respond(_ id: ConnectionID, _ status: UInt16, _ fields: HTTPFields, _ body: String) -> Bool {
        respond(id, status, fields, Array(body.utf8))
    }

    /// The head of an answer whose body follows in pieces by `stream`, until `endStream`.
    @discardableResult
    package func beginStream(_ id: ConnectionID, _ status: UInt16, _ fields: HTTPFields = .none, _ framing: StreamFraming = .chunked) -> Bool {
        guard let connection = inPhase(.answering, id) else { return false }
        var framing = framing
        if framing == .chunked, connection.pointee.flags.contains(.http10) { framing = .untilClose }
        switch framing {
        case .chunked: connection.pointee.flags.insert(.chunked)
        case .length(let length):
            connection.pointee.flags.insert(.counted)
            connection.pointee.bodyLeft = length
        case .untilClose: connection.pointee.flags.remove(.keepAlive)
        }
        if Self.isBodiless(status) { connection.pointee.flags.insert(.bodiless) }
        writeHead(connection, status, fields, Self.isBodiless(status) ? nil : framing)
        connection.pointee.phase = .streaming
        return true
    }

    /// More of a body, all of it or nothing: false at the limit of waiting bytes; `drained` tells when to go on.
    /// Whatever its size, a piece is taken when nothing waits.
    @discardableResult
    package func stream(_ id: ConnectionID, _ bytes: borrowing RawSpan) -> Bool {
        guard let connection = inPhase(.streaming, id) else { return false }
        guard !bytes.isEmpty, !connection.pointee.flags.contains(.bodiless) else { return true }
        guard hasRoom(connection, bytes.byteCount) else { return false }
        bytes.withUnsafeBytes { bytes in
            if connection.pointee.flags.contains(.chunked) {
                withUnsafeTemporaryAllocation(byteCount: Chunk.headerLimitBytes, alignment: 1) { buffer in
                    var sink = ByteSink(buffer)
                    sink.appendChunkHeader(bytes.count)
                    write(connection, UnsafeRawBufferPointer(rebasing: buffer[..<sink.count]), bytes, Self.lineEnd)
                }
            } else if connection.pointee.flags.contains(.counted) {
                let count = min(bytes.count, Int(clamping: connection.pointee.bodyLeft))
                connection.pointee.bodyLeft -= UInt64(count)
                write(connection, UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            } else {
                write(connection, bytes)
            }
        }
        return true
    }

    @discardableResult
    package func stream(_ id: ConnectionID, _ bytes: [UInt8]) -> Bool { stream(id, bytes.span.bytes) }

    /// The end of a streamed body, and of the connection unless `keepsConnection`.
    @discardableResult
    package func endStream(_ id: ConnectionID, keepsConnection: Bool = true) -> Bool {
        guard let connection = inPhase(.streaming, id) else { return false }
        if !keepsConnection { connection.pointee.flags.remove(.keepAlive) }
        let flags = connection.pointee.flags
        if flags.contains(.chunked), !flags.contains(.bodiless) { write(connection, "0\r\n\r\n") }
        if flags.contains(.counted), !flags.contains(.bodiless), connection.pointee.bodyLeft > 0 {
            connection.pointee.flags.remove(.keepAlive)  // the client sees that bytes are missing
        }
        finishAnswer(connection)
        return true
    }

    // MARK: Upgraded connections

    /// Hands the connection over: `head` is sent as it is, then bytes come as events and go by `send`.
    @discardableResult
    package func upgrade(_ id: ConnectionID, _ head: borrowing RawSpan) -> Bool {
        guard let connection = inPhase(.answering, id) else { return false }
        head.withUnsafeBytes { write(connection, $0) }
        connection.pointee.phase = .upgraded
        goOnLater(connection)
        return true
    }

    /// Raw bytes, all of them or none: false at the limit of waiting bytes; `drained` tells when to go on.
    @discardableResult
    package func send(_ id: ConnectionID, _ bytes: borrowing RawSpan) -> Bool {
        guard let connection = inPhase(.upgraded, id), hasRoom(connection, bytes.byteCount) else { return false }
        bytes.withUnsafeBytes { write(connection, $0) }
        return true
    }

    @discardableResult
    package func send(_ id: ConnectionID, _ bytes: [UInt8]) -> Bool { send(id, bytes.span.bytes) }

    // MARK: Its end

    /// Ends a connection after what waits has been sent, also in the middle of an answer. Its id means nothing from here
    /// on: no event follows.
    package func close(_ id: ConnectionID) {
        guard let connection = connections.find(id), connection.pointee.concernsRole else { return }
        connection.pointee.phase = .closing
        goOnLater(connection)
    }

    /// Ends a connection at once; what waits is lost. With `reset` the client sees a reset instead of an end.
    package func abort(_ id: ConnectionID, reset: Bool = true) {
        guard let connection = connections.find(id), connection.pointee.phase != .ended else { return }
        if id == current { flushCork(connection) }
        if reset { Self.armReset(connection.pointee.descriptor.number) }
        connection.pointee.phase = .ended
        if id == current { return }
        heldBytes -= connection.pointee.held
        connections.remove(id)
    }

    /// Bytes that wait for this client in this process.
    package func waitingBytes(_ id: ConnectionID) -> Int {
        guard let connection = connections.find(id) else { return 0 }
        return connection.pointee.output.count + (id == current ? corked : 0)
    }

    // MARK: Inside

    /// A connection whose role may act on it.
    private func inPhase(_ phase: Connection.Phase, _ id: ConnectionID) -> UnsafeMutablePointer<Connection>? {
        guard let connection = connections.find(id), connection.pointee.phase == phase else { return nil }
        return connection.pointee.flags.contains(.broken) ? nil : connection
    }

    private func hasRoom(_ connection: UnsafeMutablePointer<Connection>, _ count: Int) -> Bool {
        let waiting = connection.pointee.output.count
        if waiting == 0 || count <= limits.outputBytes - waiting { return true }
        connection.pointee.flags.insert(.refusedOutput)
        return false
    }

    /// An answer of the server's own, to a client whose bytes cannot be served; the connection ends.
    func refuse(_ connection: UnsafeMutablePointer<Connection>, _ status: UInt16, _ reason: String) {
        connection.pointee.flags.remove(.keepAlive)
        let body = Array("{\"error\":\"\(Status.reason(status))\",\"reason\":\"\(reason)\"}\n".utf8)
        writeHead(connection, status, .json, .length(UInt64(body.count)))
        body.withUnsafeBytes { write(connection, $0) }
        connection.pointee.phase = .closing
        connection.pointee.deadline = loop.now + limits.stallTime
    }

    /// `framing` nil: a status that has no body.
    private func writeHead(_ connection: UnsafeMutablePointer<Connection>, _ status: UInt16, _ fields: HTTPFields, _ framing: StreamFraming?) {
        if isDraining { connection.pointee.flags.remove(.keepAlive) }
        let flags = connection.pointee.flags
        withUnsafeTemporaryAllocation(byteCount: 256 + fields.lines.count, alignment: 1) { buffer in
            var sink = ByteSink(buffer)
            sink.appendStatusLine(status)
            sink.append(fields.lines.span.bytes)
            if sendsDate { sink.append(dateField.line(at: cl_realtime_ns()).span.bytes) }
            switch framing {
            case .chunked: sink.append("Transfer-Encoding: chunked\r\n")
            case .length(let length): sink.appendField("Content-Length", decimal: length)
            case .untilClose, nil: break
            }
            if !flags.contains(.keepAlive) {
                sink.append("Connection: close\r\n")
            } else if flags.contains(.http10) {
                sink.append("Connection: keep-alive\r\n")
            }
            sink.endHead()
            write(connection, UnsafeRawBufferPointer(rebasing: buffer[..<sink.count]))
        }
    }

    private func finishAnswer(_ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.flags.contains(.keepAlive) {
            connection.pointee.phase = .head
            if connection.pointee.output.isEmpty { connection.pointee.deadline = loop.now + limits.idleTime }
            if connection.pointee.flags.contains(.mayRead) || !connection.pointee.input.isEmpty { goOnLater(connection) }
        } else {
            connection.pointee.phase = .closing
            goOnLater(connection)
        }
    }

    private static func isBodiless(_ status: UInt16) -> Bool { status < 200 || status == 204 || status == 304 }

    static func armReset(_ descriptor: Int32) {
        var option = Glibc.linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout.size(ofValue: option)))
    }
}
