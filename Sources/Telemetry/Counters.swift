// What is counted, declared once: the scoreboard's cells, the ledger and `/metrics` follow from here. A case is where the
// code counts; its definition says the name, the label, the help and who counts it. Names are an interface: they stay.

/// What a cell of the scoreboard is called and means.
package struct CellDefinition: Sendable {
    package enum Unit: Sendable {
        case count
        /// Shown in seconds.
        case microseconds
        /// Shown as a decimal number.
        case millionths
        /// A point in monotonic time, shown as the seconds since then.
        case ageSinceMicroseconds
    }

    /// Name in snake_case, without `truthtable_` and `_total`; cells of one family differ in their label only.
    package let family: String
    /// Such as `reason`, `queue_full`.
    package let label: (name: String, value: String)?
    package let help: String
    package let unit: Unit
    /// In whose slots the cell counts.
    package let owners: [Place.Group]

    init(
        _ owners: [Place.Group], _ family: String, label: (name: String, value: String)? = nil, unit: Unit = .count,
        _ help: String
    ) {
        self.owners = owners
        self.family = family
        self.label = label
        self.help = help
        self.unit = unit
    }

    /// `dropped_queue_full`.
    package var name: String { label.map { "\(family)_\($0.value)" } ?? family }
}

/// Monotonic counts. A new one goes to the end of its group: the layout of the scoreboard is checked by its names.
@usableFromInline
package enum Counter: Int, CaseIterable, Sendable {
    // Ledger, counted by the edge: `captured` first, then what became of it.
    case captured
    case captureSent
    case droppedCaptureBacklog
    /// Booked by the successor of a dead edge.
    case droppedEdgeLost

    // Ledger, counted by the dispatcher: `pendingEntered`, then an outcome, then `pendingLeft`.
    case pendingEntered
    case pendingLeft
    case audited
    case skippedNotAuditable
    case skippedContentEncoding
    case skippedSampledOut
    case droppedQueueFull
    case droppedShutdown
    case droppedMalformed
    case failedTimeout
    case failedEngineError
    case failedDispatcherLost
    case failedAuditorLost
    case quarantined

    // Edge
    case requests
    case responses1xx
    case responses2xx
    case responses3xx
    case responses4xx
    case responses5xx
    case clientAborts
    case upstreamFailures
    case upstreamFailovers
    case badRequests
    case connectionsAccepted
    case connectionsRefused
    case acceptPauses
    case upstreamConnections
    case clientReceivedBytes
    case clientSentBytes
    case capturedBytes
    case tlsHandshakes
    case tlsResumptions
    case tlsFailures
    case errorsClient
    case errorsUpstream
    case errorsProduct

    // Dispatcher
    case jobsSubmitted
    case jobsCompleted
    case jobsFailed
    case jobsRedelivered
    case lateResults
    case eventsEmitted
    case scoredAudits
    case trustScoreSum

    // Auditors
    case engineRuns
    case engineTime
    case engineFailures
    case engineFallbacks
    case judgeTokens
    case judgeCost

    // Broadcaster
    case eventsReceived
    case clientsConnected
    case messagesSent
    case slowClientsDropped

    // Supervisor
    case restartsEdge
    case restartsDispatcher
    case restartsAuditor
    case restartsBroadcaster
    case hungKilled

    // Every process
    case framesMalformed
    case logLinesDropped

    package var definition: CellDefinition {
        switch self {
        case .captured:
            CellDefinition([.edge, .dispatcher], "captured", "Answers captured for audit (edges) or handed in for one (dispatcher)")
        case .captureSent: CellDefinition([.edge], "capture_sent", "Captures written to the dispatcher's channel")
        case .droppedCaptureBacklog: .dropped([.edge], "capture_backlog")
        case .droppedEdgeLost: .dropped([.edge], "edge_lost")

        case .pendingEntered:
            CellDefinition([.dispatcher], "pending_entered", "Captures that began to wait for their outcome")
        case .pendingLeft: CellDefinition([.dispatcher], "pending_left", "Captures whose outcome is known")
        case .audited: CellDefinition([.dispatcher], "audited", "Captures with a verdict")
        case .skippedNotAuditable: .skipped("not_auditable")
        case .skippedContentEncoding: .skipped("content_encoding")
        case .skippedSampledOut: .skipped("sampled_out")
        case .droppedQueueFull: .dropped([.dispatcher], "queue_full")
        case .droppedShutdown: .dropped([.dispatcher], "shutdown")
        case .droppedMalformed: .dropped([.dispatcher], "malformed")
        case .failedTimeout: .failed("timeout")
        case .failedEngineError: .failed("engine_error")
        case .failedDispatcherLost: .failed("dispatcher_lost")
        case .failedAuditorLost: .failed("auditor_lost")
        case .quarantined:
            CellDefinition([.dispatcher], "quarantined", "Captures set apart because auditors died of them")

        case .requests: CellDefinition([.edge], "requests", "Requests read from clients")
        case .responses1xx: .responses("1xx")
        case .responses2xx: .responses("2xx")
        case .responses3xx: .responses("3xx")
        case .responses4xx: .responses("4xx")
        case .responses5xx: .responses("5xx")
        case .clientAborts: CellDefinition([.edge], "client_aborts", "Exchanges that clients left before their end")
        case .upstreamFailures: CellDefinition([.edge], "upstream_failures", "Exchanges that the upstream failed")
        case .upstreamFailovers: CellDefinition([.edge], "upstream_failovers", "Requests that were given to another upstream as one could not be reached")
        case .badRequests: CellDefinition([.edge], "bad_requests", "Requests refused for what they are")
        case .connectionsAccepted:
            CellDefinition([.edge, .broadcaster], "connections_accepted", "Connections of clients that were accepted")
        case .connectionsRefused:
            CellDefinition([.edge, .broadcaster], "connections_refused", "Connections of clients closed at a limit")
        case .acceptPauses:
            CellDefinition([.edge], "accept_pauses", "Times that new clients had to wait as all connections or descriptors were in use")
        case .upstreamConnections: CellDefinition([.edge], "upstream_connections", "Connections made to the upstream")
        case .clientReceivedBytes: CellDefinition([.edge], "client_received_bytes", "Bytes received from clients")
        case .clientSentBytes: CellDefinition([.edge], "client_sent_bytes", "Bytes sent to clients")
        case .capturedBytes: CellDefinition([.edge], "captured_bytes", "Bytes of bodies copied for audit")
        case .tlsHandshakes: CellDefinition([.edge], "tls_handshakes", "TLS connections that clients began, resumed ones included")
        case .tlsResumptions: CellDefinition([.edge], "tls_resumptions", "TLS connections of clients that resumed an earlier session")
        case .tlsFailures: CellDefinition([.edge], "tls_failures", "Handshakes of clients that failed or did not end in time")

        case .errorsClient: .errors("client")
        case .errorsUpstream: .errors("upstream")
        case .errorsProduct: .errors("product")

        case .jobsSubmitted: CellDefinition([.dispatcher], "jobs_submitted", "Audits taken into the queue")
        case .jobsCompleted: CellDefinition([.dispatcher], "jobs_completed", "Audits finished, failed ones included")
        case .jobsFailed: CellDefinition([.dispatcher], "jobs_failed", "Audits finished without a verdict")
        case .jobsRedelivered:
            CellDefinition([.dispatcher], "jobs_redelivered", "Audits begun again at another auditor")
        case .lateResults: CellDefinition([.dispatcher], "late_results", "Results of leases that were over, ignored")
        case .eventsEmitted: CellDefinition([.dispatcher], "events_emitted", "Events numbered and sent on")
        case .scoredAudits: CellDefinition([.dispatcher], "scored_audits", "Verdicts with a trust score")
        case .trustScoreSum:
            CellDefinition([.dispatcher], "trust_score_sum", unit: .millionths, "Sum of the trust scores of verdicts")

        case .engineRuns: CellDefinition([.auditor], "engine_runs", "Audits begun by an engine")
        case .engineTime:
            CellDefinition([.auditor], "engine_seconds", unit: .microseconds, "Time that engines spent on audits")
        case .engineFailures: CellDefinition([.auditor], "engine_failures", "Audits that an engine failed, or could not be reached for")
        case .engineFallbacks:
            CellDefinition([.auditor], "engine_fallbacks", "Verdicts that stand in for those of an engine that failed")
        case .judgeTokens: CellDefinition([.auditor], "judge_tokens", "Tokens that the judge read and wrote for verdicts")
        case .judgeCost:
            CellDefinition([.auditor], "judge_cost_dollars", unit: .millionths, "What they cost, by the prices of the settings")

        case .eventsReceived: CellDefinition([.broadcaster], "events_received", "Events received from the dispatcher")
        case .clientsConnected: CellDefinition([.broadcaster], "clients_connected", "Dashboards that connected")
        case .messagesSent: CellDefinition([.broadcaster], "messages_sent", "Messages queued to dashboards")
        case .slowClientsDropped:
            CellDefinition([.broadcaster], "slow_clients_dropped", "Dashboards closed because they did not keep up")

        case .restartsEdge: .restarts("edge")
        case .restartsDispatcher: .restarts("dispatcher")
        case .restartsAuditor: .restarts("auditor")
        case .restartsBroadcaster: .restarts("broadcaster")
        case .hungKilled: CellDefinition([.supervisor], "hung_killed", "Processes killed because they showed no life")

        case .framesMalformed:
            CellDefinition(CellDefinition.everyone, "frames_malformed", "Frames that closed their channel")
        case .logLinesDropped:
            CellDefinition(CellDefinition.everyone, "log_lines_dropped", "Log lines that found no room")
        }
    }
}

