// What the edge answers itself: health, figures, refusals; the dashboards' paths, which go to the broadcaster; audits, of which it
// asks the dispatcher (`Audits`).
import EventLoop
import Glibc
import HTTP
import Inbound
import Role
import Telemetry

extension Proxy {
    /// True when the request's path is the product's own and has been dealt with.
    mutating func answerOwnPath(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let isAdmin = clients.at(index).pointee.isAdmin
        guard let own = OwnPath(bytes.bytes.extracting(requestHead.pathRange), behind: pathPrefix) else {
            // This port leads to no upstream.
            if isAdmin { answer(index, 404, "{\"error\":\"not found: this port serves the product's own paths only\"}", close: false) }
            return isAdmin
        }
        guard own.isHealth || isAdmin || !hasAdminPort else { return false }
        guard own.isHealth || mayLook(index, bytes) else { return true }
        switch own {
        case .health:
            answer(index, 200, "{\"status\":\"ok\",\"version\":\"\(Build.version)\",\"audit_service\":\"\(scoreboard.auditService)\"}", close: false)
        case .readiness where isDraining: answer(index, 503, "{\"status\":\"draining\"}", close: true)
        case .readiness: answer(index, 200, "{\"status\":\"ok\"}", close: false)
        case .statistics: answer(index, 200, scoreboard.statisticsJSON(engine: settings.engine.description), close: false)
        case .metrics: answer(index, 200, scoreboard.prometheusText, type: "text/plain; version=0.0.4; charset=utf-8", close: false)
        case .dashboard: forward(index, bytes, to: broadcasterTarget)
        case .audits: answerAudits(index, bytes)
        case .audit(let idOffset): answerAudit(index, bytes, idOffset: idOffset)
        }
        return true
    }

    /// DESIGN §3, "Who may look"; refuses with the cure if not.
    private mutating func mayLook(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        func slice(_ range: ByteRange) -> ArraySlice<UInt8> { bytes.bytes.extracting(range).withUnsafeBytes { Array($0)[...] } }
        func text(_ name: FieldName) -> String? { requestHead.value(of: name).map { String(decoding: slice($0), as: UTF8.self) } }
        let presented = AccessPolicy.presented(
            authorization: text(.authorization), parameter: QueryText.value(of: "token", in: slice(requestHead.queryRange)),
            cookie: requestHead.value(of: .cookie).flatMap { HTTPRequest.cookie("truthtable_token", ofField: slice($0)) })
        let host = bytes.bytes.extracting(requestHead.authorityRange).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        switch access.decide(isLoopback: isOfThisMachine(index), origin: text(.origin), host: host, presented: presented) {
        case .allowed: return true
        case .refused(let refusal):
            answer(index, refusal.status, "{\"error\":\"\(refusal.message)\"}", close: false)
            return false
        }
    }

    // MARK: Whole answers

    /// An answer of the edge's own to the exchange at hand, with further lines of its head. With `close` the rest of the request
    /// is not wanted.
    mutating func answer(_ index: Int, _ status: UInt16, _ body: String, type: String = "application/json", fields: String = "", close: Bool) {
        let client = clients.at(index)
        // A body that is here already is passed over; what is still to come would pass for the next request, so that the connection
        // ends, and the client hears of it.
        if bodyAtHand > 0, !client.pointee.exchange.requestBody.isDone {
            client.pointee.exchange.requestBody = BodyReader()
            client.pointee.exchange.requestBytes = UInt64(bodyAtHand)
            passedOver = bodyAtHand
        }
        if close || !client.pointee.exchange.requestBody.isDone { client.pointee.exchange.keepAlive = false }
        if client.pointee.exchange.capture.isActive { client.pointee.exchange.capture.discard() }
        writeAnswer(index, status, Array(body.utf8), type: type, fields: fields)
        finishLocalAnswer(index)
    }

    /// Head and body into the client's output.
    mutating func writeAnswer(_ index: Int, _ status: UInt16, _ body: [UInt8], type: String, fields: String = "") {
        let client = clients.at(index)
        client.pointee.exchange.status = status
        client.pointee.exchange.answerBegan = true
        client.pointee.exchange.answerFraming = client.pointee.exchange.method == .head || status == 204 ? .none : .length
        var sink = ByteSink(scratch)
        sink.appendStatusLine(status)
        if status != 204 {
            var type = type
            type.withUTF8 { sink.appendField("Content-Type", UnsafeRawBufferPointer($0).bytes) }
            sink.appendField("Content-Length", decimal: UInt64(body.count))
        }
        var fields = fields
        fields.withUTF8 { sink.append(UnsafeRawBufferPointer($0).bytes) }
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
