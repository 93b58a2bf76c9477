// An owned buffer for one payload that arrives in pieces. Nothing is held before the first byte, and a large one is
// given back after use: most of many thousand dashboards never send more than a pong.

@safe struct PayloadBuffer: ~Copyable {
    /// What is kept for the next payload.
    private static let keptBytes = 4 << 10

    private var buffer = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private(set) var count = 0

    deinit { unsafe buffer.deallocate() }

    var bytes: RawSpan {
        @_lifetime(borrow self)
        get { unsafe RawSpan(_unsafeBytes: buffer).extracting(0..<count) }
    }

    mutating func removeAll() {
        count = 0
        if unsafe buffer.count > Self.keptBytes {
            unsafe buffer.deallocate()
            unsafe buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
    }

    /// Copies and unmasks. The caller limits what is appended.
    mutating func append(_ bytes: borrowing RawSpan, _ mask: WebSocketMask) {
        if bytes.isEmpty { return }
        reserve(count + bytes.byteCount)
        guard let start = unsafe buffer.baseAddress else { return }
        unsafe mask.copy(bytes, to: start.advanced(by: count))
        count += bytes.byteCount
    }

    /// All of them when there are fewer.
    mutating func removeFirst(_ number: Int) {
        let number = min(max(number, 0), count)
        guard number > 0, let start = unsafe buffer.baseAddress else { return }
        count -= number
        unsafe start.copyMemory(from: start.advanced(by: number), byteCount: count)
    }

    private mutating func reserve(_ wanted: Int) {
        guard unsafe wanted > buffer.count else { return }
        let larger = unsafe max(wanted, buffer.count * 2, 128)
        let fresh = UnsafeMutableRawBufferPointer.allocate(byteCount: larger, alignment: 8)
        if count > 0 { unsafe fresh.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        unsafe buffer.deallocate()
        unsafe buffer = fresh
    }
}
