// A whole request as a value: it owns its bytes, so that a role may answer it later.
// Leaves to others: routing, meaning of the body.
import HTTP

package struct HTTPRequest: Sendable {
    /// By this the role answers.
    package let id: ConnectionID
    /// The index that `HTTPServer.listen` gave.
    package let listener: Int
    /// The numeric address; empty for a Unix socket.
    package let peer: String
    /// This machine, or a Unix socket.
    package let isLoopback: Bool

    package let method: Method
    package let version: Version
    package let upgrade: Upgrade
    package internal(set) var body: [UInt8] = []

    private let head: [UInt8]
    private let fields: [HeadField]
    private let methodRange: ByteRange
    private let pathRange: ByteRange
    private let queryRange: ByteRange
    private let authorityRange: ByteRange
    private let hasQuery: Bool

    /// `head` is what `parser` has just parsed.
    init(_ id: ConnectionID, listener: Int, peer: String, isLoopback: Bool, _ parser: borrowing HeadParser, _ head: UnsafeRawBufferPointer) {
        self.id = id
        self.listener = listener
        self.peer = peer
        self.isLoopback = isLoopback
        method = parser.method
        version = parser.version
        upgrade = parser.upgrade
        self.head = Array(head)
        var fields: [HeadField] = []
        fields.reserveCapacity(parser.fieldCount)
        for index in 0..<parser.fieldCount { fields.append(parser.field(index)) }
        self.fields = fields
        methodRange = parser.methodRange
        pathRange = parser.pathRange
        queryRange = parser.queryRange
        authorityRange = parser.authorityRange
        hasQuery = parser.hasQuery
    }

    /// The method as it was sent, for `.other`.
    package var methodText: String { text(methodRange) }

    /// As it was sent, percent-encoding included; `/` when the target had none.
    package var path: String { pathRange.isEmpty ? "/" : text(pathRange) }

    /// Without the `?`; nil when there was none.
    package var query: String? { hasQuery ? text(queryRange) : nil }

    /// Host and port that were asked for; empty in HTTP/1.0 without Host.
    package var authority: String { text(authorityRange) }

    /// The first field of a known name.
    package subscript(name: FieldName) -> String? {
        for field in fields where field.name == name { return text(field.valueRange) }
        return nil
    }

    /// All fields of a known name, in order.
    package func values(of name: FieldName) -> [String] { fields.filter { $0.name == name }.map { text($0.valueRange) } }

    /// The first field of any name, in any case.
    package subscript(name: StaticString) -> String? {
        for field in fields where isNamed(field, name) { return text(field.valueRange) }
        return nil
    }

    /// Each field in order.
    package func forEachField(_ body: (_ name: String, _ value: String) -> Void) {
        for field in fields { body(text(field.nameRange), text(field.valueRange)) }
    }

    /// The first parameter of that name in the query, decoded; `name` must need no encoding.
    package func parameter(_ name: StaticString) -> String? {
        QueryText.value(of: name, in: slice(queryRange))
    }

    /// The first cookie of that name (RFC 6265 §4.2), without quotes around it.
    package func cookie(_ name: StaticString) -> String? {
        for field in fields where field.name == .cookie {
            if let value = Self.cookie(name, ofField: slice(field.valueRange)) { return value }
        }
        return nil
    }

    package static func cookie(_ name: StaticString, ofField field: ArraySlice<UInt8>) -> String? {
        var rest = field
        while !rest.isEmpty {
            let pair = rest.prefix { $0 != UInt8(ascii: ";") }
            rest = rest.dropFirst(pair.count + 1).drop { $0 == 0x20 }
            let key = pair.prefix { $0 != UInt8(ascii: "=") }
            guard key.count < pair.count, name.withUTF8Buffer({ key.elementsEqual($0) }) else { continue }
            var value = pair.dropFirst(key.count + 1)
            if value.count >= 2, value.first == 0x22, value.last == 0x22 { value = value.dropFirst().dropLast() }
            return String(decoding: value, as: UTF8.self)
        }
        return nil
    }

    private func text(_ range: ByteRange) -> String { String(decoding: slice(range), as: UTF8.self) }

    private func slice(_ range: ByteRange) -> ArraySlice<UInt8> { head[range.lowerBound..<range.upperBound] }

    private func isNamed(_ field: HeadField, _ name: StaticString) -> Bool {
        guard Int(field.nameRange.count) == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { wanted in
            for (index, byte) in slice(field.nameRange).enumerated() where Self.folded(byte) != Self.folded(wanted[index]) {
                return false
            }
            return true
        }
    }

    private static func folded(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}
