// Response heads: framing by method and status, and what is refused.

import HTTP
import Testing

struct ResponseHeadTests {
    static let framings: [(name: String, method: Method, text: String, framing: BodyFraming, keepAlive: Bool)] = [
        ("length", .get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .length(5), true),
        ("empty", .get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .none, true),
        ("longest", .get, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", .length(.max), true),
        ("chunked", .get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n", .chunked, true),
        ("until close", .get, "HTTP/1.1 200 OK\r\n\r\n", .untilClose, false),
        ("until close, says keep-alive", .get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", .untilClose, false),
        ("HTTP/1.0", .get, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", .length(5), false),
        ("HTTP/1.0 keep-alive", .get, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", .length(5), true),
        ("close", .get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", .length(5), false),
        ("HEAD", .head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .none, true),
        ("HEAD, chunked", .head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .none, true),
        ("HEAD without length", .head, "HTTP/1.1 200 OK\r\n\r\n", .none, true),
        ("304", .get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", .none, true),
        ("204", .get, "HTTP/1.1 204 No Content\r\n\r\n", .none, true),
        ("204 with a body", .get, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .none, false),
        ("204 chunked", .get, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", .none, false),
        ("100", .post, "HTTP/1.1 100 Continue\r\n\r\n", .none, true),
        ("103", .get, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", .none, true),
        ("tunnel", .connect, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .untilClose, false),
        ("no tunnel", .connect, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", .length(5), true),
        ("no reason", .get, "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", .length(5), true),
        ("no space before no reason", .get, "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", .length(5), true),
        ("reason of upper bytes", .get, "HTTP/1.1 200 d\u{E9}j\u{E0}\tvu\r\nContent-Length: 5\r\n\r\n", .length(5), true),
        ("unknown status", .get, "HTTP/1.1 799 x\r\nContent-Length: 5\r\n\r\n", .length(5), true),
    ]

    static let refused: [(name: String, text: String, error: HTTPError)] = [
        ("no response", "220 ftp ready\r\n", .badStatusLine), ("another word", "HTTQ/1.1 200 OK\r\n\r\n", .badStatusLine),
        ("empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", .badStatusLine), ("version 2", "HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
        ("two digits", "HTTP/1.1 20 OK\r\n\r\n", .badStatusLine), ("four digits", "HTTP/1.1 2000 OK\r\n\r\n", .badStatusLine),
        ("status below 100", "HTTP/1.1 099 OK\r\n\r\n", .badStatusLine), ("no status", "HTTP/1.1 OK\r\n\r\n", .badStatusLine),
        ("two spaces", "HTTP/1.1  200 OK\r\n\r\n", .badStatusLine), ("control in the reason", "HTTP/1.1 200 O\u{7}K\r\n\r\n", .badStatusLine),
        ("bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", .bareCarriageReturn), ("bare LF", "HTTP/1.1 200 OK\n\n", .bareLineFeed),
        ("length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .contentLengthWithTransferEncoding),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .duplicateContentLength),
        ("listed length", "HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n\r\n", .duplicateContentLength),
        ("another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
        ("coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        ("bad length of 304", "HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n", .badContentLength),
        ("fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .obsoleteFold), ("space before colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", .spaceBeforeColon),
        ("length nominated", "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\n", .framingFieldNominated),
    ]

    @Test(arguments: framings) func `framing follows method and status wherever reads end`(
        _ row: (name: String, method: Method, text: String, framing: BodyFraming, keepAlive: Bool)
    ) throws {
        let bytes = Array(row.text.utf8)
        let whole = response(bytes, to: row.method)
        let head = try #require(whole.head, "\(row.name): \(whole)")
        #expect(head.framing == row.framing && head.keepAlive == row.keepAlive, "\(row.name): \(head)")
        for cut in 0..<bytes.count {
            #expect(response(Array(bytes[..<cut]), to: row.method) == .incomplete, "\(row.name), ends at \(cut)")
            #expect(response(bytes, to: row.method, cuts: [cut]) == whole, "\(row.name), cut at \(cut)")
        }
        #expect(response(bytes + bytes, to: row.method) == whole, "\(row.name), followed by another")
    }

    @Test(arguments: refused) func `a refused head is refused wherever reads end`(
        _ row: (name: String, text: String, error: HTTPError)
    ) {
        let bytes = Array(row.text.utf8)
        #expect(response(bytes) == .refused(row.error), "\(row.name)")
        for cut in 0..<bytes.count {
            #expect(response(bytes, cuts: [cut]) == .refused(row.error), "\(row.name), cut at \(cut)")
        }
    }

    @Test func `the parts of a response are found`() throws {
        let head = try #require(response("HTTP/1.1 404 Not  Found\r\nDate: d\r\nUpgrade: a\r\n\r\n", to: .head).head)
        #expect(head.status == 404 && head.reason == "Not  Found" && head.version == .http11 && head.method == .head)
        #expect(head["Date"] == "d" && head.hopByHop == ["Upgrade"])
        let empty = try #require(response("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").head)
        #expect(empty.hopByHop == ["Content-Length"] && empty.keepAlive)
        let upgraded = try #require(
            response("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").head)
        #expect(upgraded.upgrade == .webSocket && upgraded.framing == .none)
    }
}
