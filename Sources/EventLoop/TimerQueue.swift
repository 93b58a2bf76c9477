// Alarms of a loop: few and coarse. Connections have no timers of their own; their owners sweep deadlines.

/// A binary heap of alarms. There is no cancelling: an alarm that is no longer wanted rings and is ignored by its owner,
/// whose state machine knows what it waits for.
package struct TimerQueue {
    private var heap: [(at: Instant, token: Token)] = []

    package init() {}

    package var next: Instant? { heap.first?.at }

    package mutating func schedule(_ token: Token, at instant: Instant) {
        heap.append((instant, token))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].at < heap[parent].at else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// The earliest alarm that is due, if any.
    package mutating func popDue(_ now: Instant) -> Token? {
        guard let first = heap.first, first.at <= now else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first.token }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].at < heap[least].at {
                least = child
            }
            guard least != parent else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return first.token
    }

    /// Every alarm that is due, the earliest first.
    package mutating func popAllDue(_ now: Instant) -> [Token] {
        var due: [Token] = []
        while let token = popDue(now) { due.append(token) }
        return due
    }
}
