// A TLS connection that waits, for tests: each call is repeated after the readiness it asks for.
import CLinux
import EventLoop
import Glibc
import TLS

struct Connection: ~Copyable {
    let socket: Descriptor
    var session: TLSSession
    /// How often a call had to wait.
    private(set) var waits = 0

    init(_ context: TLSClientContext, port: UInt16, host: String = "localhost", sendBuffer: Int32? = nil) throws {
        let socket = try connected(port: port)
        // Only the sender's: below half a segment (32 KiB on the loopback interface) a receive window opens by timers only.
        if var sendBuffer { setsockopt(socket.number, SOL_SOCKET, SO_SNDBUF, &sendBuffer, 4) }
        session = try TLSSession(context, descriptor: socket.number, host: host)
        self.socket = socket
    }

    mutating func handshake() -> TLSResult {
        while true {
            let result = session.handshake()
            guard wait(result) else { return result }
        }
    }

    /// Writes all of `bytes`; the last result.
    mutating func write(_ bytes: [UInt8]) -> TLSResult {
        var offset = 0
        while offset < bytes.count {
            // From a copy elsewhere each time: retries come from moved buffers.
            let rest = Array(bytes[offset..<min(offset + 40_000, bytes.count)])
            let result = rest.withUnsafeBytes { session.write($0) }
            if case .bytes(let count) = result { offset += count } else if !wait(result) { return result }
        }
        return .bytes(offset)
    }

    mutating func write(_ text: String) -> TLSResult { write(Array(text.utf8)) }

    /// Reads to the end; what came and how it ended.
    mutating func readAll(atMost limit: Int = .max) -> ([UInt8], TLSResult) {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 40_000)
        while all.count < limit {
            let result = chunk.withUnsafeMutableBytes { session.read(into: $0) }
            if case .bytes(let count) = result { all += chunk[..<count] } else if !wait(result) { return (all, result) }
        }
        return (all, .bytes(all.count))
    }

    mutating func readText() -> (String, TLSResult) {
        let (bytes, result) = readAll()
        return (String(decoding: bytes, as: UTF8.self), result)
    }

    /// Waits when `result` says so, ten seconds at most; false when it is no reason to wait.
    private mutating func wait(_ result: TLSResult) -> Bool {
        let events: Int32
        switch result {
        case .wantsRead: events = POLLIN
        case .wantsWrite: events = Int32(POLLOUT)
        default: return false
        }
        waits += 1
        var entry = pollfd(fd: socket.number, events: Int16(events), revents: 0)
        return poll(&entry, 1, 10_000) > 0
    }
}

/// A non-blocking socket connected to a port of this machine.
func connected(port: UInt16) throws -> Descriptor {
    var number: Int32 = -1
    var pending = false
    try checked("connect", cl_connect_tcp("127.0.0.1", port, &number, &pending))
    let socket = Descriptor(owning: number)
    if pending {
        var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        poll(&entry, 1, 10_000)
        try checked("connect", cl_socket_error(number))
    }
    return socket
}
