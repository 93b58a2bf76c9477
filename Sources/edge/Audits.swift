// `/v1/audits`: clients ask for an audit, for one audit's verdict, for recent ones. The edge reads no body and knows no verdict: it
// passes the question to the dispatcher, and the answer's bytes back.
//
//     POST /v1/audits?wait=30s        {"query","response","context":[…]} → the verdict
//     GET  /v1/audits/{id}?wait=5s    by the audit's id or the request's
//     GET  /v1/audits?limit=&since=&before=&grade=&model=&path=
import Configuration
import EventLoop
import HTTP
import IPC
import Inbound

extension Proxy {
    /// How long the dispatcher may take beyond the wait that was asked for.
    private static var graceNanoseconds: UInt64 { 2_000_000_000 }
    /// How long waits may go on while the product ends; then what is queued needs the time that is left.
    private static var drainNanoseconds: UInt64 { 5_000_000_000 }

    /// The latest end of a wait during a drain that begins or goes on now.
    var drainWaitLimit: UInt64 { now &+ min(Self.drainNanoseconds, UInt64(clamping: settings.drainTimeout.nanoseconds / 2)) }

    // MARK: Requests

    mutating func answerAudits(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        switch requestHead.method {
        case .get, .head: listAudits(index, queryText(bytes))
        case .post: beginSubmission(index, bytes)
        default: answer(index, 405, "{\"error\":\"use GET for recent audits, POST for a new one\"}", fields: "Allow: GET, HEAD, POST\r\n", close: false)
        }
    }

    mutating func answerAudit(_ index: Int, _ bytes: UnsafeRawBufferPointer, idOffset: Int) {
        guard requestHead.method == .get || requestHead.method == .head else {
            return answer(index, 405, "{\"error\":\"use GET\"}", fields: "Allow: GET, HEAD\r\n", close: false)
        }
        guard let wait = wait(index, queryText(bytes), unasked: .zero) else { return }
        let id = bytes.bytes.extracting(requestHead.pathRange).withUnsafeBytes { QueryText.decoded(ArraySlice($0.dropFirst(idOffset))) }
        ask(index, Lookup(waitMilliseconds: UInt32(clamping: wait.milliseconds), id: id), .lookup, wait)
    }

    private mutating func listAudits(_ index: Int, _ query: ArraySlice<UInt8>) {
        func refuse(_ sentence: String) { answer(index, 400, "{\"error\":\"\(sentence)\"}", close: false) }
        var recent = Recent(limit: 20)
        if let text = QueryText.value(of: "limit", in: query) {
            guard let limit = Notation.wholeNumber(text).flatMap(UInt16.init(exactly:)), Recent.limits.contains(limit) else {
                return refuse("limit must be a whole number from 1 to \(Recent.limits.upperBound)")
            }
            recent.limit = limit
        }
        if let text = QueryText.value(of: "since", in: query) {
            guard let since = Notation.wholeNumber(text) else { return refuse("since must be a time in milliseconds since 1970, such as a verdict's timestamp") }
            recent.sinceMilliseconds = UInt64(clamping: since)
        }
        if let text = QueryText.value(of: "before", in: query) {
            let parts = text.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let epoch = UInt64(parts[0], radix: 16), let sequence = UInt64(parts[1]), epoch > 0, sequence > 0 else {
                return refuse("before must be the value of next in an earlier answer")
            }
            recent.beforeEpoch = epoch
            recent.beforeSequence = sequence
        }
        recent.grade = (QueryText.value(of: "grade", in: query) ?? "").uppercased()
        guard ["", "A", "B", "C", "D", "F", "N/A"].contains(recent.grade) else { return refuse("grade must be A, B, C, D, F or N/A") }
        recent.model = QueryText.value(of: "model", in: query) ?? ""
        recent.path = QueryText.value(of: "path", in: query) ?? ""
        ask(index, recent, .list, .zero)
    }

    /// The body follows, and is collected as that of any captured request.
    private mutating func beginSubmission(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        guard let wait = wait(index, queryText(bytes), unasked: settings.auditWait) else { return }
        if case .length(let count) = requestHead.framing, count > UInt64(submissionLimit) { return answerTooLong(index) }
        let client = clients.at(index)
        guard !client.pointee.exchange.requestBody.isDone else {
            return answer(index, 400, "{\"error\":\"a body is missing: {query, response, context} in JSON\"}", close: false)
        }
        beginTrace(index, bytes.bytes)
        beginCapture(index, bytes)
        client.pointee.exchange.capture.mark(.submitted)
        client.pointee.exchange.isSubmission = true
        client.pointee.exchange.submissionWait = wait
        if client.pointee.exchange.awaitsContinue { appendClient(client, "HTTP/1.1 100 Continue\r\n\r\n") }
    }

    /// Both bodies of an exchange fit into a frame, and here there is one.
    var submissionLimit: Int { max(64 << 10, 2 * captureLimit) }

    mutating func answerTooLong(_ index: Int) {
        answer(index, 413, "{\"error\":\"the body of an audit is over \(submissionLimit) bytes, twice TRUTHTABLE_CAPTURE_BODY_LIMIT\"}", close: true)
    }

