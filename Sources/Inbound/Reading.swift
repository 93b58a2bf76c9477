// From bytes to requests: heads, bodies of known length and in chunks, and the bytes of upgraded connections.
import CLinux
import EventLoop
import Glibc
import HTTP

extension HTTPServer {
    /// What has been read of the current connection and is not used. Scratch is only in use while `input` is empty.
    private func unread(_ connection: UnsafeMutablePointer<Connection>) -> UnsafeRawBufferPointer {
        scratchEnd > scratchStart
            ? UnsafeRawBufferPointer(start: scratch + scratchStart, count: scratchEnd - scratchStart) : connection.pointee.input.bytes
    }

    private func consume(_ connection: UnsafeMutablePointer<Connection>, _ count: Int) {
        if scratchEnd > scratchStart { scratchStart += count } else { connection.pointee.input.consume(count) }
    }

    /// Reads once; false when there is nothing to read now.
    func readInput(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        guard connection.pointee.flags.contains(.mayRead) else { return false }
        var room = UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes)
        let isKept = scratchEnd > scratchStart || !connection.pointee.input.isEmpty
        if isKept {
            keepInput(connection)
            // Only heads are kept, and a head is found too large before it needs more than this.
            guard let kept = connection.pointee.input.room(for: 4096) else {
                connection.pointee.flags.insert(.broken)
                return false
            }
            room = kept
        }
        let count = cl_receive(connection.pointee.descriptor.number, room.baseAddress, room.count)
        guard count > 0 else {
            connection.pointee.flags.remove(.mayRead)
            if count == 0 { inputEnded(connection) } else if count != -Int(EAGAIN) { connection.pointee.flags.insert(.broken) }
            return false
        }
        if isKept {
            connection.pointee.input.filled(count)
        } else {
            scratchStart = 0
            scratchEnd = count
        }
        // A short read emptied the socket, and what comes later is reported anew; only an end that was reported is not.
        if count < room.count, !connection.pointee.flags.contains(.peerFinished) { connection.pointee.flags.remove(.mayRead) }
        return true
    }

    private func inputEnded(_ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.phase == .upgraded {
            connection.pointee.flags.insert(.broken)
        } else if connection.pointee.output.isEmpty, corked == 0 {
            connection.pointee.phase = .ended
        } else {
            connection.pointee.phase = .closing  // what was answered is still sent
        }
    }

    /// Moves what the run did not use from scratch to the connection, and counts what it holds.
    func keepInput(_ connection: UnsafeMutablePointer<Connection>) {
        if scratchEnd > scratchStart {
            let rest = UnsafeRawBufferPointer(start: scratch + scratchStart, count: scratchEnd - scratchStart)
            scratchStart = 0
            scratchEnd = 0
            if !connection.pointee.input.append(rest) { connection.pointee.flags.insert(.broken) }
        }
        let held = Int(connection.pointee.input.capacity) + (connection.pointee.partial?.request.body.capacity ?? 0)
        heldBytes += held - connection.pointee.held
        connection.pointee.held = held
    }

    /// Uses what was read; false when more is needed for that.
    func useInput(_ connection: UnsafeMutablePointer<Connection>, _ receive: (HTTPServerEvent) -> Void) -> Bool {
        let bytes = unread(connection)
        guard !bytes.isEmpty else { return false }
        switch connection.pointee.phase {
        case .head: return useHead(connection, bytes, receive)
        case .body: return useBody(connection, bytes, receive)
        default:
            receive(.bytes(connection.pointee.id, bytes.bytes))
            consume(connection, bytes.count)
            return true
        }
    }

    private func useHead(
        _ connection: UnsafeMutablePointer<Connection>, _ bytes: UnsafeRawBufferPointer, _ receive: (HTTPServerEvent) -> Void
    ) -> Bool {
        if connection.pointee.flags.insert(.headStarted).inserted { connection.pointee.deadline = loop.now + limits.headTime }
        var position = Int(connection.pointee.searchPosition)
        let parsed: Int?
        do {
            parsed = try parser.parseRequest(bytes.bytes, from: &position, limits: limits.head)
        } catch {
            refuse(connection, error.requestStatus, "\(error)")
            return true
        }
        guard let length = parsed else {
            connection.pointee.searchPosition = UInt32(clamping: position)
            guard heldBytes < limits.heldBytes else {
                refuse(connection, 503, "busy")
                return true
            }
            return false
        }
        connection.pointee.searchPosition = 0
        connection.pointee.flags.subtract([.headStarted, .chunked, .counted, .keepAlive, .http10, .bodiless])
        if parser.keepAlive { connection.pointee.flags.insert(.keepAlive) }
        if parser.version == .http10 { connection.pointee.flags.insert(.http10) }
        if parser.method == .head { connection.pointee.flags.insert(.bodiless) }
        var request = HTTPRequest(
            connection.pointee.id, listener: Int(connection.pointee.listener), peer: connection.pointee.peer,
            isLoopback: connection.pointee.flags.contains(.loopback), parser, UnsafeRawBufferPointer(rebasing: bytes[..<length]))
        consume(connection, length)
        let rest = unread(connection)
        switch parser.framing {
        case .none, .untilClose:
            deliver(connection, request, receive)
            return true
        case .length(let announced):
            guard let length = Int(exactly: announced), length <= limits.bodyBytes else { break }
            if rest.count >= length {
                request.body = Array(rest[..<length])
                consume(connection, length)
                deliver(connection, request, receive)
                return true
            }
            connection.pointee.partial = PartialRequest(request, length: length)
        case .chunked:
            connection.pointee.partial = PartialRequest(chunked: request)
        }
        guard connection.pointee.partial != nil else {
            refuse(connection, 413, "bodyTooLarge")
            return true
        }
        connection.pointee.phase = .body
        connection.pointee.deadline = loop.now + limits.bodyTime
        if parser.expectsContinue, rest.isEmpty { write(connection, "HTTP/1.1 100 Continue\r\n\r\n") }
        return true
    }

    private func useBody(
        _ connection: UnsafeMutablePointer<Connection>, _ bytes: UnsafeRawBufferPointer, _ receive: (HTTPServerEvent) -> Void
    ) -> Bool {
        guard let partial = connection.pointee.partial else { return false }
        var isWhole = false
        if partial.chunks == nil {
            let count = min(partial.left, bytes.count)
            partial.request.body.append(contentsOf: bytes[..<count])
            partial.left -= count
            isWhole = partial.left == 0
            consume(connection, count)
        } else {
            var position = 0
            do {
                pieces: while true {
                    switch try partial.chunks?.next(bytes.bytes, from: &position) {
                    case .data(let offset, let count):
                        guard count <= limits.bodyBytes - partial.request.body.count else {
                            refuse(connection, 413, "bodyTooLarge")
                            return true
                        }
                        partial.request.body.append(contentsOf: bytes[offset..<offset + count])
                    case .end:
                        isWhole = true
                        break pieces
                    case .needMore, nil: break pieces
                    }
                }
            } catch {
                refuse(connection, error.requestStatus, "\(error)")
                return true
            }
            consume(connection, position)
        }
        if isWhole {
            connection.pointee.partial = nil
            deliver(connection, partial.request, receive)
        } else if heldBytes > limits.heldBytes {
            refuse(connection, 503, "busy")
        }
        return true
    }

    private func deliver(_ connection: UnsafeMutablePointer<Connection>, _ request: HTTPRequest, _ receive: (HTTPServerEvent) -> Void) {
        connection.pointee.phase = .answering
        connection.pointee.deadline = .distantFuture
        receive(.request(request))
    }

    // MARK: Lingering

    /// After an answer that ends a connection its rest is read for a while: closing a socket with unread bytes resets it,
    /// and a reset can overtake the answer (RFC 9112 §9.6).
    func linger(_ connection: UnsafeMutablePointer<Connection>) {
        connection.pointee.phase = .lingering
        connection.pointee.deadline = loop.now + limits.lingerTime
        connection.pointee.bodyLeft = Self.lingerLimitBytes
        connection.pointee.input.release()
        connection.pointee.partial = nil
        scratchStart = 0
        scratchEnd = 0
        _ = shutdown(connection.pointee.descriptor.number, Int32(SHUT_WR))
    }

    /// A client that goes on sending a refused body is cut off after so much.
    private static let lingerLimitBytes: UInt64 = 1 << 20

    func discardInput(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        guard connection.pointee.flags.contains(.mayRead) else { return false }
        let count = cl_receive(connection.pointee.descriptor.number, scratch, Self.scratchBytes)
        guard count > 0, connection.pointee.bodyLeft > UInt64(count) else {
            connection.pointee.flags.remove(.mayRead)
            if count != -Int(EAGAIN) { connection.pointee.phase = .ended }
            return false
        }
        connection.pointee.bodyLeft -= UInt64(count)
        return true
    }
}
