// The frame that every process of the product speaks (DESIGN §2): 16 bytes, little endian, then the payload.
//
//     u32 length of the payload | u16 type | u16 flags | u64 id

/// What a peer did wrong. Any of these closes the channel that it came by; nothing else moves.
package enum FrameError: Error, Equatable {
    /// A frame announces more payload than this kind of channel takes.
    case oversized(length: UInt32, limit: Int)
    /// A type that nobody declared, or that does not belong on this channel in this direction.
    case unexpectedType(UInt16)
    /// The payload ended inside the named field.
    case truncated(String)
    /// The payload goes on after its last field.
    case trailingBytes(Int)
    /// The named field holds a value outside its range.
    case outOfRange(String)
    /// Descriptors came with a frame that takes none, or did not come with one that needs them.
    case descriptors
}

/// The header of one frame.
@usableFromInline
package struct FrameHeader: Equatable, Sendable {
    @inlinable package static var byteCount: Int { 16 }

    package let length: UInt32
    package let type: UInt16
    package let flags: UInt16
    package let id: UInt64

    package init(length: UInt32, type: UInt16, flags: UInt16 = 0, id: UInt64 = 0) {
        self.length = length
        self.type = type
        self.flags = flags
        self.id = id
    }

    /// `bytes` holds at least `byteCount` bytes.
    init(loading bytes: UnsafeRawBufferPointer) {
        length = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        type = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        flags = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        id = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// `bytes` has room for `byteCount` bytes.
    package func store(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBytes(of: length.littleEndian, toByteOffset: 0, as: UInt32.self)
        bytes.storeBytes(of: type.littleEndian, toByteOffset: 4, as: UInt16.self)
        bytes.storeBytes(of: flags.littleEndian, toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: id.littleEndian, toByteOffset: 8, as: UInt64.self)
    }
}

/// Cuts a stream of bytes into frames. Sans-IO: bytes are put in, frames come out, wherever the reads ended.
package struct FrameDecoder: ~Copyable {
    package let limit: Int
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    /// Payloads over `limit` bytes are an error. The buffer grows towards one whole frame only if such a frame comes.
    package init(limit: Int) {
        self.limit = limit
        buffer = .allocate(byteCount: min(64 << 10, limit + FrameHeader.byteCount), alignment: 16)
    }

    /// Lends room for a read of at least `FrameHeader.byteCount` bytes, then takes what was read. Payloads given out
    /// earlier are gone.
    package mutating func fill<E>(_ read: (UnsafeMutableRawBufferPointer) throws(E) -> Int) throws(E) {
        if start == end {
            start = 0
            end = 0
        }
        if buffer.count - end < FrameHeader.byteCount || (start > 0 && start >= buffer.count / 2) || nextFrameEnd > buffer.count {
            makeRoom()
        }
        let count = try read(UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
        end += max(0, min(count, buffer.count - end))
    }

    /// Where the frame that is being read will end, as far as is known.
    private var nextFrameEnd: Int {
        guard end - start >= FrameHeader.byteCount else { return start + FrameHeader.byteCount }
        let header = FrameHeader(loading: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
        return start + FrameHeader.byteCount + min(Int(header.length), limit)
    }

    /// Whether a frame has begun that is not whole yet, once every whole one was handed out.
    package var holdsPart: Bool { start != end }

    private mutating func makeRoom() {
        let held = end - start
        let needed = nextFrameEnd - start
        if needed + FrameHeader.byteCount > buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: limit + 2 * FrameHeader.byteCount, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
            buffer.deallocate()
            buffer = larger
        } else {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
        }
        start = 0
        end = held
    }

    /// The next whole frame, lent for the call of `body` only; false when more bytes are needed.
    package mutating func next<E>(_ body: (FrameHeader, RawSpan) throws(E) -> Void, refused: (FrameError) throws(E) -> Void) throws(E) -> Bool {
        let held = end - start
        guard held >= FrameHeader.byteCount else { return false }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<end])
        let header = FrameHeader(loading: bytes)
        guard Int(header.length) <= limit else {
            try refused(.oversized(length: header.length, limit: limit))
            return false
        }
        let size = FrameHeader.byteCount + Int(header.length)
        guard held >= size else { return false }
        start += size
        try body(header, UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.byteCount..<size]).bytes)
        return true
    }

    deinit { buffer.deallocate() }
}
