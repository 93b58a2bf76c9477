// The scoreboard through two mappings, as two processes see it, and descriptors that are something else.

import CLinux
import Glibc
import Testing

@testable import Telemetry

/// Two views of one scoreboard.
func mappings() throws -> (Scoreboard, Scoreboard) {
    let (first, descriptor) = try Scoreboard.create()
    let second = try Scoreboard(descriptor: descriptor)
    close(descriptor)
    return (first, second)
}

@Test func `what one process counts every process reads`() throws {
    let (supervisor, child) = try mappings()
    let place = try #require(Place(.edge, 3))
    let slot = try child.claim(place, incarnation: 7)
    slot.add(.captured)
    slot.add(.captured, 41)
    slot.set(.connectionsOpen, 5)
    slot.adjust(.connectionsOpen, by: -7)
    #expect(supervisor.value(.captured, at: place) == 42)
    #expect(supervisor.sum(.captured) == 42 && supervisor.sum(.captured, in: .edge) == 42)
    #expect(supervisor.sum(.captured, in: .dispatcher) == 0)
    #expect(supervisor.value(.connectionsOpen, at: place) == -2 && supervisor.sum(.connectionsOpen) == -2)
    #expect(slot.value(.captured) == 42 && slot.value(.connectionsOpen) == -2)
    let inhabitant = try #require(supervisor.inhabitant(of: place))
    #expect(inhabitant.incarnation == 7 && inhabitant.pid == getpid() && inhabitant.startedAt <= .now())
    #expect(supervisor.inhabitant(of: .dispatcher) == nil)
}

@Test func `a successor goes on counting, its gauges begin at 0`() throws {
    let (supervisor, child) = try mappings()
    let first = try child.claim(.dispatcher, incarnation: 1)
    first.add(.audited, 10)
    first.add(.received, edge: 15, 4)
    first.set(.queueUsed, 9)
    first.observe(.audit, .milliseconds(3))
    try supervisor.retire(.dispatcher)
    #expect(supervisor.value(.queueUsed, at: .dispatcher) == 0)
    #expect(
        supervisor.inhabitant(of: .dispatcher)?.pid == 0 && supervisor.inhabitant(of: .dispatcher)?.incarnation == 1)
    let second = try supervisor.claim(.dispatcher, incarnation: 2)
    second.add(.audited)
    second.add(.received, edge: 15)
    second.observe(.audit, .milliseconds(3))
    #expect(child.value(.audited, at: .dispatcher) == 11)
    #expect(child.value(.received, edge: 15) == 5 && child.sum(.received) == 5)
    #expect(child.sum(.audit).count == 2)
    #expect(child.inhabitant(of: .dispatcher)?.incarnation == 2)
}

@Test func `no cell shares another's place`() throws {
    let (scoreboard, _) = try mappings()
    #expect(Layout.counters + Counter.allCases.count <= Layout.edgeCounters)
    #expect(Layout.edgeCounters + EdgeCounter.allCases.count * Place.edgeCount <= Layout.gauges)
    #expect(Layout.gauges + Gauge.allCases.count <= Layout.histograms)
    #expect(Layout.histograms + Histogram.allCases.count * Layout.histogramCells <= Layout.rows)
    #expect(Rows.end <= Layout.cellsPerPage)
    #expect(UpstreamFigure.allCases.count <= Rows.cells - Rows.nameCells && CallerFigure.allCases.count <= Rows.cells - Rows.nameCells)
    #expect(Histogram.allCases.allSatisfy { $0.bounds.count == Histogram.boundCount } && Histogram.boundCount + 2 <= Layout.histogramCells)
    let slot = try scoreboard.claim(.dispatcher, incarnation: 1)
    let neighbours = [
        try #require(Place(index: Place.dispatcher.index - 1)), try #require(Place(index: Place.dispatcher.index + 1)),
    ]
    for counter in Counter.allCases { slot.add(counter, UInt64(1000 + counter.rawValue)) }
    for counter in EdgeCounter.allCases {
        for edge in 0..<Place.edgeCount { slot.add(counter, edge: edge, UInt64(2000 + counter.rawValue * 100 + edge)) }
    }
    for gauge in Gauge.allCases { slot.set(gauge, 5000 + gauge.rawValue) }
    for histogram in Histogram.allCases {
        for bound in histogram.bounds + [.max] {
            for _ in 0...histogram.rawValue { slot.observe(histogram, microseconds: bound) }
        }
    }
    for counter in Counter.allCases {
        #expect(scoreboard.value(counter, at: .dispatcher) == UInt64(1000 + counter.rawValue))
    }
    for counter in EdgeCounter.allCases {
        for edge in 0..<Place.edgeCount {
            #expect(scoreboard.value(counter, edge: edge) == UInt64(2000 + counter.rawValue * 100 + edge))
        }
    }
    for gauge in Gauge.allCases { #expect(scoreboard.value(gauge, at: .dispatcher) == 5000 + gauge.rawValue) }
    for histogram in Histogram.allCases {
        #expect(
            scoreboard.value(histogram, at: .dispatcher).buckets.allSatisfy { $0 == UInt64(histogram.rawValue + 1) })
    }
    for place in neighbours {
        #expect(scoreboard.inhabitant(of: place) == nil)
        #expect(Counter.allCases.allSatisfy { scoreboard.value($0, at: place) == 0 })
        #expect(Gauge.allCases.allSatisfy { scoreboard.value($0, at: place) == 0 })
    }
}

