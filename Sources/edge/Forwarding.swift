// Heads, re-serialised from their parsed form: no byte of a head is forwarded that was not understood (RFC 9110 §7.6).
import CLinux
import EventLoop
import Glibc
import HTTP

extension Proxy {
    /// Fields that a forwarded request gets anew.
    private static var requestFields: FieldNames {
        .none.with(.host).with(.contentLength).with(.xForwardedFor).with(.xForwardedProto).with(.xRequestID)
    }

    /// ... and of a client that is not in the list of those who are trusted.
    private static var untrustedFields: FieldNames { requestFields.with(.forwarded).with(.xForwardedHost) }

    /// Where keys stand: none of the client's goes to an upstream that gets ours.
    private static var keyFields: FieldNames { .none.with(.authorization).with(.xAPIKey).with(.apiKey).with(.xGoogAPIKey) }

    /// Fields of an answer that the client gets anew: which pages may read it, and what it came through, is our word, not the upstream's.
    static var answerFields: FieldNames {
        .none.with(.contentLength).with(.accessControlAllowOrigin).with(.accessControlAllowCredentials).with(.accessControlExposeHeaders)
            .with(.xTruthTableAuditID).with(.xTruthTableOverhead).with(.xTruthTableRequestID).with(.xTruthTableUpstream)
    }

    /// Sends the request's head to a target; its body follows as it comes.
    mutating func forward(_ index: Int, _ bytes: UnsafeRawBufferPointer, to target: Int) {
        let client = clients.at(index)
        client.pointee.exchange.target = target
        // Written where it is sent from; one that is longer than a block is cut into blocks behind `scratch`.
        var head = BlockChain(in: outputPool)
        if head.appendInPlace(BlockPool.payloadBytes, { writeRequestHead(index, bytes.bytes, into: $0) }) == 0 {
            let length = writeRequestHead(index, bytes.bytes, into: scratch)
            guard length > 0 else { return answer(index, 431, "{\"error\":\"request head over TRUTHTABLE_MAX_HEAD_BYTES\"}", close: true) }
            guard head.appendAll(UnsafeRawBufferPointer(rebasing: scratch[..<length])) else { return fail(index, "no memory left for requests", isOurs: true) }
        }
        sendHead(index, &head)
    }

    /// Connects and queues a head that has been written.
    private mutating func sendHead(_ index: Int, _ head: inout BlockChain) {
        let client = clients.at(index)
        guard connect(index) else {
            // Unless this upstream failed at once and it is another one, with a head of its own, whose addresses are waited for.
            if client.pointee.exchange.isResolving, client.pointee.exchange.heldHead.isEmpty {
                client.pointee.exchange.headLength = head.count
                head.forEachPiece { client.pointee.exchange.heldHead.append($0) }
            }
            return
        }
        client.pointee.exchange.headLength = head.count
        let upstream = client.pointee.exchange.upstream
        let isWhole = client.pointee.exchange.requestBody.isDone
        if isWhole, upstreams.at(upstream).pointee.isReused, isRepeatable(client) { _ = client.pointee.exchange.repetition.appendAll(head) }
        upstreams.at(upstream).pointee.output.takeAll(&head)
        if isWhole, !client.pointee.exchange.requestBodyIsChunked { requestEnded(index) }
    }

    private mutating func isRepeatable(_ client: UnsafeMutablePointer<ClientConnection>) -> Bool {
        switch client.pointee.exchange.method {
        case .get, .head: !client.pointee.exchange.wantsTunnel
        default: false
        }
    }

