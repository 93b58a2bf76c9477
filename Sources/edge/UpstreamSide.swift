// The upstream's side of the proxy: requests out, answers in, failures. Leaves making connections to UpstreamConnecting.
import CLinux
import EventLoop
import Glibc
import HTTP
import TLS

extension Proxy {
    private static var readsPerTurn: Int { 8 }

    // MARK: Readiness

    mutating func upstreamReady(_ token: Token, _ readiness: Readiness) {
        guard let connection = upstreams.find(token.slot, token.generation) else { return }
        let upstream = Int(token.slot)
        if connection.pointee.phase == .connecting {
            guard readiness.mayWrite || readiness.isBroken else { return }
            let error = cl_socket_error(connection.pointee.descriptor)
            guard error == 0 else { return connectFailed(upstream, -error) }
            connected(upstream)
        }
        // It ended before, in order, which hides from reads that it is broken now.
        if connection.pointee.hasEnded, readiness.contains(.failed) { return breakTunnel(connection.pointee.client) }
        if !connection.pointee.output.isEmpty, readiness.mayWrite || connection.pointee.tls != nil {
            flushUpstream(upstream)
            guard upstreams.find(token.slot, token.generation) != nil else { return }
        }
        if readiness.mayRead {
            connection.pointee.hasMore = true
            connection.pointee.mayHaveEnded = connection.pointee.mayHaveEnded || readiness.mayHaveEnded
            readUpstream(upstream)
        }
    }

    // MARK: Time

    /// Whose turn it is to do something, after something was done: the upstream's, within its time limit, or the client's
    /// (it sends a request's body, or has to take what waits for it), whose limits are its own. Until TLS is agreed on, the
    /// limit of connecting goes on.
    mutating func runClock(_ upstream: Int) {
        let connection = upstreams.at(upstream)
        let index = connection.pointee.client
        guard connection.pointee.phase == .active, connection.pointee.isEstablished, index >= 0 else { return }
        let client = clients.at(index)
        let isSending = !connection.pointee.answerBegan && !client.pointee.exchange.requestBody.isDone
        // An upstream that was asked whether to go on has to say so.
        let isAsked = client.pointee.exchange.awaitsContinue && client.pointee.exchange.requestBytes == 0
        let waitsForClient = connection.pointee.isPaused || (isSending && !isAsked && connection.pointee.output.isEmpty)
        upstreamDeadlines[upstream] = waitsForClient ? .max : now &+ (connection.pointee.answerBegan ? answerIdleNanoseconds : upstreamNanoseconds)
        guard isSending, client.pointee.phase == .exchange else { return }
        // A client that is not read from cannot be late.
        if connection.pointee.output.count >= Self.highWater {
            clientDeadlines[index] = .max
        } else if clientDeadlines[index] == .max {
            clientDeadlines[index] = now &+ bodyNanoseconds
        }
    }

    // MARK: Requests out

    /// Queues bytes for an upstream; false when the exchange was ended because no memory is left.
    mutating func appendUpstream(_ upstream: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let connection = upstreams.at(upstream)
        if connection.pointee.isDeaf || connection.pointee.output.append(bytes) == bytes.count { return true }
        upstreamFailed(upstream, "no memory left for requests", isOurs: true)
        return false
    }

