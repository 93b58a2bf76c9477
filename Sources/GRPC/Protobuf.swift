// The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding): a strict reader of fields and a writer.
// Leaves to others: which fields a message has, nesting (a reader of the field's bytes), packed fields, which our messages lack.

package enum ProtobufError: Error, Equatable {
    /// It ends within a field.
    case truncated
    /// More than ten bytes, or more than 64 bits.
    case badVarint
    case badFieldNumber
    /// Groups are not in use since proto2; six and seven mean nothing.
    case badWireType(UInt8)
    /// A known field with another kind of value than it should have.
    case unexpectedType(field: Int)
    /// A string that is no UTF-8.
    case badText(field: Int)
}

/// One field as it stands on the wire.
package struct ProtobufField: Equatable {
    package enum Value: Equatable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)
    }

    package let number: Int
    package let value: Value

    package func text() throws(ProtobufError) -> String {
        let bytes = try message()
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .badText(field: number) }
        return text
    }

    /// The bytes of a nested message, or of a field of bytes.
    package func message() throws(ProtobufError) -> ArraySlice<UInt8> {
        guard case .bytes(let bytes) = value else { throw .unexpectedType(field: number) }
        return bytes
    }

    package func integer() throws(ProtobufError) -> UInt64 {
        guard case .varint(let value) = value else { throw .unexpectedType(field: number) }
        return value
    }

    package func double() throws(ProtobufError) -> Double {
        guard case .fixed64(let bits) = value else { throw .unexpectedType(field: number) }
        return Double(bitPattern: bits)
    }
}

/// Hands out the fields of one message in the order in which they stand.
package struct ProtobufReader {
    /// The highest number that a field can have.
    static let mostFieldNumber = (1 << 29) - 1

    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Nil at the end.
    package mutating func next() throws(ProtobufError) -> ProtobufField? {
        guard !rest.isEmpty else { return nil }
        let key = try varint()
        let number = Int(truncatingIfNeeded: key >> 3)
        guard key >> 3 <= Self.mostFieldNumber, number > 0 else { throw .badFieldNumber }
        switch UInt8(key & 7) {
        case 0: return ProtobufField(number: number, value: .varint(try varint()))
        case 1: return ProtobufField(number: number, value: .fixed64(try littleEndian(8)))
        case 2:
            let count = try varint()
            guard count <= UInt64(rest.count) else { throw .truncated }
            return ProtobufField(number: number, value: .bytes(take(Int(count))))
        case 5: return ProtobufField(number: number, value: .fixed32(UInt32(truncatingIfNeeded: try littleEndian(4))))
        case let type: throw .badWireType(type)
        }
    }

    private mutating func varint() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<10 {
            guard let byte = rest.popFirst() else { throw .truncated }
            guard index < 9 || byte <= 1 else { throw .badVarint }
            value |= UInt64(byte & 0x7F) << (7 * UInt64(index))
            if byte < 0x80 { return value }
        }
        throw .badVarint
    }

    private mutating func littleEndian(_ count: Int) throws(ProtobufError) -> UInt64 {
        guard rest.count >= count else { throw .truncated }
        return take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        let taken = rest.prefix(count)
        rest = rest.dropFirst(count)
        return taken
    }
}

/// Appends fields. Values that are the default of proto3 (zero, nothing, false) are left out, as other writers do.
package struct ProtobufWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func text(_ number: Int, _ text: String) {
        if !text.isEmpty { message(number, Array(text.utf8)) }
    }

    package mutating func integer(_ number: Int, _ value: UInt64) {
        guard value != 0 else { return }
        varint(UInt64(number) << 3)
        varint(value)
    }

    /// A nested message, also an empty one.
    package mutating func message(_ number: Int, _ content: [UInt8]) {
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(content.count))
        bytes += content
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
    }
}
