// What the edge answers itself: health, figures, refusals; and the dashboards' paths, which go to the broadcaster.
import EventLoop
import Glibc
import HTTP
import Inbound
import Role
import Telemetry

extension Proxy {
    /// True when the request's path is the product's own and has been dealt with.
    mutating func answerOwnPath(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let path = bytes.bytes.extracting(requestHead.pathRange)
        // Every own path is short: real traffic leaves here after one comparison.
        guard path.byteCount <= 8 else { return false }
        if isEqual(path, "/health") {
            answerOwn(index, "{\"status\":\"ok\",\"version\":\"\(Build.version)\",\"audit_service\":\"\(scoreboard.auditService)\"}")
        } else if isEqual(path, "/livez") {
            answerOwn(index, "{\"status\":\"ok\",\"version\":\"\(Build.version)\"}")
        } else if isEqual(path, "/readyz") {
            if isDraining {
                answer(index, 503, "{\"status\":\"draining\"}", close: true)
            } else {
                answerOwn(index, "{\"status\":\"ok\"}")
            }
        } else if isEqual(path, "/stats") {
            guard mayLook(index, bytes) else { return true }
            answerOwn(index, scoreboard.statisticsJSON)
        } else if isEqual(path, "/metrics") {
            guard mayLook(index, bytes) else { return true }
            answerOwn(index, scoreboard.prometheusText, type: "text/plain; version=0.0.4; charset=utf-8")
        } else if isEqual(path, "/ws") || isEqual(path, "/api/ws") {
            guard mayLook(index, bytes) else { return true }
            forward(index, bytes, to: Self.broadcasterTarget)
        } else {
            return false
        }
        return true
    }

    private func isEqual(_ path: RawSpan, _ text: StaticString) -> Bool {
        path.byteCount == text.utf8CodeUnitCount && path.withUnsafeBytes { $0.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }
    }

    /// DESIGN §3, "Who may look"; refuses with the cure if not.
    private mutating func mayLook(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        func slice(_ range: ByteRange) -> ArraySlice<UInt8> { bytes.bytes.extracting(range).withUnsafeBytes { Array($0)[...] } }
        func text(_ name: FieldName) -> String? { requestHead.value(of: name).map { String(decoding: slice($0), as: UTF8.self) } }
        let presented = AccessPolicy.presented(
            authorization: text(.authorization), parameter: HTTPRequest.parameter("token", ofQuery: slice(requestHead.queryRange)),
            cookie: requestHead.value(of: .cookie).flatMap { HTTPRequest.cookie("truthtable_token", ofField: slice($0)) })
        let host = bytes.bytes.extracting(requestHead.authorityRange).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        switch access.decide(isLoopback: clients.at(index).pointee.isLoopback, origin: text(.origin), host: host, presented: presented) {
        case .allowed: return true
        case .refused(let refusal):
            answer(index, refusal.status, "{\"error\":\"\(refusal.message)\"}", close: false)
            return false
        }
    }

    private mutating func answerOwn(_ index: Int, _ body: String, type: String = "application/json") {
        answer(index, 200, body, type: type, close: false)
    }

    // MARK: Whole answers

    /// An answer of the edge's own to the exchange at hand. With `close` the rest of the request is not wanted.
    mutating func answer(_ index: Int, _ status: UInt16, _ body: String, type: String = "application/json", close: Bool) {
        let client = clients.at(index)
        if close { client.pointee.exchange.keepAlive = false }
        if client.pointee.exchange.capture.isActive { client.pointee.exchange.capture.discard() }
        writeAnswer(index, status, Array(body.utf8), type: type)
        finishLocalAnswer(index)
    }

    /// Head and body into the client's output.
    mutating func writeAnswer(_ index: Int, _ status: UInt16, _ body: [UInt8], type: String) {
        let client = clients.at(index)
        client.pointee.exchange.status = status
        client.pointee.exchange.answerBegan = true
        client.pointee.exchange.answerFraming = client.pointee.exchange.method == .head ? .none : .length
        var sink = ByteSink(scratch)
        sink.appendStatusLine(status)
        var type = type
        type.withUTF8 { sink.appendField("Content-Type", UnsafeRawBufferPointer($0).bytes) }
        sink.appendField("Content-Length", decimal: UInt64(body.count))
        appendOwnFields(client, &sink, hasRequestID: false)
        appendConnection(client, &sink)
        sink.endHead()
        appendClient(client, UnsafeRawBufferPointer(rebasing: scratch[..<sink.count]))
        body.withUnsafeBytes { answerData(index, $0) }
    }

    /// The request was answered here: what is left of its body is not read.
    mutating func finishLocalAnswer(_ index: Int) {
        if !clients.at(index).pointee.exchange.requestBody.isDone { clients.at(index).pointee.exchange.keepAlive = false }
        answerEnded(index)
    }

    /// Bytes that are no acceptable request: answered with the status of the error, then closed.
    mutating func refuse(_ index: Int, _ error: HTTPError) {
        let client = clients.at(index)
        if client.pointee.phase == .head { beginUnparsed(index) }
        let status = error.requestStatus
        // Anybody can send nonsense, as fast as they like: told on request only, counted always.
        log.debug(
            "Request refused",
            ["request_id": .string(withRequestID(client) { String(decoding: $0, as: UTF8.self) }), "status": .number(status), "cause": .string("\(error)")])
        answer(index, status, status == 400 ? "{\"error\":\"Failed to read request\",\"reason\":\"\(error)\"}" : "{\"error\":\"\(error)\"}", close: true)
    }
}
