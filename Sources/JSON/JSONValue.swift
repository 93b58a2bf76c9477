// A JSON text as a tree, for bodies whose shape is not known beforehand. Members keep their order; numbers keep their
// literal, so that nothing is rounded on the way to a person.

/// Any JSON value.
package indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// The literal as it stands in the text.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    /// A member of an object, in the order of the text; names may repeat.
    package struct Member: Equatable, Sendable {
        package let name: String
        package let value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Trees of captured bodies stay below some tens of megabytes: a value takes about a hundred bytes.
    package static let defaultValueLimit = 200_000

    /// Parses a whole text strictly.
    package init(parsing bytes: Span<UInt8>, valueLimit: Int = defaultValueLimit) throws(JSONError) {
        var reader = JSONReader(bytes)
        var left = valueLimit
        self = try Self.read(from: &reader, left: &left, acceptsCut: false)
        try reader.finish()
    }

    /// Parses a text that may be cut anywhere: what is open at its end is closed, a number or literal there is dropped.
    /// Texts with other faults are errors.
    package init(parsingCut bytes: Span<UInt8>, valueLimit: Int = defaultValueLimit) throws(JSONError) {
        var reader = JSONReader(bytes, acceptsCut: true)
        var left = valueLimit
        self = try Self.read(from: &reader, left: &left, acceptsCut: true)
        try reader.finish()
    }

    private static func read(from reader: inout JSONReader, left: inout Int, acceptsCut: Bool) throws(JSONError) -> JSONValue {
        guard left > 0 else { throw .tooManyValues }
        left -= 1
        switch try reader.peek() {
        case .null:
            try reader.null()
            return .null
        case .bool: return .bool(try reader.bool())
        case .number: return .number(try reader.numberLiteral())
        case .string: return .string(try reader.string())
        case .array:
            var elements: [JSONValue] = []
            try reader.beginArray()
            do {
                while try reader.nextElement() {
                    elements.append(try read(from: &reader, left: &left, acceptsCut: acceptsCut))
                }
            } catch .unexpectedEnd where acceptsCut {}
            return .array(elements)
        case .object:
            var members: [Member] = []
            try reader.beginObject()
            do {
                while let name = try reader.nextMember() {
                    members.append(Member(name: name, value: try read(from: &reader, left: &left, acceptsCut: acceptsCut)))
                }
            } catch .unexpectedEnd where acceptsCut {}
            return .object(members)
        }
    }

    // MARK: Looking in

    /// The value of the last member of that name, as most parsers choose among repeated names; nil for anything but objects.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    /// The text of a string.
    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The elements of an array.
    package var array: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members of an object.
    package var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// A number that is an integer and fits.
    package var int: Int? {
        if case .number(let literal) = self { Self.integer(ofLiteral: literal) } else { nil }
    }

    /// A number, if it is within the range of `Double`.
    package var double: Double? {
        guard case .number(let literal) = self, let value = Double(literal), value.isFinite else { return nil }
        return value
    }

    /// The integer that a number's literal stands for: `3`, also `3.0` and `3e2`; nil if it has a fraction or does not fit.
    static func integer(ofLiteral literal: String) -> Int? {
        if let value = Int(literal) { return value }
        guard literal.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }) else { return nil }
        return Double(literal).flatMap { abs($0) <= 0x1p53 ? Int(exactly: $0) : nil }
    }
}
