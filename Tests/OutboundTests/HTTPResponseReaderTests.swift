// Whole answers out of bytes in any pieces, or why there is none.
import Testing

@testable import Outbound

private func read(_ pieces: [[UInt8]], limit: Int = 1000, ends: Bool = false) -> Result<HTTPResponse?, HTTPResponseReader.Failure> {
    var reader = HTTPResponseReader(to: .post, bodyLimit: limit)
    do throws(HTTPResponseReader.Failure) {
        for piece in pieces { if let response = try reader.receive(piece) { return .success(response) } }
        return .success(ends ? try reader.ended() : nil)
    } catch {
        return .failure(error)
    }
}

private struct Row: Sendable {
    let text: String
    var ends = false
    let result: Result<HTTPResponse?, HTTPResponseReader.Failure>
}

private func ok(_ body: String, status: Int = 200, keepAlive: Bool = true, retryAfter: Duration? = nil) -> Result<HTTPResponse?, HTTPResponseReader.Failure> {
    .success(HTTPResponse(status: status, body: Array(body.utf8), keepAlive: keepAlive, retryAfter: retryAfter))
}

private let rows: [Row] = [
    Row(text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", result: ok("ok")),
    Row(text: "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", result: ok("", status: 503, keepAlive: false)),
    Row(text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", result: ok("ok!")),
    Row(text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", result: ok("x")),
    Row(text: "HTTP/1.1 204 None\r\n\r\n", result: ok("", status: 204)),
    Row(text: "HTTP/1.1 429 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", result: ok("", status: 429, retryAfter: .seconds(120))),
    Row(text: "HTTP/1.1 103 Soon\r\nRetry-After: 7\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n", result: ok("", status: 503)),
    Row(text: "HTTP/1.1 503 Busy\r\nRetry-After: 999999999\r\nContent-Length: 0\r\n\r\n", result: ok("", status: 503)),
    Row(text: "HTTP/1.1 503 Busy\r\nRetry-After: -1\r\nContent-Length: 0\r\n\r\n", result: ok("", status: 503)),
    Row(text: "HTTP/1.1 200 OK\r\n\r\nuntil the end", ends: true, result: ok("until the end", keepAlive: false)),
    Row(text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", ends: true, result: .failure(.cut)),
    Row(text: "HTTP/1.1 200 OK\r\nContent-Le", ends: true, result: .failure(.cut)),
    Row(text: "", ends: true, result: .failure(.cut)),
    Row(text: "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", result: .failure(.switched)),
    Row(text: "SSH-2.0-x\r\n", result: .failure(.malformed(.badStatusLine))),
]

@Test(arguments: rows) private func `answers are the same wherever reads end`(_ row: Row) {
    let bytes = Array(row.text.utf8)
    for cut in 0...bytes.count { #expect(read([Array(bytes[..<cut]), Array(bytes[cut...])], ends: row.ends) == row.result, "cut at \(cut)") }
}

@Test func `a body has a limit, and nothing may follow it`() {
    #expect(read([Array("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd".utf8)], limit: 3) == .failure(.tooLarge))
    #expect(read([Array("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd".utf8)], limit: 3) == .failure(.surplus))
}