/// Counts of the dispatcher for each edge place, so that what a dead channel swallowed can be told.
package enum EdgeCounter: Int, CaseIterable, Sendable {
    /// Captures received.
    case received
    /// Sent by the edge and never received.
    case droppedChannelLost

    package var definition: CellDefinition {
        switch self {
        case .received: CellDefinition([.dispatcher], "received", "Captures received from an edge")
        case .droppedChannelLost: .dropped([.dispatcher], "channel_lost")
        }
    }
}

/// Values of now. They begin at 0 with each process.
package enum Gauge: Int, CaseIterable, Sendable {
    case connectionsOpen
    case upstreamConnectionsOpen
    case upstreamConnectionsIdle
    case captureMemoryBytes
    case captureBacklog

    case queueSize
    case queueUsed
    case queueUsedBytes
    /// Microseconds of the machine's monotonic clock, so that the age grows while the dispatcher hangs; 0 for none.
    case queueOldest
    case runningJobs
    case workers
    case accepting

    case enginesDown

    case clientsOpen
    case ringEvents
    case ringBytes

    package var definition: CellDefinition {
        switch self {
        case .connectionsOpen: CellDefinition([.edge, .broadcaster], "connections_open", "Open connections of clients")
        case .upstreamConnectionsOpen:
            CellDefinition([.edge], "upstream_connections_open", "Open connections to the upstream, idle ones included")
        case .upstreamConnectionsIdle:
            CellDefinition([.edge], "upstream_connections_idle", "Idle connections to the upstream")
        case .captureMemoryBytes: CellDefinition([.edge], "capture_memory_bytes", "Memory in use for captures")
        case .captureBacklog:
            CellDefinition([.edge], "capture_backlog", "Captures that wait for the dispatcher's channel")

        case .queueSize: CellDefinition([.dispatcher], "queue_size", "Audits that may wait")
        case .queueUsed: CellDefinition([.dispatcher], "queue_used", "Audits that wait")
        case .queueUsedBytes: CellDefinition([.dispatcher], "queue_used_bytes", "Memory in use for waiting audits")
        case .queueOldest:
            CellDefinition([.dispatcher], "queue_oldest_age_seconds", unit: .ageSinceMicroseconds, "How long the first waiting audit has waited")
        case .runningJobs: CellDefinition([.dispatcher], "running_jobs", "Audits that run")
        case .workers: CellDefinition([.dispatcher], "workers", "Audits that can run at once now")
        case .accepting: CellDefinition([.dispatcher], "accepting", "1 while new audits are taken")

        case .enginesDown: CellDefinition([.auditor], "engines_down", "Engines that cannot be reached, or are left alone after failing")

        case .clientsOpen: CellDefinition([.broadcaster], "clients_open", "Dashboards connected")
        case .ringEvents: CellDefinition([.dispatcher, .broadcaster], "ring_events", "Recent events kept")
        case .ringBytes: CellDefinition([.dispatcher, .broadcaster], "ring_bytes", "Memory in use for recent events")
        }
    }
}