    /// Its length, 0 if it does not fit into `room`.
    private mutating func writeRequestHead(_ index: Int, _ bytes: RawSpan, into room: UnsafeMutableRawBufferPointer) -> Int {
        let client = clients.at(index)
        let target = targets[client.pointee.exchange.target]
        var sink = ByteSink(room)
        if client.pointee.exchange.target == broadcasterTarget {
            sink.appendRequestLine(requestHead, bytes, pathOffset: pathPrefix.count)
        } else {
            sink.appendRequestLine(requestHead, bytes, prefix: target.pointee.basePath.bytes)
        }
        sink.append(target.pointee.hostLine.bytes)
        let mayAdd = client.pointee.isTrusted || !trustIsListed
        var unwanted = mayAdd ? Self.requestFields : Self.untrustedFields
        if settings.traceContext { unwanted = unwanted.with(.traceparent).with(.tracestate) }
        unwanted = unwanted.with(client.pointee.exchange.callerFields)
        if !target.pointee.keyLine.isEmpty { unwanted = unwanted.with(Self.keyFields) }
        if requestHead.expectsContinue, !client.pointee.exchange.awaitsContinue { unwanted = unwanted.with(.expect) }  // it was told to go on
        sink.appendFields(requestHead, bytes, except: unwanted)
        sink.append(target.pointee.keyLine.bytes)

        sink.append("X-Forwarded-For: ")
        var next = mayAdd ? requestHead.firstIndex(of: .xForwardedFor) : nil
        while let field = next {
            sink.append(bytes, requestHead.field(field).valueRange)
            sink.append(", ")
            next = requestHead.nextIndex(of: .xForwardedFor, after: field)
        }
        appendAddress(client, &sink)
        sink.append("\r\nX-Forwarded-Proto: ")
        if isSecure(client, bytes) { sink.append("https\r\n") } else { sink.append("http\r\n") }
        sink.append("X-Request-ID: ")
        withRequestID(client) { sink.append($0.bytes) }
        sink.append("\r\n")
        appendTrace(client, bytes, &sink, room)
        if !requestHead.contains(.userAgent) { sink.append("User-Agent: TruthTable-Proxy/1.0\r\n") }
        switch requestHead.framing {
        case .none: if let length = requestHead.contentLength { sink.appendField("Content-Length", decimal: length) }
        case .length(let length): sink.appendField("Content-Length", decimal: length)
        case .chunked, .untilClose: sink.append("Transfer-Encoding: chunked\r\n")
        }
        if case .webSocket = requestHead.upgrade, case .none = requestHead.framing {
            client.pointee.exchange.wantsTunnel = true
            sink.append("Connection: Upgrade\r\nUpgrade: websocket\r\n")
        }
        sink.endHead()
        return sink.overflowed ? 0 : sink.count
    }

    /// Whether the client spoke TLS, with us or, as a trusted peer says, with that peer.
    private mutating func isSecure(_ client: UnsafeMutablePointer<ClientConnection>, _ bytes: RawSpan) -> Bool {
        guard client.pointee.isTrusted, let range = requestHead.value(of: .xForwardedProto) else { return client.pointee.isTLS }
        return range.count == 5 && contains(bytes.extracting(range), "https")
    }

    /// Data of a request's body, framed for the upstream.
    mutating func forwardRequestData(_ index: Int, _ data: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        let upstream = client.pointee.exchange.upstream
        guard upstream >= 0 else {
            if client.pointee.exchange.isResolving {
                if client.pointee.exchange.requestBodyIsChunked {
                    withChunkHeader(data.count) { client.pointee.exchange.heldHead.append($0) }
                    client.pointee.exchange.heldHead.append(data)
                    client.pointee.exchange.heldHead.append(UnsafeRawBufferPointer(start: Chunk.trailer.utf8Start, count: 2))
                } else {
                    client.pointee.exchange.heldHead.append(data)
                }
            }
            return
        }
        let connection = upstreams.at(upstream)
        guard !connection.pointee.isDeaf else { return }
        if client.pointee.exchange.requestBodyIsChunked {
            var fits = true
            withChunkHeader(data.count) { fits = connection.pointee.output.append($0) == $0.count }
            if fits, appendUpstream(upstream, data) { _ = appendUpstream(upstream, Chunk.trailer) } else if !fits { upstreamFailed(upstream, "no memory left for requests", isOurs: true) }
        } else if data.count < Self.copyBytes || connection.pointee.phase == .connecting || connection.pointee.tls != nil {
            _ = appendUpstream(upstream, data)
        } else {
            let (sent, isComplete) = connection.pointee.output.send(to: connection.pointee.descriptor, followedBy: data)
            if case .broken(let code) = sent {
                // Nothing of the request was sent: all of it may go another way.
                let untouched = client.pointee.exchange.upstreamBegan == 0
                if untouched, !appendUpstream(upstream, data) { return }
                return sendFailed(upstream, SystemError.text(code), untouched: untouched)
            }
            if client.pointee.exchange.upstreamBegan == 0 { client.pointee.exchange.upstreamBegan = Instant.now.nanoseconds }
            runClock(upstream)
            if !isComplete { upstreamFailed(upstream, "no memory left for requests", isOurs: true) }
        }
    }

