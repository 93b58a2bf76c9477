// The tee: copies of one exchange's bytes, in blocks, already in the layout of the Capture frame.
import EventLoop
import HTTP
import IPC

/// Collects a capture while its exchange lives. Request and answer are separate chains where the answer begins while the request
/// still comes; `finish` joins them into one frame without copying.
struct CaptureWriter: ~Copyable {
    private var request: BlockChain
    private var response: BlockChain
    /// The request had ended when the answer began: that is appended to the request's chain.
    private var isOneChain = false
    private(set) var head = CaptureHead()
    private var isOpen = false
    /// The pool had no room: the capture will be counted and dropped.
    private var isOverrun = false

    init(in pool: BlockPool) {
        request = BlockChain(in: pool)
        response = BlockChain(in: pool)
    }

    var isActive: Bool { isOpen }

    /// Begins with what the request's head says. The parser is `inout` here and below as a borrowed one would be copied for the call.
    mutating func begin(
        _ parsed: inout HeadParser, _ bytes: borrowing RawSpan, requestID: borrowing RawSpan, auditName: ExchangeName, caller: borrowing RawSpan,
        acceptedMilliseconds: UInt64, without secrets: Redaction
    ) {
        isOpen = true
        isOverrun = false
        isOneChain = false
        head = CaptureHead()
        head.acceptedMilliseconds = acceptedMilliseconds
        let begun = request.appendInPlace(BlockPool.payloadBytes) { room in
            var sink = ByteSink(room, count: FrameHeader.byteCount + CaptureHead.byteCount)  // `finish` fills these in
            sink.append(requestID)
            auditName.write("aud_", into: &sink)
            sink.append(caller)
            return sink.overflowed ? 0 : sink.count
        }
        if begun == 0 { isOverrun = true }
        head.requestIDLength = length(requestID.byteCount)
        head.auditIDLength = length(ExchangeName.length)
        head.callerLength = length(caller.byteCount)
        head.methodLength = length(appendRequest(bytes.extracting(parsed.methodRange)))
        head.targetLength = length(appendTarget(&parsed, bytes, secrets))
        head.requestFieldsLength = UInt32(truncatingIfNeeded: Self.appendFields(&parsed, bytes, secrets, to: &request, &isOverrun))
    }

    /// A length as the head has room for it; a run that is longer than that makes the capture unusable.
    private mutating func length<Length: FixedWidthInteger>(_ count: Int) -> Length {
        guard let length = Length(exactly: count) else {
            isOverrun = true
            return 0
        }
        return length
    }

    /// Part of the request's body; what is beyond `limit` is counted and not kept.
    mutating func requestBody(_ data: UnsafeRawBufferPointer, limit: Int) {
        head.requestBodyBytes &+= UInt64(data.count)
        let room = min(data.count, limit - Int(head.requestBodyLength))
        if room < data.count { head.flags.insert(.requestTruncated) }
        guard room > 0, !isOverrun else { return }
        head.requestBodyLength += UInt32(truncatingIfNeeded: appendRequest(UnsafeRawBufferPointer(rebasing: data[..<room])))
    }

    /// The answer's head. Before it, nothing is known of whether there will be anything to audit. Behind a request that has ended the
    /// answer needs no chain of its own.
    mutating func responseHead(
        _ parsed: inout HeadParser, _ bytes: borrowing RawSpan, behindWholeRequest: Bool, upstream: borrowing RawSpan, without secrets: Redaction
    ) {
        isOneChain = behindWholeRequest
        head.upstreamLength = length(upstream.withUnsafeBytes { appendResponse($0) })
        head.status = parsed.status
        let count =
            isOneChain ? Self.appendFields(&parsed, bytes, secrets, to: &request, &isOverrun) : Self.appendFields(&parsed, bytes, secrets, to: &response, &isOverrun)
        head.responseFieldsLength = UInt32(truncatingIfNeeded: count)
    }

    /// Part of the answer's body.
    mutating func responseBody(_ data: UnsafeRawBufferPointer, limit: Int) {
        head.responseBodyBytes &+= UInt64(data.count)
        let room = min(data.count, limit - Int(head.responseBodyLength))
        if room < data.count { head.flags.insert(.responseTruncated) }
        guard room > 0, !isOverrun else { return }
        head.responseBodyLength += UInt32(truncatingIfNeeded: appendResponse(UnsafeRawBufferPointer(rebasing: data[..<room])))
    }

    mutating func trace(_ trace: ExchangeTrace) {
        guard let context = trace.context else { return }
        head.traceIDHigh = context.traceIDHigh
        head.traceIDLow = context.traceIDLow
        head.spanID = context.spanID
        head.parentSpanID = trace.parentSpanID
    }

    mutating func mark(_ flags: CaptureFlags) { head.flags.formUnion(flags) }

    /// The head of an answer that the edge makes itself.
    mutating func localAnswer(status: UInt16, contentType: String) {
        head.status = status
        var field = "Content-Type: \(contentType)\r\n"
        head.responseFieldsLength = UInt32(truncatingIfNeeded: field.withUTF8 { appendResponse(UnsafeRawBufferPointer($0)) })
    }

    mutating func times(upstreamStart: UInt32, firstByte: UInt32, duration: UInt32) {
        head.upstreamStartMicroseconds = upstreamStart
        head.firstByteMicroseconds = firstByte
        head.durationMicroseconds = duration
    }