    mutating func appendUpstream(_ upstream: Int, _ text: StaticString) -> Bool {
        appendUpstream(upstream, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func flushUpstream(_ upstream: Int) {
        let connection = upstreams.at(upstream)
        guard connection.pointee.phase != .connecting, !connection.pointee.output.isEmpty else { return }
        let before = connection.pointee.output.count
        var failure: String?
        if connection.pointee.tls != nil {
            if case .broken = connection.pointee.tls!.send(&connection.pointee.output) { failure = connection.pointee.tlsFailure }
        } else if case .broken(let code) = connection.pointee.output.send(to: connection.pointee.descriptor) {
            failure = SystemError.text(code)
        }
        let index = connection.pointee.client
        let untouched = connection.pointee.output.count == before
        if !untouched, index >= 0, clients.at(index).pointee.exchange.upstreamBegan == 0 { clients.at(index).pointee.exchange.upstreamBegan = Instant.now.nanoseconds }
        if let failure { return sendFailed(upstream, failure, untouched: untouched) }
        guard index >= 0, !untouched else { return }
        connection.pointee.isEstablished = true
        runClock(upstream)
        let client = clients.at(index)
        // The client may have been held up by this upstream, and the socket may have taken what waited bit by bit.
        if connection.pointee.output.count < Self.lowWater { resume(index) }
        if client.pointee.hasEnded, connection.pointee.output.isEmpty { endTunnelSides(index) }
    }

    // MARK: Answers in

    mutating func readUpstream(_ upstream: Int) {
        let generation = upstreams.generation(upstream)
        for _ in 0..<Self.readsPerTurn {
            let connection = upstreams.at(upstream)
            guard connection.pointee.hasMore, !connection.pointee.isPaused else { return }
            guard let count = receive(connection) else {
                connection.pointee.hasMore = false
                return
            }
            switch count {
            case .failed(let reason): return upstreamFailed(upstream, reason)
            case .ended: return upstreamEnded(upstream)
            case .bytes(let count):
                connection.pointee.hasMore = connection.pointee.mayHoldMore(after: count, of: readBuffer.count)
                useAnswer(upstream, UnsafeRawBufferPointer(rebasing: readBuffer[..<count]))
            }
            guard upstreams.find(UInt32(upstream), generation) != nil else { return }
        }
        if upstreams.at(upstream).pointee.hasMore { readAgain.append((false, UInt32(upstream), generation)) }
    }

    private enum Received {
        case bytes(Int)
        case ended
        case failed(String)
    }

    /// Nil when there is nothing to read now.
    private mutating func receive(_ connection: UnsafeMutablePointer<UpstreamConnection>) -> Received? {
        if connection.pointee.tls != nil {
            switch connection.pointee.tls!.read(into: readBuffer) {
            case .bytes(let count): return .bytes(count)
            case .wantsRead, .wantsWrite: return nil
            case .end: return .ended
            case .failed(let error): return .failed("\(error)")
            }
        }
        let count = cl_receive(connection.pointee.descriptor, readBuffer.baseAddress, readBuffer.count)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .ended }
        return count == -Int(EAGAIN) ? nil : .failed(SystemError.text(Int32(truncatingIfNeeded: -count)))
    }

    /// Bytes of an answer: its head, its body, or (behind 101) whatever the two ends say to each other.
    private mutating func useAnswer(_ upstream: Int, _ bytes: UnsafeRawBufferPointer) {
        let connection = upstreams.at(upstream)
        let index = connection.pointee.client
        guard index >= 0 else { return freeIdle(upstream) }  // an idle connection has nothing to say
        let generation = clients.generation(index)
        let upstreamGeneration = upstreams.generation(upstream)
        if connection.pointee.phase == .tunnel {
            runTunnelClock(index)
            appendClient(clients.at(index), bytes)
        } else if connection.pointee.received.isEmpty {
            consumeAnswer(upstream, index, bytes)
        } else {
            connection.pointee.received.append(bytes)
            var received = ByteBuffer()
            swap(&received, &connection.pointee.received)
            consumeAnswer(upstream, index, received.bytes)
        }
        guard let client = clients.find(UInt32(index), generation) else { return }
        if !client.pointee.output.isEmpty { flushClient(index) }
        guard let client = clients.find(UInt32(index), generation) else { return }
        if let connection = upstreams.find(UInt32(upstream), upstreamGeneration), connection.pointee.client == index {
            if client.pointee.output.count >= Self.highWater {
                connection.pointee.isPaused = true
                connection.pointee.hasMore = true
                runClock(upstream)
            }
        }
    }

    private mutating func consumeAnswer(_ upstream: Int, _ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let connection = upstreams.at(upstream)
        let client = clients.at(index)
        var position = 0
        if client.pointee.exchange.firstByte == 0 { client.pointee.exchange.firstByte = now }
        runClock(upstream)
        do throws(HTTPError) {
            while !connection.pointee.answerBegan {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                guard
                    let length = try answerHead.parseResponse(
                        rest.bytes, to: client.pointee.exchange.method, from: &connection.pointee.headPosition, limits: limits)
                else {
                    connection.pointee.received.append(rest)
                    return
                }
                connection.pointee.headPosition = 0
                position += length
                let head = UnsafeRawBufferPointer(rebasing: rest[..<length])
                if answerHead.status == 101 { return beginTunnel(upstream, index, head, UnsafeRawBufferPointer(rebasing: bytes[position...])) }
                if answerHead.status < 200 {
                    forwardInterim(index, head)
                } else {
                    beginAnswer(upstream, index, head)
                }
                if position == bytes.count, !connection.pointee.answerBegan { return }
            }
            body: while position < bytes.count {
                switch try connection.pointee.answer.next(bytes.bytes, from: &position) {
                case .data(let offset, let count): answerData(index, UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)]))
                case .needMore, .end: break body
                }
            }
        } catch {
            return upstreamFailed(upstream, "malformed answer: \(error)")
        }
        guard connection.pointee.answer.isDone else { return }
        // Bytes behind the answer belong to no request: the connection is not to be trusted with another one.
        if position < bytes.count { connection.pointee.keepAlive = false }
        finishAnswer(upstream, index)
    }

    /// The last byte of the answer has been read.
    private mutating func finishAnswer(_ upstream: Int, _ index: Int) {
        let client = clients.at(index)
        if client.pointee.exchange.answerFraming == .chunked { appendClient(client, Chunk.last) }
        client.pointee.exchange.upstream = -1
        release(upstream, reusable: client.pointee.exchange.requestBody.isDone)
        answerEnded(index)
    }

    /// After an exchange: the connection becomes idle, or is closed.
    private mutating func release(_ upstream: Int, reusable: Bool) {
        let connection = upstreams.at(upstream)
        let target = targets[connection.pointee.target]
        guard reusable, connection.pointee.keepAlive, !connection.pointee.isDeaf, !connection.pointee.mayHaveEnded, !isDraining, connection.pointee.output.isEmpty,
            target.pointee.idle.count < target.pointee.idleLimit
        else { return freeUpstream(upstream) }
        connection.pointee.phase = .idle
        connection.pointee.client = -1
        connection.pointee.answerBegan = false
        connection.pointee.isPaused = false
        connection.pointee.headPosition = 0
        upstreamDeadlines[upstream] = now &+ poolNanoseconds
        target.pointee.idle.append(upstream)
    }

    // MARK: Ends

    mutating func freeUpstream(_ upstream: Int) {
        guard upstreams.isLive(upstream) else { return }
        let connection = upstreams.at(upstream)
        let number = connection.pointee.descriptor
        if connection.pointee.tls != nil { connection.pointee.tls!.close() }
        upstreams.remove(upstream)
        close(number)
    }

    private mutating func freeIdle(_ upstream: Int) {
        let target = targets[upstreams.at(upstream).pointee.target]
        target.pointee.idle.removeAll { $0 == upstream }
        freeUpstream(upstream)
    }

    /// The exchange needs its upstream no more: an answer that still comes is not wanted.
    mutating func abandonUpstream(_ index: Int) {
        let client = clients.at(index)
        let upstream = client.pointee.exchange.upstream
        client.pointee.exchange.upstream = -1
        client.pointee.exchange.isResolving = false
        if upstream >= 0 { freeUpstream(upstream) }
    }

    /// The upstream has closed: the end of an answer that ends so, of an idle time, of a tunnel, or a failure.
    private mutating func upstreamEnded(_ upstream: Int) {
        let connection = upstreams.at(upstream)
        let index = connection.pointee.client
        switch connection.pointee.phase {
        case .idle: freeIdle(upstream)
        case .tunnel:
            connection.pointee.hasEnded = true
            connection.pointee.hasMore = false
            endTunnelSides(index)
        case .connecting, .active:
            if connection.pointee.answerBegan, connection.pointee.answer.endsWithConnection {
                finishAnswer(upstream, index)
            } else {
                upstreamFailed(upstream, "the connection was closed before the end of the answer")
            }
        }
    }

    /// The upstream takes no more of the request, perhaps because it has answered and closed: what it said first counts. It is read at the
    /// end of this turn, not from here, where bytes of the client may be in use.
    mutating func sendFailed(_ upstream: Int, _ reason: String, untouched: Bool = false) {
        let connection = upstreams.at(upstream)
        guard connection.pointee.phase == .active, clients.at(connection.pointee.client).pointee.exchange.upstreamBegan > 0 else {
            return upstreamFailed(upstream, reason, untouched: untouched)
        }
        connection.pointee.isDeaf = true
        connection.pointee.output.removeAll()
        connection.pointee.hasMore = true
        readAgain.append((false, UInt32(upstream), upstreams.generation(upstream)))
    }

    /// The upstream's connection is of no more use. `untouched`: nothing of the request was sent. `isOurs`: it is not to blame.
    mutating func upstreamFailed(_ upstream: Int, _ reason: String, untouched: Bool = false, isOurs: Bool = false) {
        let connection = upstreams.at(upstream)
        let index = connection.pointee.client
        switch connection.pointee.phase {
        case .idle: return freeIdle(upstream)
        case .tunnel: return breakTunnel(index)
        case .connecting, .active: break
        }
        let client = clients.at(index)
        let isReused = connection.pointee.isReused
        let hadBytes = client.pointee.exchange.firstByte > 0
        client.pointee.exchange.upstream = -1
        // A reused connection that was already dead: GET and HEAD may be repeated, once, on a new one.
        if isReused, !hadBytes, !client.pointee.exchange.repetition.isEmpty {
            freeUpstream(upstream)
            swap(&client.pointee.exchange.waiting, &client.pointee.exchange.repetition)
            client.pointee.exchange.upstreamBegan = 0
            return sendAnew(index)
        }
        // `upstreamBegan`: an earlier write may have taken a part, and what is left would pass for a request of its own.
        if client.pointee.exchange.upstreamBegan == 0 { swap(&client.pointee.exchange.waiting, &connection.pointee.output) }
        freeUpstream(upstream)
        if isReused, untouched, !hadBytes, !client.pointee.exchange.waiting.isEmpty { return sendAnew(index) }
        fail(index, reason, isOurs: isOurs)
    }

    /// Sends what has been written of a request over a new connection, now or when the target's addresses are known.
    private mutating func sendAnew(_ index: Int) {
        let client = clients.at(index)
        guard connect(index, fresh: true) else {
            if client.pointee.exchange.isResolving {
                client.pointee.exchange.waiting.forEachPiece { client.pointee.exchange.heldHead.append($0) }
                client.pointee.exchange.waiting.removeAll()
            }
            return
        }
        let upstream = client.pointee.exchange.upstream
        swap(&client.pointee.exchange.waiting, &upstreams.at(upstream).pointee.output)
        flushUpstream(upstream)
    }

    /// The upstream failed this exchange: another one is asked where nothing was sent; else 502 where the client has seen
    /// nothing yet, a visible cut where it has. `isOurs`: the upstream is not to blame, and another one would fare no better.
    mutating func fail(_ index: Int, _ reason: String, isOurs: Bool = false) {
        let client = clients.at(index)
        let failed = client.pointee.exchange.target
        report(index, isOurs ? .abandoned : .failed)
        let generation = clients.generation(index)
        let requestID = withRequestID(client) { String(decoding: $0, as: UTF8.self) }
        let path = notedPath(index)
        let traceID = traceIDText(client)
        if !isOurs, failOver(index) {
            return log.warn(
                "Upstream failed, another one was asked",
                [
                    "request_id": .string(requestID), "trace_id": .string(traceID), "path": .string(path), "cause": .string(reason),
                    "upstream": .string(targets[failed].pointee.name),
                ])
        }
        guard clients.find(UInt32(index), generation) != nil else { return }
        slot.add(.upstreamFailures)
        log.error(
            "Upstream failed",
            [
                "request_id": .string(requestID), "trace_id": .string(traceID), "path": .string(path), "cause": .string(reason),
                "upstream": .string(targets[failed].pointee.name),
            ])
        guard client.pointee.exchange.answerBegan else {
            if client.pointee.exchange.capture.isActive { client.pointee.exchange.capture.discard() }
            return answer(index, 502, "{\"error\":\"upstream unavailable\"}", close: false)
        }
        cutAnswer(index, .upstreamBroken)
    }

    /// An answer that has begun cannot go on, and no other one may follow it.
    mutating func cutAnswer(_ index: Int, _ flags: CaptureFlagsOfEnd) {
        let client = clients.at(index)
        conclude(index, flags: flags)
        if client.pointee.exchange.answerFraming == .untilClose { cl_reset_on_close(client.pointee.descriptor) }
        // What the upstream did send still goes out; then the missing end shows.
        let generation = clients.generation(index)
        client.pointee.exchange.reset()
        client.pointee.phase = .head
        client.pointee.closesAfterOutput = true
        client.pointee.cutsAfterOutput = true
        flushClient(index)
        if clients.find(UInt32(index), generation) != nil, clients.at(index).pointee.output.isEmpty { freeClient(index) }
    }

    mutating func upstreamTimedOut(_ upstream: Int) {
        let connection = upstreams.at(upstream)
        switch connection.pointee.phase {
        case .idle: freeIdle(upstream)
        case .connecting: connectFailed(upstream, ETIMEDOUT)
        case .active where !connection.pointee.isEstablished: upstreamFailed(upstream, "no agreement on TLS within TRUTHTABLE_CONNECT_TIMEOUT")
        case .active:
            // It is slow, not dead: there is nothing to gain by asking again.
            let client = clients.at(connection.pointee.client)
            client.pointee.exchange.repetition.removeAll()
            guard !connection.pointee.answerBegan else { return upstreamFailed(upstream, "no byte of the answer within TRUTHTABLE_ANSWER_IDLE_TIMEOUT") }
            // It may leave an expectation unanswered and wait for the body (RFC 9110 §10.1.1), as the client does for a word of it.
            let waitsForBody = !client.pointee.exchange.requestBody.isDone && connection.pointee.output.isEmpty
            upstreamFailed(upstream, "no answer within TRUTHTABLE_UPSTREAM_TIMEOUT", isOurs: waitsForBody)
        case .tunnel: break  // its time is its client's
        }
    }
}
