// Every setting, declared once: name, kind and limits, help, the roles that get it, what a change needs.
// `--help`, README's table, validation and what a child is told all follow from these rows; defaults are in `Settings`.

package enum SettingsTable {
    package static let prefix = "TRUTHTABLE_"

    /// As many as the scoreboard has places for.
    package static let auditorCounts = 1...64
    static let edgeCounts = 1...16

    /// Longer than any call that is worth waiting for; a typing error of a unit is more likely.
    private static let aDay = Duration.seconds(86_400)

    /// One data frame of the processes' channels; a capture (two heads, two bodies, its fixed part) must fit into it.
    static let frameBytes = 1 << 20
    static let captureFixedBytes = 16 << 10

    package static let sections: [SettingsSection] = [
        SettingsSection("Addresses", addresses), SettingsSection("Upstream", upstream), SettingsSection("Callers", callers),
        SettingsSection("Audits", audits), SettingsSection("Engines", engines),
        SettingsSection("Processes", processes), SettingsSection("Events", events), SettingsSection("Logs", logs),
        SettingsSection("Limits for clients", clients),
    ]

    package static let all: [Setting] = sections.flatMap(\.settings)

    package static func setting(named name: String) -> Setting? { byName[name] }

    private static let byName = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    private static let addresses: [Setting] = [
        Setting(
            "HOST", .listenAddress(\.host), [.supervisor],
            "Address that both ports listen on; 0.0.0.0 or :: for every interface"),
        Setting(
            "PORT", .port(\.port), [.supervisor],
            "Port of the proxy and the API; 0 takes a free one"),
        Setting(
            "WS_PORT", .port(\.webSocketPort), [.supervisor],
            "Port of the dashboards' WebSocket; 0 takes a free one"),
        Setting(
            "ADMIN_PORT", .port(\.adminPort), [.supervisor, .edge],
            "Port that alone serves the product's own paths (audits, statistics, metrics, /ws); 0: they are on PORT. Health is on both"),
        Setting(
            "PATH_PREFIX", .pathPrefix(\.pathPrefix), [.supervisor, .edge],
            "Stands before each of the product's own paths, so that none can shadow one of the upstream's", defaultNote: "none"),
        Setting(
            "ACCESS_TOKEN", .token(\.accessToken), [.supervisor, .edge, .broadcaster], isSecret: true,
            "Who shows it may see dashboards, audits and metrics from elsewhere than this machine",
            defaultNote: "none; made at the start when HOST is not loopback"),
        Setting(
            "DASHBOARD_TICKET", .token(\.dashboardTicket), [.supervisor, .broadcaster], isSecret: true,
            "Opens the dashboard once, within an hour of the start, by the URL in the banner",
            defaultNote: "made at the start when there is an access token"),
        Setting(
            "ALLOWED_ORIGINS", .origins(\.allowedOrigins), [.edge, .broadcaster],
            "Web pages that may read answers: origins separated by commas, `local` for this machine's, `*` for all"),
        Setting(
            "TLS_CERT", .path(\.tlsCertificateFile), [.supervisor, .edge],
            "Certificate with its chain (PEM): the proxy's port then speaks TLS; read again on SIGHUP", defaultNote: "none; plain HTTP"),
        Setting(
            "TLS_KEY", .path(\.tlsKeyFile), [.edge],
            "Its private key (PEM, without a passphrase); read again on SIGHUP", defaultNote: "none"),
        Setting(
            "WS_ECHO", .flag(\.webSocketEcho), [.broadcaster],
            "Send messages back at /ws-echo of the dashboards' port, for WebSocket conformance suites"),
    ]

    private static let upstream: [Setting] = [
        Setting(
            "UPSTREAM_URL", .upstreams(\.upstreams), [.supervisor, .edge],
            "LLM API that requests are forwarded to: http or https, host, optional port and base path; or a list with weights and keys (docs/GATEWAY.md)"),
        Setting(
            "ROUTES", .routes(\.routes), [.supervisor, .edge],
            "Other upstreams by path and model: `/v1/messages => https://api.anthropic.com; model llama* => http://localhost:11434`",
            defaultNote: "none"),
        Setting(
            "UPSTREAM_TIMEOUT", .duration(\.upstreamTimeout, .milliseconds(100)...aDay), [.edge],
            "Longest wait for the first byte of an answer"),
        Setting(
            "ANSWER_IDLE_TIMEOUT", .duration(\.answerIdleTimeout, .milliseconds(100)...aDay), [.edge],
            "Longest pause of the upstream in its answer", defaultNote: "that of UPSTREAM_TIMEOUT"),
        Setting(
            "UPSTREAM_CA_FILE", .path(\.upstreamCAFile), [.supervisor, .edge],
            "Certificates (PEM) to trust for the upstream, beside the system's; read again on SIGHUP", defaultNote: "the system's"),
        Setting(
            "UPSTREAM_TLS_CERT", .path(\.upstreamCertificateFile), [.supervisor, .edge],
            "Certificate with its chain (PEM) that is shown to an upstream which asks for one; read again on SIGHUP", defaultNote: "none"),
        Setting(
            "UPSTREAM_TLS_KEY", .path(\.upstreamKeyFile), [.edge],
            "Its private key (PEM, without a passphrase); read again on SIGHUP", defaultNote: "none"),
        Setting(
            "CONNECT_TIMEOUT", .duration(\.connectTimeout, .milliseconds(100)...aDay), [.edge, .auditor],
            "Longest wait for the addresses of the host of the upstream or an engine; then for a connection, TLS included"),
        Setting(
            "UPSTREAM_IDLE_CONNECTIONS", .count(\.upstreamIdleConnections, 0...65_536), [.edge],
            "Idle connections to each upstream that each edge keeps"),
        Setting(
            "UPSTREAM_IDLE_TIMEOUT", .duration(\.upstreamIdleTimeout, .milliseconds(100)...aDay), [.edge],
            "How long an idle connection to the upstream is kept"),
        Setting(
            "BREAKER_FAULTS", .count(\.breakerFaults, 0...1000), [.edge],
            "Faults in a row after which an upstream is left alone for a while; 0 for never"),
        Setting(
            "BREAKER_OPEN_TIME", .duration(\.breakerOpenTime, .milliseconds(100)...aDay), [.edge],
            "How long it is left alone at first; twice as long after each trial that failed, up to 30 times"),
    ]

    private static let callers: [Setting] = [
        Setting(
            "KEYS_FILE", .path(\.keysFile), [.supervisor, .edge],
            "File of the callers' keys, made by `truthtable keys`; set, every caller needs one", defaultNote: "none"),
        Setting(
            "SERVE_ANYONE", .flag(\.serveAnyone), [.edge],
            "Without KEYS_FILE, serve callers of other machines too where the upstream's key is ours"),
    ]

    private static let audits: [Setting] = [
        Setting(
            "AUDIT_ENABLED", .flag(\.auditEnabled), [.supervisor, .edge],
            "Whether answers are audited; off, TruthTable is a plain proxy"),
        Setting(
            "SAMPLE_RATE", .ratio(\.sampleRate), [.dispatcher],
            "Part of the captured answers that is audited, 0 to 1"),
        Setting(
            "AUDIT_TIMEOUT", .duration(\.auditTimeout, .milliseconds(100)...aDay), [.dispatcher, .auditor],
            "Deadline of one audit"),
        Setting(
            "WORKER_COUNT", .count(\.workerCount, 1...1024), [.supervisor, .dispatcher, .auditor],
            "Audits that may run at once, over all auditors"),
        Setting(
            "QUEUE_SIZE", .count(\.queueSize, 1...1_000_000), [.dispatcher],
            "Audits that may wait; more are dropped and counted"),
        Setting(
            "QUEUE_BYTES", .bytes(\.queueBytes, 1 << 20...1 << 40), [.dispatcher],
            "Memory for waiting audits"),
        Setting(
            "CAPTURE_BODY_LIMIT", .bytes(\.captureBodyLimitBytes, 0...512 << 10), [.edge],
            "Bytes of each request's and each answer's body that are kept for the audit"),
        Setting(
            "CAPTURE_MEMORY", .bytes(\.captureMemoryBytes, 1 << 20...1 << 40), [.edge],
            "Memory of each edge for captures; more are dropped and counted"),
        Setting(
            "REDACT_NAMES", .words(\.redactNames), [.edge],
            "Words: fields and query parameters with one in their name are captured without their value",
            defaultNote: "authorization, cookie, key, token, secret, password, signature; always"),
        Setting(
            "AUDIT_WAIT", .duration(\.auditWait, .zero...aDay), [.supervisor, .edge],
            "How long POST /v1/audits waits for the verdict where the request does not say"),
        Setting(
            "AUDIT_WAIT_LIMIT", .duration(\.auditWaitLimit, .zero...aDay), [.supervisor, .edge],
            "Longest wait that a request may ask for by ?wait="),
        Setting(
            "ANSWER_HEADERS", .flag(\.answerHeaders), [.edge],
            "Whether answers bear X-TruthTable-Audit-Id, -Overhead-Ms and -Upstream"),
        Setting(
            "TRACE_CONTEXT", .flag(\.traceContext), [.edge],
            "Whether each request's W3C trace is continued or begun; off, traceparent and tracestate pass through as they came"),
        Setting(
            "CAPTURE_PATHS", .pathPatterns(\.capturePaths), [.edge],
            "Paths whose answers are audited: patterns with *, those with ! in front left out"),
        Setting(
            "OPT_OUT_HEADER", .fieldName(\.optOutHeader), [.edge],
            "Header by which a caller keeps an exchange out of audits, such as X-No-Audit: any value but 0 and false", defaultNote: "none"),
        Setting(
            "TEST_MODE", .flag(\.testMode), [.supervisor, .edge],
            "Answer requests that carry `test_response` with that text, without the upstream"),
    ]

    private static let engines: [Setting] = [
        Setting(
            "ENGINE", .engines(\.engine), [.supervisor, .edge, .auditor],
            "What audits: the embedded engine, an engine behind gRPC, a language model as judge; `embedded,judge` asks the judge about doubtful claims only",
            defaultNote: "embedded; grpc when GRPC_ADDRESS is set"),
        Setting(
            "ENGINE_FALLBACK", .flag(\.engineFallback), [.auditor],
            "When the engine cannot be reached or fails, the embedded engine audits instead, and the result says so"),
        Setting(
            "ENGINE_CA_FILE", .path(\.engineCAFile), [.auditor],
            "Certificates (PEM) to trust for the gRPC engine and the judge", defaultNote: "the system's"),
        Setting(
            "GRPC_ADDRESS", .hostAndPort(\.grpcAddress), [.supervisor, .auditor],
            "Address of the gRPC audit engine; setting it chooses that engine unless ENGINE says otherwise"),
        Setting(
            "GRPC_TLS", .flag(\.grpcTLS), [.auditor],
            "Speak TLS to the gRPC engine"),
        Setting(
            "GRPC_TIMEOUT", .duration(\.grpcTimeout, .milliseconds(100)...aDay), [.auditor],
            "Longest wait for the gRPC engine's verdict, within AUDIT_TIMEOUT"),
        Setting(
            "GRPC_MESSAGE_LIMIT", .bytes(\.grpcMessageLimitBytes, 64 << 10...64 << 20), [.auditor],
            "Longest message to and from the gRPC engine"),
        Setting(
            "JUDGE_URL", .upstream(\.judgeURL), [.supervisor, .auditor],
            "OpenAI-compatible API of the judge, up to what stands before /chat/completions"),
        Setting(
            "JUDGE_MODEL", .name(\.judgeModel), [.auditor],
            "Model that judges"),
        Setting(
            "JUDGE_KEY", .token(\.judgeKey), [.auditor], isSecret: true,
            "Key for the judge's API", defaultNote: "none"),
        Setting(
            "JUDGE_CONCURRENCY", .count(\.judgeConcurrency, 1...256), [.auditor],
            "Requests to the judge that each auditor has under way"),
        Setting(
            "JUDGE_TIMEOUT", .duration(\.judgeTimeout, .milliseconds(100)...aDay), [.auditor],
            "Longest wait for the judge's verdict, within AUDIT_TIMEOUT"),
        Setting(
            "JUDGE_CONTEXT", .bytes(\.judgeContextBytes, 1 << 10...1 << 20), [.auditor],
            "Bytes of documents in a request to the judge; of longer ones it gets the passages around the evidence"),
        Setting(
            "JUDGE_INPUT_PRICE", .price(\.judgeInputPrice), [.auditor],
            "Dollars for a million tokens that the judge reads, to tell the cost"),
        Setting(
            "JUDGE_OUTPUT_PRICE", .price(\.judgeOutputPrice), [.auditor],
            "The same for tokens that it writes"),
    ]

    private static let processes: [Setting] = [
        Setting(
            "AUDITOR_COUNT", .count(\.auditorCount, auditorCounts), [.supervisor, .dispatcher],
            "Auditor processes", defaultNote: "number of cores"),
        Setting(
            "EDGE_COUNT", .count(\.edgeCount, edgeCounts), [.supervisor],
            "Edge processes"),
        Setting(
            "RUNTIME_DIR", .path(\.runtimeDirectory), [.supervisor, .edge, .broadcaster],
            "Directory of the sockets by which the product's parts and `truthtable status` meet",
            defaultNote: "$XDG_RUNTIME_DIR/truthtable-PORT, else /tmp/truthtable-UID-PORT"),
        Setting(
            "LIBEXEC_DIR", .path(\.libexecDirectory), [.supervisor],
            "Directory of the truthtable-ROLE executables", defaultNote: "beside `truthtable`"),
        Setting(
            "DRAIN_TIMEOUT", .duration(\.drainTimeout, .zero...aDay), [.supervisor, .edge, .dispatcher, .broadcaster],
            "Time for open requests and queued audits to finish when TruthTable is stopped"),
        Setting(
            "HUNG_TIMEOUT", .duration(\.hungTimeout, .milliseconds(500)...aDay), [.supervisor],
            "A process that shows no life for so long is killed and started again"),
        Setting(
            "AUDITOR_HUNG_TIMEOUT", .duration(\.auditorHungTimeout, .milliseconds(500)...aDay), [.supervisor],
            "The same for auditors"),
        Setting(
            "BACKTRACE", .flag(\.backtrace), [.supervisor],
            "Print backtraces of crashes; needs a Swift toolchain and slows restarts"),
    ]

    private static let events: [Setting] = [
        Setting(
            "EVENT_RING_COUNT", .count(\.eventRingCount, 1...1_000_000), [.dispatcher, .broadcaster],
            "Recent events kept for dashboards that come back"),
        Setting(
            "EVENT_RING_BYTES", .bytes(\.eventRingBytes, 1 << 20...1 << 40), [.dispatcher, .broadcaster],
            "Memory for them, in the dispatcher and again in the broadcaster"),
    ]

    private static let logs: [Setting] = [
        Setting(
            "LOG_LEVEL", .choice(\.logLevel), Set(ProcessRole.allCases),
            "Least level of the lines on standard error"),
        Setting(
            "ACCESS_LOG", .accessLog(\.accessLog), [.supervisor, .edge],
            "File that gets a line for each request; `-` for standard error, empty for none",
            defaultNote: "none"),
    ]

    private static let clients: [Setting] = [
        Setting(
            "MAX_CONNECTIONS", .count(\.maxConnections, 1...1_000_000), [.supervisor, .edge, .broadcaster],
            "Open client connections of each edge and of the broadcaster"),
        Setting(
            "MAX_CONNECTIONS_PER_ADDRESS", .count(\.maxConnectionsPerAddress, 0...1_000_000), [.edge],
            "The same from one address (IPv6: one /64 net), trusted proxies excepted; 0 for no limit"),
        Setting(
            "TRUSTED_PROXIES", .trustedProxies(\.trustedProxies), [.edge],
            "Peers whose X-Forwarded-For and -Proto count; others' are replaced, with `none` all",
            defaultNote: "no list: anybody's X-Forwarded-For is added to"),
        Setting(
            "MAX_HEAD_BYTES", .bytes(\.maxHeadBytes, 1 << 10...256 << 10), [.edge, .broadcaster],
            "Request line and header fields of a request, and of an answer"),
        Setting(
            "MAX_HEADER_FIELDS", .count(\.maxHeaderFields, 8...100), [.edge, .broadcaster],
            "Header fields of a request, and of an answer"),
        Setting(
            "MAX_TARGET_BYTES", .bytes(\.maxTargetBytes, 256...128 << 10), [.edge, .broadcaster],
            "Path and query of a request"),
        Setting(
            "MAX_CHUNK_LINE", .bytes(\.maxChunkLineBytes, 32...16 << 10), [.edge],
            "Size line of a chunk, extensions included, of a request and of an answer"),
        Setting(
            "MAX_TRAILERS", .bytes(\.maxTrailerBytes, 2...60 << 10), [.edge],
            "Trailers of a request, and of an answer"),
        Setting(
            "MAX_REQUEST_BODY", .bytes(\.maxRequestBodyBytes, 0...1 << 40), [.edge],
            "Body of a request"),
        Setting(
            "HEAD_TIMEOUT", .duration(\.headTimeout, .milliseconds(100)...aDay), [.edge, .broadcaster],
            "Longest wait for a request's whole head once it began"),
        Setting(
            "BODY_IDLE_TIMEOUT", .duration(\.bodyIdleTimeout, .milliseconds(100)...aDay), [.edge],
            "Longest pause of a client in its request's body, or in taking the answer"),
        Setting(
            "KEEPALIVE_TIMEOUT", .duration(\.keepAliveTimeout, .milliseconds(100)...aDay), [.edge, .broadcaster],
            "How long a client's connection is kept between requests"),
        Setting(
            "EXCHANGE_TIMEOUT", .duration(\.exchangeTimeout, .milliseconds(100)...aDay), [.edge],
            "Longest time for a request and all of its answer"),
        Setting(
            "TUNNEL_IDLE_TIMEOUT", .duration(\.tunnelIdleTimeout, .milliseconds(100)...aDay), [.edge],
            "Longest silence of both sides of a WebSocket connection to the upstream"),
    ]
}
