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

/// The kind of a value, known from its first byte.
package enum JSONKind: Equatable, Sendable {
    case object, array, string, number, bool, null
}
