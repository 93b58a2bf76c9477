// How much of their requests per minute callers have used: one table for all edges, behind the scoreboard's pages. So a key has its
// limit once, however many edges there are, and what it has used is known to the successor of a dead edge.
//
//     entry   2 cells: the first 8 bytes of the key's SHA-256, 0 while the entry is free; when the key's bucket will be full again
//
// Entries are taken and never given back: room for three times the keys of a full key file. Leaves to others: what the second
// cell means and how it moves (the edge's TokenBucket).

import Synchronization

package struct CallerQuotas: @unchecked Sendable {  // only atomics are behind the pointer
    /// A power of two.
    static let entries = 32768
    static let cellCount = entries * 2

    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    init(cells: UnsafeMutablePointer<Atomic<UInt64>>) { self.cells = cells }

    /// A table that nobody else sees, for tests. Its memory is never given back.
    package static func standalone() -> CallerQuotas {
        let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: cellCount)
        memory.initialize(repeating: 0, count: cellCount)
        return CallerQuotas(cells: UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Atomic<UInt64>.self))
    }

    /// The second cell of a key's entry, whose bucket is full where no edge has known the key before. Without room it is a cell of
    /// this process alone.
    package func cell(of hash: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
        let hash = max(hash, 1)
        var entry = Int(truncatingIfNeeded: hash) & (Self.entries - 1)
        for _ in 0..<Self.entries {
            let (wasFree, found) = cells[2 * entry].compareExchange(expected: 0, desired: hash, ordering: .relaxed)
            if wasFree || found == hash { return cells + 2 * entry + 1 }
            entry = (entry + 1) & (Self.entries - 1)
        }
        let cell = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 1)
        cell.initialize(to: Atomic(0))
        return cell
    }
}
