// Counters shared by all processes: an anonymous memory file that the supervisor makes and every child maps. Its owner
// alone writes a slot; everybody reads. Statistics therefore answer while a process hangs, and survive its death.
//
//     page 0            magic, layout, size
//     page 1 + place    16 cells of who lives there, counters, counters per edge, gauges, histograms, rows
//     behind them       what callers have used of their limits, which all edges write: CallerQuotas
//
// A cell is a 64-bit atomic, read and written relaxed. Values of several cells are not of one moment: while things move,
// sums can be off by what is under way; at rest they are exact.

import CLinux
import Glibc
import Synchronization

/// Why a descriptor is not mapped.
package enum ScoreboardError: Error, Equatable, CustomStringConvertible {
    case system(call: String, code: Int32)
    /// The descriptor is something else.
    case notAScoreboard
    /// Made by a build that counts other things.
    case otherLayout

    package var description: String {
        switch self {
        case .system(let call, let code):
            "scoreboard: \(call) failed: \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
        case .notAScoreboard: "scoreboard: the descriptor is no scoreboard: start the product by `truthtable run`"
        case .otherLayout: "scoreboard: made by another build: install all parts of one build and restart"
        }
    }
}

/// The mapping. It stays for the life of the process, so that slots are plain pointers which cannot dangle.
package struct Scoreboard: @unchecked Sendable {  // only atomics are behind the pointer
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    /// Makes an empty scoreboard. The descriptor is the caller's: it goes to children, and closing it leaves the mapping.
    package static func create() throws(ScoreboardError) -> (scoreboard: Scoreboard, descriptor: Int32) {
        let descriptor = cl_memfd("truthtable-scoreboard", Layout.totalBytes)
        guard descriptor >= 0 else { throw .system(call: "memfd_create", code: -descriptor) }
        do throws(ScoreboardError) {
            let cells = try map(descriptor)
            try protect(cells, from: 0, Layout.pageBytes, PROT_READ | PROT_WRITE)
            for (index, value) in Layout.head.enumerated() { cells[index].store(value, ordering: .relaxed) }
            try protect(cells, from: 0, Layout.pageBytes, PROT_READ)
            return (Scoreboard(cells: cells), descriptor)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Maps a scoreboard that another process of this build made. The descriptor can be closed afterwards.
    package init(descriptor: Int32) throws(ScoreboardError) {
        cells = try Self.map(descriptor)
        let head = Layout.head
        let found = head.indices.map { cells[$0].load(ordering: .relaxed) }
        guard found == head else {
            let error = found[0] == head[0] ? ScoreboardError.otherLayout : .notAScoreboard
            munmap(cells, Layout.totalBytes)
            throw error
        }
    }

    private init(cells: UnsafeMutablePointer<Atomic<UInt64>>) {
        self.cells = cells
    }

    /// The whole file for reading: a wild pointer cannot change what others counted. Slots become writable by `claim`.
    private static func map(_ descriptor: Int32) throws(ScoreboardError) -> UnsafeMutablePointer<Atomic<UInt64>> {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(call: "fstat", code: errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size >= Layout.pageBytes else { throw .notAScoreboard }
        guard status.st_size == Layout.totalBytes else {
            // Tell another build's scoreboard from another file.
            var magic: UInt64 = 0
            let count = pread(descriptor, &magic, 8, 0)
            throw count == 8 && magic == Layout.magic ? .otherLayout : .notAScoreboard
        }
        let address = mmap(nil, Layout.totalBytes, PROT_READ, MAP_SHARED, descriptor, 0)
        guard let address, address != MAP_FAILED else { throw .system(call: "mmap", code: errno) }
        return address.bindMemory(to: Atomic<UInt64>.self, capacity: Layout.totalBytes / 8)
    }

    /// `mprotect` in the machine's pages, which can be longer than ours: then neighbours share the protection.
    private static func protect(
        _ cells: UnsafeMutablePointer<Atomic<UInt64>>, from offset: Int, _ length: Int, _ protection: Int32
    ) throws(ScoreboardError) {
        let page = max(sysconf(Int32(_SC_PAGESIZE)), 1)
        let start = offset / page * page
        let end = (offset + length + page - 1) / page * page
        guard mprotect(UnsafeMutableRawPointer(cells) + start, end - start, protection) == 0 else {
            throw .system(call: "mprotect", code: errno)
        }
    }

    private func slotCells(_ place: Place) -> UnsafeMutablePointer<Atomic<UInt64>> {
        cells + (1 + place.index) * Layout.cellsPerPage
    }

    // MARK: Writing

    /// Takes the place for this process: counters go on from where the predecessor left them, gauges begin at 0.
    /// One process at a time may hold a place; the supervisor sees to that.
    package func claim(_ place: Place, incarnation: UInt64) throws(ScoreboardError) -> ScoreboardSlot {
        try Self.protect(cells, from: (1 + place.index) * Layout.pageBytes, Layout.pageBytes, PROT_READ | PROT_WRITE)
        let slot = ScoreboardSlot(cells: slotCells(place))
        slot.resetGauges()
        slot.introduce(incarnation: incarnation, pid: getpid(), at: .now())
        return slot
    }

    /// For the supervisor when the process in `place` is dead: its gauges must not show what is no more.
    package func retire(_ place: Place) throws(ScoreboardError) {
        let offset = (1 + place.index) * Layout.pageBytes
        try Self.protect(cells, from: offset, Layout.pageBytes, PROT_READ | PROT_WRITE)
        let slot = ScoreboardSlot(cells: slotCells(place))
        slot.resetGauges()
        slot.introduce(incarnation: slot.incarnation, pid: 0, at: Timestamp(nanoseconds: 0))
        try Self.protect(cells, from: offset, Layout.pageBytes, PROT_READ)
    }

    /// Lets this process, which is the edge of a place, write what callers use.
    package func openQuotas(of edge: Int) throws(ScoreboardError) -> CallerQuotas {
        try Self.protect(cells, from: Layout.quotas * 8, CallerQuotas.cellCount * 8, PROT_READ | PROT_WRITE)
        return CallerQuotas(cells: cells + Layout.quotas, edge: edge)
    }

    // MARK: Reading

    /// Who lives in a place, or lived there last.
    package struct Inhabitant: Equatable, Sendable {
        package let incarnation: UInt64
        /// 0 once the supervisor knows that it is dead.
        package let pid: Int32
        package let startedAt: Timestamp
    }

    /// Nil where nobody ever lived.
    package func inhabitant(of place: Place) -> Inhabitant? {
        let slot = slotCells(place)
        let incarnation = slot[Layout.incarnation].load(ordering: .relaxed)
        guard incarnation != 0 else { return nil }
        return Inhabitant(
            incarnation: incarnation,
            pid: Int32(truncatingIfNeeded: slot[Layout.pid].load(ordering: .relaxed)),
            startedAt: Timestamp(nanoseconds: Int64(bitPattern: slot[Layout.startedAt].load(ordering: .relaxed))))
    }

    func cellValue(_ place: Place, _ cell: Int) -> UInt64 { slotCells(place)[cell].load(ordering: .relaxed) }

    package func value(_ counter: Counter, at place: Place) -> UInt64 {
        slotCells(place)[Layout.cell(counter)].load(ordering: .relaxed)
    }

    /// Over all places.
    package func sum(_ counter: Counter) -> UInt64 {
        Place.all.reduce(0) { $0 &+ value(counter, at: $1) }
    }

    package func sum(_ counter: Counter, in group: Place.Group) -> UInt64 {
        group.places.reduce(0) { $0 &+ value(counter, at: $1) }
    }

    /// As the dispatcher counted for the edge in place `edge`; 0 where there is no such place.
    package func value(_ counter: EdgeCounter, edge: Int) -> UInt64 {
        guard edge >= 0, edge < Place.edgeCount else { return 0 }
        return slotCells(.dispatcher)[Layout.cell(counter, edge: edge)].load(ordering: .relaxed)
    }

    /// Over all edges.
    package func sum(_ counter: EdgeCounter) -> UInt64 {
        (0..<Place.edgeCount).reduce(0) { $0 &+ value(counter, edge: $1) }
    }

    package func value(_ gauge: Gauge, at place: Place) -> Int {
        Int(truncatingIfNeeded: slotCells(place)[Layout.cell(gauge)].load(ordering: .relaxed))
    }

    /// Over all places.
    package func sum(_ gauge: Gauge) -> Int {
        Place.all.reduce(0) { $0 &+ value(gauge, at: $1) }
    }

    /// Counts by bucket (not cumulated, the last without bound), and the sum of all times.
    package struct Distribution: Equatable, Sendable {
        package var buckets: [UInt64]
        package var sumMicroseconds: UInt64

        package var count: UInt64 { buckets.reduce(0, &+) }
    }

    package func value(_ histogram: Histogram, at place: Place) -> Distribution {
        let slot = slotCells(place)
        let first = Layout.cell(histogram)
        let buckets = (0...Histogram.boundCount).map { slot[first + $0].load(ordering: .relaxed) }
        let sum = slot[first + Histogram.boundCount + 1].load(ordering: .relaxed)
        return Distribution(buckets: buckets, sumMicroseconds: sum)
    }

    /// Over all places.
    package func sum(_ histogram: Histogram) -> Distribution {
        let none = Distribution(buckets: Array(repeating: 0, count: Histogram.boundCount + 1), sumMicroseconds: 0)
        return Place.all.reduce(into: none) { total, place in
            let here = value(histogram, at: place)
            for index in total.buckets.indices { total.buckets[index] &+= here.buckets[index] }
            total.sumMicroseconds &+= here.sumMicroseconds
        }
    }
}

/// Where cells are. Starts are constants, so that counting costs no look-up; a test holds that the parts fit.
@usableFromInline
enum Layout {
    static let pageBytes = 16384
    static let cellsPerPage = pageBytes / 8
    static let quotas = (1 + Place.all.count) * cellsPerPage
    static let totalBytes = (quotas + CallerQuotas.cellCount) * 8

    // Who lives in the slot.
    static let incarnation = 0
    static let pid = 1
    static let startedAt = 2

    @inlinable static var counters: Int { 16 }
    static let edgeCounters = 160
    static let gauges = 224
    static let histograms = 272
    /// Buckets, one without bound, the sum; and some to spare.
    static let histogramCells = 20

    static let rows = 512

    @inlinable
    static func cell(_ counter: Counter) -> Int { counters + counter.rawValue }

    /// `edge` is below `Place.edgeCount`.
    static func cell(_ counter: EdgeCounter, edge: Int) -> Int {
        edgeCounters + counter.rawValue * Place.edgeCount + edge
    }

    static func cell(_ gauge: Gauge) -> Int { gauges + gauge.rawValue }

    static func cell(_ histogram: Histogram) -> Int { histograms + histogram.rawValue * histogramCells }

    /// "TTscore" and the version of the pages' structure.
    static let magic: UInt64 = 0x5454_7363_6F72_6501

    /// First cells of page 0.
    static let head: [UInt64] = [magic, UInt64(totalBytes), fingerprint]

    /// Of all names in their order (FNV-1a): two builds that count alike agree.
    private static let fingerprint: UInt64 = {
        let names =
            UpstreamFigure.allCases.map(\.definition.family) + CallerFigure.allCases.map(\.definition.family) + Counter.allCases.map(\.definition.name) + EdgeCounter.allCases.map(\.definition.name)
            + Gauge.allCases.map(\.definition.name) + Histogram.allCases.map(\.definition.name)
            + Histogram.allCases.flatMap(\.bounds).map(String.init) + Place.Group.allCases.map { "\($0.rawValue) \($0.count)" }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in names.joined(separator: "\n").utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }()
}
