// A request or response head as a table of offsets into the caller's bytes (RFC 9112 §2 to §6). One per loop: it
// holds what the last head contained until the next one is parsed, and nothing of a connection.
// Strict on purpose: whatever two readers could take for different messages is refused, see `HTTPError`.
// Leaves to others: the bytes (a range means nothing without them), bodies, what to do with a field.
// Here the table and the order of work; `HeadLines` reads the lines, `HeadFraming` draws the conclusions.

@usableFromInline
package struct HeadParser: ~Copyable {
    /// More fields than any browser or proxy sends; 24 bytes each.
    package static let fieldCapacity = 100

    // The start line of a request.
    package internal(set) var method = Method.other
    package internal(set) var methodRange = ByteRange.empty
    package internal(set) var targetForm = TargetForm.origin
    /// The whole target as it was sent.
    package internal(set) var targetRange = ByteRange.empty
    /// May be empty in the absolute form: then it means `/` (`*` of OPTIONS).
    package internal(set) var pathRange = ByteRange.empty
    /// Without the `?`.
    package internal(set) var queryRange = ByteRange.empty
    package internal(set) var hasQuery = false
    /// The host and port asked for: the target's in the absolute form, else the Host field's (RFC 9112 §3.2.2).
    package internal(set) var authorityRange = ByteRange.empty

    // The start line of a response.
    package internal(set) var status: UInt16 = 0
    package internal(set) var reasonRange = ByteRange.empty

    // Of both.
    package internal(set) var version = Version.http11
    package internal(set) var framing = BodyFraming.none
    /// The value of Content-Length, also where no body follows (answers to HEAD, 304).
    package internal(set) var contentLength: UInt64?
    /// Whether the connection may carry another exchange as far as this side said (RFC 9112 §9.3).
    package internal(set) var keepAlive = false
    package internal(set) var upgrade = Upgrade.none
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    package internal(set) var expectsContinue = false

    @usableFromInline var fields = FieldTable(capacity: Self.fieldCapacity)

    let names = FieldNameTable()

    package init() {}

    /// Parses a request head at the start of `bytes`: its length, or nil while it is incomplete. `position` belongs to
    /// the connection and is 0 for a new head; it keeps the search for the end from starting over. After an error
    /// nothing here is valid, and the connection cannot go on.
    package mutating func parseRequest(
        _ bytes: borrowing RawSpan, from position: inout Int, limits: HeadLimits = HeadLimits()
    ) throws(HTTPError) -> Int? {
        // TLS on a plain port and other noise has no line end to wait for.
        let first = bytes.peek(0)
        guard CharacterClass.isToken(first) || first == .carriageReturn || first == .lineFeed || bytes.isEmpty else {
            throw .badMethod
        }
        // Nearly every head is there at once and needs no search for its end. The outcome is that of search and parse
        // in turn: what fails here is only refused if the search says that it is a whole head within the limit.
        if position == 0, let end = try? parseWholeRequest(bytes, limits), end <= limits.headBytes { return end }
        guard try HeadSearch.findEndOfHead(bytes, from: &position, limits: limits) != nil else { return nil }
        return try parseWholeRequest(bytes, limits)
    }

    /// Parses a response head at the start of `bytes`, the answer to a request of `method`; else as `parseRequest`.
    package mutating func parseResponse(
        _ bytes: borrowing RawSpan, to method: Method, from position: inout Int, limits: HeadLimits = HeadLimits()
    ) throws(HTTPError) -> Int? {
        if bytes.peek(0) != UInt8(ascii: "H"), !bytes.isEmpty { throw .badStatusLine }
        if position == 0, let end = try? parseWholeResponse(bytes, to: method, limits), end <= limits.headBytes {
            return end
        }
        guard try HeadSearch.findEndOfHead(bytes, from: &position, limits: limits) != nil else { return nil }
        return try parseWholeResponse(bytes, to: method, limits)
    }

    private mutating func parseWholeRequest(
        _ bytes: borrowing RawSpan, _ limits: HeadLimits
    ) throws(HTTPError) -> Int {
        reset()
        var offset = 0
        // One empty line before a request is tolerated: old clients send one after a body (RFC 9112 §2.2).
        if bytes.peek(0) == .carriageReturn { offset = try lineEnd(bytes, 0) }
        offset = try parseRequestLine(bytes, from: offset, targetLimit: limits.targetBytes)
        let end = try parseFields(bytes, from: offset, limit: limits.fieldCount)
        try concludeRequest(bytes)
        return end
    }

    private mutating func parseWholeResponse(
        _ bytes: borrowing RawSpan, to method: Method, _ limits: HeadLimits
    ) throws(HTTPError) -> Int {
        reset()
        self.method = method
        let offset = try parseStatusLine(bytes)
        let end = try parseFields(bytes, from: offset, limit: limits.fieldCount)
        try concludeResponse(bytes)
        return end
    }

    @inlinable @inline(__always)
    package var fieldCount: Int { fields.count }

    /// In the order in which they came; `index` is below `fieldCount`.
    @inlinable @inline(__always)
    package func field(_ index: Int) -> HeadField { fields[index] }

    /// The first field of a known name.
    @inlinable @inline(__always)
    package func firstIndex(of name: FieldName) -> Int? { fields.firstIndex(of: name) }

    /// The next field of a known name, for fields that may come more than once.
    @inlinable @inline(__always)
    package func nextIndex(of name: FieldName, after index: Int) -> Int? { fields.nextIndex(of: name, after: index) }

    /// The value of the first field of a known name.
    @inlinable @inline(__always)
    package func value(of name: FieldName) -> ByteRange? {
        guard let index = fields.firstIndex(of: name) else { return nil }
        return fields[index].valueRange
    }

    @inlinable @inline(__always)
    package func contains(_ name: FieldName) -> Bool { fields.firstIndex(of: name) != nil }

    private mutating func reset() {
        method = .other
        methodRange = .empty
        targetForm = .origin
        targetRange = .empty
        pathRange = .empty
        queryRange = .empty
        hasQuery = false
        authorityRange = .empty
        status = 0
        reasonRange = .empty
        framing = .none
        contentLength = nil
        keepAlive = false
        upgrade = .none
        expectsContinue = false
        fields.removeAll()
    }
}
