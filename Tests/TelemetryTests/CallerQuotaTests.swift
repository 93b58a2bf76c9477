// The table of what callers have used, as two processes see it.
import EventLoop
import Glibc
import Synchronization
import Testing

@testable import Telemetry

@Test func `a key has one entry in every process, and each key its own`() throws {
    let (first, second) = try mappings()
    let (here, there) = (try first.openQuotas(of: 0), try second.openQuotas(of: 1))
    // The same entry is wanted by the first three; 0 marks a free one.
    let keys: [UInt64] = [5, 5 + UInt64(CallerQuotas.entries), 5 + 2 * UInt64(CallerQuotas.entries), 0, .max]
    for (number, key) in keys.enumerated() { here.entry(of: key).fullAt.pointee.store(UInt64(number) + 1, ordering: .relaxed) }
    for (number, key) in keys.enumerated().reversed() { #expect(there.entry(of: key).fullAt.pointee.load(ordering: .relaxed) == UInt64(number) + 1) }
    #expect(Place.all.allSatisfy { first.value(.captured, at: $0) == 0 && first.inhabitant(of: $0) == nil })
}

@Test func `a full table still has a cell for each key`() {
    let quotas = CallerQuotas.standalone()
    for key in 1...UInt64(CallerQuotas.entries) { quotas.entry(of: key).fullAt.pointee.store(key, ordering: .relaxed) }
    let late = quotas.entry(of: UInt64(CallerQuotas.entries) + 1).fullAt
    #expect(late.pointee.load(ordering: .relaxed) == 0)
    late.pointee.store(7, ordering: .relaxed)
    for key in 1...UInt64(CallerQuotas.entries) { #expect(quotas.entry(of: key).fullAt.pointee.load(ordering: .relaxed) == key) }
}

@Test func `requests under way are counted over all edges, and those of a dead edge until its successor tells`() throws {
    let (first, second) = try mappings()
    let (here, there) = (try first.openQuotas(of: 0).entry(of: 7), try second.openQuotas(of: 15).entry(of: 7))
    #expect(here.tell(streams: 3, limit: 5))
    #expect(there.tell(streams: 2, limit: 5))
    #expect(!here.tell(streams: 4, limit: 5) && !there.tell(streams: 3, limit: 5))
    // What was refused does not count.
    #expect(here.tell(streams: 4, limit: 6) && !there.tell(streams: 3, limit: 6))
    // A count beyond a limit that has become lower is told all the same.
    #expect(there.tell(streams: 7))
    let successor = try second.openQuotas(of: 0).entry(of: 7)
    #expect(!there.tell(streams: 8, limit: 11))
    #expect(successor.tell(streams: 0))
    #expect(there.tell(streams: 8, limit: 11))
    #expect(!successor.tell(streams: 4, limit: 11) && successor.tell(streams: 3, limit: 11))
}

/// Each thread is an edge, and asks for one more or gives one back; what it was given must fit at any moment, and never be given twice.
@Test(arguments: [1, 3, 7]) func `many edges at once have no more than the limit, and lose nothing of it`(_ limit: Int) throws {
    let quotas = CallerQuotas.standalone()
    let (granted, most, finished) = (Shared(), Shared(), Shared())
    for edge in 0..<4 {
        let entry = quotas.seen(by: edge).entry(of: 7)
        try startThread("edge") {
            var own = 0
            for step in 0..<20_000 {
                if own > 0, (step &* 7 &+ edge) % 3 == 0 {
                    granted.count.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                    own -= 1
                    entry.tell(streams: own)
                } else if entry.tell(streams: own + 1, limit: limit) {
                    own += 1
                    let now = granted.count.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
                    most.count.max(now, ordering: .sequentiallyConsistent)
                }
            }
            granted.count.wrappingSubtract(own, ordering: .sequentiallyConsistent)
            entry.tell(streams: 0)
            finished.count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        }
    }
    while finished.count.load(ordering: .sequentiallyConsistent) < 4 { sched_yield() }
    #expect(most.count.load(ordering: .relaxed) <= limit && granted.count.load(ordering: .relaxed) == 0)
    let last = quotas.seen(by: 9).entry(of: 7)
    #expect(last.tell(streams: limit, limit: limit) && !last.tell(streams: limit + 1, limit: limit))
}

private final class Shared: Sendable {
    let count = Atomic<Int>(0)
}
