// Bytes of a client that are no whole request yet. Most connections have none, and then this holds no memory.
import Glibc

struct InputBuffer: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var start: UInt32 = 0
    private var end: UInt32 = 0
    private(set) var capacity: UInt32 = 0

    init() {}

    var count: Int { Int(end - start) }
    var isEmpty: Bool { end == start }

    var bytes: UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: memory + Int(start), count: count)
    }

    /// Room for `wanted` more bytes behind what is held, nil when the system has no memory. `filled` follows.
    mutating func room(for wanted: Int) -> UnsafeMutableRawBufferPointer? {
        if memory == nil || Int(capacity - end) < wanted {
            let needed = count + wanted
            guard needed <= Int(Int32.max), let grown = malloc(max(needed, 2 * count, 1024)) else { return nil }
            if let memory {
                memcpy(grown, memory + Int(start), count)
                free(memory)
            }
            capacity = UInt32(max(needed, 2 * count, 1024))
            end -= start
            start = 0
            memory = grown
        }
        guard let memory else { return nil }
        return UnsafeMutableRawBufferPointer(start: memory + Int(end), count: Int(capacity - end))
    }

    mutating func filled(_ count: Int) { end += UInt32(min(count, Int(capacity - end))) }

    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let source = bytes.baseAddress else { return true }
        guard let room = room(for: bytes.count), let target = room.baseAddress else { return false }
        memcpy(target, source, bytes.count)
        filled(bytes.count)
        return true
    }

    /// Drops bytes from the front; the last one gives the memory back.
    mutating func consume(_ count: Int) {
        start += UInt32(min(count, self.count))
        if isEmpty { release() }
    }

    mutating func release() {
        free(memory)
        memory = nil
        start = 0
        end = 0
        capacity = 0
    }

    deinit { free(memory) }
}
