// Bodies of server-sent events (HTML Standard, 9.2.6) and of newline-delimited JSON, cut into their texts one after the other.

/// The texts of a body.
struct EventStream {
    enum Form {
        /// Lines end with LF, CRLF or CR; `data` lines of an event are joined by LF; comments and other fields are passed over.
        case events
        /// Each line that is not blank is a text.
        case lines
    }

    private let body: [UInt8]
    private let form: Form
    /// How far the body has been read.
    private(set) var offset: Int

    init(_ body: [UInt8], _ form: Form) {
        self.body = body
        self.form = form
        offset = body.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    /// Bytes that are passed over in one go when nothing but comments stands in them; the text is empty then.
    private static let emptyBytes = 64 << 10

    /// The next text. The last event counts even if the empty line after it is missing.
    mutating func next() -> [UInt8]? {
        var data: [UInt8]?
        let start = offset
        while true {
            if data == nil, offset - start > Self.emptyBytes { return [] }
            guard let line = nextLine() else { break }
            if form == .lines {
                if body[line].contains(where: { $0 != 0x20 && $0 != 0x09 }) { return Array(body[line]) }
                continue
            }
            if line.isEmpty {
                if let data { return data }
                continue
            }
            guard let value = value(ofData: line) else { continue }
            if data == nil { data = [] } else { data?.append(0x0A) }
            data?.append(contentsOf: body[value])
        }
        return data
    }

    /// Whether a body without a useful content type looks like an event stream.
    static func looksLike(_ body: [UInt8]) -> Bool {
        var stream = EventStream(body, .events)
        for _ in 0..<4 {
            guard let line = stream.nextLine() else { break }
            guard !line.isEmpty else { continue }
            let start = body[line].prefix(6)
            return start.starts(with: "data:".utf8) || start.starts(with: "event:".utf8) || start.starts(with: "id:".utf8)
                || start.starts(with: "retry:".utf8) || start.starts(with: ":".utf8)
        }
        return false
    }

    private func value(ofData line: Range<Int>) -> Range<Int>? {
        let text = body[line]
        if text.elementsEqual("data".utf8) { return line.upperBound..<line.upperBound }
        guard text.starts(with: "data:".utf8) else { return nil }
        let start = line.lowerBound + 5
        return start < line.upperBound && body[start] == 0x20 ? (start + 1)..<line.upperBound : start..<line.upperBound
    }

    /// The next line without its end. The last line counts without an end too.
    private mutating func nextLine() -> Range<Int>? {
        guard offset < body.count else { return nil }
        let start = offset
        while offset < body.count, body[offset] != 0x0A, body[offset] != 0x0D { offset += 1 }
        let line = start..<offset
        if offset < body.count { offset += body[offset] == 0x0D && offset + 1 < body.count && body[offset + 1] == 0x0A ? 2 : 1 }
        return line
    }
}
