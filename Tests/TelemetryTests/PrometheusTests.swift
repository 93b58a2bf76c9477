// The metrics by the rules of the text format: what a scraper and `promtool check metrics` would refuse.

import Glibc
import Testing

@testable import Telemetry

private func exposition() throws -> String {
    let (scoreboard, descriptor) = try Scoreboard.create()
    close(descriptor)
    let edge = try scoreboard.claim(try #require(Place(.edge, 2)), incarnation: 1)
    let dispatcher = try scoreboard.claim(.dispatcher, incarnation: 2)
    for place in [Place.supervisor, .broadcaster, Place(.auditor, 0), Place(.auditor, 63)] {
        _ = try scoreboard.claim(try #require(place), incarnation: 3)
    }
    edge.add(.requests, 5)
    edge.add(.responses2xx, 4)
    edge.nameUpstream(1, "https://api.example/v1")
    edge.add(.faults, upstream: 1)
    edge.set(.breakerState, upstream: 1, 2)
    edge.add(.requests, caller: edge.callerRow("alice"))
    edge.observe(.exchange, .milliseconds(2))
    edge.observe(.exchange, .seconds(200))
    dispatcher.add(.droppedQueueFull, 3)
    dispatcher.add(.droppedChannelLost, edge: 2, 2)
    dispatcher.add(.received, edge: 2, 7)
    dispatcher.add(.trustScoreSum, 1_500_000)
    dispatcher.set(.queueUsed, 11)
    return scoreboard.prometheusText
}

@Test func `samples are shown with their labels`() throws {
    let lines = Set(try exposition().split(separator: "\n").map(String.init))
    for line in [
        #"truthtable_requests_total{role="edge",place="2"} 5"#,
        #"truthtable_responses_total{role="edge",place="2",class="2xx"} 4"#,
        #"truthtable_dropped_total{role="edge",place="2",reason="capture_backlog"} 0"#,
        #"truthtable_dropped_total{role="dispatcher",place="0",reason="queue_full"} 3"#,
        #"truthtable_dropped_total{role="dispatcher",place="0",reason="channel_lost",edge="2"} 2"#,
        #"truthtable_received_total{role="dispatcher",place="0",edge="2"} 7"#,
        #"truthtable_trust_score_sum_total{role="dispatcher",place="0"} 1.500000"#,
        #"truthtable_queue_used{role="dispatcher",place="0"} 11"#,
        #"truthtable_restarts_total{role="supervisor",place="0",child="auditor"} 0"#,
        #"truthtable_engine_runs_total{role="auditor",place="63"} 0"#,
        #"truthtable_upstream_faults_total{role="edge",place="2",upstream="https://api.example/v1"} 1"#,
        #"truthtable_upstream_breaker_state{role="edge",place="2",upstream="https://api.example/v1"} 2"#,
        #"truthtable_key_requests_total{role="edge",place="2",key="alice"} 1"#,
        #"truthtable_exchange_seconds_bucket{role="edge",place="2",le="0.001"} 0"#,
        #"truthtable_exchange_seconds_bucket{role="edge",place="2",le="0.0025"} 1"#,
        #"truthtable_exchange_seconds_bucket{role="edge",place="2",le="120"} 1"#,
        #"truthtable_exchange_seconds_bucket{role="edge",place="2",le="+Inf"} 2"#,
        #"truthtable_exchange_seconds_sum{role="edge",place="2"} 200.002000"#,
        #"truthtable_exchange_seconds_count{role="edge",place="2"} 2"#,
        "# TYPE truthtable_dropped_total counter", "# TYPE truthtable_queue_used gauge",
        "# TYPE truthtable_exchange_seconds histogram",
    ] {
        #expect(lines.contains(line), "\(line)")
    }
    #expect(!lines.contains { $0.contains("edge=\"0\"") || $0.contains("role=\"spare\"") })
}

@Test func `the text keeps the format's rules`() throws {
    let text = try exposition()
    #expect(text.hasSuffix("\n") && !text.contains("\n\n"))
    var family: (name: String, type: String) = ("", "")
    var families: Set<String> = []
    var series: Set<Substring> = []
    var help = ""
    for line in text.split(separator: "\n") {
        if let match = line.wholeMatch(of: /# HELP ([a-z][a-z0-9_]*) (\S.*\S)/) {
            help = String(match.1)
            #expect(families.insert(help).inserted, "family twice: \(help)")
            #expect(!match.2.contains("\\"))
        } else if let match = line.wholeMatch(of: /# TYPE ([a-z][a-z0-9_]*) (counter|gauge|histogram)/) {
            family = (String(match.1), String(match.2))
            #expect(family.name == help, "HELP and TYPE stand together")
            #expect(family.name.hasSuffix("_total") == (family.type == "counter"), "\(family.name)")
        } else {
            let match = try #require(
                line.wholeMatch(
                    of: /([a-z][a-z0-9_]*)\{([a-z]+="[^"\\]*"(?:,[a-z]+="[^"\\]*")*)\} -?[0-9]+(\.[0-9]+)?/), "\(line)")
            let endings = family.type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
            #expect(endings.contains { match.1 == family.name + $0 }, "\(line) under \(family.name)")
            #expect(series.insert(line.prefix { $0 != "}" }).inserted, "series twice: \(line)")
            let names = match.2.split(separator: ",").map { $0.prefix { $0 != "=" } }
            #expect(Set(names).count == names.count)
        }
    }
    let declared =
        Counter.allCases.map { $0.definition.family + "_total" }
        + EdgeCounter.allCases.map { $0.definition.family + "_total" }
        + Gauge.allCases.map(\.definition.family) + Histogram.allCases.map(\.definition.family) + [
            "process_start_time_seconds"
        ]
        + UpstreamFigure.allCases.map { $0.definition.family + ($0.definition.isGauge ? "" : "_total") }
        + CallerFigure.allCases.map { $0.definition.family + ($0.definition.isGauge ? "" : "_total") }
    #expect(families == Set(declared.map { "truthtable_" + $0 }))
}

@Test func `names are in snake case, once each, with one help per family`() {
    let definitions =
        Counter.allCases.map(\.definition) + EdgeCounter.allCases.map(\.definition) + Gauge.allCases.map(\.definition)
        + Histogram.allCases.map(\.definition)
    #expect(Set(definitions.map(\.name)).count == definitions.count)
    for definition in definitions {
        #expect(definition.name.wholeMatch(of: /[a-z][a-z0-9]*(_[a-z0-9]+)*/) != nil, "\(definition.name)")
        #expect(!definition.owners.isEmpty && !definition.help.hasSuffix("."))
    }
    for (family, members) in Dictionary(grouping: definitions, by: \.family) {
        #expect(Set(members.map(\.help)).count == 1, "\(family)")
        #expect(Set(members.map { $0.label?.name }).count == 1, "\(family)")
        #expect(members.count == 1 || members[0].label != nil, "\(family)")
    }
}
