// Recent events, numbered, so that a subscriber that comes back gets what it missed.
import EventLoop
import IPC

/// Keeps the newest events, up to a number and up to an amount of JSON. The JSON lies in one run of memory, each event's in
/// one piece, written round and round over the oldest; memory that was never written is never taken from the system.
struct EventRing: ~Copyable {
    /// Longer events are refused.
    static let mostEventBytes = 64 << 10

    private struct Entry {
        var offset = 0
        var length = 0
        var kind = EventKind.auditStarted
        var wall: UInt64 = 0
        var status: AuditStatus?
    }

    /// The dispatcher's incarnation.
    let epoch: UInt64
    /// The number of the newest event; 0 before the first.
    private(set) var last: UInt64 = 0
    /// How many are kept.
    private(set) var count = 0
    /// Their JSON together.
    private(set) var bytes = 0

    private let memory: UnsafeMutableRawBufferPointer
    /// By number, modulo the limit.
    private var entries: [Entry]
    /// Where the next event goes, if it fits there.
    private var head = 0

    /// Holds at least one event of any size.
    init(epoch: UInt64, countLimit: Int, byteLimit: Int) {
        self.epoch = epoch
        entries = [Entry](repeating: Entry(), count: min(max(1, countLimit), 1 << 20))
        memory = .allocate(byteCount: min(max(Self.mostEventBytes, byteLimit), 1 << 32), alignment: 16)
    }

    deinit { memory.deallocate() }

    /// The number of the oldest event kept; that of the next one when there is none.
    var first: UInt64 { last + 1 - UInt64(count) }

    /// Numbers and keeps an event; false when its JSON is empty or too long.
    mutating func append(_ kind: EventKind, wall: UInt64, status: AuditStatus? = nil, json: [UInt8]) -> Bool {
        guard !json.isEmpty, json.count <= Self.mostEventBytes else { return false }
        if count == entries.count { forgetOldest() }
        var offset = place(for: json.count)
        while offset == nil {
            forgetOldest()
            offset = place(for: json.count)
        }
        guard let offset else { return false }
        json.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + json.count]).copyMemory(from: $0) }
        head = offset + json.count
        last += 1
        count += 1
        bytes += json.count
        entries[index(of: last)] = Entry(offset: offset, length: json.count, kind: kind, wall: wall, status: status)
        return true
    }

    /// Lends the event of a number; nil when it is not kept (any more).
    func with<R>(_ sequence: UInt64, _ body: (borrowing Event) -> R) -> R? {
        guard sequence >= first, sequence <= last else { return nil }
        let entry = entries[index(of: sequence)]
        let json = UnsafeRawBufferPointer(rebasing: memory[entry.offset..<entry.offset + entry.length])
        return body(Event(epoch: epoch, sequence: sequence, kind: entry.kind, milliseconds: entry.wall, json: json.bytes))
    }

    /// How the audit ended whose end the event tells.
    func status(of sequence: UInt64) -> AuditStatus? {
        guard sequence >= first, sequence <= last else { return nil }
        return entries[index(of: sequence)].status
    }

    /// Where a subscriber goes on.
    struct Resumption: Equatable {
        /// The number of the next event it gets.
        let next: UInt64
        /// There were events before that, which it never gets.
        let isHistoryLost: Bool
    }

    /// Where a subscriber goes on that has the events of `epoch` up to `sequence`, or none (0, 0).
    func resume(epoch: UInt64, sequence: UInt64) -> Resumption {
        // One that has more than there is of this epoch is confused, and begins anew.
        guard epoch == self.epoch, sequence <= last else { return Resumption(next: first, isHistoryLost: epoch != 0 || first > 1) }
        return Resumption(next: max(sequence + 1, first), isHistoryLost: sequence + 1 < first)
    }

    private func index(of sequence: UInt64) -> Int { Int(sequence % UInt64(entries.count)) }

    private mutating func forgetOldest() {
        guard count > 0 else { return }
        bytes -= entries[index(of: first)].length
        count -= 1
    }

    /// Where so many bytes fit without touching a kept event.
    private func place(for length: Int) -> Int? {
        guard count > 0 else { return 0 }
        let tail = entries[index(of: first)].offset
        if head > tail {  // kept: tail..<head
            if memory.count - head >= length { return head }
            return tail >= length ? 0 : nil
        }
        return tail - head >= length ? head : nil  // kept: tail... and ..<head
    }
}
