// What the supervisor decides and says: restarts, the order of a drain, channels, the status report.
import EventLoop
import IPC
import Telemetry
import Testing

@testable import supervisor

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 0) + .milliseconds(milliseconds) }

@Suite struct RestartPolicyTests {
    /// Deaths, each so long after its start; what the policy answers with jitter 1/2, milliseconds of rest, 0 for at once.
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        var essential = false
        var longest: Duration = .seconds(1)
        /// Milliseconds of life before each death, and whether it was ready.
        let lives: [(Int64, Bool)]
        let rests: [Int64]
        var testDescription: String { name }
    }

    static let gaveUp: Int64 = -1
    private static func lives(_ count: Int, ready: Bool) -> [(Int64, Bool)] { Array(repeating: (1, ready), count: count) }

    static let rows: [Row] = [
        Row(name: "the first is at once", lives: [(0, true)], rests: [0]),
        Row(name: "then longer and longer, up to the limit", lives: lives(8, ready: true), rests: [0, 50, 100, 200, 400, 500, 500, 500]),
        Row(
            name: "many deaths", longest: .seconds(15), lives: lives(40, ready: true),
            rests: [0, 50, 100, 200, 400, 800, 1600, 3200, 6400] + Array(repeating: 7500, count: 31)),
        Row(name: "health forgets", lives: [(1, true), (1, true), (10_000, true), (1, true), (9999, true)], rests: [0, 50, 0, 50, 100]),
        Row(name: "an essential role that was never ready is given up", essential: true, lives: lives(5, ready: false), rests: [0, 50, 100, 200, gaveUp]),
        Row(
            name: "one that was ready once is not", essential: true, lives: [(1, true)] + lives(5, ready: false), rests: [0, 50, 100, 200, 400, 500]),
        Row(name: "others are not", lives: lives(6, ready: false), rests: [0, 50, 100, 200, 400, 500]),
    ]

    @Test(arguments: rows) func `rests grow and end`(_ row: Row) {
        var now = at(0)
        var policy = RestartPolicy(startedAt: now, longestRest: row.longest, isEssential: row.essential)
        for (life, rest) in zip(row.lives, row.rests) {
            if life.1 { policy.ready() }
            now = now + .milliseconds(life.0)
            let action = policy.exited(at: now, jitter: 0.5)
            switch rest {
            case Self.gaveUp: #expect(action == .giveUp)
            case 0:
                #expect(action == .start)
                #expect(policy.state == .running(since: now))
            default:
                let until = now + .milliseconds(rest)
                #expect(action == .sleep(until: until))
                #expect(policy.exited(at: now, jitter: 0.5) == nil, "reported twice")
                #expect(policy.alarm(at: until + .nanoseconds(-1)) == nil, "early")
                now = until
                #expect(policy.alarm(at: now) == .start)
                #expect(policy.alarm(at: now) == nil, "stale")
            }
        }
    }
}

@Suite struct DrainPlanTests {
    @Test func `groups drain in the order of the flow, those without a process are passed`() {
        var plan = DrainPlan(startedAt: at(5), limit: .seconds(45))
        #expect(plan.limit == at(45_005) && plan.group == .edge)
        var alive: Set<Place.Group> = [.edge, .auditor, .broadcaster]
        #expect(plan.advance { alive.contains($0) } == .edge)
        #expect([.dispatcher, .auditor, .broadcaster].allSatisfy { plan.isYetToCome($0) })
        #expect(!plan.isYetToCome(.edge) && !plan.isYetToCome(.supervisor))
        #expect(plan.advance { alive.contains($0) } == .edge)
        alive.remove(.edge)
        #expect(plan.advance { alive.contains($0) } == .auditor)
        #expect(!plan.isYetToCome(.auditor) && !plan.isYetToCome(.dispatcher) && plan.isYetToCome(.broadcaster))
        alive = []
        #expect(plan.advance { alive.contains($0) } == nil)
        #expect(plan.group == nil)
        #expect(plan.advance { _ in true } == nil)
        #expect(!plan.isYetToCome(.broadcaster))
    }
}

@Suite struct ChannelBrokerTests {
    @Test func `every link has the dispatcher at one end, and its own generations`() throws {
        var broker = ChannelBroker()
        let edge = try #require(ChannelBroker.links(of: Place.Group.edge.places[0]).first)
        let second = try #require(ChannelBroker.links(of: Place.Group.edge.places[1]).first)
        let auditor = try #require(ChannelBroker.links(of: Place.Group.auditor.places[3]).first)
        #expect(edge.kind == .capture && auditor.kind == .audit)
        #expect(ChannelBroker.links(of: .broadcaster).map(\.kind) == [.event])
        #expect(ChannelBroker.links(of: Place.Group.edge.places[0]).map(\.kind) == [.capture, .query])
        #expect(ChannelBroker.links(of: .dispatcher).isEmpty && ChannelBroker.links(of: .supervisor).isEmpty)
        #expect(broker.generation(of: edge) == nil)
        #expect(broker.renew(edge) == 1)
        #expect(broker.renew(edge) == 2)
        #expect(broker.renew(second) == 1)
        #expect(broker.renew(auditor) == 1)
        #expect(broker.generation(of: edge) == 2 && broker.generation(of: second) == 1)
    }
}

@Suite struct StatusReportTests {
    @Test func `the report is the interface that scripts know`() throws {
        let (scoreboard, _) = try Scoreboard.create()
        let report = StatusReport(
            version: "1", auditors: StatusReport.Auditors(wanted: 2, most: 64),
            processes: [
                StatusReport.Process(role: "edge", number: 0, pid: 12, state: "ready", restarts: 3, uptimeMilliseconds: 4),
                StatusReport.Process(role: "auditor", number: 1, pid: 0, state: "resting", restarts: 0, uptimeMilliseconds: 0),
            ],
            listeners: [StatusReport.Listener(name: "control", address: "/a\"b\\c\u{1}\u{1F}é/control")], ledger: scoreboard.ledger)
        let start =
            #"{"version":"1","auditors":{"wanted":2,"most":64},"processes":[{"role":"edge","id":0,"pid":12,"state":"ready","restarts":3,"uptime_ms":4},"#
            + #"{"role":"auditor","id":1,"pid":0,"state":"resting","restarts":0,"uptime_ms":0}],"#
            + #""listeners":[{"name":"control","address":"/a\"b\\c\u0001\u001fé/control"}],"ledger":{"#
        #expect(report.json.hasPrefix(start))
        #expect(report.json.hasSuffix("\(scoreboard.ledger.json)}"))
    }
}

@Suite struct ControlRequestTests {
    @Test(arguments: [
        ("status", StatusServer.Request.status), ("auditors 1", .auditors(1)), ("auditors  64", .auditors(64)), ("auditors -3", .auditors(-3)), ("", nil),
        ("status now", nil), ("auditors", nil), ("auditors x", nil), ("auditors 1 2", nil), ("auditors 99999999999999999999", nil), ("Status", nil),
    ])
    func `requests are few words`(_ line: String, _ request: StatusServer.Request?) {
        #expect(StatusServer.Request(line) == request)
    }
}
