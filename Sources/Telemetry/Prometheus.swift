// The scoreboard in Prometheus' text format 0.0.4 (content type `text/plain; version=0.0.4`).
import CLinux

extension Scoreboard {
    /// Every counter, gauge and histogram of every place where a process ever lived. A family is shown as a whole, with
    /// zeros, so that rates have a beginning.
    package var prometheusText: String {
        var text = PrometheusText()
        let places = Place.all.filter { inhabitant(of: $0) != nil }
        func owned(_ definition: CellDefinition) -> [Place] {
            places.filter { definition.owners.contains($0.group) }
        }

        text.family("process_start_time_seconds", "gauge", "When the process started, in Unix time")
        for place in places {
            guard let inhabitant = inhabitant(of: place), inhabitant.pid != 0 else { continue }
            let milliseconds = UInt64(max(inhabitant.startedAt.milliseconds, 0))
            text.sample("process_start_time_seconds", place, value: PrometheusText.decimal(milliseconds, 3))
        }

        // Cells of one family stand together, whichever enumeration they come from.
        let edgeFamilies = Dictionary(grouping: EdgeCounter.allCases, by: \.definition.family)
        var done: Set<String> = []
        for first in Counter.allCases where done.insert(first.definition.family).inserted {
            let family = first.definition.family
            text.counterFamily(first.definition)
            for counter in Counter.allCases where counter.definition.family == family {
                let definition = counter.definition
                for place in owned(definition) {
                    let labels = definition.label.map { [$0] } ?? []
                    text.counter(definition, place, labels, value(counter, at: place))
                }
            }
            for counter in edgeFamilies[family] ?? [] { edgeSamples(counter, owned(counter.definition), &text) }
        }
        for counter in EdgeCounter.allCases where done.insert(counter.definition.family).inserted {
            text.counterFamily(counter.definition)
            edgeSamples(counter, owned(counter.definition), &text)
        }

        for gauge in Gauge.allCases {
            let definition = gauge.definition
            text.family(definition.family, "gauge", definition.help)
            for place in owned(definition) {
                text.sample(definition.family, place, value: Self.shown(gauge, value(gauge, at: place)))
            }
        }

        let edges = places.filter { $0.group == .edge }
        for figure in UpstreamFigure.allCases {
            text.rows(figure.definition, "upstream", edges.map { ($0, upstreamRows(at: $0).map { ($0.name, $0.values[figure.rawValue]) }) })
        }
        for figure in CallerFigure.allCases {
            text.rows(figure.definition, "key", edges.map { ($0, callerRows(at: $0).map { ($0.name, $0.values[figure.rawValue]) }) })
        }

        for histogram in Histogram.allCases {
            let definition = histogram.definition
            text.family(definition.family, "histogram", definition.help)
            for place in owned(definition) { text.histogram(histogram, place, value(histogram, at: place)) }
        }
        return text.text
    }

    private static func shown(_ gauge: Gauge, _ value: Int) -> String {
        guard gauge.definition.unit == .ageSinceMicroseconds else { return String(value) }
        let age = UInt64(max(0, value)).age(at: cl_monotonic_ns() / 1000)
        return PrometheusText.decimal(age, 6)
    }

    /// For the edges that ever were.
    private func edgeSamples(_ counter: EdgeCounter, _ places: [Place], _ text: inout PrometheusText) {
        let definition = counter.definition
        for place in places {
            for edge in Place.Group.edge.places where inhabitant(of: edge) != nil {
                let labels = (definition.label.map { [$0] } ?? []) + [("edge", String(edge.number))]
                text.counter(definition, place, labels, value(counter, edge: edge.number))
            }
        }
    }
}

struct PrometheusText {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP truthtable_\(name) \(help)\n# TYPE truthtable_\(name) \(type)\n"
    }

    mutating func counterFamily(_ definition: CellDefinition) {
        family(definition.family + "_total", "counter", definition.help)
    }

    /// Label values are ours, or URLs and names from settings: none needs an escape.
    mutating func sample(_ name: String, _ place: Place, _ labels: [(name: String, value: String)] = [], value: String)
    {
        text += "truthtable_\(name){role=\"\(place.group.rawValue)\",place=\"\(place.number)\""
        for label in labels { text += ",\(label.name)=\"\(label.value)\"" }
        text += "} \(value)\n"
    }

    mutating func counter(
        _ definition: CellDefinition, _ place: Place, _ labels: [(name: String, value: String)], _ value: UInt64
    ) {
        let shown = definition.unit == .count ? String(value) : Self.decimal(value, 6)
        sample(definition.family + "_total", place, labels, value: shown)
    }

    /// A family of rows, each by its name.
    mutating func rows(_ definition: (family: String, isGauge: Bool, help: String), _ label: String, _ places: [(place: Place, rows: [(name: String, value: UInt64)])]) {
        let name = definition.family + (definition.isGauge ? "" : "_total")
        family(name, definition.isGauge ? "gauge" : "counter", definition.help)
        for (place, rows) in places { for row in rows { sample(name, place, [(label, row.name)], value: String(row.value)) } }
    }

    mutating func histogram(_ histogram: Histogram, _ place: Place, _ distribution: Scoreboard.Distribution) {
        let name = histogram.definition.family
        let bounds = histogram.bounds
        var cumulated: UInt64 = 0
        for (bucket, count) in distribution.buckets.enumerated() {
            cumulated &+= count
            let bound = bucket < bounds.count ? Self.seconds(bounds[bucket]) : "+Inf"
            sample(name + "_bucket", place, [("le", bound)], value: String(cumulated))
        }
        sample(name + "_sum", place, value: Self.decimal(distribution.sumMicroseconds, 6))
        sample(name + "_count", place, value: String(cumulated))
    }

    private static func seconds(_ microseconds: UInt64) -> String {
        var text = decimal(microseconds, 6)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }

    /// A whole number with its point moved.
    static func decimal(_ value: UInt64, _ places: Int) -> String {
        let digits = String(value)
        let padded = String(repeating: "0", count: max(places + 1 - digits.count, 0)) + digits
        return padded.dropLast(places) + "." + padded.suffix(places)
    }
}
