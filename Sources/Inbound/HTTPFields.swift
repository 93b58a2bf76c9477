// The fields of an answer as the bytes that are sent. Content-Length, Transfer-Encoding, Connection and Date are the server's.

/// Field lines in order; made once for answers that are sent often.
package struct HTTPFields: Sendable, ExpressibleByDictionaryLiteral {
    /// The lines as they are sent.
    package private(set) var lines: [UInt8] = []

    package init() {}

    package init(dictionaryLiteral elements: (StaticString, String)...) {
        for (name, value) in elements { append(name, value) }
    }

    /// Bytes that would end the line or the head are made spaces, wherever the value came from.
    package mutating func append(_ name: StaticString, _ value: String) {
        name.withUTF8Buffer { lines.append(contentsOf: $0) }
        lines.append(contentsOf: ": ".utf8)
        for byte in value.utf8 { lines.append(byte < 0x20 && byte != 0x09 || byte == 0x7F ? 0x20 : byte) }
        lines.append(contentsOf: "\r\n".utf8)
    }

    package func with(_ name: StaticString, _ value: String) -> HTTPFields {
        var copy = self
        copy.append(name, value)
        return copy
    }

    package static let none = HTTPFields()
    package static let json: HTTPFields = ["Content-Type": "application/json"]
    package static let text: HTTPFields = ["Content-Type": "text/plain; charset=utf-8"]
    package static let html: HTTPFields = ["Content-Type": "text/html; charset=utf-8"]
    package static let eventStream: HTTPFields = ["Content-Type": "text/event-stream", "Cache-Control": "no-cache"]
}
