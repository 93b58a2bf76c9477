// Reads what came over a connection as strictly as the product reads: a message that does not parse ends the list and is told.
import HTTP
import Testing

struct Message {
    var head = ""
    var method = Method.other
    var status: UInt16 = 0
    /// Value of X-Request-ID.
    var name = ""
    var body: [UInt8] = []
    var isWhole = false
}

/// What follows the last whole message is left out; `end` tells whether the connection ended.
func requests(_ bytes: [UInt8], location: SourceLocation = #_sourceLocation) -> [Message] {
    let (list, error) = read(bytes) { parser, span, position throws(HTTPError) in try parser.parseRequest(span, from: &position) }
    if let error { Issue.record("a request does not parse: \(error)", sourceLocation: location) }
    return list
}

/// The answers to requests of these methods; `problem` is nil if the bytes are a beginning of such answers.
func readAnswers(_ bytes: [UInt8], to methods: [Method]) -> (list: [Message], error: HTTPError?) {
    var index = 0
    return read(bytes) { parser, span, position throws(HTTPError) in
        let method = index < methods.count ? methods[index] : Method.other
        let length = try parser.parseResponse(span, to: method, from: &position)
        if length != nil, parser.status >= 200 { index += 1 }
        return length
    }
}

func answers(_ bytes: [UInt8], to methods: [Method], location: SourceLocation = #_sourceLocation) -> [Message] {
    let (list, error) = readAnswers(bytes, to: methods)
    if let error { Issue.record("an answer does not parse: \(error)", sourceLocation: location) }
    return list
}

func read(
    _ bytes: [UInt8], _ parse: (inout HeadParser, RawSpan, inout Int) throws(HTTPError) -> Int?
) -> (list: [Message], error: HTTPError?) {
    var list: [Message] = []
    var parser = HeadParser()
    var start = 0
    let all = bytes.span.bytes
    do throws(HTTPError) {
        while start < bytes.count {
            var position = 0
            let rest = all.extracting(start..<bytes.count)
            guard let length = try parse(&parser, rest, &position) else { break }
            var message = Message()
            message.head = String(decoding: bytes[start..<(start + length)], as: UTF8.self)
            message.method = parser.method
            message.status = parser.status
            if let range = parser.value(of: .xRequestID) {
                message.name = rest.extracting(range).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            }
            start += length
            switch parser.framing {
            case .none: message.isWhole = true
            case .length(let count):
                let end = min(bytes.count, start + Int(clamping: count))
                message.body = Array(bytes[start..<end])
                message.isWhole = message.body.count == Int(clamping: count)
                start = end
            case .untilClose:
                message.body = Array(bytes[start...])
                start = bytes.count
            case .chunked:
                var decoder = ChunkedDecoder()
                pieces: while true {
                    switch try decoder.next(all, from: &start) {
                    case .data(let offset, let count): message.body += bytes[offset..<(offset + count)]
                    case .needMore, .end: break pieces
                    }
                }
                message.isWhole = decoder.isDone
            }
            list.append(message)
        }
    } catch {
        return (list, error)
    }
    return (list, nil)
}
