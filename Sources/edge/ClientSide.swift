// The client's side of the proxy: requests in, answers out. Leaves accepting to ClientAccepting.
import CLinux
import EventLoop
import Glibc
import HTTP
import IPC

extension Proxy {
    private static var readsPerTurn: Int { 8 }

    // MARK: Readiness

    mutating func clientReady(_ token: Token, _ readiness: Readiness) {
        guard let client = clients.find(token.slot, token.generation) else { return }
        let index = Int(token.slot)
        // Of a tunnel both directions may be over in order: what is left is read.
        if readiness.isBroken, client.pointee.phase != .tunnel || readiness.contains(.failed) { return clientGone(index) }
        if readiness.mayWrite, !client.pointee.output.isEmpty || client.pointee.closesAfterOutput {
            flushClient(index)
            guard clients.find(token.slot, token.generation) != nil else { return }
        }
        if readiness.mayHaveEnded {
            client.pointee.mayHaveEnded = true
            if client.pointee.phase == .exchange { return clientGone(index) }
        }
        if readiness.mayRead || client.pointee.isTLS {  // a read may have waited for room to write
            client.pointee.hasMore = true
            readClient(index)
        }
    }

    /// Whether bytes from this client can be used now.
    private mutating func wantsBytes(_ client: UnsafeMutablePointer<ClientConnection>) -> Bool {
        switch client.pointee.phase {
        case .head: return !client.pointee.closesAfterOutput && client.pointee.output.count < Self.highWater  // else answers pile up
        case .lingering: return true
        case .exchange:
            guard !client.pointee.exchange.requestBody.isDone, !client.pointee.exchange.isResolving, !client.pointee.exchange.isAnswered else { return false }
            return client.pointee.exchange.upstream < 0 || upstreams.at(client.pointee.exchange.upstream).pointee.output.count < Self.highWater
        case .tunnel: return !client.pointee.hasEnded && upstreams.at(client.pointee.exchange.upstream).pointee.output.count < Self.highWater
        }
    }

    mutating func readClient(_ index: Int) {
        let generation = clients.generation(index)
        for _ in 0..<Self.readsPerTurn {
            let client = clients.at(index)
            guard client.pointee.hasMore, wantsBytes(client) else {
                if client.pointee.hasMore { client.pointee.isHeldUp = true }
                // It left together with its request; no readiness will say so again.
                if client.pointee.mayHaveEnded, client.pointee.phase == .exchange { clientGone(index) }
                return
            }
            let count = receive(index)
            if count <= 0 {
                client.pointee.hasMore = false
                if count == -Int(EAGAIN) { return }
                guard count == 0, client.pointee.phase == .tunnel else { return clientGone(index) }
                client.pointee.hasEnded = true
                endTunnelSides(index)
                return
            }
            slot.add(.clientReceivedBytes, UInt64(count))
            client.pointee.hasMore = client.pointee.mayHoldMore(after: count, of: readBuffer.count)
            use(index, generation, UnsafeRawBufferPointer(rebasing: readBuffer[..<count]))
            guard clients.find(UInt32(index), generation) != nil else { return }
        }
        readAgain.append((true, UInt32(index), generation))
    }

    /// Uses bytes of a client, behind those that wait from earlier reads, and keeps what cannot be used yet.
    private mutating func use(_ index: Int, _ generation: UInt32, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        if client.pointee.received.isEmpty {
            let used = consume(index, generation, bytes)
            if used < bytes.count, let client = clients.find(UInt32(index), generation) {
                client.pointee.received.append(UnsafeRawBufferPointer(rebasing: bytes[used...]))
            }
        } else {
            client.pointee.received.append(bytes)
            useReceived(index, generation)
        }
        flushExchange(index, generation)
    }

    private mutating func useReceived(_ index: Int, _ generation: UInt32) {
        // Taken out, so that what runs below may append to the connection's own buffer.
        var received = ByteBuffer()
        swap(&received, &clients.at(index).pointee.received)
        let used = consume(index, generation, received.bytes)
        received.removeFirst(used)
        guard let client = clients.find(UInt32(index), generation) else { return }
        swap(&received, &client.pointee.received)
    }

