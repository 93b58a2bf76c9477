// Where connections live: fixed slots, found by index, told apart by generation.

/// `capacity` slots of noncopyable values. The memory is reserved at once and touched slot by slot as it is used; a slot
/// never moves, so pointers into it hold until it is freed. Free slots are reused last in, first out.
struct Slab<Element: ~Copyable>: ~Copyable {
    let capacity: Int
    private let elements: UnsafeMutablePointer<Element>
    private let generations: UnsafeMutablePointer<UInt32>
    private let live: UnsafeMutablePointer<Bool>
    private let free: UnsafeMutablePointer<UInt32>
    private var freeCount = 0
    /// Slots from here on were never used.
    private(set) var highWater = 0
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        elements = .allocate(capacity: capacity)
        generations = .allocate(capacity: capacity)
        live = .allocate(capacity: capacity)
        free = .allocate(capacity: capacity)
    }

    /// A slot for `element`, nil when all are in use. The generation goes into the connection's token.
    mutating func insert(_ element: consuming Element) -> (slot: Int, generation: UInt32)? {
        let slot: Int
        if freeCount > 0 {
            freeCount -= 1
            slot = Int(free[freeCount])
        } else {
            guard highWater < capacity else { return nil }
            slot = highWater
            highWater += 1
            generations.advanced(by: slot).initialize(to: 0)
        }
        generations[slot] = (generations[slot] &+ 1) & 0xFF_FFFF
        live.advanced(by: slot).initialize(to: true)
        (elements + slot).initialize(to: element)
        count += 1
        return (slot, generations[slot])
    }

    /// The element of a slot that is known to be live.
    @inline(__always)
    func at(_ slot: Int) -> UnsafeMutablePointer<Element> {
        assert(isLive(slot))
        return elements + slot
    }

    /// The element that a token means, nil if it is gone.
    @inline(__always)
    func find(_ slot: UInt32, _ generation: UInt32) -> UnsafeMutablePointer<Element>? {
        let index = Int(slot)
        guard index < highWater, live[index], generations[index] == generation else { return nil }
        return elements + index
    }

    /// Of the element that lives in a slot now.
    func generation(_ slot: Int) -> UInt32 { generations[slot] }

    func isLive(_ slot: Int) -> Bool { slot >= 0 && slot < highWater && live[slot] }

    mutating func remove(_ slot: Int) {
        guard isLive(slot) else { return }
        (elements + slot).deinitialize(count: 1)
        #if DEBUG  // a pointer that was kept too long shall not find what it expects
            UnsafeMutableRawPointer(elements + slot).initializeMemory(as: UInt8.self, repeating: 0xDB, count: MemoryLayout<Element>.stride)
        #endif
        live[slot] = false
        free[freeCount] = UInt32(truncatingIfNeeded: slot)
        freeCount += 1
        count -= 1
    }
}
