// What callers use of their limits: one table for all edges, behind the scoreboard's pages. So a key has its limits once, however many
// edges there are, and what it has used is known to the successor of a dead edge.
//
//     entry   the first 8 bytes of the key's SHA-256, 0 while the entry is free; when the key's bucket will be full again; the last
//             change of a count of requests under way; for each edge the last change of its own count
//
// Edges change the counts one after the other without waiting for each other: a change is made by replacing the last one, which is
// noted as its edge's before it is replaced, by whoever comes next. So an edge is refused only what is really used up, and one that
// dies in the middle of it leaves nothing half done.
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
        fileprivate static let cells = 3 + Place.edgeCount
        fileprivate let cells: UnsafeMutablePointer<Atomic<UInt64>>
        fileprivate let edge: Int

        package var fullAt: UnsafeMutablePointer<Atomic<UInt64>> { cells + 1 }

        /// Tells that so many requests are under way in this edge, unless there would be more than `limit` in all edges together: then
        /// nothing is told, and the answer is false.
        @discardableResult
        package func tell(streams: Int, limit: Int = .max) -> Bool {
            var known = lastChange.pointee.load(ordering: .acquiring)
            while true {
                note(known)
                if limit < .max, streamsElsewhere() + streams > limit {
                    let current = lastChange.pointee.load(ordering: .acquiring)
                    if current == known { return false }  // nothing has changed while they were counted
                    known = current
                    continue
                }
                let change = StreamChange(after: known, edge: edge, streams: streams)
                let (isMade, current) = lastChange.pointee.compareExchange(expected: known, desired: change.word, ordering: .acquiringAndReleasing)
                if isMade { return true }
                known = current
            }
        }

        private var lastChange: UnsafeMutablePointer<Atomic<UInt64>> { cells + 2 }
        private func change(of edge: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { cells + 3 + edge }

        /// Notes the last change as its edge's. Nothing is done where it is not the last one any more: it was noted before that.
        private func note(_ word: UInt64) {
            let place = change(of: StreamChange(word: word).edge)
            let noted = place.pointee.load(ordering: .acquiring)
            guard noted != word, lastChange.pointee.load(ordering: .acquiring) == word else { return }
            _ = place.pointee.compareExchange(expected: noted, desired: word, ordering: .acquiringAndReleasing)
        }

        /// In the other edges; true only where the last change was noted and is still the last one afterwards.
        private func streamsElsewhere() -> Int {
            var sum = 0
            for other in 0..<Place.edgeCount where other != edge { sum += StreamChange(word: change(of: other).pointee.load(ordering: .acquiring)).streams }
            return sum
        }
    }

    /// How many requests are under way in an edge: a number that no other change of the entry has, the edge, the count.
    private struct StreamChange {
        let word: UInt64

        init(word: UInt64) { self.word = word }

        init(after earlier: UInt64, edge: Int, streams: Int) {
            word = (earlier >> 32 &+ 1) << 32 | UInt64(edge) << 24 | UInt64(min(streams, 0xFF_FFFF))
        }

        var edge: Int { Int(word >> 24 & 0xFF) }
        var streams: Int { Int(word & 0xFF_FFFF) }
    }
}
