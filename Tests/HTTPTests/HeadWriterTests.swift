// What is written: numbers, heads made from parsed ones, chunk framing; and that a full buffer stays intact.

import HTTP
import Testing

struct HeadWriterTests {
    /// A request as the edge would forward it.
    private func forwarded(_ text: String, except: FieldNames = .none, prefix: String = "", capacity: Int = 4096) -> String? {
        let bytes = Array(text.utf8)
        var parser = HeadParser()
        var position = 0
        guard let length = try? parser.parseRequest(bytes.span.bytes, from: &position), length > 0 else { return nil }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 1)
        defer { buffer.deallocate() }
        var sink = ByteSink(buffer)
        sink.appendRequestLine(parser, bytes.span.bytes, prefix: Array(prefix.utf8).span.bytes)
        sink.appendFields(parser, bytes.span.bytes, except: except)
        sink.endHead()
        return sink.overflowed ? nil : String(decoding: buffer[..<sink.count], as: UTF8.self)
    }

    @Test func `a head travels without its hop-by-hop fields`() {
        let text =
            "POST /a?b HTTP/1.0\r\nHost: a\r\nA: 1\r\nB:2\r\nConnection: x, keep-alive\r\nC:  3 \r\nX: 4\r\nD: 5\r\nE: 6\r\nTE: 7\r\nF:\r\n\r\n"
        #expect(
            forwarded(text, except: .none.with(.host))
                == "POST /a?b HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 5\r\nE: 6\r\nF: \r\n\r\n")
        #expect(forwarded("GET / HTTP/1.0\r\n\r\n") == "GET / HTTP/1.1\r\n\r\n")
        #expect(forwarded("GET / HTTP/1.0\r\nTE: a\r\n\r\n") == "GET / HTTP/1.1\r\n\r\n")
    }

    @Test(arguments: [
        ("GET http://a?q HTTP/1.0", "", "GET /?q HTTP/1.1"), ("GET http://a/p HTTP/1.0", "", "GET /p HTTP/1.1"),
        ("GET http://a HTTP/1.0", "/base", "GET /base/ HTTP/1.1"), ("OPTIONS http://a HTTP/1.0", "", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a?q HTTP/1.0", "", "OPTIONS /?q HTTP/1.1"), ("OPTIONS * HTTP/1.0", "", "OPTIONS * HTTP/1.1"),
        ("OPTIONS * HTTP/1.0", "/base", "OPTIONS * HTTP/1.1"), ("OPTIONS http://a HTTP/1.0", "/base", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a?q HTTP/1.0", "/base", "OPTIONS /base/?q HTTP/1.1"), ("OPTIONS / HTTP/1.0", "/base", "OPTIONS /base/ HTTP/1.1"),
        ("GET /? HTTP/1.0", "", "GET /? HTTP/1.1"), ("GET /p?q HTTP/1.1\r\nHost: a", "/v1", "GET /v1/p?q HTTP/1.1"),
    ]) func `targets are written in origin form`(_ line: String, _ prefix: String, _ expected: String) {
        #expect(forwarded(line + "\r\n\r\n", except: .none.with(.host), prefix: prefix) == expected + "\r\n\r\n")
    }

    @Test func `what was written is parsed again to the same fields`() throws {
        let text = "GET /x HTTP/1.1\r\nHost: a\r\nA: b\r\nCookie:  c=d\r\nLong: \(String(repeating: "v", count: 500))\r\n\r\n"
        let again = try #require(forwarded(text))
        let (before, after) = (try #require(request(text).head), try #require(request(again).head))
        #expect(before.fields.map(\.value) == after.fields.map(\.value))
        #expect(after.fields.allSatisfy { $0.isCanonical })
    }

    @Test func `a response line keeps its status and reason`() throws {
        let bytes = Array("HTTP/1.0 207 Multi  Status\r\nContent-Length: 0\r\n\r\n".utf8)
        var parser = HeadParser()
        var position = 0
        _ = try parser.parseResponse(bytes.span.bytes, to: .get, from: &position)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
        defer { buffer.deallocate() }
        var sink = ByteSink(buffer)
        sink.appendStatusLine(parser, bytes.span.bytes)
        #expect(String(decoding: buffer[..<sink.count], as: UTF8.self) == "HTTP/1.1 207 Multi  Status\r\n")
    }

    @Test func `our own heads`() {
        let head = written { sink in
            sink.appendStatusLine(503)
            sink.appendField("Retry-After", decimal: 120)
            sink.appendField("Content-Type", "text/plain")
            sink.endHead()
        }
        #expect(head == "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Type: text/plain\r\n\r\n")
        #expect(written { $0.appendStatusLine(599) } == "HTTP/1.1 599 \r\n")
    }

    @Test(arguments: [0, 9, 10, 16, 99, 255, 4096, 65_535, UInt64.max]) func `numbers are written`(_ number: UInt64) {
        #expect(written { $0.append(decimal: number) } == String(number))
        #expect(written { $0.append(hex: number) } == String(number, radix: 16))
    }

    @Test func `chunk framing`() {
        #expect(written { $0.appendChunkHeader(0x1AF) } == "1af\r\n")
        #expect(written(capacity: Chunk.headerLimitBytes) { $0.appendChunkHeader(Int.max) } == "7fffffffffffffff\r\n")
    }

    @Test(arguments: 0..<8) func `what does not fit is dropped whole`(_ capacity: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 1)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0xEE)
        var sink = ByteSink(UnsafeMutableRawBufferPointer(rebasing: buffer[..<capacity]))
        sink.append("12345678")
        sink.append(hex: 0x1234_5678)
        sink.append(UInt8(ascii: "x"))
        let (count, overflowed) = (sink.count, sink.overflowed)
        #expect(count == 0 && overflowed && buffer.allSatisfy { $0 == 0xEE })
    }

    @Test func `a range outside its bytes is an overflow`() {
        let bytes = Array("abc".utf8)
        #expect(written { $0.append(bytes.span.bytes, ByteRange(start: 1, count: 2)) } == "bc")
        #expect(written { $0.append(bytes.span.bytes, ByteRange(start: 1, count: 3)) } == nil)
        #expect(written { $0.append(bytes.span.bytes, ByteRange(start: .max, count: .max)) } == nil)
    }

    @Test func `a sink without memory takes nothing`() {
        var sink = ByteSink(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        sink.append("")
        let before = sink.overflowed
        sink.append("a")
        let after = sink.overflowed
        #expect(!before && after)
    }
}