/// How long things take, in buckets.
package enum Histogram: Int, CaseIterable, Sendable {
    /// From the first byte sent to the upstream to the first byte of its answer.
    case upstreamFirstByte
    /// From a request's head to the answer's last byte.
    case exchange
    /// From the capture's arrival at the dispatcher to its verdict.
    case auditWait
    /// The engine's part of it.
    case audit
    /// From a request's head to that of its answer.
    case firstByte
    /// From the first byte sent to the upstream to the last one of its answer.
    case upstream
    /// What is left of the exchange without the upstream.
    case overhead
    /// From the end of the answer to its verdict.
    case auditLag

    package var definition: CellDefinition {
        switch self {
        case .upstreamFirstByte:
            CellDefinition([.edge], "upstream_first_byte_seconds", "Wait for the first byte of the upstream's answer")
        case .exchange:
            CellDefinition([.edge], "exchange_seconds", "Time from a request's head to its answer's last byte")
        case .auditWait:
            CellDefinition([.dispatcher], "audit_wait_seconds", "Time from a capture's arrival to its outcome")
        case .audit: CellDefinition([.dispatcher], "audit_seconds", "Time of an audit in its engine")
        case .firstByte: CellDefinition([.edge], "first_byte_seconds", "Time from a request's head to that of its answer")
        case .upstream:
            CellDefinition([.edge], "upstream_seconds", "Time from the first byte sent to the upstream to the last one of its answer")
        case .overhead: CellDefinition([.edge], "overhead_seconds", "Time that TruthTable itself added to an exchange")
        case .auditLag: CellDefinition([.dispatcher], "audit_lag_seconds", "Time from an answer's end to its verdict")
        }
    }

    /// As many for each histogram.
    package static let boundCount = 15

    private static let common: [UInt64] = [
        1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
        10_000_000, 30_000_000, 120_000_000,
    ]

    /// For what takes microseconds as a rule.
    private static let fine: [UInt64] = [
        10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000, 250_000, 1_000_000, 10_000_000,
    ]

    /// Upper bounds of the buckets in microseconds. A last bucket has no bound.
    package var bounds: [UInt64] { self == .overhead ? Self.fine : Self.common }

    /// The first bucket whose bound a time does not exceed.
    @inline(__always)
    func bucket(for microseconds: UInt64) -> Int {
        self == .overhead ? Self.bucket(for: microseconds, in: Self.fine) : Self.bucket(for: microseconds, in: Self.common)
    }

    @inline(__always)
    private static func bucket(for microseconds: UInt64, in bounds: [UInt64]) -> Int {
        var bucket = 0
        while bucket < bounds.count, microseconds > bounds[bucket] { bucket += 1 }
        return bucket
    }
}

