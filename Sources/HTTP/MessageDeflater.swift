// WebSocket messages, compressed (RFC 7692 §7.2.1). Each message stands for itself (`server_no_context_takeover`), so that one
// compression serves every client with the same window.
// Leaves to others: frames, which messages are worth it.
import CZlib

@safe package struct MessageDeflater: ~Copyable {
    /// Memory that is kept for the next message.
    private static let keptBytes = 64 << 10
    /// zlib's defaults: a message is compressed once for many clients.
    private static let level: Int32 = 6
    private static let memoryLevel: Int32 = 8
    /// The empty block at the end, which is not sent.
    private static let tailBytes = 4

    private let stream: UnsafeMutablePointer<z_stream>
    private let windowBits: UInt8
    /// zlib's memory is taken with the first message: most windows are never asked for.
    private var isReady = false
    private var output: [UInt8] = []
    /// How much of `output` is the message.
    private var count = 0

    /// `windowBits` is 9 to 15.
    package init(windowBits: UInt8) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        self.windowBits = windowBits
    }

    deinit {
        if isReady { unsafe deflateEnd(stream) }
        unsafe stream.deallocate()
    }

    /// The last message.
    package var message: RawSpan {
        @_lifetime(borrow self)
        get { output.span.bytes.extracting(0..<count) }
    }

    /// Leaves the compressed message in `message`; false when compressing does not make it smaller.
    package mutating func deflate(_ bytes: borrowing RawSpan) -> Bool {
        if !isReady { isReady = unsafe czlib_deflate_init(stream, Self.level, -Int32(windowBits), Self.memoryLevel) == Z_OK }
        guard isReady, unsafe deflateReset(stream) == Z_OK else { return false }
        if output.count > Self.keptBytes { output = [] }
        let wanted = bytes.byteCount + Self.tailBytes
        if output.count < wanted { output = [UInt8](repeating: 0, count: wanted) }
        unsafe stream.pointee.avail_in = UInt32(clamping: bytes.byteCount)
        let left = unsafe bytes.withUnsafeBytes { bytes in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
            return output.withUnsafeMutableBufferPointer { output in
                unsafe stream.pointee.next_out = output.baseAddress
                // Room for one byte less than there was: when all of it is used, nothing was gained.
                unsafe stream.pointee.avail_out = UInt32(clamping: wanted - 1)
                return unsafe CZlib.deflate(stream, Z_SYNC_FLUSH) == Z_OK ? Int(stream.pointee.avail_out) : 0
            }
        }
        count = max(0, wanted - 1 - left - Self.tailBytes)
        return left > 0
    }
}
