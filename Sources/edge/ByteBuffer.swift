// Bytes that were read and cannot be used yet: a head that is still coming, requests sent ahead.
import Glibc

/// A contiguous, growable buffer. Empty it holds no memory: most connections never need one.
struct ByteBuffer: ~Copyable {
    private var start: UnsafeMutableRawPointer?
    private var capacity = 0
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        if count + bytes.count > capacity {
            capacity = max(256, 2 * capacity, count + bytes.count)  // method and path of nearly every request fit
            start = realloc(start, capacity)
        }
        guard let start else { return }
        memcpy(start + count, source, bytes.count)
        count += bytes.count
    }

    mutating func removeFirst(_ length: Int) {
        guard length < count, let start else { return removeAll() }
        memmove(start, start + length, count - length)
        count -= length
    }

    mutating func removeAll() {
        guard start != nil else { return }
        free(start)
        start = nil
        capacity = 0
        count = 0
    }

    deinit { free(start) }
}
