// How many requests a caller may make in a minute: a bucket that is full at first and fills evenly, kept as one point in time
// (the generic cell rate algorithm of ATM Forum TM 4.1).

/// Times are nanoseconds of the monotonic clock.
struct TokenBucket {
    static let window: UInt64 = 60_000_000_000

    let limit: UInt64
    private let interval: UInt64
    /// When the bucket will be full again; in the past it is full.
    private var fullAt: UInt64 = 0

    init(perMinute limit: Int) {
        self.limit = UInt64(max(1, limit))
        interval = Self.window / self.limit
    }

    /// The same fill under another limit: a change of limits is no gift.
    init(perMinute limit: Int, after former: TokenBucket) {
        self.init(perMinute: limit)
        fullAt = former.fullAt
    }

    /// Takes one request; false when there is none left.
    mutating func take(_ now: UInt64) -> Bool {
        let start = max(fullAt, now)
        guard start &- now &+ interval <= interval &* limit else { return false }
        fullAt = start &+ interval
        return true
    }

    /// Nanoseconds until `take` succeeds; 0 when it does now.
    func wait(_ now: UInt64) -> UInt64 {
        let due = max(fullAt, now) &- now &+ interval
        let room = interval &* limit
        return due > room ? due - room : 0
    }
}