    /// Goes on with a client whose exchange has ended or whose upstream can take more.
    mutating func continueClient(_ index: Int) {
        let generation = clients.generation(index)
        if !clients.at(index).pointee.received.isEmpty {
            guard wantsBytes(clients.at(index)) else {
                clients.at(index).pointee.isHeldUp = true
                return
            }
            useReceived(index, generation)
            guard clients.find(UInt32(index), generation) != nil else { return }
            flushExchange(index, generation)
            guard clients.find(UInt32(index), generation) != nil else { return }
        }
        if clients.at(index).pointee.hasMore { readClient(index) }
    }

    /// Sends on what a read has brought: once per read, in one system call.
    private mutating func flushExchange(_ index: Int, _ generation: UInt32) {
        guard let client = clients.find(UInt32(index), generation) else { return }
        let upstream = client.pointee.exchange.upstream
        if upstream >= 0, !upstreams.at(upstream).pointee.output.isEmpty { flushUpstream(upstream) }
        guard let client = clients.find(UInt32(index), generation) else { return }
        if !client.pointee.output.isEmpty { flushClient(index) }
    }

    /// Uses as many bytes as the connection's state allows and says how many those were.
    private mutating func consume(_ index: Int, _ generation: UInt32, _ bytes: UnsafeRawBufferPointer) -> Int {
        var position = 0
        while position < bytes.count {
            guard let client = clients.find(UInt32(index), generation) else { return bytes.count }
            guard wantsBytes(client) else {
                client.pointee.isHeldUp = true
                return position
            }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            switch client.pointee.phase {
            case .head:
                do throws(HTTPError) {
                    let isFirst = client.pointee.headPosition == 0
                    guard let length = try requestHead.parseRequest(rest.bytes, from: &client.pointee.headPosition, limits: limits) else {
                        // The limit runs from the first byte of a head, not from the last one.
                        if isFirst { clientDeadlines[index] = now &+ headNanoseconds }
                        return position
                    }
                    client.pointee.headPosition = 0
                    position += length
                    begin(index, UnsafeRawBufferPointer(rebasing: rest[..<length]), following: UnsafeRawBufferPointer(rebasing: rest[length...]))
                    position += passedOver
                    bodyAtHand = 0
                    passedOver = 0
                } catch {
                    slot.add(.badRequests)
                    refuse(index, error)
                    return bytes.count
                }
            case .exchange:
                position += requestBody(index, rest)
            case .tunnel:
                runTunnelClock(index)
                let upstream = client.pointee.exchange.upstream
                if !appendUpstream(upstream, rest) { return bytes.count }
                position = bytes.count
            case .lingering:
                position = bytes.count
            }
        }
        return position
    }

    // MARK: Requests

    /// A request's head is complete; `following` is what came behind it, of its body or of later requests.
    private mutating func begin(_ index: Int, _ bytes: UnsafeRawBufferPointer, following: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        slot.add(.requests)
        client.pointee.hasAsked = true
        client.pointee.phase = .exchange
        client.pointee.exchange.began = now
        client.pointee.exchange.method = requestHead.method
        if case .http10 = requestHead.version { client.pointee.exchange.isHTTP10 = true }
        client.pointee.exchange.keepAlive = requestHead.keepAlive && !isDraining
        client.pointee.exchange.requestBody = BodyReader(requestHead.framing, chunks: chunkLimits)
        var length: UInt64 = 0
        switch requestHead.framing {
        case .length(let count): length = count
        case .chunked: client.pointee.exchange.requestBodyIsChunked = true
        case .none, .untilClose: break
        }
        client.pointee.exchange.awaitsContinue = requestHead.expectsContinue
        clientDeadlines[index] = client.pointee.exchange.requestBody.isDone ? .max : now &+ bodyNanoseconds
        exchangeDeadlines[index] = now &+ exchangeNanoseconds
        name(index, bytes)
        noteRequest(index, bytes)
        if length <= UInt64(following.count) { bodyAtHand = Int(length) }
        if requestHead.contains(.origin), answerPreflight(index, bytes) { return }
        guard length <= UInt64(settings.maxRequestBodyBytes) else {
            return answer(index, 413, "{\"error\":\"request body over TRUTHTABLE_MAX_REQUEST_BODY\"}", close: true)
        }
        if answerOwnPath(index, bytes) { return }
        guard admitCaller(index, bytes) else { return }
        beginTrace(index, bytes.bytes)
        if capturesEnabled, gateway.captureRules.takesAll || gateway.captureRules.takes(requestHead, bytes.bytes) { beginCapture(index, bytes) }
        if settings.testMode, holdForTestMode(index, bytes) { return }
        route(index, bytes, following: following)
    }