@Test func `times fall into their buckets`() throws {
    let (scoreboard, _) = try mappings()
    let slot = try scoreboard.claim(.dispatcher, incarnation: 1)
    for time: Duration in [.zero, .seconds(-1), .milliseconds(1), .microseconds(1001), .seconds(120), .seconds(121)] {
        slot.observe(.audit, time)
    }
    slot.observe(.audit, .seconds(Int64.max))
    let seen = scoreboard.value(.audit, at: .dispatcher)
    #expect(seen.buckets[0] == 3 && seen.buckets[1] == 1)
    #expect(seen.buckets[Histogram.boundCount - 1] == 1 && seen.buckets[Histogram.boundCount] == 2)
    #expect(seen.count == 7 && scoreboard.sum(.audit) == seen)
}

@Test func `counters wrap rather than trap`() {
    let slot = ScoreboardSlot.standalone()
    slot.add(.requests, .max)
    slot.add(.requests, 2)
    #expect(slot.value(.requests) == 1)
}

@Test func `wrong descriptors are refused`() throws {
    #expect(throws: ScoreboardError.system(call: "fstat", code: EBADF)) { try Scoreboard(descriptor: -1) }
    let refused = { (descriptor: Int32) -> ScoreboardError? in
        defer { close(descriptor) }
        do throws(ScoreboardError) {
            _ = try Scoreboard(descriptor: descriptor)
            return nil
        } catch { return error }
    }
    #expect(refused(open("/dev/zero", O_RDWR)) == .notAScoreboard)
    #expect(refused(open("/", O_RDONLY)) == .notAScoreboard)
    #expect(refused(open("/etc/passwd", O_RDONLY)) == .notAScoreboard)
    #expect(refused(cl_memfd("short", 100)) == .notAScoreboard)
    #expect(refused(cl_memfd("empty", 0)) == .notAScoreboard)
    #expect(refused(cl_memfd("blank", Layout.totalBytes)) == .notAScoreboard)
    #expect(refused(cl_memfd("short", Layout.totalBytes - 1)) == .notAScoreboard)

    func made(_ head: [UInt64], size: Int) -> Int32 {
        let descriptor = cl_memfd("made", size)
        #expect(pwrite(descriptor, head, head.count * 8, 0) == head.count * 8)
        return descriptor
    }
    var head = Layout.head
    #expect(refused(made(head, size: Layout.totalBytes)) == nil)
    #expect(refused(made(head, size: Layout.totalBytes + 4096)) == .otherLayout)
    head[2] ^= 1
    #expect(refused(made(head, size: Layout.totalBytes)) == .otherLayout)
    head[0] ^= 1 << 40
    #expect(refused(made(head, size: Layout.totalBytes)) == .notAScoreboard)
    for error in [ScoreboardError.notAScoreboard, .otherLayout, .system(call: "mmap", code: ENOMEM)] {
        #expect(error.description.hasPrefix("scoreboard: "))
    }
}

@Test func `a scoreboard opened for reading maps, and refuses claims`() throws {
    let (_, descriptor) = try Scoreboard.create()
    defer { close(descriptor) }
    let readOnly = open("/proc/self/fd/\(descriptor)", O_RDONLY)
    defer { close(readOnly) }
    let scoreboard = try Scoreboard(descriptor: readOnly)
    #expect(scoreboard.sum(.captured) == 0)
    #expect(throws: ScoreboardError.system(call: "mprotect", code: EACCES)) {
        try scoreboard.claim(.supervisor, incarnation: 1)
    }
}

@Test func `places are numbered through and found by role`() {
    #expect(Place.all.map(\.index) == Array(0..<Place.all.count))
    #expect(Place.all.map { Place($0.group, $0.number) } == Place.all)
    #expect(Place(role: "edge", number: 15)?.description == "edge[15]")
    #expect(Place(role: "dispatcher", number: 0) == .dispatcher && Place.dispatcher.description == "dispatcher")
    #expect(
        Place(role: "edge", number: 16) == nil && Place(role: "edge", number: -1) == nil
            && Place(role: "x", number: 0) == nil)
    #expect(Place(role: "auditor", number: 63) != nil && Place(role: "auditor", number: 64) == nil)
    #expect(Place(index: -1) == nil && Place(index: Place.all.count) == nil)
}

@Test func `callers share the last row when there is no other, and gauges of rows begin at zero`() throws {
    let (scoreboard, descriptor) = try Scoreboard.create()
    close(descriptor)
    let place = try #require(Place(.edge, 0))
    let slot = try scoreboard.claim(place, incarnation: 1)
    for number in 0..<70 {
        let row = slot.callerRow("caller-\(number)")
        #expect(row == min(number, 64))
        slot.add(.requests, caller: row)
        slot.adjust(.streamsOpen, caller: row, by: 1)
    }
    #expect(slot.callerRow("caller-3") == 3)
    slot.nameUpstream(2, String(repeating: "u", count: 100))
    slot.nameUpstream(32, "none")
    slot.set(.breakerState, upstream: 2, 1)
    #expect(scoreboard.upstreamRows(at: place) == [.init(name: String(repeating: "u", count: 64), values: [0, 0, 0, 1])])
    let rows = scoreboard.callerRows(at: place)
    #expect(rows.count == 65 && rows[0] == .init(name: "caller-0", values: [1, 0, 0, 1]) && rows[64] == .init(name: "(others)", values: [6, 0, 0, 6]))
    // A successor counts on, and has nothing under way.
    _ = try scoreboard.claim(place, incarnation: 2)
    #expect(scoreboard.callerRows(at: place)[64].values == [6, 0, 0, 0])
    #expect(scoreboard.upstreamRows(at: place)[0].values == [0, 0, 0, 0])
}
