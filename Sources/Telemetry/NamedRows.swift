// Figures of upstreams and callers: rows that bear a name, in the page of each edge. As many as there is room for, so that
// labels are bounded whatever settings and key files hold. Declared once, as all figures are.
//
//     row   8 cells of name (64 bytes, cut, zeros behind it), 4 cells of figures

/// What is counted of an upstream. Cells of a row are its cases in this order.
package enum UpstreamFigure: Int, CaseIterable, Sendable {
    case requests, faults, breakerOpenings, breakerState

    package var definition: (family: String, isGauge: Bool, help: String) {
        switch self {
        case .requests: ("upstream_requests", false, "Requests that were given to an upstream")
        case .faults: ("upstream_faults", false, "Requests that an upstream failed: no connection, no answer, a broken one, or 502, 503, 504")
        case .breakerOpenings: ("upstream_breaker_openings", false, "Times that an upstream was left alone because it failed")
        case .breakerState: ("upstream_breaker_state", true, "0 while an upstream is used, 1 while it is tried again, 2 while it is left alone")
        }
    }
}

/// What is counted of a caller.
package enum CallerFigure: Int, CaseIterable, Sendable {
    case requests, rateLimited, streamsLimited, streamsOpen

    package var definition: (family: String, isGauge: Bool, help: String) {
        switch self {
        case .requests: ("key_requests", false, "Requests with a key of ours that were let through")
        case .rateLimited: ("key_rate_limited", false, "Requests answered by 429 because the minute's were used up")
        case .streamsLimited: ("key_streams_limited", false, "Requests answered by 429 because too many were under way")
        case .streamsOpen: ("key_streams_open", true, "Requests of a key that are under way")
        }
    }
}

enum Rows {
    static let nameBytes = 64
    static let nameCells = nameBytes / 8
    static let cells = nameCells + 4

    static let upstreams = 32
    /// The last one is that of all others.
    static let callers = 65

    static func upstream(_ row: Int) -> Int { Layout.rows + row * cells }
    static func caller(_ row: Int) -> Int { Layout.rows + (upstreams + row) * cells }
    static let end = Layout.rows + (upstreams + callers) * cells
}

extension ScoreboardSlot {
    /// The row of the upstream that has this number in the settings.
    package func nameUpstream(_ row: Int, _ name: String) {
        guard 0..<Rows.upstreams ~= row else { return }
        setName(Rows.upstream(row), name)
    }

    package func add(_ figure: UpstreamFigure, upstream row: Int) { add(Rows.upstream(row) + Rows.nameCells + figure.rawValue, 1) }

    package func set(_ figure: UpstreamFigure, upstream row: Int, _ value: UInt64) { set(Rows.upstream(row) + Rows.nameCells + figure.rawValue, value) }

    /// The row of a caller: the one that bears its name, else a new one, else that of all others.
    package func callerRow(_ name: String) -> Int {
        for row in 0..<(Rows.callers - 1) {
            let known = self.name(Rows.caller(row))
            if known.isEmpty { setName(Rows.caller(row), name) }
            if known.isEmpty || known == name { return row }
        }
        setName(Rows.caller(Rows.callers - 1), "(others)")
        return Rows.callers - 1
    }

    package func add(_ figure: CallerFigure, caller row: Int) { add(Rows.caller(row) + Rows.nameCells + figure.rawValue, 1) }

    package func adjust(_ figure: CallerFigure, caller row: Int, by change: Int) {
        add(Rows.caller(row) + Rows.nameCells + figure.rawValue, UInt64(bitPattern: Int64(change)))
    }

    /// Nothing is under way, and nothing left alone, in a process that begins.
    func resetRowGauges() {
        for row in 0..<Rows.upstreams { set(.breakerState, upstream: row, 0) }
        for row in 0..<Rows.callers { set(Rows.caller(row) + Rows.nameCells + CallerFigure.streamsOpen.rawValue, 0) }
    }

    private func setName(_ cell: Int, _ name: String) {
        var bytes = Array(name.utf8.prefix(Rows.nameBytes))
        bytes += [UInt8](repeating: 0, count: Rows.nameBytes - bytes.count)
        for word in 0..<Rows.nameCells { set(cell + word, bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8 * word, as: UInt64.self) }) }
    }

    private func name(_ cell: Int) -> String { Rows.name { value(cell + $0) } }
}

extension Rows {
    static func name(_ word: (Int) -> UInt64) -> String {
        let bytes = (0..<nameCells).flatMap { index in withUnsafeBytes(of: word(index)) { Array($0) } }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension Scoreboard {
    /// A row of figures as `/metrics` shows it.
    package struct Row: Equatable, Sendable {
        package let name: String
        package let values: [UInt64]
    }

    package func upstreamRows(at place: Place) -> [Row] { (0..<Rows.upstreams).compactMap { row(place, Rows.upstream($0)) } }
    package func callerRows(at place: Place) -> [Row] { (0..<Rows.callers).compactMap { row(place, Rows.caller($0)) } }

    private func row(_ place: Place, _ cell: Int) -> Row? {
        let name = Rows.name { cellValue(place, cell + $0) }
        return name.isEmpty ? nil : Row(name: name, values: (0..<(Rows.cells - Rows.nameCells)).map { cellValue(place, cell + Rows.nameCells + $0) })
    }
}
