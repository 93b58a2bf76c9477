// The values of all settings, typed, with their defaults. Names, limits, help and readers are in `SettingsTable`:
// a new setting is one property here and one row there (a test counts both).

/// What this installation was told to do. `Settings()` are the defaults.
package struct Settings: Equatable, Sendable {
    // Addresses
    package var host = "127.0.0.1"
    package var port = 8080
    package var webSocketPort = 8081
    package var adminPort = 0
    package var pathPrefix = ""
    package var accessToken = ""
    package var dashboardTicket = ""
    package var allowedOrigins = AllowedOrigins.localOnly
    package var tlsCertificateFile = ""
    package var tlsKeyFile = ""
    package var webSocketEcho = false

    // Upstream
    package var upstreams = UpstreamList([Upstream(UpstreamURL(isTLS: true, host: "api.openai.com", port: 443, basePath: ""))])
    package var routes = RouteList()
    package var upstreamTimeout = Duration.seconds(120)
    package var answerIdleTimeout = Duration.seconds(120)
    package var upstreamCAFile = ""
    package var upstreamCertificateFile = ""
    package var upstreamKeyFile = ""
    package var connectTimeout = Duration.seconds(10)
    package var upstreamIdleConnections = 128
    package var upstreamIdleTimeout = Duration.seconds(90)
    package var breakerFaults = 5
    package var breakerOpenTime = Duration.seconds(1)

    // Callers
    package var keysFile = ""
    package var serveAnyone = false

    // Audits
    package var auditEnabled = true
    package var sampleRate = 1.0
    package var auditTimeout = Duration.seconds(30)
    package var workerCount = 10
    package var queueSize = 1000
    package var queueBytes = 256 << 20
    package var captureBodyLimitBytes = 256 << 10
    package var captureMemoryBytes = 64 << 20
    package var redactNames: [String] = []
    package var capturePaths = PathPatterns.all
    package var optOutHeader = ""
    package var testMode = false
    package var auditWait = Duration.seconds(30)
    package var auditWaitLimit = Duration.seconds(120)
    package var answerHeaders = true
    package var traceContext = true

    // Engines
    package var engine = EngineSelection(.embedded)
    package var engineFallback = false
    package var engineCAFile = ""
    package var grpcAddress = HostAndPort(host: "localhost", port: 50051)
    package var grpcTLS = false
    package var grpcTimeout = Duration.seconds(30)
    package var grpcMessageLimitBytes = 4 << 20
    package var judgeURL = UpstreamURL(isTLS: false, host: "localhost", port: 11434, basePath: "/v1")
    package var judgeModel = "llama3.2"
    package var judgeKey = ""
    package var judgeConcurrency = 4
    package var judgeTimeout = Duration.seconds(30)
    package var judgeContextBytes = 12 << 10
    package var judgeInputPrice = 0.0
    package var judgeOutputPrice = 0.0

    // Processes
    package var auditorCount = 1
    package var edgeCount = 1
    package var runtimeDirectory = ""
    package var libexecDirectory = ""
    package var drainTimeout = Duration.seconds(45)
    package var hungTimeout = Duration.seconds(10)
    package var auditorHungTimeout = Duration.seconds(3)
    package var backtrace = false

    // Events
    package var eventRingCount = 10_000
    package var eventRingBytes = 32 << 20

    // Logs
    package var logLevel = LogLevel.info
    package var accessLog = AccessLog.off

    // Clients
    package var maxConnections = 10_000
    package var maxConnectionsPerAddress = 0
    package var trustedProxies = TrustedProxies.unlisted
    package var maxHeadBytes = 64 << 10
    package var maxHeaderFields = 100
    package var maxTargetBytes = 16 << 10
    package var maxChunkLineBytes = 256
    package var maxTrailerBytes = 8 << 10
    package var maxRequestBodyBytes = 64 << 20
    package var headTimeout = Duration.seconds(10)
    package var bodyIdleTimeout = Duration.seconds(60)
    package var keepAliveTimeout = Duration.seconds(75)
    package var exchangeTimeout = Duration.seconds(3600)
    package var tunnelIdleTimeout = Duration.seconds(3600)

    /// The defaults on a machine of so many cores: one auditor each, within the limits of `TRUTHTABLE_AUDITOR_COUNT`.
    package init(cores: Int = 1) {
        auditorCount = min(max(cores, SettingsTable.auditorCounts.lowerBound), SettingsTable.auditorCounts.upperBound)
    }

    /// Whether there is a certificate for a reload to read again.
    package var namesCertificates: Bool { !tlsCertificateFile.isEmpty || !upstreamCertificateFile.isEmpty || !upstreamCAFile.isEmpty }

    /// The settings that name this file, to tell people which one to change.
    package func names(ofFile path: String) -> String {
        SettingsTable.all.filter { $0.text(in: self) == path }.map(\.name).joined(separator: ", ")
    }

    /// Whether only this machine can connect: elsewhere, dashboards and statistics need the access token.
    package var listensOnLoopbackOnly: Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && Notation.isIPv4(host))
    }
}
