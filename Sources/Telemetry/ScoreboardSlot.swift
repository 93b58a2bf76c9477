// The pen of one process on the scoreboard.

import Synchronization

/// Counts in the place that this process holds. A call is a load and a store, no lock and no read-modify-write: so one
/// thread only, the one that runs the loop (the type is not `Sendable` for that reason).
@usableFromInline
package struct ScoreboardSlot {
    @usableFromInline let cells: UnsafeMutablePointer<Atomic<UInt64>>

    init(cells: UnsafeMutablePointer<Atomic<UInt64>>) {
        self.cells = cells
    }

    /// A slot that nobody else sees, for tests of roles and for tools. Its memory is never given back.
    package static func standalone() -> ScoreboardSlot {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: Layout.pageBytes, alignment: Layout.pageBytes)
        bytes.initializeMemory(as: UInt64.self, repeating: 0, count: Layout.cellsPerPage)
        return ScoreboardSlot(cells: bytes.bindMemory(to: Atomic<UInt64>.self, capacity: Layout.cellsPerPage))
    }

    /// A part of its callers, who count several things per request.
    @inlinable
    package func add(_ counter: Counter, _ count: UInt64 = 1) {
        add(Layout.cell(counter), count)
    }

    /// Counts for the edge in place `edge`.
    package func add(_ counter: EdgeCounter, edge: Int, _ count: UInt64 = 1) {
        guard edge >= 0, edge < Place.edgeCount else {
            assertionFailure("no edge place \(edge)")
            return
        }
        add(Layout.cell(counter, edge: edge), count)
    }

    package func set(_ gauge: Gauge, _ value: Int) {
        cells[Layout.cell(gauge)].store(UInt64(bitPattern: Int64(value)), ordering: .relaxed)
    }

    package func adjust(_ gauge: Gauge, by change: Int) {
        add(Layout.cell(gauge), UInt64(bitPattern: Int64(change)))
    }

    package func observe(_ histogram: Histogram, _ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let time = seconds.multipliedReportingOverflow(by: 1_000_000)
        let whole = time.overflow ? Int64.max / 2 : time.partialValue &+ attoseconds / 1_000_000_000_000
        observe(histogram, microseconds: UInt64(max(whole, 0)))
    }

    package func observe(_ histogram: Histogram, microseconds: UInt64) {
        let first = Layout.cell(histogram)
        add(first + histogram.bucket(for: microseconds), 1)
        add(first + Histogram.boundCount + 1, microseconds)
    }

    package func value(_ counter: Counter) -> UInt64 { cells[Layout.cell(counter)].load(ordering: .relaxed) }

    package func value(_ counter: EdgeCounter, edge: Int) -> UInt64 {
        guard edge >= 0, edge < Place.edgeCount else { return 0 }
        return cells[Layout.cell(counter, edge: edge)].load(ordering: .relaxed)
    }

    package func value(_ gauge: Gauge) -> Int {
        Int(truncatingIfNeeded: cells[Layout.cell(gauge)].load(ordering: .relaxed))
    }

    package var incarnation: UInt64 { cells[Layout.incarnation].load(ordering: .relaxed) }

    func value(_ cell: Int) -> UInt64 { cells[cell].load(ordering: .relaxed) }

    func set(_ cell: Int, _ value: UInt64) { cells[cell].store(value, ordering: .relaxed) }

    @inlinable
    func add(_ cell: Int, _ count: UInt64) {
        let value = cells[cell].load(ordering: .relaxed)
        cells[cell].store(value &+ count, ordering: .relaxed)
    }

    func resetGauges() {
        for gauge in Gauge.allCases { set(gauge, 0) }
        resetRowGauges()
    }

    func introduce(incarnation: UInt64, pid: Int32, at time: Timestamp) {
        cells[Layout.incarnation].store(incarnation, ordering: .relaxed)
        cells[Layout.pid].store(UInt64(UInt32(bitPattern: pid)), ordering: .relaxed)
        cells[Layout.startedAt].store(UInt64(bitPattern: time.nanoseconds), ordering: .relaxed)
    }
}
