// The broadcaster's copy of the dispatcher's ring: what dashboards are sent, and what those that come back have missed.
// Positions count every event that was ever kept here; they are what subscribers' cursors point at. Epoch and sequence are
// the dispatcher's numbers; events of the broadcaster's own (audits lost with a dispatcher) have a position and no number.
import IPC

/// The number of an event, as dashboards write it: `EPOCH:SEQ`.
struct EventNumber: Hashable, Comparable, CustomStringConvertible {
    let epoch: UInt64
    let sequence: UInt64

    init(epoch: UInt64, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    init?(_ text: some StringProtocol) {
        guard let colon = text.firstIndex(of: ":"), let epoch = UInt64(text[..<colon]),
            let sequence = UInt64(text[text.index(after: colon)...])
        else { return nil }
        self.init(epoch: epoch, sequence: sequence)
    }

    var description: String { "\(epoch):\(sequence)" }

    static func < (a: EventNumber, b: EventNumber) -> Bool { (a.epoch, a.sequence) < (b.epoch, b.sequence) }
}

/// Keeps the newest events, up to a number and up to an amount of JSON. The JSON lies in one run of memory, written round and
/// round over the oldest; memory that was never written is never taken from the system.
struct RecentEvents: ~Copyable {
    /// An event without its JSON and the facts in it: numbers only, so that looking at one costs no reference counting.
    struct Entry {
        /// Nil for the broadcaster's own.
        var number: EventNumber?
        var kind: MessageKind
        /// Wall clock, milliseconds since 1970.
        var milliseconds: UInt64
        /// It happened before this process was there to send it on: only for those who ask for what they missed.
        var isHistory: Bool

        fileprivate var offset = 0
        fileprivate var length = 0
        /// JSON of all earlier events.
        fileprivate var bytesBefore: UInt64 = 0

        init(number: EventNumber?, kind: MessageKind, milliseconds: UInt64, isHistory: Bool) {
            self.number = number
            self.kind = kind
            self.milliseconds = milliseconds
            self.isHistory = isHistory
        }
    }

    /// Longer events than the dispatcher's are refused.
    static let mostEventBytes = 64 << 10
    /// The table grows to this much at first.
    private static let firstCapacity = 1024

    /// Of the oldest event kept.
    private(set) var first: UInt64 = 0
    /// Of the next event to come.
    private(set) var end: UInt64 = 0
    /// The number of the newest numbered event, kept or refused; what a new channel's Subscribe says.
    private(set) var newest = EventNumber(epoch: 0, sequence: 0)

    private let countLimit: Int
    private let memory: UnsafeMutableRawBufferPointer
    /// By position, modulo the limit; grown as long as it is not full.
    private var entries: [Entry] = []
    /// Of the same events.
    private var facts: [EventFacts] = []
    private var totalBytes: UInt64 = 0
    /// Where the next event goes, if it fits there.
    private var head = 0

    /// Holds at least one event of any size.
    init(countLimit: Int, byteLimit: Int) {
        self.countLimit = max(1, countLimit)
        entries.reserveCapacity(min(self.countLimit, Self.firstCapacity))
        memory = .allocate(byteCount: max(Self.mostEventBytes, byteLimit), alignment: 16)
    }

    deinit { memory.deallocate() }

    var isEmpty: Bool { first == end }
    var count: Int { Int(end - first) }
    /// JSON kept.
    var byteCount: Int { isEmpty ? 0 : Int(totalBytes - entries[index(first)].bytesBefore) }

    /// Whether an event of this number has not been here yet. Numbers only grow: an older epoch is a dispatcher that is gone.
    func isNew(_ number: EventNumber) -> Bool { number > newest }

    /// A number that is used up, though its event cannot be kept.
    mutating func pass(_ number: EventNumber) { newest = max(newest, number) }

    /// Keeps an event; false when its number is no news or its JSON is empty or too long.
    mutating func append(_ entry: Entry, _ facts: EventFacts, json: UnsafeRawBufferPointer) -> Bool {
        if let number = entry.number {
            guard isNew(number) else { return false }
            newest = number
        }
        guard !json.isEmpty, json.count <= Self.mostEventBytes else { return false }
        if count == countLimit { first += 1 }
        var offset = place(for: json.count)
        while offset == nil {
            first += 1
            offset = place(for: json.count)
        }
        guard let offset else { return false }
        UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + json.count]).copyMemory(from: json)
        head = offset + json.count
        var entry = entry
        entry.offset = offset
        entry.length = json.count
        entry.bytesBefore = totalBytes
        totalBytes += UInt64(json.count)
        let index = index(end)
        if index == entries.count {
            entries.append(entry)
            self.facts.append(facts)
        } else {
            entries[index] = entry
            self.facts[index] = facts
        }
        end += 1
        return true
    }

    /// The event at a position from `first` up to before `end`.
    func entry(at position: UInt64) -> Entry? {
        guard position >= first, position < end else { return nil }
        return entries[index(position)]
    }

    /// What is known of the event at a position.
    func facts(at position: UInt64) -> EventFacts? {
        guard position >= first, position < end else { return nil }
        return facts[index(position)]
    }

    /// The JSON of the event at a position, lent for the call.
    func withJSON<R>(at position: UInt64, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        guard let entry = entry(at: position) else { return nil }
        return body(UnsafeRawBufferPointer(rebasing: memory[entry.offset..<entry.offset + entry.length]))
    }

    /// What somebody at `position` has before them: how many events, how much JSON.
    func waiting(from position: UInt64) -> (count: Int, bytes: Int) {
        let from = max(position, first)
        guard from < end else { return (0, 0) }
        return (Int(end - from), Int(totalBytes - entries[index(from)].bytesBefore))
    }

    /// Where somebody goes on who has all up to `number`: nil if there may have been events in between that are not kept.
    func position(after number: EventNumber) -> UInt64? {
        // From the newest back: who comes back was away for a short time.
        var position = end
        while position > first {
            position -= 1
            guard let here = entries[index(position)].number else { continue }
            if here == number { return position + 1 }
            if here < number { return nil }
            if here.epoch == number.epoch, here.sequence == number.sequence &+ 1 { return position }
        }
        return nil
    }

    private func index(_ position: UInt64) -> Int { Int(position % UInt64(countLimit)) }

    /// Where so many bytes fit without touching a kept event.
    private func place(for length: Int) -> Int? {
        guard !isEmpty else { return 0 }
        let tail = entries[index(first)].offset
        if head > tail {  // kept: tail..<head
            if memory.count - head >= length { return head }
            return tail >= length ? 0 : nil
        }
        return tail - head >= length ? head : nil  // kept: tail... and ..<head
    }
}
