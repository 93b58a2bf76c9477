// Finds the end of a head in bytes that arrive little by little. A head is parsed once, when its empty line is there;
// until then each byte is looked at once, however slowly a client sends (RFC 9112 §2.2).
// Leaves to others: time limits, and everything between the lines.

package enum HeadSearch {
    /// The length of the head at the start of `bytes`, or nil while its end is missing; `position` is where the search
    /// goes on with more bytes (0 for a new head).
    package static func findEndOfHead(
        _ bytes: borrowing RawSpan, from position: inout Int, limits: HeadLimits
    ) throws(HTTPError) -> Int? {
        let window = min(bytes.byteCount, limits.headBytes)
        var offset = min(max(0, position), window)
        while let lineFeed = nextLineFeed(bytes, from: offset, before: window) {
            // A line feed alone ends a line for some readers and not for others.
            guard lineFeed > 0, bytes.byte(lineFeed &- 1) == .carriageReturn else { throw .bareLineFeed }
            // The line before ended by CRLF too: it was looked at before this one. An empty first line is no end.
            if lineFeed >= 3, bytes.byte(lineFeed &- 2) == .lineFeed {
                position = lineFeed &+ 1
                return lineFeed &+ 1
            }
            offset = lineFeed &+ 1
        }
        position = max(position, window)
        if bytes.byteCount < limits.headBytes { return nil }
        throw nextLineFeed(bytes, from: 0, before: window) == nil ? .targetTooLong : .headTooLarge
    }

    @inline(__always)
    private static func nextLineFeed(_ bytes: borrowing RawSpan, from offset: Int, before end: Int) -> Int? {
        let lineFeed = bytes.firstIndex(from: offset) { $0.equal(.lineFeed) }
        return lineFeed < end ? lineFeed : nil
    }
}