    /// What was copied of both bodies.
    var bodyBytes: UInt64 { UInt64(head.requestBodyLength) + UInt64(head.responseBodyLength) }

    /// Moves the whole frame, with this id, to the end of `frames`, and tells its length; nil if the pool had no room for it, or a frame
    /// has not: one that is too long would end the channel. The writer is empty afterwards.
    mutating func finish(id: UInt64, to frames: inout BlockChain) -> Int? {
        isOpen = false
        guard !isOverrun, request.count + response.count <= FrameHeader.byteCount + ChannelKind.capture.payloadLimit else {
            discard()
            return nil
        }
        let length = request.count + response.count
        let header = FrameHeader(length: UInt32(clamping: length - FrameHeader.byteCount), type: MessageType.capture.rawValue, id: id)
        _ = request.withHead(FrameHeader.byteCount + CaptureHead.byteCount) { bytes in
            header.store(into: bytes)
            head.store(into: UnsafeMutableRawBufferPointer(rebasing: bytes[FrameHeader.byteCount...]))
        }
        frames.takeAll(&request)
        frames.takeAll(&response)
        return length
    }

    /// Forgets what was collected: there is nothing to audit.
    mutating func discard() {
        isOpen = false
        request.removeAll()
        response.removeAll()
    }

    @discardableResult
    private mutating func appendRequest(_ bytes: UnsafeRawBufferPointer) -> Int {
        let kept = request.append(bytes)
        if kept < bytes.count { isOverrun = true }
        return kept
    }

    private mutating func appendResponse(_ bytes: UnsafeRawBufferPointer) -> Int {
        let kept = isOneChain ? request.append(bytes) : response.append(bytes)
        if kept < bytes.count { isOverrun = true }
        return kept
    }

    private mutating func appendRequest(_ bytes: borrowing RawSpan) -> Int {
        bytes.withUnsafeBytes { appendRequest($0) }
    }

    /// Path and query, values of secret-looking parameters replaced; cut at 64 KiB.
    private mutating func appendTarget(_ parsed: inout HeadParser, _ bytes: borrowing RawSpan, _ secrets: Redaction) -> Int {
        let before = request.count
        let count = appendWholeTarget(&parsed, bytes, secrets)
        let limit = Int(UInt16.max)
        guard count > limit else { return count }
        request.truncate(to: before + limit)
        head.flags.insert(.targetTruncated)
        return limit
    }

    private mutating func appendWholeTarget(_ parsed: inout HeadParser, _ bytes: borrowing RawSpan, _ secrets: Redaction) -> Int {
        var count = appendRequest(bytes.extracting(parsed.pathRange))
        guard parsed.hasQuery else { return count }
        count += append("?")
        let query = bytes.extracting(parsed.queryRange)
        func byte(_ offset: Int) -> UInt8 { query.unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
        var start = 0
        while start < query.byteCount {
            // Parameters end at `&`, for some servers at `;` too; a secret goes on to the `&`, as it may hold the other.
            var end = start
            var equals = -1
            while end < query.byteCount, byte(end) != UInt8(ascii: "&"), byte(end) != UInt8(ascii: ";") {
                if byte(end) == UInt8(ascii: "="), equals < 0 { equals = end }
                end += 1
            }
            if equals >= 0, secrets.isSecretParameter(query.extracting(start..<equals)) {
                while end < query.byteCount, byte(end) != UInt8(ascii: "&") { end += 1 }
                count += appendRequest(query.extracting(start..<(equals + 1)))
                count += append(Redaction.replacement)
            } else {
                count += appendRequest(query.extracting(start..<end))
            }
            start = min(end + 1, query.byteCount)
            count += appendRequest(query.extracting(end..<start))
        }
        return count
    }

    private mutating func append(_ text: StaticString) -> Int {
        appendRequest(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// All fields as `name: value` lines, values of secret-looking ones replaced. Runs of other lines are copied as one piece.
    private static func appendFields(
        _ parsed: inout HeadParser, _ bytes: borrowing RawSpan, _ secrets: Redaction, to chain: inout BlockChain, _ isOverrun: inout Bool
    ) -> Int {
        let before = chain.count
        var expected = 0
        func put(_ piece: borrowing RawSpan, _ chain: inout BlockChain) {
            guard piece.byteCount > 0 else { return }
            expected += piece.byteCount
            _ = piece.withUnsafeBytes { chain.append($0) }
        }
        func put(_ text: StaticString, _ chain: inout BlockChain) {
            expected += text.utf8CodeUnitCount
            _ = chain.append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
        guard parsed.fieldCount > 0 else { return 0 }
        var runStart = parsed.field(0).lineRange.lowerBound
        for index in 0..<parsed.fieldCount {
            let field = parsed.field(index)
            guard secrets.isSecret(field, in: bytes) else { continue }
            put(bytes.extracting(runStart..<field.nameRange.upperBound), &chain)
            put(Redaction.replacedValue, &chain)
            runStart = field.lineRange.upperBound
        }
        put(bytes.extracting(runStart..<parsed.field(parsed.fieldCount - 1).lineRange.upperBound), &chain)
        if chain.count - before < expected { isOverrun = true }
        return chain.count - before
    }
}