    private mutating func withChunkHeader(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: Chunk.headerLimitBytes, alignment: 1) { room in
            var sink = ByteSink(room)
            sink.appendChunkHeader(count)
            body(UnsafeRawBufferPointer(rebasing: room[..<sink.count]))
        }
    }

    // MARK: Answers

    /// 100 Continue, 103 Early Hints: passed on to clients that can know them.
    mutating func forwardInterim(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        guard !client.pointee.exchange.isHTTP10 else { return }
        var sink = ByteSink(scratch)
        sink.appendStatusLine(answerHead, bytes.bytes)
        sink.appendFields(answerHead, bytes.bytes, except: .none.with(.contentLength))
        sink.endHead()
        guard !sink.overflowed else { return }
        appendClient(client, UnsafeRawBufferPointer(rebasing: scratch[..<sink.count]))
    }

    /// The final head of an answer: sent on, with the framing that this client understands.
    mutating func beginAnswer(_ upstream: Int, _ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        let connection = upstreams.at(upstream)
        connection.pointee.answerBegan = true
        upstreamDeadlines[upstream] = now &+ answerIdleNanoseconds
        connection.pointee.keepAlive = answerHead.keepAlive
        connection.pointee.answer = BodyReader(answerHead.framing, chunks: chunkLimits)
        client.pointee.exchange.status = answerHead.status
        client.pointee.exchange.answerBegan = true
        report(index, answerHead.status >= 502 && answerHead.status <= 504 ? .failed : .succeeded)
        slot.observe(.firstByte, microseconds: (now &- client.pointee.exchange.began) / 1000)
        if client.pointee.exchange.upstreamBegan < now { slot.observe(.upstreamFirstByte, microseconds: (now &- client.pointee.exchange.upstreamBegan) / 1000) }
        if client.pointee.exchange.capture.isActive {
            if isAudited(bytes.bytes) {
                client.pointee.exchange.capture.responseHead(
                    &answerHead, bytes.bytes, behindWholeRequest: client.pointee.exchange.requestBody.isDone, upstream: targets[client.pointee.exchange.target].pointee.nameBytes.bytes, without: redaction)
            } else {
                client.pointee.exchange.capture.discard()
            }
        }
        switch answerHead.framing {
        case .none: client.pointee.exchange.answerFraming = .none
        case .length: client.pointee.exchange.answerFraming = .length
        case .chunked, .untilClose: client.pointee.exchange.answerFraming = client.pointee.exchange.isHTTP10 ? .untilClose : .chunked
        }
        // An answer that is complete before its request leaves the rest of the request without a reader.
        if client.pointee.exchange.answerFraming == .untilClose || isDraining { client.pointee.exchange.keepAlive = false }

        // As a request's, behind what waits already; the fields that are added have a few hundred bytes.
        if client.pointee.output.appendInPlace(min(bytes.count + 1024, BlockPool.payloadBytes), { writeAnswerHead(client, bytes.bytes, into: $0) }) == 0 {
            let length = writeAnswerHead(client, bytes.bytes, into: scratch)
            guard length > 0 else { return upstreamFailed(upstream, "the answer's head is over TRUTHTABLE_MAX_HEAD_BYTES") }
            appendClient(client, UnsafeRawBufferPointer(rebasing: scratch[..<length]))
        }
    }

    /// Its length, 0 if it does not fit into `room`.
    private mutating func writeAnswerHead(_ client: UnsafeMutablePointer<ClientConnection>, _ bytes: RawSpan, into room: UnsafeMutableRawBufferPointer) -> Int {
        var sink = ByteSink(room)
        sink.appendStatusLine(answerHead, bytes)
        sink.appendFields(answerHead, bytes, except: Self.answerFields)
        appendOwnFields(client, &sink, hasRequestID: answerHead.contains(.xRequestID))
        if settings.answerHeaders { appendUpstreamFields(client, &sink) }
        switch client.pointee.exchange.answerFraming {
        case .none: if answerHead.status != 204, let length = answerHead.contentLength { sink.appendField("Content-Length", decimal: length) }
        case .length: if let length = answerHead.contentLength { sink.appendField("Content-Length", decimal: length) }
        case .chunked: sink.append("Transfer-Encoding: chunked\r\n")
        case .untilClose: break
        }
        appendConnection(client, &sink)
        sink.endHead()
        return sink.overflowed ? 0 : sink.count
    }

    /// The request id, always under our own name, and under the common one unless the upstream has set that.
    mutating func appendOwnFields(_ client: UnsafeMutablePointer<ClientConnection>, _ sink: inout ByteSink, hasRequestID: Bool) {
        withRequestID(client) { requestID in
            sink.appendField("X-TruthTable-Request-ID", requestID.bytes)
            if !hasRequestID { sink.appendField("X-Request-ID", requestID.bytes) }
        }
        appendGrant(client, &sink)
        guard settings.answerHeaders, client.pointee.exchange.capture.isActive || client.pointee.exchange.isSubmission else { return }
        sink.append("X-TruthTable-Audit-Id: ")
        client.pointee.exchange.auditName.write("aud_", into: &sink)
        sink.append("\r\n")
    }

    /// What the answer came through, and what that cost up to its head.
    private mutating func appendUpstreamFields(_ client: UnsafeMutablePointer<ClientConnection>, _ sink: inout ByteSink) {
        let microseconds = overheadNanoseconds(client) / 1000
        sink.append("X-TruthTable-Overhead-Ms: ")
        sink.append(decimal: microseconds / 1000)
        sink.append(".")
        let fraction = microseconds % 1000
        if fraction < 100 { sink.append("0") }
        if fraction < 10 { sink.append("0") }
        sink.append(decimal: fraction)
        sink.append("\r\n")
        sink.append(targets[client.pointee.exchange.target].pointee.answerLine.bytes)
    }

    mutating func appendConnection(_ client: UnsafeMutablePointer<ClientConnection>, _ sink: inout ByteSink) {
        if !client.pointee.exchange.keepAlive {
            sink.append("Connection: close\r\n")
        } else if client.pointee.exchange.isHTTP10 {
            sink.append("Connection: keep-alive\r\n")
        }
    }

    /// FEATURES P5: 2xx answers of the types that language models answer in.
    private mutating func isAudited(_ bytes: RawSpan) -> Bool {
        guard answerHead.status / 100 == 2, let range = answerHead.value(of: .contentType) else { return false }
        let value = bytes.extracting(range)
        return contains(value, "application/json") || contains(value, "text/event-stream") || contains(value, "application/x-ndjson")
    }

    /// Whether `word` (in lower case) occurs in `value`, in any case.
    private func contains(_ value: RawSpan, _ word: StaticString) -> Bool {
        value.withUnsafeBytes { value in
            let length = word.utf8CodeUnitCount
            guard let bytes = value.baseAddress, value.count >= length else { return false }
            if memcmp(bytes, word.utf8Start, length) == 0 { return true }  // as nearly all write it
            for start in 0...(value.count - length) {
                var matched = 0
                while matched < length, lowercase(value[start + matched]) == word.utf8Start[matched] { matched += 1 }
                if matched == length { return true }
            }
            return false
        }
    }

    private func lowercase(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
