// Where subscribers live: in slots that are found by index and used again. Every one is looked at for every event, so it is worked
// on where it lies: an array of them would be copied, reference counts and all, at each look.

struct SubscriberTable: ~Copyable {
    private var subscribers: UnsafeMutablePointer<Subscriber>
    private var isLive: [Bool] = []
    private var capacity = 64
    private var vacant: [Int] = []
    private(set) var count = 0

    init() { subscribers = .allocate(capacity: capacity) }

    deinit {
        for key in isLive.indices where isLive[key] { (subscribers + key).deinitialize(count: 1) }
        subscribers.deallocate()
    }

    /// The key by which it is found.
    mutating func insert(_ subscriber: Subscriber) -> Int {
        let key = vacant.popLast() ?? isLive.count
        if key == isLive.count {
            if key == capacity { grow() }
            isLive.append(false)
        }
        (subscribers + key).initialize(to: subscriber)
        isLive[key] = true
        count += 1
        return key
    }

    mutating func remove(_ key: Int) {
        guard let subscriber = find(key) else { return }
        subscriber.deinitialize(count: 1)
        isLive[key] = false
        vacant.append(key)
        count -= 1
    }

    /// Valid until the next `insert`.
    func find(_ key: Int) -> UnsafeMutablePointer<Subscriber>? {
        key >= 0 && key < isLive.count && isLive[key] ? subscribers + key : nil
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Subscriber>.allocate(capacity: capacity * 2)
        for key in isLive.indices where isLive[key] { (larger + key).moveInitialize(from: subscribers + key, count: 1) }
        subscribers.deallocate()
        subscribers = larger
        capacity *= 2
    }
}
