// What a person sees when the product is up: where it listens, where it sends, how to try it (FEATURES T14).
import Configuration
import Glibc
import Role
import Telemetry

struct Banner {
    private let settings: Settings
    /// Nobody set the access token: it is shown here and nowhere else.
    private let madeToken: Bool
    private let proxyURL: String
    private let webSocketURL: String
    private let dashboardURL: String
    /// Where audits, statistics and metrics are.
    private let ownURL: String

    init(_ settings: Settings, madeToken: Bool, proxyPort: Int, webSocketPort: Int) {
        self.settings = settings
        self.madeToken = madeToken && !settings.accessToken.isEmpty
        let host = Self.reachable(settings.host)
        let scheme = settings.tlsCertificateFile.isEmpty ? "http" : "https"
        proxyURL = "\(scheme)://\(host):\(proxyPort)"
        webSocketURL = "ws://\(host):\(webSocketPort)/ws"
        dashboardURL = "http://\(host):\(webSocketPort)/" + (settings.dashboardTicket.isEmpty ? "" : "?ticket=\(settings.dashboardTicket)")
        ownURL = (settings.adminPort == 0 ? proxyURL : "\(scheme)://\(host):\(settings.adminPort)") + settings.pathPrefix
    }

    /// The name by which this machine reaches a listener; wildcard addresses are no place to connect to.
    static func reachable(_ host: String) -> String {
        switch host {
        case "127.0.0.1", "0.0.0.0", "::", "::1": "localhost"
        default: host.contains(":") ? "[\(host)]" : host
        }
    }

    /// What audits, and where it is.
    private var engine: String {
        let places = [
            settings.engine.contains(.grpc) ? settings.grpcAddress.description : nil,
            settings.engine.contains(.judge) ? settings.judgeURL.description : nil,
        ].compactMap { $0 }
        return settings.engine.description + (places.isEmpty ? "" : " at " + places.joined(separator: " and "))
    }

    /// For the log line.
    var fields: Log.Fields {
        ["proxy": .string(proxyURL), "websocket": .string(webSocketURL), "upstream": .string(settings.upstreams.display)]
    }

    func show() {
        let audits =
            settings.auditEnabled
            ? "\(engine), \(settings.auditorCount) auditor processes, at most \(settings.workerCount) audits at once"
            : "off (TRUTHTABLE_AUDIT_ENABLED)"
        let token = madeToken ? "\n  Token       \(settings.accessToken)  for dashboards and /stats from other machines (TRUTHTABLE_ACCESS_TOKEN)" : ""
        let text = """

              TruthTable \(Build.version)

              Proxy       \(proxyURL)  →  \(settings.upstreams.display)
              Dashboard   \(dashboardURL)
              Audits      \(webSocketURL)
              On request  \(ownURL)/v1/audits, \(ownURL)/stats, \(ownURL)/metrics
              Engine      \(audits)\(token)

              First request (or set base_url="\(proxyURL)/v1" in the OpenAI SDK):
                curl \(proxyURL)/v1/chat/completions -H "Authorization: Bearer $OPENAI_API_KEY" \\
                  -H "Content-Type: application/json" \\
                  -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'
              State of all processes: truthtable status


            """
        // A terminal or pipe that takes nothing loses the banner, not the product: a pipe that is ready takes as much as this
        // (PIPE_BUF, 4096 bytes) without blocking.
        var wait = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&wait, 1, 0) > 0 else { return }
        _ = text.utf8CString.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count - 1) }
    }
}
