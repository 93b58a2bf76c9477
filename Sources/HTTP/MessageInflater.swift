// Compressed WebSocket messages, inflated (RFC 7692 §7.2.2). Each message stands for itself (`no_context_takeover`), so that
// one inflater serves all clients. What comes out is bounded, whatever went in.
// Leaves to others: which messages are compressed.
import CZlib

@safe package struct MessageInflater: ~Copyable {
    /// What every message ends with and no sender sends: an empty block.
    private static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]
    private static let pieceBytes = 16 << 10
    /// Memory that is kept for the next message.
    private static let keptBytes = 64 << 10

    /// zlib remembers where it lies.
    private let stream: UnsafeMutablePointer<z_stream>
    private let isReady: Bool
    private let piece: UnsafeMutableBufferPointer<UInt8>
    private var message: [UInt8] = []

    package init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        isReady = unsafe czlib_inflate_init(stream, -15) == Z_OK
        unsafe piece = .allocate(capacity: Self.pieceBytes)
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
        unsafe piece.deallocate()
    }

    /// The inflated message.
    package mutating func inflate(_ bytes: borrowing RawSpan, limit: Int) throws(WebSocketError) -> [UInt8] {
        if message.capacity > Self.keptBytes { message = [] }
        message.removeAll(keepingCapacity: true)
        guard isReady, unsafe inflateReset(stream) == Z_OK else { throw .badCompression }
        _ = try feed(bytes, limit)
        // A message ends between two blocks and at a whole byte; one that was cut takes the tail for a part of its data.
        guard try feed(Self.tail.span.bytes, limit) else { throw .badCompression }
        return message
    }

    /// The same for a message that must be UTF-8.
    package mutating func inflateText(_ bytes: borrowing RawSpan, limit: Int) throws(WebSocketError) -> [UInt8] {
        let text = try inflate(bytes, limit: limit)
        var validator = UTF8Validator()
        guard validator.accept(text.span.bytes), validator.isComplete else { throw .invalidUTF8 }
        return text
    }

    /// Whether the bytes ended between two blocks.
    private mutating func feed(_ bytes: borrowing RawSpan, _ limit: Int) throws(WebSocketError) -> Bool {
        unsafe stream.pointee.avail_in = UInt32(clamping: bytes.byteCount)
        return unsafe try bytes.withUnsafeBytes { bytes throws(WebSocketError) in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
            while true {
                unsafe stream.pointee.next_out = piece.baseAddress
                unsafe stream.pointee.avail_out = UInt32(Self.pieceBytes)
                let result = unsafe CZlib.inflate(stream, Z_SYNC_FLUSH)
                let count = unsafe Self.pieceBytes - Int(stream.pointee.avail_out)
                guard count <= limit - message.count else { throw .messageTooLarge }
                unsafe message.append(contentsOf: piece[..<count])
                switch result {
                case Z_OK:
                    if unsafe stream.pointee.avail_out > 0, unsafe stream.pointee.avail_in == 0 { return isBetweenBlocks }
                case Z_BUF_ERROR:  // nothing was left to do
                    return isBetweenBlocks
                case Z_STREAM_END:  // a sender may mark a block as the last one and go on (§7.2.3.5), with the window as it is
                    guard unsafe inflateResetKeep(stream) == Z_OK else { throw .badCompression }
                    if unsafe stream.pointee.avail_in == 0 { return true }
                default:
                    throw .badCompression
                }
            }
        }
    }

    /// zlib's `data_type` after a call: unused bits of the last byte, and 128 right behind a block.
    private var isBetweenBlocks: Bool { unsafe stream.pointee.data_type & 0b1011_1111 == 128 }
}
