// The table of what callers have used, as two processes see it.
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
    #expect(here.tell(streams: 3) == 3)
    #expect(there.tell(streams: 2) == 5)
    #expect(here.tell(streams: 4) == 6)
    let successor = try second.openQuotas(of: 0).entry(of: 7)
    #expect(successor.tell(streams: 0) == 2)
    #expect(there.tell(streams: 0) == 0)
}
