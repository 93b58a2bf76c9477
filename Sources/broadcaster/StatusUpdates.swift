// `health_update` and `stats_update` (FEATURES H2), read from the scoreboard that all processes count on: they are right
// whichever process was restarted. Only the newest one of each is kept; a slow client skips the rest.
import JSON
import Telemetry

/// The newest update of a kind. Version 0 is none yet.
struct StatusUpdate {
    private(set) var version: UInt64 = 0
    private(set) var json: [UInt8] = []
    private(set) var milliseconds: UInt64 = 0

    mutating func replace(_ json: [UInt8], milliseconds: UInt64) {
        version += 1
        self.json = json
        self.milliseconds = milliseconds
    }
}

struct HealthReading: Equatable {
    static let interval = Duration.seconds(10)
    /// When something has changed.
    static let shortestInterval = Duration.seconds(2)

    /// As `Scoreboard.auditService` has it.
    let auditService: String
    let queueDepth: Int
    let queueSize: Int
    /// Audits that can run at once now, and those that do.
    let workers: Int
    let running: Int
    /// Dashboards.
    let connections: Int

    init(auditService: String, queueDepth: Int, queueSize: Int, workers: Int, running: Int, connections: Int) {
        self.auditService = auditService
        self.queueDepth = queueDepth
        self.queueSize = queueSize
        self.workers = workers
        self.running = running
        self.connections = connections
    }

    init(_ scoreboard: Scoreboard, clients: Int) {
        // While there is no dispatcher its gauges are 0: `Scoreboard.retire`.
        auditService = scoreboard.auditService
        queueDepth = scoreboard.value(.queueUsed, at: .dispatcher)
        queueSize = scoreboard.value(.queueSize, at: .dispatcher)
        workers = scoreboard.value(.workers, at: .dispatcher)
        running = scoreboard.value(.runningJobs, at: .dispatcher)
        connections = clients
    }

    var json: [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("audit_service", auditService)
        json.member("queue_depth", queueDepth)
        json.member("connections", connections)
        json.member("queue_size", queueSize)
        json.member("workers", workers)
        json.member("running", running)
        json.endObject()
        return json.bytes
    }
}

struct StatsReading: Equatable {
    static let interval = Duration.seconds(2)

    let completed: UInt64
    let failed: UInt64
    let scored: UInt64
    /// Of trust scores, in millionths.
    let scoreSum: UInt64
    let timed: UInt64
    let timeSumMicroseconds: UInt64
    /// What became of all captures, drops by their reasons among it.
    let ledger: LedgerTotals

    init(completed: UInt64, failed: UInt64, scored: UInt64, scoreSum: UInt64, timed: UInt64, timeSumMicroseconds: UInt64, ledger: LedgerTotals) {
        self.completed = completed
        self.failed = failed
        self.scored = scored
        self.scoreSum = scoreSum
        self.timed = timed
        self.timeSumMicroseconds = timeSumMicroseconds
        self.ledger = ledger
    }

    init(_ scoreboard: Scoreboard) {
        // Of several cells that move: the parts first, so that no part exceeds its whole.
        failed = scoreboard.sum(.jobsFailed)
        completed = scoreboard.sum(.jobsCompleted)
        scoreSum = scoreboard.sum(.trustScoreSum)
        scored = scoreboard.sum(.scoredAudits)
        let times = scoreboard.sum(.audit)
        timed = times.count
        timeSumMicroseconds = times.sumMicroseconds
        ledger = scoreboard.ledger
    }

    /// Null where there is nothing to take the average of.
    var averageScore: Double? {
        guard scored > 0 else { return nil }
        return ((Double(scoreSum) / Double(scored)) / 100).rounded() / 10_000
    }

    var json: [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("total_audits", completed)
        json.member("successful_audits", completed >= failed ? completed - failed : 0)
        json.member("failed_audits", failed)
        json.member("average_score", averageScore)
        json.member("average_time_ms", timed > 0 ? timeSumMicroseconds / timed / 1000 : 0)
        json.name("ledger")
        json.raw(ledger.json.utf8)
        json.endObject()
        return json.bytes
    }
}
