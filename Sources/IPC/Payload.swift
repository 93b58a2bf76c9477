// Checked reading and writing of payload fields. Integers are little endian; strings and byte runs carry their length.

/// Reads the fields of a payload in order; every read is checked, so that no bytes can make it trap.
package struct PayloadReader: ~Escapable {
    private let bytes: RawSpan
    private var position = 0

    @_lifetime(copy bytes)
    package init(_ bytes: RawSpan) { self.bytes = bytes }

    private mutating func take(_ count: Int, _ field: String) throws(FrameError) -> Int {
        guard count <= bytes.byteCount - position else { throw .truncated(field) }
        let at = position
        position += count
        return at
    }

    package mutating func uint8(_ field: String) throws(FrameError) -> UInt8 {
        let at = try take(1, field)
        return bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt8.self)
    }

    package mutating func uint16(_ field: String) throws(FrameError) -> UInt16 {
        let at = try take(2, field)
        return UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt16.self))
    }

    package mutating func uint32(_ field: String) throws(FrameError) -> UInt32 {
        let at = try take(4, field)
        return UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt32.self))
    }

    package mutating func uint64(_ field: String) throws(FrameError) -> UInt64 {
        let at = try take(8, field)
        return UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
    }

    /// A run of exactly `count` bytes, borrowed from the payload.
    @_lifetime(copy self)
    package mutating func bytes(count: Int, _ field: String) throws(FrameError) -> RawSpan {
        guard count >= 0 else { throw .outOfRange(field) }
        let at = try take(count, field)
        return bytes.extracting(at..<at + count)
    }

    /// A string with a 16-bit length; bytes that are no UTF-8 are replaced.
    package mutating func string(_ field: String) throws(FrameError) -> String {
        let count = try uint16(field)
        let run = try bytes(count: Int(count), field)
        return run.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// All that is left.
    @_lifetime(copy self)
    package mutating func remainder() -> RawSpan {
        let rest = bytes.extracting(position..<bytes.byteCount)
        position = bytes.byteCount
        return rest
    }

    /// Refuses what goes on behind the last field.
    package func end() throws(FrameError) {
        guard position == bytes.byteCount else { throw .trailingBytes(bytes.byteCount - position) }
    }
}

/// Collects the fields of a payload in order.
package struct PayloadWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    private mutating func integer<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func uint8(_ value: UInt8) { bytes.append(value) }
    package mutating func uint16(_ value: UInt16) { integer(value) }
    package mutating func uint32(_ value: UInt32) { integer(value) }
    package mutating func uint64(_ value: UInt64) { integer(value) }

    /// Cut between characters at 65,535 bytes or just before: what is longer is no string but a body.
    package mutating func string(_ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            var count = min(utf8.count, Int(UInt16.max))
            // Not at a continuation byte of UTF-8, or the peer would read a replacement character.
            while count < utf8.count && utf8[count] & 0xC0 == 0x80 { count -= 1 }
            integer(UInt16(truncatingIfNeeded: count))
            bytes.append(contentsOf: utf8[..<count])
        }
    }

    package mutating func span(_ span: RawSpan) {
        span.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }

    package mutating func run(_ run: [UInt8]) { bytes.append(contentsOf: run) }
}