    /// The body is complete.
    mutating func submit(_ index: Int) {
        let client = clients.at(index)
        let wait = client.pointee.exchange.submissionWait
        var frame = BlockChain(in: capturePool)
        guard client.pointee.exchange.capture.finish(id: 0, to: &frame) != nil else {
            return answerUnavailable(index, "worker pool queue is full")  // no room for its copy
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: frame.count) { room, count in
            frame.forEachPiece { piece in
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(room)[count...]).copyMemory(from: piece)
                count += piece.count
            }
        }
        let payload = bytes.span.bytes.extracting(FrameHeader.byteCount..<bytes.count)
        ask(index, Submit(waitMilliseconds: UInt32(clamping: wait.milliseconds), capture: payload), .submission(waits: wait > .zero), wait)
    }

    /// `?wait=`; nil when it was refused.
    private mutating func wait(_ index: Int, _ query: ArraySlice<UInt8>, unasked: Duration) -> Duration? {
        guard let text = QueryText.value(of: "wait", in: query) else { return unasked }
        if let wait = text == "0" ? .zero : Notation.duration(text), wait <= settings.auditWaitLimit { return wait }
        answer(index, 400, "{\"error\":\"wait must be a duration of at most \(Notation.text(duration: settings.auditWaitLimit)), such as 500ms or 5s\"}", close: false)
        return nil
    }

    private func queryText(_ bytes: UnsafeRawBufferPointer) -> ArraySlice<UInt8> {
        bytes.bytes.extracting(requestHead.queryRange).withUnsafeBytes { ArraySlice($0) }
    }

    private mutating func ask<M: Message & ~Escapable>(_ index: Int, _ message: borrowing M, _ purpose: QueryOutbox.Purpose, _ wait: Duration) {
        var until = min(now &+ UInt64(clamping: wait.nanoseconds) &+ Self.graceNanoseconds, exchangeDeadlines[index])
        if isDraining { until = min(until, drainWaitLimit) }
        guard let query = queries.ask(message, for: index, purpose, until: until) else { return answerUnavailable(index, queries.isAttached ? "worker pool queue is full" : "worker pool is stopped") }
        clients.at(index).pointee.exchange.query = query
    }

    // MARK: Answers

    /// The query channel is ready for something; why it ended, if it did.
    mutating func queriesReady(_ readiness: Readiness) -> ChannelEnd? {
        let (answers, end) = queries.handle(readiness, in: loop)
        for answered in answers { pass(answered) }
        if end != nil { answerUnanswered(queries.takeUnanswered()) }
        return end
    }

    mutating func flushQueries() -> ChannelEnd? {
        let end = queries.flush(in: loop)
        if end != nil { answerUnanswered(queries.takeUnanswered()) }
        return end
    }

    mutating func answerUnanswered(_ unanswered: [QueryOutbox.Waiting]) {
        for waiting in unanswered where isWaiting(waiting) { answerUnavailable(waiting.client, "worker pool is stopped") }
    }

    /// The dispatcher is given up on where it is late; called by the sweep.
    mutating func endLateQueries() {
        for waiting in queries.late(at: now) {
            queries.cancel(waiting.id)
            guard isWaiting(waiting) else { continue }
            if case .submission(waits: true) = waiting.purpose {
                answerTimedOut(waiting.client)
            } else {
                answerUnavailable(waiting.client, isDraining ? "worker pool is stopped" : "the audit service does not answer")
            }
        }
    }

    /// Whether the client still waits for this one; taken from it, because it is answered now.
    private func isWaiting(_ waiting: QueryOutbox.Waiting) -> Bool {
        guard clients.isLive(waiting.client), clients.at(waiting.client).pointee.exchange.query == waiting.id else { return false }
        clients.at(waiting.client).pointee.exchange.query = 0
        return true
    }

    private mutating func pass(_ answered: QueryOutbox.Answered) {
        guard isWaiting(answered.waiting) else { return }
        let index = answered.waiting.client
        switch (answered.kind, answered.waiting.purpose) {
        case (.pending, .submission(waits: true)): answerTimedOut(index)
        case (.pending, _): answerOwn(index, 202, answered.json)
        case (.skipped, .submission): answerOwn(index, 400, answered.json)
        case (.failed, .submission), (.quarantined, .submission): answerOwn(index, 500, answered.json)
        case (.queueFull, _): answerUnavailable(index, "worker pool queue is full")
        case (.stopped, _), (.dropped, .submission): answerUnavailable(index, "worker pool is stopped")
        case (.unknown, _): answer(index, 404, "{\"error\":\"no such audit: the id is wrong, the answer was not captured or has not ended, or it is no longer kept\"}", close: false)
        case (.staleCursor, _): answer(index, 410, "{\"error\":\"the audits behind this cursor are gone: begin without before\"}", close: false)
        case (.completed, _), (.skipped, _), (.failed, _), (.quarantined, _), (.dropped, _), (.list, _): answerOwn(index, 200, answered.json)
        }
    }

    private mutating func answerOwn(_ index: Int, _ status: UInt16, _ json: [UInt8]) {
        writeAnswer(index, status, json, type: "application/json")
        finishLocalAnswer(index)
    }

    /// The audit goes on: its verdict can be fetched later.
    private mutating func answerTimedOut(_ index: Int) {
        let client = clients.at(index)
        var ids = ""
        withUnsafeTemporaryAllocation(byteCount: ExchangeName.length, alignment: 1) { room in
            var sink = ByteSink(room)
            client.pointee.exchange.auditName.write("aud_", into: &sink)
            ids = "\"audit_id\":\"\(String(decoding: room[..<sink.count], as: UTF8.self))\",\"request_id\":\"\(withRequestID(client) { String(decoding: $0, as: UTF8.self) })\""
        }
        answer(index, 504, "{\"error\":\"job processing timed out\",\"status\":\"pending\",\(ids)}", close: false)
    }

    private mutating func answerUnavailable(_ index: Int, _ sentence: String) {
        answer(index, 503, "{\"error\":\"\(sentence)\"}", fields: "Retry-After: 1\r\n", close: false)
    }
}
