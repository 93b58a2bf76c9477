// Chunked bodies: the same data and end wherever reads end, and everything else refused.

import HTTP
import Testing

struct ChunkedDecoderTests {
    struct Body: Equatable {
        var data: [UInt8] = []
        var consumed = 0
        var isDone = false
        var hasTrailers = false
        var error: HTTPError?
    }

    /// Feeds the bytes between the cuts; what was used is counted over all pieces.
    static func decode(_ bytes: [UInt8], cuts: [Int] = []) -> Body {
        var decoder = ChunkedDecoder()
        var body = Body()
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = Array(bytes[start..<end])
            start = end
            var position = 0
            feeding: while true {
                do throws(HTTPError) {
                    switch try decoder.next(piece.span.bytes, from: &position) {
                    case .data(let offset, let count):
                        body.data += piece[offset..<offset + count]
                    case .needMore:
                        break feeding
                    case .end:
                        body.isDone = true
                        break feeding
                    }
                } catch {
                    body.error = error
                    break feeding
                }
            }
            body.consumed += position
            if body.isDone || body.error != nil { break }
        }
        body.hasTrailers = decoder.hasTrailers
        return body
    }

    static let accepted: [(name: String, text: String, data: String)] = [
        ("empty", "0\r\n\r\n", ""),
        ("one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("many chunks", "1\r\na\r\n02\r\nbc\r\nA\r\n0123456789\r\n000\r\n\r\n", "abc0123456789"),
        ("hexadecimal in both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"),
        ("extensions", "1;a=b;c=\"d e\"\r\nx\r\n0;last\r\n\r\n", "x"),
        ("trailers", "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", "x"),
        ("data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
    ]

    static let refused: [(name: String, text: String, error: HTTPError)] = [
        ("no size", "\r\n", .badChunkSize), ("no size, extension", ";a\r\n", .badChunkSize),
        ("no digit", "g\r\n", .badChunkSize), ("minus", "-1\r\n", .badChunkSize), ("plus", "+1\r\n", .badChunkSize),
        ("prefix", "0x1\r\n", .badChunkSize), ("space first", " 1\r\n", .badChunkSize),
        ("space after", "1 \r\nx\r\n0\r\n\r\n", .badChunkSize), ("bare LF", "1\nx\r\n0\r\n\r\n", .bareLineFeed),
        ("bare LF after an extension", "1;a\nx\r\n", .bareLineFeed), ("bare CR", "1\rx", .bareCarriageReturn),
        ("control in an extension", "1;\u{1}\r\n", .controlByte), ("17 digits", "10000000000000000\r\n", .badChunkSize),
        ("data too long", "1\r\nxy\r\n", .badChunkEnd), ("LF after data", "1\r\nx\n", .badChunkEnd),
        ("CR after data", "1\r\nx\rx", .badChunkEnd), ("fold", "0\r\nA: b\r\n c\r\n\r\n", .obsoleteFold),
        ("bare LF after the last chunk", "0\r\n\n", .bareLineFeed), ("bare LF in trailers", "0\r\nA: b\n\r\n", .bareLineFeed),
        ("bare CR in trailers", "0\r\nA: b\rc", .bareCarriageReturn), ("bare CR at the end", "0\r\n\rx", .bareCarriageReturn),
        ("space before colon", "0\r\nA : b\r\n\r\n", .spaceBeforeColon), ("trailer without a colon", "0\r\nA\r\n\r\n", .badFieldName),
        ("trailer without a name", "0\r\n: b\r\n\r\n", .badFieldName), ("NUL in a trailer", "0\r\nA: \0\r\n\r\n", .controlByte),
    ]

    @Test(arguments: accepted) func `a body is the same wherever reads end`(
        _ row: (name: String, text: String, data: String)
    ) {
        let bytes = Array(row.text.utf8)
        let whole = Self.decode(bytes)
        #expect(whole.isDone && whole.data == Array(row.data.utf8) && whole.consumed == bytes.count, "\(row.name)")
        #expect(whole.hasTrailers == (row.name == "trailers"))
        for cut in 0...bytes.count {
            #expect(Self.decode(bytes, cuts: [cut]) == whole, "\(row.name), cut at \(cut)")
        }
        for end in 0..<bytes.count {
            let part = Self.decode(Array(bytes[..<end]))
            #expect(!part.isDone && part.error == nil && part.consumed == end, "\(row.name), ends at \(end)")
        }
        #expect(Self.decode(bytes, cuts: Array(0..<bytes.count)) == whole, "\(row.name), byte by byte")
        #expect(Self.decode(bytes + bytes) == whole, "\(row.name), followed by another")
    }

    @Test(arguments: refused) func `a bad body is refused wherever reads end`(
        _ row: (name: String, text: String, error: HTTPError)
    ) {
        let bytes = Array(row.text.utf8)
        let whole = Self.decode(bytes)
        #expect(whole.error == row.error, "\(row.name)")
        for cut in 0...bytes.count {
            #expect(Self.decode(bytes, cuts: [cut]) == whole, "\(row.name), cut at \(cut)")
        }
    }

    @Test func `one past each limit is refused`() {
        let line = Int(ChunkLimits().lineBytes)
        let longest = "1;" + String(repeating: "a", count: line - 4) + "\r\n"
        #expect(Self.decode(Array((longest + "x\r\n0\r\n\r\n").utf8)).isDone)
        let tooLong = "1;" + String(repeating: "a", count: line - 3) + "\r\n"
        #expect(Self.decode(Array((tooLong + "x\r\n0\r\n\r\n").utf8)).error == .chunkLineTooLong)

        let trailers = Int(ChunkLimits().trailerBytes)
        let most = "0\r\nA:" + String(repeating: "b", count: trailers - 6) + "\r\n\r\n"
        #expect(Self.decode(Array(most.utf8)).isDone)
        let tooMany = "0\r\nA:" + String(repeating: "b", count: trailers - 5) + "\r\n\r\n"
        #expect(Self.decode(Array(tooMany.utf8)).error == .trailersTooLarge)

        var decoder = ChunkedDecoder(limits: ChunkLimits(lineBytes: 4, trailerBytes: 5))
        var position = 0
        let own = Array("1;a\r\n".utf8)
        #expect(throws: HTTPError.chunkLineTooLong) { try decoder.next(own.span.bytes, from: &position) }

        #expect(Self.decode(Array("ffffffffffffffff\r\nx".utf8)).data == [UInt8(ascii: "x")])
    }

    @Test func `an error and the end stay`() throws {
        var decoder = ChunkedDecoder()
        var position = 0
        let bad = Array("xx".utf8)
        #expect(throws: HTTPError.badChunkSize) { try decoder.next(bad.span.bytes, from: &position) }
        #expect(throws: HTTPError.badChunkSize) { try decoder.next(Array("0\r\n\r\n".utf8).span.bytes, from: &position) }
        var done = ChunkedDecoder()
        position = 0
        let last = Array("0\r\n\r\n".utf8)
        #expect(try done.next(last.span.bytes, from: &position) == .end)
        #expect(try done.next(last.span.bytes, from: &position) == .end)
        #expect(position == 5 && done.isDone)
    }

    @Test func `it fits a connection's slot`() {
        #expect(MemoryLayout<ChunkedDecoder>.size <= 24)
    }
}
