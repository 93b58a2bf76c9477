// A table from hashes to numbers, open addressing: keys are hashes already, so that hashing them again, as `Dictionary` does
// against crafted keys, would be most of the work. Crafted words can only make long rows of neighbours, which are bounded.

struct HashTable: Sendable {
    /// Entries beyond this distance from their place are not kept: such a word counts as absent.
    private static let probeLimit = 64

    private var keys: [UInt32]
    private var values: [Int32]
    private(set) var count = 0
    private var mask: Int

    init(capacity: Int = 64) {
        var size = 64
        while size < capacity * 2, size < 1 << 24 { size *= 2 }
        keys = [UInt32](repeating: 0, count: size)
        values = [Int32](repeating: -1, count: size)
        mask = size - 1
    }

    /// The value of a key, -1 without one.
    subscript(key: UInt32) -> Int32 {
        var place = Int(key) & mask
        for _ in 0..<Self.probeLimit {
            if values[place] < 0 { return -1 }
            if keys[place] == key { return values[place] }
            place = (place + 1) & mask
        }
        return -1
    }

    /// Sets the value of a key, which must not be negative.
    mutating func set(_ key: UInt32, _ value: Int32) {
        guard value >= 0 else { return }
        if count * 2 > mask { grow() }
        var place = Int(key) & mask
        for _ in 0..<Self.probeLimit {
            if values[place] < 0 || keys[place] == key {
                if values[place] < 0 { count += 1 }
                keys[place] = key
                values[place] = value
                return
            }
            place = (place + 1) & mask
        }
    }

    private mutating func grow() {
        guard mask < 1 << 24 else { return }
        var larger = HashTable(capacity: (mask + 1) * 2)
        for place in keys.indices where values[place] >= 0 { larger.set(keys[place], values[place]) }
        self = larger
    }
}

/// A set of hashes.
struct HashSet: Sendable {
    private var table = HashTable()

    func contains(_ hash: UInt32) -> Bool { table[hash] >= 0 }
    mutating func insert(_ hash: UInt32) { table.set(hash, 1) }
}