    /// An exchange without a request, to be answered with why there is none.
    mutating func beginUnparsed(_ index: Int) {
        let client = clients.at(index)
        client.pointee.phase = .exchange
        client.pointee.exchange.began = now
        nameAnew(client)
    }

    /// The client's own id if it may be used, else a new one.
    private mutating func name(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        if let range = requestHead.value(of: .xRequestID) {
            let value = bytes.bytes.extracting(range)
            if ExchangeName.accepts(value) {
                withUnsafeMutableBytes(of: &client.pointee.exchange.requestID) { room in value.withUnsafeBytes { room.copyMemory(from: $0) } }
                client.pointee.exchange.requestIDLength = value.byteCount
                return
            }
        }
        nameAnew(client)
    }

    private mutating func nameAnew(_ client: UnsafeMutablePointer<ClientConnection>) {
        let name = namer.next(milliseconds: wallClock.milliseconds(now))
        withUnsafeMutableBytes(of: &client.pointee.exchange.requestID) { room in
            var sink = ByteSink(room)
            name.write("req_", into: &sink)
        }
        client.pointee.exchange.requestIDLength = ExchangeName.length
    }

    mutating func beginCapture(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        let milliseconds = wallClock.milliseconds(now)
        let name = namer.next(milliseconds: milliseconds)
        client.pointee.exchange.auditName = name
        withRequestID(client) { requestID in
            client.pointee.exchange.capture.begin(
                &requestHead, bytes.bytes, requestID: requestID.bytes, auditName: name, caller: gateway.callers.name(of: client.pointee.exchange.caller).bytes,
                acceptedMilliseconds: milliseconds, without: redaction)
        }
        client.pointee.exchange.capture.trace(client.pointee.exchange.trace)
    }

    /// Part of a request's body: sent on, copied, counted. Returns the bytes used.
    private mutating func requestBody(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        let client = clients.at(index)
        let generation = clients.generation(index)
        // Once its answer has begun the client owes no more of it, and what runs is the time in which it takes that.
        if !client.pointee.exchange.answerBegan { clientDeadlines[index] = now &+ bodyNanoseconds }
        var position = 0
        do throws(HTTPError) {
            pieces: while position < bytes.count {
                switch try client.pointee.exchange.requestBody.next(bytes.bytes, from: &position) {
                case .data(let offset, let count):
                    let data = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
                    client.pointee.exchange.requestBytes &+= UInt64(count)
                    guard client.pointee.exchange.requestBytes <= UInt64(settings.maxRequestBodyBytes) else {
                        abandonUpstream(index)
                        if client.pointee.exchange.answerBegan {
                            cutAnswer(index, .clientAborted)
                        } else {
                            answer(index, 413, "{\"error\":\"request body over TRUTHTABLE_MAX_REQUEST_BODY\"}", close: true)
                        }
                        return bytes.count
                    }
                    if client.pointee.exchange.isSubmission, client.pointee.exchange.requestBytes > UInt64(submissionLimit) {
                        answerTooLong(index)
                        return bytes.count
                    }
                    if client.pointee.exchange.capture.isActive {
                        client.pointee.exchange.capture.requestBody(data, limit: client.pointee.exchange.isSubmission ? submissionLimit : captureLimit)
                    }
                    if client.pointee.exchange.isHeld {
                        client.pointee.exchange.heldBody.append(data)
                    } else {
                        forwardRequestData(index, data)
                    }
                    guard clients.find(UInt32(index), generation) != nil, client.pointee.phase == .exchange, !client.pointee.exchange.isAnswered else { return position }
                case .needMore, .end: break pieces
                }
            }
        } catch {
            slot.add(.badRequests)
            abandonUpstream(index)
            if client.pointee.exchange.answerBegan { cutAnswer(index, .clientAborted) } else { refuse(index, error) }
            return bytes.count
        }
        if client.pointee.exchange.isHeld {
            decideHeld(index)
        } else if client.pointee.exchange.requestBody.isDone {
            requestEnded(index)
        }
        return position
    }

