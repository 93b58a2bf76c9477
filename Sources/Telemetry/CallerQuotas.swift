// What callers use of their limits: one table for all edges, behind the scoreboard's pages. So a key has its limits once, however many
// edges there are, and what it has used is known to the successor of a dead edge.
//
//     entry   the first 8 bytes of the key's SHA-256, 0 while the entry is free; when the key's bucket will be full again; for each
//             edge the requests that are under way in it
//
// Entries are taken and never given back: room for three times the keys of a full key file. Leaves to others: what the second
// cell means and how it moves (the edge's TokenBucket).

import Glibc
import Synchronization

package struct CallerQuotas: @unchecked Sendable {  // only atomics are behind the pointer
    /// A power of two.
    static let entries = 32768
    static let cellCount = entries * Entry.cells

    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let edge: Int

    /// As `edge` sees them.
    init(cells: UnsafeMutablePointer<Atomic<UInt64>>, edge: Int) {
        precondition(edge >= 0 && edge < Place.edgeCount)
        self.cells = cells
        self.edge = edge
    }

    /// A table that nobody else sees, for tests. Its memory is never given back.
    package static func standalone() -> CallerQuotas {
        CallerQuotas(cells: zeroes(cellCount), edge: 0)
    }

    /// The same table as another edge sees it.
    package func seen(by edge: Int) -> CallerQuotas { CallerQuotas(cells: cells, edge: edge) }

    /// One key's, which no edge has used yet where none has known it before. Without room it is this process's alone.
    package func entry(of hash: UInt64) -> Entry {
        let hash = max(hash, 1)
        var number = Int(truncatingIfNeeded: hash) & (Self.entries - 1)
        for _ in 0..<Self.entries {
            let entry = cells + number * Entry.cells
            let (wasFree, found) = entry.pointee.compareExchange(expected: 0, desired: hash, ordering: .relaxed)
            if wasFree || found == hash { return Entry(cells: entry, edge: edge) }
            number = (number + 1) & (Self.entries - 1)
        }
        return Entry(cells: Self.zeroes(Entry.cells), edge: edge)
    }

    private static func zeroes(_ count: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        // Pages of a whole table that nobody touches are never made.
        guard let memory = calloc(count, MemoryLayout<UInt64>.stride) else { fatalError("no memory") }
        return memory.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    package struct Entry: @unchecked Sendable {
        fileprivate static let cells = 2 + Place.edgeCount
        fileprivate let cells: UnsafeMutablePointer<Atomic<UInt64>>
        fileprivate let edge: Int

        package var fullAt: UnsafeMutablePointer<Atomic<UInt64>> { cells + 1 }

        /// Tells how many requests are under way in this edge, and answers with how many are in all. Of two edges that tell of one
        /// more at the same time, one at least hears of both.
        @discardableResult
        package func tell(streams: Int) -> Int {
            (cells + 2 + edge).pointee.store(UInt64(streams), ordering: .sequentiallyConsistent)
            var sum: UInt64 = 0
            for other in 0..<Place.edgeCount { sum &+= (cells + 2 + other).pointee.load(ordering: .sequentiallyConsistent) }
            return Int(clamping: sum)
        }
    }
}
