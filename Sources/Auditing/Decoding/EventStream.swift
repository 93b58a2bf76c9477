// Whole bodies of server-sent events (HTML Standard, 9.2.6) and of newline-delimited JSON, cut into their texts.

/// The data of the events in a body.
struct EventStream {
    /// Splits a body of `text/event-stream`: lines end with LF, CRLF or CR; `data` lines of an event are joined by LF;
    /// comments and other fields are passed over. The last event counts even if the empty line after it is missing.
    static func data(of body: [UInt8]) -> [[UInt8]] {
        var events: [[UInt8]] = []
        var current: [UInt8]?
        for line in lines(of: body) {
            if line.isEmpty {
                if let data = current { events.append(data) }
                current = nil
                continue
            }
            guard let value = value(ofData: line, in: body) else { continue }
            if current == nil { current = [] } else { current?.append(0x0A) }
            current?.append(contentsOf: body[value])
        }
        if let data = current { events.append(data) }
        return events
    }

    /// Whether a body without a useful content type looks like an event stream.
    static func looksLike(_ body: [UInt8]) -> Bool {
        for line in lines(of: body, limit: 4) where !line.isEmpty {
            let start = body[line].prefix(6)
            return start.starts(with: "data:".utf8) || start.starts(with: "event:".utf8) || start.starts(with: "id:".utf8)
                || start.starts(with: "retry:".utf8) || start.starts(with: ":".utf8)
        }
        return false
    }

    /// The lines of a body that are not blank, for newline-delimited JSON.
    static func texts(of body: [UInt8]) -> [[UInt8]] {
        lines(of: body).compactMap { line in
            body[line].contains { $0 != 0x20 && $0 != 0x09 } ? Array(body[line]) : nil
        }
    }

    private static func value(ofData line: Range<Int>, in body: [UInt8]) -> Range<Int>? {
        let text = body[line]
        if text.elementsEqual("data".utf8) { return line.upperBound..<line.upperBound }
        guard text.starts(with: "data:".utf8) else { return nil }
        let start = line.lowerBound + 5
        return start < line.upperBound && body[start] == 0x20 ? (start + 1)..<line.upperBound : start..<line.upperBound
    }

    /// Ranges of lines without their ends. The last line counts without an end too; a byte order mark at the start is passed over.
    private static func lines(of body: [UInt8], limit: Int = .max) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = body.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var index = start
        while index < body.count, ranges.count < limit {
            let byte = body[index]
            guard byte == 0x0A || byte == 0x0D else {
                index += 1
                continue
            }
            ranges.append(start..<index)
            index += byte == 0x0D && index + 1 < body.count && body[index + 1] == 0x0A ? 2 : 1
            start = index
        }
        if start < body.count, ranges.count < limit { ranges.append(start..<body.count) }
        return ranges
    }
}
