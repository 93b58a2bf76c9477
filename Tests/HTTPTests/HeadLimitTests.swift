// One past each limit of a head, and that a slow client costs no more than a fast one.

import HTTP
import Testing

struct HeadLimitTests {
    private static func head(fields: Int = 0, padding: Int = 0, target: Int = 1) -> [UInt8] {
        var text = "GET /" + String(repeating: "t", count: target - 1) + " HTTP/1.1\r\nHost: a\r\n"
        for index in 0..<max(0, fields - 1) { text += "F\(index): v\r\n" }
        if padding > 0 { text += "P: " + String(repeating: "p", count: padding) + "\r\n" }
        return Array((text + "\r\n").utf8)
    }

    @Test func `a head of exactly the limit is taken and one byte more is not`() {
        let bytes = Self.head(padding: 500)
        #expect(request(bytes, limits: HeadLimits(headBytes: bytes.count)).head != nil)
        let below = HeadLimits(headBytes: bytes.count - 1)
        #expect(request(bytes, limits: below) == .refused(.headTooLarge))
        for cut in 0..<bytes.count {
            #expect(request(bytes, cuts: [cut], limits: below) == .refused(.headTooLarge), "cut at \(cut)")
        }
    }

    @Test func `a head over the limit is refused before it ends`() {
        let bytes = Array(Self.head(padding: 500).dropLast(100))
        #expect(request(bytes, limits: HeadLimits(headBytes: bytes.count)) == .refused(.headTooLarge))
        #expect(request(bytes, limits: HeadLimits(headBytes: bytes.count + 1)) == .incomplete)
        let line = Array(("GET /" + String(repeating: "t", count: 70_000)).utf8)
        #expect(request(line) == .refused(.targetTooLong))
        #expect(request(line, cuts: [10, 65_535, 65_536]) == .refused(.targetTooLong))
    }

    @Test func `fields`() {
        #expect(request(Self.head(fields: 100)).head?.fields.count == 100)
        #expect(request(Self.head(fields: 101)) == .refused(.tooManyFields))
        #expect(request(Self.head(fields: 5), limits: HeadLimits(fieldCount: 4)) == .refused(.tooManyFields))
        #expect(request(Self.head(fields: 101), limits: HeadLimits(fieldCount: 5000)) == .refused(.tooManyFields))
        let fields = String(repeating: "a: b\r\n", count: 101)
        #expect(response(Array("HTTP/1.1 200 OK\r\n\(fields)\r\n".utf8)) == .refused(.tooManyFields))
    }

    @Test func `target`() {
        #expect(request(Self.head(target: 16 << 10)).head != nil)
        #expect(request(Self.head(target: 16 << 10 + 1)) == .refused(.targetTooLong))
    }

    @Test func `an expectation is not for one hop alone`() throws {
        let head = try #require(request(Array("POST / HTTP/1.1\r\nHost: a\r\nConnection: expect, x\r\nExpect: 100-continue\r\nX: y\r\nContent-Length: 1\r\n\r\n".utf8)).head)
        #expect(head.hopByHop == ["Connection", "X"])
    }

    @Test func `nominations`() {
        func nominating(_ count: Int) -> Outcome {
            request("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(String(repeating: "x,", count: count))\r\nX: y\r\n\r\n")
        }
        #expect(nominating(100).head?.hopByHop == ["Connection", "X"])
        #expect(nominating(101) == .refused(.tooManyFields))
    }

    @Test(arguments: [0, -1, Int.min]) func `limits out of their range are put right`(_ number: Int) {
        let limits = HeadLimits(headBytes: number, fieldCount: number, targetBytes: number)
        #expect(request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits).error != nil)
        #expect(HeadLimits(headBytes: .max).headBytes == HeadLimits.largestHeadBytes)
    }

    @Test func `the search goes on where it stopped`() throws {
        let bytes = Self.head(padding: 60_000)
        var position = 0
        for end in stride(from: 0, to: bytes.count - 1, by: 7) {
            let found = try HeadSearch.findEndOfHead(
                bytes.span.bytes.extracting(0..<end), from: &position, limits: HeadLimits())
            #expect(found == nil && position == end)
        }
        #expect(try HeadSearch.findEndOfHead(bytes.span.bytes, from: &position, limits: HeadLimits()) == bytes.count)
        var foreign = -5
        #expect(try HeadSearch.findEndOfHead(bytes.span.bytes, from: &foreign, limits: HeadLimits()) == bytes.count)
        foreign = .max
        #expect(try HeadSearch.findEndOfHead(bytes.span.bytes, from: &foreign, limits: HeadLimits()) == nil)
    }

    @Test func `one parser reads one head after another`() throws {
        var parser = HeadParser()
        let first = Array("POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\n".utf8)
        let second = Array("GET /c HTTP/1.0\r\n\r\n".utf8)
        var position = 0
        _ = try parser.parseRequest(first.span.bytes, from: &position)
        position = 0
        let length = try parser.parseRequest(second.span.bytes, from: &position)
        let again = Head(try #require(length), parser, second)
        #expect(.head(again) == request(second))
        let isEmpty = !parser.contains(.host) && parser.value(of: .contentLength) == nil
        #expect(isEmpty)
    }
}
