// How many requests a caller may make in a minute: a bucket that is full at first and fills evenly, kept as one point in time
// (the generic cell rate algorithm of ATM Forum TM 4.1).
import Synchronization

/// Times are nanoseconds of the monotonic clock, which is the same in every process.
struct TokenBucket {
    static let window: UInt64 = 60_000_000_000

    let limit: UInt64
    private let interval: UInt64
    /// When the bucket will be full again; in the past it is full. Shared with other edges, kept from one limit to the next: a
    /// change of limits is no gift.
    private let fullAt: UnsafeMutablePointer<Atomic<UInt64>>

    init(perMinute limit: Int, _ fullAt: UnsafeMutablePointer<Atomic<UInt64>>) {
        self.limit = UInt64(max(1, limit))
        interval = Self.window / self.limit
        self.fullAt = fullAt
    }

    /// Takes one request; false when there is none left.
    func take(_ now: UInt64) -> Bool {
        var known = fullAt.pointee.load(ordering: .relaxed)
        while true {
            let start = max(known, now)
            guard start &- now &+ interval <= interval &* limit else { return false }
            let (isTaken, current) = fullAt.pointee.compareExchange(expected: known, desired: start &+ interval, ordering: .relaxed)
            if isTaken { return true }
            known = current
        }
    }

    /// Nanoseconds until `take` succeeds; 0 when it does now.
    func wait(_ now: UInt64) -> UInt64 {
        let due = max(fullAt.pointee.load(ordering: .relaxed), now) &- now &+ interval
        let room = interval &* limit
        return due > room ? due - room : 0
    }
}
