// Why a text is not JSON, or not the JSON that its reader wanted. The offset leads a person to the byte.

/// What the reader met, with the offset of the byte in the text.
package enum JSONError: Error, Equatable, Sendable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte that the grammar of RFC 8259 does not allow here.
    case unexpectedByte(UInt8, at: Int)
    /// A backslash that begins no escape of RFC 8259 §7.
    case invalidEscape(at: Int)
    /// Another kind of value than the caller asked for.
    case unexpectedKind(JSONKind, at: Int)
    /// A number beyond `Int` or `Double`, or with a fraction where an integer was asked for.
    case numberOutOfRange(at: Int)
    /// Deeper nesting than the reader's limit.
    case tooDeep(at: Int)
    /// More values than the caller's limit.
    case tooManyValues
    /// Bytes after the value.
    case trailingBytes(at: Int)
}

extension JSONError: CustomStringConvertible {
    /// For a person who has the text at hand: what is wrong, and where, in bytes from 0.
    package var description: String {
        switch self {
        case .unexpectedEnd: "it ends too early"
        case .unexpectedByte(let byte, let place): "a byte that JSON does not allow there, \(Self.shown(byte)), at byte \(place)"
        case .invalidEscape(let place): "an escape that JSON does not know, at byte \(place)"
        case .unexpectedKind(let kind, let place): "a value of another kind, \(kind), at byte \(place)"
        case .numberOutOfRange(let place): "a number that is too large or not whole, at byte \(place)"
        case .tooDeep(let place): "it is nested too deep, at byte \(place)"
        case .tooManyValues: "it holds too many values"
        case .trailingBytes(let place): "something stands behind it, at byte \(place)"
        }
    }

    private static func shown(_ byte: UInt8) -> String { 0x21...0x7E ~= byte ? "\"\(Character(UnicodeScalar(byte)))\"" : "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

/// The kind of a value, known from its first byte.
package enum JSONKind: Equatable, Sendable {
    case object, array, string, number, bool, null
}