extension CellDefinition {
    /// Those with a process of their own today.
    fileprivate static let everyone: [Place.Group] = [.supervisor, .dispatcher, .broadcaster, .edge, .auditor]

    fileprivate static func dropped(_ owners: [Place.Group], _ reason: String) -> Self {
        Self(
            owners, "dropped", label: ("reason", reason), "Captures that were not audited for want of room or a process"
        )
    }

    fileprivate static func skipped(_ reason: String) -> Self {
        Self([.dispatcher], "skipped", label: ("reason", reason), "Captures that there was no cause to audit")
    }

    fileprivate static func failed(_ reason: String) -> Self {
        Self([.dispatcher], "failed", label: ("reason", reason), "Captures whose audit ended without a verdict")
    }

    /// By who is to look: for the client its own requests that failed (4xx, left before the end), for the upstream its failures and
    /// 5xx answers, for the product what it refused or failed itself.
    fileprivate static func errors(_ origin: String) -> Self {
        Self([.edge], "errors", label: ("origin", origin), "Exchanges that failed by whose fault it was")
    }

    fileprivate static func responses(_ statusClass: String) -> Self {
        Self([.edge], "responses", label: ("class", statusClass), "Answers sent to clients by class of status")
    }

    /// Not `role`: that label says who counted.
    fileprivate static func restarts(_ role: String) -> Self {
        Self([.supervisor], "restarts", label: ("child", role), "Processes started again after their end")
    }
}
