// A table from hashes to numbers, open addressing: keys are hashes already, so that hashing them again, as `Dictionary` does
// against crafted keys, would be most of the work. Crafted words can only make long rows of neighbours, which are bounded.

struct HashTable: Sendable {
    /// Entries beyond this distance from their place are not kept: such a word counts as absent.
    private static let probeLimit = 64

    private struct Slot: Sendable {
        var key: UInt32
        /// -1 if the slot is free.
        var value: Int32
    }

    private var slots: [Slot]
    private(set) var count = 0
    private var mask: Int

    init(capacity: Int = 64) {
        var size = 64
        while size < capacity * 2, size < 1 << 24 { size *= 2 }
        slots = [Slot](repeating: Slot(key: 0, value: -1), count: size)
        mask = size - 1
    }

    /// The value of a key, -1 without one.
    @inline(__always)
    subscript(key: UInt32) -> Int32 {
        var place = Int(key) & mask
        let first = slots[place]
        if first.key == key || first.value < 0 { return first.value }
        for _ in 1..<Self.probeLimit {
            place = (place + 1) & mask
            let slot = slots[place]
            if slot.key == key || slot.value < 0 { return slot.value }
        }
        return -1
    }

    /// Sets the value of a key, which must not be negative.
    mutating func set(_ key: UInt32, _ value: Int32) {
        guard value >= 0 else { return }
        if count * 2 > mask { grow() }
        var place = Int(key) & mask
        for _ in 0..<Self.probeLimit {
            if slots[place].value < 0 || slots[place].key == key {
                if slots[place].value < 0 { count += 1 }
                slots[place] = Slot(key: key, value: value)
                return
            }
            place = (place + 1) & mask
        }
    }

    private mutating func grow() {
        guard mask < 1 << 24 else { return }
        var larger = HashTable(capacity: (mask + 1) * 2)
        for slot in slots where slot.value >= 0 { larger.set(slot.key, slot.value) }
        self = larger
    }
}

/// A set of hashes.
struct HashSet: Sendable {
    private var table = HashTable()

    func contains(_ hash: UInt32) -> Bool { table[hash] >= 0 }
    mutating func insert(_ hash: UInt32) { table.set(hash, 1) }
}