    /// The last byte of the request is on its way: from now on the upstream's time runs.
    mutating func requestEnded(_ index: Int) {
        let client = clients.at(index)
        if client.pointee.exchange.isSubmission {
            clientDeadlines[index] = .max
            return submit(index)
        }
        let upstream = client.pointee.exchange.upstream
        let owesLastChunk = client.pointee.exchange.requestBodyIsChunked && !client.pointee.exchange.lastChunkIsWritten
        guard upstream >= 0 else {
            guard client.pointee.exchange.isResolving else {
                clientDeadlines[index] = .max  // it is the dispatcher that is asked, and it has a time of its own
                return
            }
            // It waits for an address, and so does the end of its body.
            if owesLastChunk {
                client.pointee.exchange.lastChunkIsWritten = true
                client.pointee.exchange.heldHead.append(UnsafeRawBufferPointer(start: Chunk.last.utf8Start, count: Chunk.last.utf8CodeUnitCount))
            }
            return
        }
        clientDeadlines[index] = .max
        if owesLastChunk {
            client.pointee.exchange.lastChunkIsWritten = true
            guard appendUpstream(upstream, Chunk.last) else { return }
        }
        runClock(upstream)
    }

    // MARK: Answers

    /// Data of an answer's body, framed for this client.
    mutating func answerData(_ index: Int, _ data: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        client.pointee.exchange.answerBytes &+= UInt64(data.count)
        if client.pointee.exchange.capture.isActive { client.pointee.exchange.capture.responseBody(data, limit: captureLimit) }
        guard client.pointee.exchange.answerFraming != .none else { return }
        if client.pointee.exchange.answerFraming == .chunked {
            withUnsafeTemporaryAllocation(byteCount: Chunk.headerLimitBytes, alignment: 1) { room in
                var sink = ByteSink(room)
                sink.appendChunkHeader(data.count)
                appendClient(client, UnsafeRawBufferPointer(rebasing: room[..<sink.count]))
            }
            appendClient(client, data)
            appendClient(client, Chunk.trailer)
        } else if data.count < Self.copyBytes {
            appendClient(client, data)
        } else {
            let before = client.pointee.output.count
            let (sent, isComplete) = client.pointee.send(followedBy: data)
            let taken = max(0, before + data.count - client.pointee.output.count)
            slot.add(.clientSentBytes, UInt64(taken))
            if taken > 0, !client.pointee.output.isEmpty { clientDeadlines[index] = now &+ bodyNanoseconds }
            if case .broken = sent { client.pointee.exchange.answerIsLost = true }
            if !isComplete { overflowed(client) }
        }
    }

    mutating func appendClient(_ client: UnsafeMutablePointer<ClientConnection>, _ bytes: UnsafeRawBufferPointer) {
        if client.pointee.output.append(bytes) < bytes.count { overflowed(client) }
    }

