// Appends JSON to bytes. Commas are the writer's business, matching begin with end is the caller's.

/// Writes JSON values one after the other.
package struct JSONWriter: Sendable {
    /// What has been written.
    package private(set) var bytes: [UInt8]
    private var commaIsDue = false

    package init(reservingCapacity capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(max(0, capacity))
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// The name of a member; its value must follow.
    package mutating func name(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        commaIsDue = false
    }

    /// A string, escaped where RFC 8259 §7 demands it.
    package mutating func string(_ text: some StringProtocol) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        let wasContiguous: Void? = text.utf8.withContiguousStorageIfAvailable { buffer in
            // Runs that need no escape are copied at once.
            var start = 0
            for index in buffer.indices where unsafe Self.escapedSize(of: buffer[index]) != 1 {
                unsafe bytes.append(contentsOf: buffer[start..<index])
                unsafe Self.append(buffer[index], to: &bytes)
                start = index + 1
            }
            unsafe bytes.append(contentsOf: buffer[start...])
        }
        if wasContiguous == nil { for byte in text.utf8 { Self.append(byte, to: &bytes) } }
        bytes.append(UInt8(ascii: "\""))
        commaIsDue = true
    }

    package mutating func int(_ value: some FixedWidthInteger) { raw(String(value).utf8) }

    /// A number in its shortest exact form; JSON has no infinities and no NaN, they become null.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        if abs(value) < 0x1p53, let integer = Int64(exactly: value) { return int(integer) }
        raw(value.description.utf8)
    }

    package mutating func bool(_ value: Bool) { raw((value ? "true" : "false").utf8) }
    package mutating func null() { raw("null".utf8) }

    /// A value that is JSON already.
    package mutating func raw(_ fragment: some Sequence<UInt8>) {
        comma()
        bytes.append(contentsOf: fragment)
        commaIsDue = true
    }

    /// A tree.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let literal): raw(literal.utf8)
        case .string(let text): string(text)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members {
                name(member.name)
                self.value(member.value)
            }
            endObject()
        }
    }

    /// A place to go back to.
    package struct Mark: Sendable {
        fileprivate let count: Int
        fileprivate let commaIsDue: Bool
    }

    package var mark: Mark { Mark(count: bytes.count, commaIsDue: commaIsDue) }

    /// Takes back what was written since.
    package mutating func rewind(to mark: Mark) {
        bytes.removeLast(max(0, bytes.count - mark.count))
        commaIsDue = mark.commaIsDue
    }

    // MARK: Members

    package mutating func member(_ name: String, _ text: String) {
        self.name(name)
        string(text)
    }

    package mutating func member(_ name: String, _ value: some FixedWidthInteger) {
        self.name(name)
        int(value)
    }

    /// nil is written as null.
    package mutating func member(_ name: String, _ value: Double?) {
        self.name(name)
        if let value { double(value) } else { null() }
    }

    package mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    /// How many bytes a text takes between its quotes.
    package static func escapedSize(of text: some StringProtocol) -> Int {
        text.utf8.reduce(0) { $0 + escapedSize(of: $1) }
    }

    /// How many bytes one byte of a text takes.
    package static func escapedSize(of byte: UInt8) -> Int {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x08, 0x09, 0x0A, 0x0C, 0x0D: 2
        case 0..<0x20: 6
        default: 1
        }
    }

    // MARK: Bytes

    private mutating func open(_ bracket: UInt8) {
        comma()
        bytes.append(bracket)
        commaIsDue = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        commaIsDue = true
    }

    private mutating func comma() {
        if commaIsDue { bytes.append(UInt8(ascii: ",")) }
    }

    private static func append(_ byte: UInt8, to bytes: inout [UInt8]) {
        let short: UInt8
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): short = byte
        case 0x08: short = UInt8(ascii: "b")
        case 0x09: short = UInt8(ascii: "t")
        case 0x0A: short = UInt8(ascii: "n")
        case 0x0C: short = UInt8(ascii: "f")
        case 0x0D: short = UInt8(ascii: "r")
        case 0..<0x20:
            let digits: StaticString = "0123456789abcdef"
            bytes.append(contentsOf: "\\u00".utf8)
            unsafe bytes.append(digits.utf8Start[Int(byte >> 4)])
            unsafe bytes.append(digits.utf8Start[Int(byte & 15)])
            return
        default:
            bytes.append(byte)
            return
        }
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(short)
    }
}
