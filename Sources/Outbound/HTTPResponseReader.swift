// One answer of HTTP/1.1, put together from bytes in any pieces and held to a size. Sans-IO.
import HTTP

/// A whole answer.
package struct HTTPResponse: Equatable {
    package let status: Int
    package let body: [UInt8]
    /// The connection may carry another exchange.
    package let keepAlive: Bool
    /// When to come back (RFC 9110 §10.2.3), if it is told in seconds.
    package let retryAfter: Duration?
}

struct HTTPResponseReader: ~Copyable {
    enum Failure: Error, Equatable {
        case malformed(HTTPError)
        case tooLarge
        /// Of a protocol that nobody asked for.
        case switched
        /// Bytes behind the answer's end.
        case surplus
        case cut
    }

    private static let headLimits = HeadLimits(headBytes: 32 << 10)

    private let method: Method
    private let bodyLimit: Int
    private var head = HeadParser()
    private var received: [UInt8] = []
    private var position = 0
    private var status = 0
    private var keepAlive = false
    private var retryAfter: Duration?
    private var reader: BodyReader?
    private var body: [UInt8] = []

    init(to method: Method, bodyLimit: Int) {
        self.method = method
        self.bodyLimit = bodyLimit
    }

    /// The answer has begun.
    var hasBytes: Bool { !received.isEmpty || reader != nil }

    /// The answer, once it is whole.
    mutating func receive(_ bytes: [UInt8]) throws(Failure) -> HTTPResponse? {
        received += bytes
        while reader == nil {
            let bytes = received
            var length: Int?
            do throws(HTTPError) {
                length = try head.parseResponse(bytes.span.bytes, to: method, from: &position, limits: Self.headLimits)
            } catch {
                throw .malformed(error)
            }
            guard let length else { return nil }
            received.removeFirst(length)
            position = 0
            guard head.status != 101 else { throw .switched }
            guard head.status >= 200 else { continue }
            status = Int(head.status)
            keepAlive = head.keepAlive
            retryAfter = head.value(of: .retryAfter).flatMap { Self.seconds(bytes[$0.lowerBound..<$0.upperBound]) }
            reader = BodyReader(head.framing)
        }
        try readBody()
        guard reader?.isDone == true else { return nil }
        guard received.isEmpty else { throw .surplus }
        return HTTPResponse(status: status, body: body, keepAlive: keepAlive, retryAfter: retryAfter)
    }

    private mutating func readBody() throws(Failure) {
        let bytes = received
        var offset = 0
        defer { received.removeFirst(offset) }
        while true {
            let piece: ChunkedDecoder.Piece?
            do throws(HTTPError) {
                piece = try reader?.next(bytes.span.bytes, from: &offset)
            } catch {
                throw .malformed(error)
            }
            guard case .data(let start, let count) = piece else { return }
            guard body.count + count <= bodyLimit else { throw .tooLarge }
            body += bytes[start..<(start + count)]
        }
    }

    /// The server has closed the connection.
    func ended() throws(Failure) -> HTTPResponse {
        guard reader?.endsWithConnection == true else { throw .cut }
        return HTTPResponse(status: status, body: body, keepAlive: false, retryAfter: retryAfter)
    }

    /// Of eight digits at most, three years: sums with times stay in range.
    private static func seconds(_ digits: ArraySlice<UInt8>) -> Duration? {
        guard digits.count <= 8, let seconds = Int64(String(decoding: digits, as: UTF8.self)), seconds >= 0 else { return nil }
        return .seconds(seconds)
    }
}
