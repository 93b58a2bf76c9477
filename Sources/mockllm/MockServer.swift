// The mock's process: one loop, requests to answers, delays and paces by alarms.
// Leaves to others: HTTP (`Inbound`), the answers' content (`ModelAnswer`), failures on purpose (`Exchange`).
import CLinux
import EventLoop
import HTTP
import Inbound

final class MockServer {
    /// Kinds of tokens.
    static let serverKind: UInt8 = 1
    static let exchangeKind: UInt8 = 2

    let loop: Loop
    let server: HTTPServer
    let defaults: Controls
    /// Answers that take more than a moment, by slot of their connection.
    private var exchanges: [Exchange?] = []

    init(on loop: Loop, defaults: Controls) {
        self.loop = loop
        self.defaults = defaults
        var limits = HTTPServerLimits()
        limits.connections = 65_536
        limits.head = HeadLimits()
        limits.bodyBytes = 64 << 20
        limits.heldBytes = 1 << 30
        limits.outputBytes = 4 << 20
        limits.allOutputBytes = 2 << 30
        limits.idleTime = .seconds(600)
        limits.bodyTime = .seconds(300)
        server = HTTPServer(on: loop, tokenKind: Self.serverKind, limits: limits)
        server.sendsDate = false  // the same answer is the same bytes
    }

    func turn(patience: Int32 = -1) {
        loop.turn(
            patience: patience,
            { server.handle($0, $1, receive) },
            alarm: { token in
                guard token.kind == Self.exchangeKind else { return server.alarm(token, receive) }
                goOn(ConnectionID(token))
            })
    }

    private func receive(_ event: HTTPServerEvent) {
        switch event {
        case .request(let request): answer(request)
        case .bytes: break
        case .drained(let id): goOn(id)
        case .peerFinished(let id):
            // A client that ended its side may still read; one that is told nothing more has left.
            exchange(id)?.clientHasFinished = true
            endIfLeft(id)
        case .closed(let id): if exchange(id) != nil { exchanges[Int(id.slot)] = nil }
        }
    }

    private func exchange(_ id: ConnectionID) -> Exchange? {
        guard Int(id.slot) < exchanges.count, let exchange = exchanges[Int(id.slot)], exchange.id == id else { return nil }
        return exchange
    }

    private func goOn(_ id: ConnectionID) {
        guard let exchange = exchange(id) else { return }
        let step = exchange.goOn(server)
        switch step {
        case .again(let milliseconds): loop.schedule(id.token(kind: Self.exchangeKind), after: .milliseconds(milliseconds))
        case .wait: endIfLeft(id)
        case .over: exchanges[Int(id.slot)] = nil
        }
    }

    private func endIfLeft(_ id: ConnectionID) {
        guard let exchange = exchange(id), exchange.isStalled, exchange.clientHasFinished else { return }
        server.abort(id, reset: false)
        exchanges[Int(id.slot)] = nil
    }

    /// Gives `reply` as the controls want it.
    private func give(_ reply: Reply, to id: ConnectionID, _ controls: Controls) {
        if case .whole(let status, let fields, let body) = reply, controls.failure == nil, controls.delayMilliseconds == 0 {
            server.respond(id, status, fields, body)
            return
        }
        while exchanges.count <= Int(id.slot) { exchanges.append(nil) }
        exchanges[Int(id.slot)] = Exchange(id, reply, controls)
        if controls.delayMilliseconds == 0 { return goOn(id) }
        loop.schedule(id.token(kind: Self.exchangeKind), after: .milliseconds(controls.delayMilliseconds))
    }

    // MARK: What is asked

    private func answer(_ request: HTTPRequest) {
        var controls = defaults
        switch request.method {
        case .get, .head:
            if let bad = controls.apply(fieldsOf: request) { return refuse(request, "unknown or bad control: \(bad)") }
            let body = request.path.hasSuffix("/models") ? ModelAnswer.models() : ModelAnswer.status
            give(reply(body, controls), to: request.id, controls)
        case .post: answerPost(request, controls)
        default:
            give(.whole(405, HTTPFields.json.with("Allow", "GET, HEAD, POST"), ModelAnswer.error(405, "method not allowed")), to: request.id, defaults)
        }
    }

    private func answerPost(_ request: HTTPRequest, _ defaults: Controls) {
        var controls = defaults
        let model: ModelRequest
        do {
            model = try ModelRequest(parsing: request.body)
        } catch {
            return refuse(request, "the request's body is no valid JSON: \(error)")
        }
        if let value = model.controls, let bad = controls.apply(value) { return refuse(request, "unknown or bad control: \(bad)") }
        if let bad = controls.apply(fieldsOf: request) { return refuse(request, "unknown or bad control: \(bad)") }
        let path = request.path
        if path.hasSuffix("/embeddings") { return give(reply(ModelAnswer.embeddings(model), controls), to: request.id, controls) }
        let dialect = Dialect(path: path)
        let answer = ModelAnswer(dialect, model, controls, body: request.body)
        guard dialect.canStream, model.stream ?? (dialect.streamsByDefault || path.hasSuffix(":streamGenerateContent")), controls.status < 300 else {
            return give(reply(answer.whole(), controls), to: request.id, controls)
        }
        let events = AnswerStream(answer, tokensPerEvent: controls.chunkTokens, includesUsage: model.includesUsage)
        let fields = dialect.streamsByDefault ? Self.ndjson : HTTPFields.eventStream
        give(.stream(controls.status, fields, events), to: request.id, controls)
    }

    private static let ndjson: HTTPFields = ["Content-Type": "application/x-ndjson"]

    /// With a status of 300 and more an error takes the place of the answer.
    private func reply(_ body: [UInt8], _ controls: Controls) -> Reply {
        guard controls.status >= 300 else { return .whole(controls.status, .json, body) }
        let fields = controls.status == 429 || controls.status == 503 ? HTTPFields.json.with("Retry-After", "1") : .json
        return .whole(controls.status, fields, ModelAnswer.error(controls.status, "mock error \(controls.status)"))
    }

    private func refuse(_ request: HTTPRequest, _ why: String) {
        give(.whole(400, .json, ModelAnswer.error(400, why, code: "invalid_request")), to: request.id, Controls())
    }
}
