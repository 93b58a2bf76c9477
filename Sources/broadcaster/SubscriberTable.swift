// Where subscribers live: in slots that are found by index and used again. Every one is looked at for every event, so it is worked
// on where it lies: an array of them would be copied, reference counts and all, at each look.

struct SubscriberTable: ~Copyable {
    private var slots: UnsafeMutablePointer<Subscriber?>
    private var capacity = 64
    /// Slots from here on were never used.
    private var highWater = 0
    private var vacant: [Int] = []
    private(set) var count = 0

    init() { slots = .allocate(capacity: capacity) }

    deinit {
        slots.deinitialize(count: highWater)
        slots.deallocate()
    }

    /// The key by which it is found.
    mutating func insert(_ subscriber: Subscriber) -> Int {
        count += 1
        if let key = vacant.popLast() {
            slots[key] = subscriber
            return key
        }
        if highWater == capacity { grow() }
        (slots + highWater).initialize(to: subscriber)
        highWater += 1
        return highWater - 1
    }

    mutating func remove(_ key: Int) {
        guard find(key) != nil else { return }
        slots[key] = nil
        vacant.append(key)
        count -= 1
    }

    /// Valid until the next `insert`.
    func find(_ key: Int) -> UnsafeMutablePointer<Subscriber>? {
        guard key >= 0, key < highWater, slots[key] != nil else { return nil }
        // An optional has its value at its beginning.
        return UnsafeMutableRawPointer(slots + key).assumingMemoryBound(to: Subscriber.self)
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Subscriber?>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: slots, count: highWater)
        slots.deallocate()
        slots = larger
        capacity *= 2
    }
}
