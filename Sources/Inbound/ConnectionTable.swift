// Where the connections live: fixed slots, found by index, told apart by generation.
import EventLoop

/// Memory is reserved at once and touched slot by slot as it is used; a slot never moves while its connection lives.
struct ConnectionTable: ~Copyable {
    let capacity: Int
    private let connections: UnsafeMutablePointer<Connection>
    private let generations: UnsafeMutablePointer<UInt32>
    private let live: UnsafeMutablePointer<Bool>
    private var free: [UInt32] = []
    /// Slots from here on were never used.
    private(set) var highWater = 0
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = max(1, min(capacity, 1 << 24))
        connections = .allocate(capacity: self.capacity)
        generations = .allocate(capacity: self.capacity)
        live = .allocate(capacity: self.capacity)
    }

    deinit {
        for slot in 0..<highWater where live[slot] { (connections + slot).deinitialize(count: 1) }
        connections.deallocate()
        generations.deallocate()
        live.deallocate()
    }

    var isFull: Bool { count == capacity }

    /// An id for the next connection, which must be inserted with it; nil when all slots are in use.
    mutating func reserve() -> ConnectionID? {
        if let slot = free.popLast() { return ConnectionID(slot: slot, generation: generations[Int(slot)]) }
        guard highWater < capacity else { return nil }
        (generations + highWater).initialize(to: 1)
        (live + highWater).initialize(to: false)
        highWater += 1
        return ConnectionID(slot: UInt32(highWater - 1), generation: 1)
    }

    mutating func insert(_ connection: consuming Connection) {
        let slot = Int(connection.id.slot)
        assert(slot < highWater && !live[slot])
        (connections + slot).initialize(to: connection)
        live[slot] = true
        count += 1
    }

    func find(_ id: ConnectionID) -> UnsafeMutablePointer<Connection>? {
        let slot = Int(id.slot)
        guard slot < highWater, live[slot], generations[slot] == id.generation else { return nil }
        return connections + slot
    }

    /// The connection of a slot below `highWater`, if there is one.
    func at(_ slot: Int) -> UnsafeMutablePointer<Connection>? {
        slot < highWater && live[slot] ? connections + slot : nil
    }

    /// Closes its descriptor.
    mutating func remove(_ id: ConnectionID) {
        guard let connection = find(id) else { return }
        let slot = Int(id.slot)
        connection.deinitialize(count: 1)
        live[slot] = false
        // Tokens have 24 bits for it; 0 is never used.
        generations[slot] = max(1, (generations[slot] &+ 1) & 0xFF_FFFF)
        free.append(id.slot)
        count -= 1
    }

    /// Gives a reserved id back unused.
    mutating func giveBack(_ id: ConnectionID) { free.append(id.slot) }
}
