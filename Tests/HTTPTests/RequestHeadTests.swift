// Request heads: what is understood, what is refused and with which status.

import HTTP
import Testing

struct RequestHeadTests {
    static let accepted: [(name: String, text: String)] = [
        ("smallest", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), ("shortest", "A / HTTP/1.0\r\n\r\n"),
        ("chat completion", "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 12\r\n\r\n"),
        ("chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"),
        ("HTTP/1.0 without Host", "GET /x HTTP/1.0\r\n\r\n"),
        ("later minor version", "GET / HTTP/1.7\r\nHost: a\r\n\r\n"),
        ("absolute form", "GET HTTP://example.com:80?q HTTP/1.1\r\nHost: other\r\n\r\n"),
        ("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("leading empty line", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("unknown method", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("white space around values", "GET / HTTP/1.1\r\nHost:a\r\nA:\t b c \t\r\nB:\r\nC:   \r\n\r\n"),
        ("obs-text", "GET / HTTP/1.1\r\nHost: a\r\nA: caf\u{E9}\r\n\r\n"),
        ("tab in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: a long value with a\ttab in it\r\n\r\n"),
        ("connection options", "GET / HTTP/1.1\r\nHost: a\r\nConnection: , Close ,X-Hop,te\r\nTE: trailers\r\nx-hop: 1\r\n\r\n"),
        ("upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"),
        ("expectation", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n"),
        ("every token byte", "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n"),
    ]

    static let refused: [(name: String, text: String, error: HTTPError)] = [
        ("length and coding", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .contentLengthWithTransferEncoding),
        ("coding and length", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", .contentLengthWithTransferEncoding),
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .duplicateContentLength),
        ("two equal lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nA: b\r\ncontent-length: 1\r\n\r\n", .duplicateContentLength),
        ("listed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", .duplicateContentLength),
        ("empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", .badContentLength),
        ("signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", .badContentLength),
        ("negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", .badContentLength),
        ("hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", .badContentLength),
        ("length beyond 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", .badContentLength),
        ("long length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", .badContentLength),
        ("another coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", .unsupportedTransferCoding),
        ("list of codings", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
        ("chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", .unsupportedTransferCoding),
        ("quoted coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", .unsupportedTransferCoding),
        ("coding with parameter", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", .unsupportedTransferCoding),
        ("coding with a control byte", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{B}chunked\r\n\r\n", .controlByte),
        ("empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", .unsupportedTransferCoding),
        ("identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", .unsupportedTransferCoding),
        ("coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        ("fold", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", .obsoleteFold),
        ("fold by tab", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n", .obsoleteFold),
        ("space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .obsoleteFold),
        ("bare LF", "GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
        ("bare LF in a field", "GET / HTTP/1.1\r\nHost: a\r\nA: b\nc: d\r\n\r\n", .bareLineFeed),
        ("bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        ("LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .bareLineFeed),
        ("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", .bareCarriageReturn),
        ("bare CR in a name", "GET / HTTP/1.1\r\nHost: a\r\nA\rb: c\r\n\r\n", .bareCarriageReturn),
        ("CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .bareCarriageReturn),
        ("bare CR after the version", "GET / HTTP/1.1\rHost: a\r\n\r\n", .bareCarriageReturn),
        ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n", .controlByte),
        ("DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\u{7F}c\r\n\r\n", .controlByte),
        ("escape in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: a value that is a little longer \u{1B}c\r\n\r\n", .controlByte),
        ("NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nA\0: c\r\n\r\n", .badFieldName),
        ("space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", .spaceBeforeColon),
        ("tab before colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 3\r\n\r\n", .spaceBeforeColon),
        ("space in a name", "GET / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n", .spaceBeforeColon),
        ("no colon", "GET / HTTP/1.1\r\nHost: a\r\nAccept\r\n\r\n", .badFieldName),
        ("no colon, then a field", "GET / HTTP/1.1\r\nHost: a\r\nAccept\r\nA: b\r\n\r\n", .badFieldName),
        ("no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", .badFieldName),
        ("name beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\nCaf\u{E9}: b\r\n\r\n", .badFieldName),
        ("name with a slash", "GET / HTTP/1.1\r\nHost: a\r\na/b: c\r\n\r\n", .badFieldName),
        ("long name with an at sign", "GET / HTTP/1.1\r\nHost: a\r\nabcdefghijklmnopqrstuvwxyzabcdefghijkl@b: c\r\n\r\n", .badFieldName),
        ("CR for a hyphen", "GET / HTTP/1.1\r\nHost: a\r\nContent\rLength: 3\r\n\r\n", .bareCarriageReturn),
        ("no Host", "GET / HTTP/1.1\r\n\r\n", .missingHost),
        ("no Host, absolute form", "GET http://a/ HTTP/1.1\r\n\r\n", .missingHost),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .duplicateHost),
        ("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHOST: b\r\n\r\n", .duplicateHost),
        ("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", .badHost),
        ("listed Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .badHost),
        ("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost),
        ("Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .badHost),
        ("Host with a bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", .badHost),
        ("Host with a port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", .badHost),
        ("Host with a long port", "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", .badHost),
        ("Host of brackets", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", .badHost),
        ("Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .badHost),
        ("Host after a bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", .badHost),
        ("Host beyond ASCII", "GET / HTTP/1.1\r\nHost: caf\u{E9}\r\n\r\n", .badHost),
        ("method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("TLS", "\u{16}\u{3}\u{1}", .badMethod),
        ("two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("tab before the target", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("asterisk of GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("asterisk and more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("authority form", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", .connectUnsupported),
        ("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("scheme without authority", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("user in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine),
        ("control in the target", "GET /a\u{1}b HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("DEL in the target", "GET /a\u{7F}b HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("target beyond ASCII", "GET /caf\u{E9} HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("query beyond ASCII", "GET /?caf\u{E9} HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("CR in the target", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("HTTP/0.9", "GET /\r\n\r\n", .badRequestLine),
        ("only a method", "GET\r\n\r\n", .badRequestLine),
        ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .badTarget),
        ("version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
        ("version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", .unsupportedVersion),
        ("version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", .badRequestLine),
        ("version without a minor", "GET / HTTP/1\r\nHost: a\r\n\r\n", .badRequestLine),
        ("version with two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .badRequestLine),
        ("space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .badRequestLine),
        ("options that are no tokens", "GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", .badConnection),
        ("Host nominated", "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", .framingFieldNominated),
        ("length nominated", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Content-Length\r\nContent-Length: 3\r\n\r\n", .framingFieldNominated),
        ("another expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", .unsupportedExpectation),
    ]

    @Test(arguments: accepted) func `an accepted head is the same wherever reads end`(_ row: (name: String, text: String)) {
        let bytes = Array(row.text.utf8)
        let whole = request(bytes)
        #expect(whole.head?.length == bytes.count, "\(row.name): \(whole)")
        for cut in 0..<bytes.count {
            #expect(request(Array(bytes[..<cut])) == .incomplete, "\(row.name), ends at \(cut)")
            #expect(request(bytes, cuts: [cut]) == whole, "\(row.name), cut at \(cut)")
        }
        #expect(request(bytes, cuts: Array(0..<bytes.count)) == whole, "\(row.name), byte by byte")
        #expect(request(bytes + bytes) == whole, "\(row.name), followed by another")
        #expect(request(bytes + [0, 0x3A, 0xFF]) == whole, "\(row.name), followed by noise")
    }

    @Test(arguments: refused) func `a refused head is refused wherever reads end`(
        _ row: (name: String, text: String, error: HTTPError)
    ) {
        let bytes = Array(row.text.utf8)
        #expect(request(bytes) == .refused(row.error), "\(row.name)")
        for cut in 0..<bytes.count {
            #expect(request(bytes, cuts: [cut]) == .refused(row.error), "\(row.name), cut at \(cut)")
        }
        #expect(request(bytes, cuts: Array(0..<bytes.count)) == .refused(row.error), "\(row.name), byte by byte")
    }

    @Test func `the parts of a request are found`() throws {
        let head = try #require(
            request(
                "POST /v1/chat?a=b&c=d?e HTTP/1.1\r\nHost: api.example:8443\r\nX-Thing:  two words \r\n"
                    + "Content-Length: 0012\r\nAuthorization: Bearer k\r\n\r\nbody"
            ).head)
        #expect(head.method == .post && head.methodText == "POST")
        #expect(head.target == "/v1/chat?a=b&c=d?e" && head.path == "/v1/chat" && head.query == "a=b&c=d?e")
        #expect(head.authority == "api.example:8443")
        #expect(head.framing == .length(12) && head.contentLength == 12 && head.keepAlive)
        #expect(head["X-Thing"] == "two words" && head["Authorization"] == "Bearer k")
        #expect(head.fields.map(\.isCanonical) == [true, false, true, true])
    }

    @Test func `the absolute form names the authority`() throws {
        let head = try #require(request("GET hTTps://[::1]:9/p?q HTTP/1.1\r\nHost: other\r\n\r\n").head)
        #expect(head.targetForm == .absolute && head.authority == "[::1]:9" && head.path == "/p" && head.query == "q")
        let empty = try #require(request("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").head)
        #expect(empty.path == "" && empty.query == nil && empty.authority == "a" && empty.target == "http://a")
    }

    @Test(arguments: [
        ("GET", Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
        ("OPTIONS", .options), ("TRACE", .trace), ("PATCH", .patch), ("get", .other), ("GETS", .other), ("POSTPOST", .other),
    ]) func `methods are known by their exact name`(_ text: String, _ method: Method) {
        #expect(request("\(text) / HTTP/1.1\r\nHost: a\r\n\r\n").head?.method == method)
    }

    @Test(arguments: [
        ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false), ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true), ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
        ("HTTP/1.1", "Connection: x\r\nA: b\r\nConnection: CLOSE\r\n", false),
    ]) func `persistence follows version and options`(_ version: String, _ field: String, _ keepAlive: Bool) {
        #expect(request("GET / \(version)\r\nHost: a\r\n\(field)\r\n").head?.keepAlive == keepAlive)
    }

    @Test(arguments: [
        ("Connection: upgrade\r\nUpgrade: websocket\r\n", Upgrade.webSocket),
        ("Connection: Upgrade\r\nUpgrade: h2c, WebSocket\r\n", .webSocket),
        ("Connection: Upgrade\r\nUpgrade: websocket/13\r\nUpgrade: a\r\n", .webSocket),
        ("Connection: Upgrade\r\nUpgrade: h2c\r\n", .other), ("Connection: Upgrade\r\n", .none),
        ("Upgrade: websocket\r\n", .none), ("Connection: Upgrade\r\nUpgrade: websockets\r\n", .other),
    ]) func `an upgrade needs both fields`(_ fields: String, _ upgrade: Upgrade) {
        #expect(request("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").head?.upgrade == upgrade)
        #expect(request("GET / HTTP/1.0\r\nHost: a\r\n\(fields)\r\n").head?.upgrade == Upgrade.none)
    }

    @Test func `only a body is waited for`() {
        let expectation = "Host: a\r\nExpect: 100-continue\r\n"
        #expect(request("POST / HTTP/1.1\r\n\(expectation)Content-Length: 1\r\n\r\n").head?.expectsContinue == true)
        #expect(request("POST / HTTP/1.1\r\n\(expectation)Content-Length: 0\r\n\r\n").head?.expectsContinue == false)
        #expect(request("POST / HTTP/1.0\r\n\(expectation)Content-Length: 1\r\n\r\n").head?.expectsContinue == false)
    }

    @Test func `fields of one connection are marked`() throws {
        let head = try #require(
            request(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-One, cookie,x-forwarded-for, absent, close\r\n"
                    + "x-one: 1\r\nX-One-More: 2\r\nCookie: c\r\nX-ONE: 3\r\nX-Forwarded-For: 9\r\nKeep-Alive: 4\r\n"
                    + "Proxy-Connection: 5\r\nTE: 6\r\nTrailer: 7\r\nUpgrade: 8\r\nProxy-Authorization: p\r\n"
                    + "Proxy-Authenticate: q\r\nAccept: r\r\n\r\n"
            ).head)
        #expect(
            head.hopByHop == [
                "Connection", "x-one", "Cookie", "X-ONE", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade",
                "Proxy-Authorization", "Proxy-Authenticate",
            ])
    }

    @Test func `each refusal has a status`() {
        #expect(HTTPError.headTooLarge.requestStatus == 431 && HTTPError.tooManyFields.requestStatus == 431)
        #expect(HTTPError.targetTooLong.requestStatus == 414 && HTTPError.badHost.requestStatus == 400)
        #expect(HTTPError.unsupportedTransferCoding.requestStatus == 501)
        #expect(HTTPError.unsupportedVersion.requestStatus == 505)
        #expect(HTTPError.unsupportedExpectation.requestStatus == 417)
        #expect(HTTPError.responseStatus == 502)
    }

    @Test(arguments: FieldName.allCases) func `every known name is found in any case`(_ name: FieldName) throws {
        guard name != .other else { return }
        let text = name.text.description
        for spelling in [text, text.lowercased(), text.uppercased()] {
            let bytes = Array("HTTP/1.1 200 x\r\n\(spelling): 5\r\n\r\n".utf8)
            var parser = HeadParser()
            var position = 0
            // The value suits no field that has rules; those are told apart before them.
            _ = try? parser.parseResponse(bytes.span.bytes, to: .get, from: &position)
            let (count, first, index) = (parser.fieldCount, parser.field(0).name, parser.firstIndex(of: name))
            let value = parser.value(of: name)
            #expect(count == 1 && first == name && index == 0, "\(spelling)")
            #expect(bytes.text(try #require(value)) == "5")
            #expect(FieldName(named: Array(spelling.utf8).span.bytes) == name)
        }
        for stranger in [String(text.dropLast()), text + "x", "x" + text] {
            #expect(FieldName(named: Array(stranger.utf8).span.bytes) != name)
        }
    }
}