    mutating func appendClient(_ client: UnsafeMutablePointer<ClientConnection>, _ text: StaticString) {
        appendClient(client, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// No memory for answers is left: this client is cut off, which it can see; the others go on.
    private mutating func overflowed(_ client: UnsafeMutablePointer<ClientConnection>) {
        cl_reset_on_close(client.pointee.descriptor)
        client.pointee.output.removeAll()
        client.pointee.exchange.answerIsLost = true
        shutdown(client.pointee.descriptor, Int32(SHUT_RDWR))
    }

    /// Writes what waits for a client; when it is caught up, whoever feeds it goes on.
    mutating func flushClient(_ index: Int) {
        let client = clients.at(index)
        let before = client.pointee.output.count
        let sent = client.pointee.send()
        let taken = before - client.pointee.output.count
        slot.add(.clientSentBytes, UInt64(taken))
        switch sent {
        case .broken: return clientGone(index)
        case .blocked:
            // It must take something within this time, however much its upstream says meanwhile.
            if taken > 0 || clientDeadlines[index] == .max || client.pointee.phase == .tunnel { clientDeadlines[index] = now &+ bodyNanoseconds }
        case .all:
            if client.pointee.cutsAfterOutput { return freeClient(index) }
            if client.pointee.closesAfterOutput { return linger(index) }
            switch client.pointee.phase {
            case .exchange where client.pointee.exchange.isAnswered: return exchangeEnded(index)
            case .exchange where client.pointee.exchange.requestBody.isDone || client.pointee.exchange.answerBegan: clientDeadlines[index] = .max
            case .tunnel:
                runTunnelClock(index)
                if upstreams.at(client.pointee.exchange.upstream).pointee.hasEnded, endTunnelSides(index) { return }
            case .head where client.pointee.received.isEmpty: clientDeadlines[index] = now &+ idleNanoseconds
            case .head, .exchange, .lingering: break
            }
        }
        if client.pointee.output.count < Self.lowWater { resume(index) }
        let upstream = client.pointee.exchange.upstream
        if upstream >= 0, upstreams.at(upstream).pointee.isPaused, client.pointee.output.count < Self.lowWater {
            upstreams.at(upstream).pointee.isPaused = false
            runClock(upstream)
            if upstreams.at(upstream).pointee.hasMore { readUpstream(upstream) }
        }
    }

    /// The answer is complete: the exchange ends when its last byte is sent.
    mutating func answerEnded(_ index: Int) {
        let client = clients.at(index)
        client.pointee.exchange.isAnswered = true
        if client.pointee.output.isEmpty { exchangeEnded(index) } else { flushClient(index) }
    }

    /// The connection waits for its next request, or closes.
    private mutating func exchangeEnded(_ index: Int) {
        let client = clients.at(index)
        if client.pointee.exchange.answerIsLost { return clientGone(index) }
        conclude(index)
        let keepAlive = client.pointee.exchange.keepAlive && client.pointee.exchange.requestBody.isDone
        client.pointee.exchange.reset()
        client.pointee.phase = .head
        exchangeDeadlines[index] = .max
        guard keepAlive else {
            client.pointee.closesAfterOutput = true
            return flushClient(index)
        }
        clientDeadlines[index] = now &+ idleNanoseconds
        resume(index)
    }

    /// Closes our side and waits for the client's, for a short time.
    mutating func linger(_ index: Int) {
        let client = clients.at(index)
        shutdown(client.pointee.descriptor, Int32(SHUT_WR))
        client.pointee.phase = .lingering
        client.pointee.closesAfterOutput = false
        client.pointee.received.removeAll()
        resume(index)
        clientDeadlines[index] = now &+ Self.lingerNanoseconds
    }

    // MARK: Ends

    /// The client has left, or its connection is broken.
    mutating func clientGone(_ index: Int) {
        let client = clients.at(index)
        switch client.pointee.phase {
        case .exchange:
            conclude(index, flags: .clientAborted)
            abandonUpstream(index)
        case .tunnel:
            conclude(index)
            abandonUpstream(index)
        case .head, .lingering: break
        }
        freeClient(index)
    }

    mutating func clientTimedOut(_ index: Int) {
        let client = clients.at(index)
        switch client.pointee.phase {
        case .exchange where client.pointee.exchange.isResolving:
            endResolving(index)
            fail(index, "no address of the upstream's host within TRUTHTABLE_CONNECT_TIMEOUT")
        case .head where !client.pointee.received.isEmpty && client.pointee.output.isEmpty && !client.pointee.closesAfterOutput:
            slot.add(.badRequests)
            beginUnparsed(index)
            answer(index, 408, "{\"error\":\"the request's head did not arrive in time\"}", close: true)
        case .exchange where !client.pointee.exchange.requestBody.isDone && !wantsBytes(client) && client.pointee.output.isEmpty:
            clientDeadlines[index] = now &+ bodyNanoseconds  // it is we who do not read: the upstream's time runs
        case .exchange where !client.pointee.exchange.requestBody.isDone && client.pointee.output.isEmpty && !client.pointee.exchange.answerBegan:
            abandonUpstream(index)
            answer(index, 408, "{\"error\":\"the request's body did not arrive in time\"}", close: true)
        case .head where client.pointee.isTLS && !client.pointee.isAgreed:
            slot.add(.tlsFailures)
            freeClient(index)
        case .head, .lingering: freeClient(index)
        case .exchange, .tunnel: clientGone(index)
        }
    }

    /// The exchange has used up its whole time.
    mutating func exchangeTimedOut(_ index: Int) {
        let client = clients.at(index)
        exchangeDeadlines[index] = .max
        guard client.pointee.phase == .exchange, client.pointee.output.isEmpty else { return clientGone(index) }  // it takes too long to read
        abandonUpstream(index)
        if !client.pointee.exchange.requestBody.isDone, !client.pointee.exchange.answerBegan {
            answer(index, 408, "{\"error\":\"the request's body did not arrive in time\"}", close: true)
        } else {
            fail(index, "no whole answer within TRUTHTABLE_EXCHANGE_TIMEOUT", isOurs: true)
        }
    }
}
