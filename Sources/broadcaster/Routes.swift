// The broadcaster's HTTP: which path is what, who may look, and every refusal with its cure.
//
//     /ws  /api/ws   the events by WebSocket; on the port of the dashboards in the envelope `data`, from the edge in `payload`
//     /events        the events as a stream (HTML, "Server-sent events"), on the port of the dashboards only
//     /  /page/…     the page, on the port of the dashboards only; `/?ticket=` the way to it
//     /ws-echo       messages back to their sender, for conformance suites, with TRUTHTABLE_WS_ECHO only
//     /health        open to all
import Configuration
import EventLoop
import HTTP
import Inbound

struct Routes {
    /// A request that opens a stream of messages, which is the caller's to do.
    enum Opening {
        case webSocket(Handshake, DashboardQuery)
        case eventStream(HTTPFields, DashboardQuery)
        case echo(Handshake)
    }

    private let server: HTTPServer
    private let access: AccessPolicy
    private let page = DashboardPage()
    private let token: String
    private var ticket: Ticket
    private let allowsEcho: Bool
    private let edgeListener: Int

    /// `edgeListener` is the server's index of the socket whose peers are edges.
    init(_ server: HTTPServer, _ settings: Settings, edgeListener: Int, at now: Instant) {
        self.server = server
        self.edgeListener = edgeListener
        token = settings.accessToken
        access = AccessPolicy(token: token, allowedOrigins: settings.allowedOrigins)
        ticket = Ticket(token.isEmpty ? "" : settings.dashboardTicket, at: now)
        allowsEcho = settings.webSocketEcho
    }

    /// Answers a request, unless it opens a stream of messages.
    mutating func answer(_ request: HTTPRequest, at now: Instant) -> Opening? {
        let isOwnPort = request.listener != edgeListener
        switch request.path {
        case "/health": respond(request, .json, Array("{\"status\":\"ok\"}".utf8))
        case "/ws", "/api/ws": return opening(request) { request throws(HandshakeRefusal) in .webSocket(try Handshake(request), try query(request)) }
        case "/ws-echo" where allowsEcho && isOwnPort: return opening(request) { request throws(HandshakeRefusal) in .echo(try Handshake(request)) }
        case "/events" where isOwnPort: return opening(request, streamOpening)
        case let path where isOwnPort && page.has(path):
            if path == "/", let text = request.parameter("ticket") { enter(request, text, at: now) } else { show(request) }
        default: refuse(request, 404, "not found: the dashboard is at /, events are at /ws and /events")
        }
        return nil
    }

    /// The page. A browser that may not look gets it as well, to be asked for the token; a program gets the sentence.
    private func show(_ request: HTTPRequest) {
        guard request.method == .get || request.method == .head else { return refuse(request, 405, "use GET") }
        guard request.path == "/" else { return page.answer(request, server) }
        switch access.decide(request) {
        case .refused(let refusal) where refusal.status == 401 && request[.accept]?.contains("text/html") == true:
            page.answer(request, server, status: 401)
        case .refused(let refusal): refuse(request, refusal.status, Self.sentence(refusal))
        case .allowed:
            var cookie: String?
            if case .explicit(let shown) = AccessPolicy.presented(in: request), AccessPolicy.isEqual(shown, to: token) { cookie = tokenCookie }
            page.answer(request, server, cookie: cookie)
        }
    }

    private func opening(_ request: HTTPRequest, _ open: (HTTPRequest) throws(HandshakeRefusal) -> Opening?) -> Opening? {
        guard isAllowed(request) else { return nil }
        do throws(HandshakeRefusal) {
            return try open(request)
        } catch {
            refuse(request, error.status, error.sentence)
            return nil
        }
    }

    private func query(_ request: HTTPRequest) throws(HandshakeRefusal) -> DashboardQuery {
        do throws(SubscriptionError) {
            var query = try DashboardQuery(default: request.listener == edgeListener ? .payload : .data) { request.parameter($0) }
            if let last = request["Last-Event-ID"], !last.isEmpty { try query.resume(after: last) }
            return query
        } catch {
            throw HandshakeRefusal(status: 400, sentence: error.sentence)
        }
    }

    private func streamOpening(_ request: HTTPRequest) throws(HandshakeRefusal) -> Opening? {
        guard request.method == .get || request.method == .head else { throw HandshakeRefusal(status: 405, sentence: "use GET") }
        let query = try query(request)
        var fields = HTTPFields.eventStream
        if let origin = request[.origin] {  // of a page that may look: it could not read the stream otherwise
            fields.append("Access-Control-Allow-Origin", origin)
            fields.append("Vary", "Origin")
        }
        guard request.method == .get else {
            server.respond(request.id, 200, fields)
            return nil
        }
        return .eventStream(fields, query)
    }

    /// Stands for the token from then on. The token's bytes are all of those that a cookie may have (RFC 6265 §4.1.1).
    private var tokenCookie: String { "truthtable_token=\(token); HttpOnly; SameSite=Strict; Path=/" }

    // MARK: The ticket

    /// From the URL with the ticket to the one without, with a cookie that opens it.
    private mutating func enter(_ request: HTTPRequest, _ text: String, at now: Instant) {
        var fields: HTTPFields = ["Location": "/", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"]
        if request.method == .get, ticket.redeem(text, at: now) {
            fields.append("Set-Cookie", tokenCookie)
        } else if access.decide(request) != .allowed {
            if request[.accept]?.contains("text/html") == true { return show(request) }  // which asks for the token
            return refuse(request, 401, "this ticket was used already or is too old: open the dashboard as /?token= with the access token, or start TruthTable again")
        }
        server.respond(request.id, 303, fields)
    }

    // MARK: Answers

    private func respond(_ request: HTTPRequest, _ fields: HTTPFields, _ body: [UInt8]) {
        guard request.method == .get || request.method == .head else { return refuse(request, 405, "use GET") }
        server.respond(request.id, 200, fields, body)
    }

    func refuse(_ request: HTTPRequest, _ status: UInt16, _ sentence: String) {
        var fields = HTTPFields.json
        if status == 405 { fields.append("Allow", "GET, HEAD") }
        if status == 426 {
            fields.append("Upgrade", "websocket")
            fields.append("Sec-WebSocket-Version", "13")
        }
        server.respond(request.id, status, fields, Message.error(sentence))
    }

    /// Whether the client may look; a refusal is answered. The edge has checked whom it passes on.
    private func isAllowed(_ request: HTTPRequest) -> Bool {
        if request.listener == edgeListener { return true }
        switch access.decide(request) {
        case .refused(let refusal):
            refuse(request, refusal.status, Self.sentence(refusal))
            return false
        case .allowed: return true
        }
    }

    private static func sentence(_ refusal: AccessPolicy.Refusal) -> String {
        switch refusal {
        case .tokenMissing: refusal.message
        case .tokenWrong: refusal.message + ": use the value of TRUTHTABLE_ACCESS_TOKEN or the one in the banner"
        case .foreignOrigin: refusal.message + ": add the origin to TRUTHTABLE_ALLOWED_ORIGINS or show the access token"
        }
    }
}
