// A small blocking WebSocket client (RFC 6455) for the command line.
import CLinux
import EventLoop
import Glibc
import HTTP

/// Connects, then hands out text messages one by one.
struct WebSocketClient: ~Copyable {
    /// Why there is no (more) message, for a person.
    struct Failure: Error {
        let sentence: String
        /// The product is there and says no: trying again is of no use.
        var isRefusal = false
    }

    private let descriptor: Descriptor
    private var decoder = WebSocketDecoder(role: .client, messageLimitBytes: 4 << 20)
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    private var filled = 0
    private var position = 0

    /// `address` is numeric. Behind the handshake the product sends a greeting at most, far less than the buffer holds.
    init(address: String, port: Int, path: String, token: String) throws(Failure) {
        var number: Int32 = -1
        var pending = false
        let result = cl_connect_tcp(address, UInt16(clamping: port), &number, &pending)
        guard result == 0 else { throw Failure(sentence: SystemError.text(-result)) }
        let descriptor = Descriptor(owning: number)
        try Self.wait(number, POLLOUT)
        let error = cl_socket_error(number)
        guard error == 0 else { throw Failure(sentence: SystemError.text(-error)) }
        let rest = try Self.shakeHands(number, host: address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)", path: path, token: token)
        self.descriptor = descriptor
        filled = min(rest.count, buffer.count)
        buffer.replaceSubrange(0..<filled, with: rest[..<filled])
    }

    private static func shakeHands(_ number: Int32, host: String, path: String, token: String) throws(Failure) -> [UInt8] {
        var random: (UInt64, UInt64) = (0, 0)
        _ = cl_random(&random, 16)
        let key = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { room in
            var sink = ByteSink(room)
            withUnsafeBytes(of: random) { sink.append(base64: $0.bytes) }
            return String(decoding: room[..<sink.count], as: UTF8.self)
        }
        let authorization = token.isEmpty ? "" : "Authorization: Bearer \(token)\r\n"
        let request =
            "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: \(key)\r\n\(authorization)\r\n"
        try send(number, Array(request.utf8))
        var bytes: [UInt8] = []
        var parser = HeadParser()
        var position = 0
        while bytes.count < 64 << 10 {
            try wait(number, POLLIN)
            var room = [UInt8](repeating: 0, count: 4096)
            let count = room.withUnsafeMutableBytes { cl_receive(number, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Failure(sentence: "the connection was closed in the handshake") }
            bytes += room[..<count]
            let length: Int?
            do throws(HTTPError) {
                length = try parser.parseResponse(bytes.span.bytes, to: .get, from: &position)
            } catch {
                throw Failure(sentence: "what answers there speaks no HTTP")
            }
            guard let length else { continue }
            guard parser.status == 101 else {
                throw Failure(sentence: "refused with status \(parser.status)", isRefusal: parser.status == 401 || parser.status == 403)
            }
            return Array(bytes[length...])
        }
        throw Failure(sentence: "the handshake's answer is too long")
    }

    /// The next text message; other events are dealt with here. Waits for as long as it takes.
    mutating func nextMessage() throws(Failure) -> String {
        while true {
            let event: WebSocketEvent
            do throws(WebSocketError) {
                var at = position
                event = try Self.next(&decoder, buffer, filled, &at)
                position = at
            } catch {
                throw Failure(sentence: "a malformed frame came: \(error)")
            }
            switch event {
            case .text: return decoder.message.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            case .ping: try answer(.pong, decoder.control.withUnsafeBytes { Array($0) })
            case .close: throw Failure(sentence: "the product closed the connection")
            case .binary, .pong: break
            case .needMore:
                position = 0
                let number = descriptor.number
                try Self.wait(number, POLLIN, forever: true)
                let count = buffer.withUnsafeMutableBytes { cl_receive(number, $0.baseAddress, $0.count) }
                guard count > 0 else { throw Failure(sentence: "the connection was closed") }
                filled = count
            }
        }
    }

    private static func next(_ decoder: inout WebSocketDecoder, _ buffer: [UInt8], _ filled: Int, _ position: inout Int) throws(WebSocketError) -> WebSocketEvent {
        try decoder.next(buffer.span.bytes.extracting(first: filled), from: &position)
    }

    private func answer(_ opcode: WebSocketOpcode, _ payload: [UInt8]) throws(Failure) {
        var key: UInt32 = 0
        _ = cl_random(&key, 4)
        let mask = WebSocketMask(key: key)
        let frame = withUnsafeTemporaryAllocation(byteCount: payload.count + WebSocketFrame.clientHeaderLimitBytes, alignment: 1) { room in
            var sink = ByteSink(room)
            payload.withUnsafeBytes { sink.appendFrame(opcode, $0.bytes, mask: mask) }
            return Array(room[..<sink.count])
        }
        try Self.send(descriptor.number, frame)
    }

    private static func send(_ number: Int32, _ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { cl_send(number, $0.baseAddress, $0.count) }
            if count == -Int(EAGAIN) {
                try wait(number, POLLOUT)
                continue
            }
            guard count > 0 else { throw Failure(sentence: "the connection was closed") }
            rest = rest.dropFirst(count)
        }
    }

    private static func wait(_ number: Int32, _ events: Int32, forever: Bool = false) throws(Failure) {
        var wait = pollfd(fd: number, events: Int16(events), revents: 0)
        guard poll(&wait, 1, forever ? -1 : 5000) > 0 else { throw Failure(sentence: "no answer within 5 seconds") }
    }
}
