// The broadcaster's HTTP: which path is what, who may look, and every refusal with its cure.
//
//     /ws  /api/ws   the events; on the port of the dashboards in the envelope `data`, from the edge in `payload`
//     /  /page/…     the page, on the port of the dashboards only
//     /health        open to all
import Configuration
import HTTP
import Inbound

struct Routes {
    /// A request that opens a WebSocket.
    struct Opening {
        let handshake: [UInt8]
        let query: DashboardQuery
    }

    private let server: HTTPServer
    private let access: AccessPolicy
    private let page = DashboardPage()
    private let edgeListener: Int

    /// `edgeListener` is the server's index of the socket whose peers are edges.
    init(_ server: HTTPServer, _ settings: Settings, edgeListener: Int) {
        self.server = server
        self.edgeListener = edgeListener
        access = AccessPolicy(token: settings.accessToken, allowedOrigins: settings.allowedOrigins)
    }

    /// Answers a request, unless it opens a WebSocket: that is the caller's to do.
    func answer(_ request: HTTPRequest) -> Opening? {
        switch request.path {
        case "/ws", "/api/ws": return opening(request)
        case "/health": respond(request, .json, Array("{\"status\":\"ok\"}".utf8))
        case let path where request.listener != edgeListener && page.has(path): show(request)
        default: refuse(request, 404, "not found: the dashboard is at /, events are at /ws")
        }
        return nil
    }

    /// The page. A browser that may not look gets it as well, to be asked for the token; a program gets the sentence.
    private func show(_ request: HTTPRequest) {
        guard request.method == .get || request.method == .head else { return refuse(request, 405, "use GET") }
        guard request.path == "/" else { return page.answer(request, server) }
        switch access.decide(request) {
        case .refused(let refusal) where refusal.status == 401 && request["Accept"]?.contains("text/html") == true:
            page.answer(request, server, status: 401)
        case .refused(let refusal): refuse(request, refusal.status, Self.sentence(refusal))
        case .allowed:
            var token: String?
            if case .explicit(let shown) = AccessPolicy.presented(in: request) { token = shown }
            page.answer(request, server, token: token)
        }
    }

    private func opening(_ request: HTTPRequest) -> Opening? {
        guard isAllowed(request) else { return nil }
        do throws(HandshakeRefusal) {
            let handshake = try Handshake.answer(request)
            let envelope: Envelope = request.listener == edgeListener ? .payload : .data
            do throws(SubscriptionError) {
                return Opening(handshake: handshake, query: try DashboardQuery(request.query ?? "", default: envelope))
            } catch {
                throw HandshakeRefusal(status: 400, sentence: error.sentence)
            }
        } catch {
            refuse(request, error.status, error.sentence)
            return nil
        }
    }

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
