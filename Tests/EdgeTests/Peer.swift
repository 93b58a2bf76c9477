// One end of a loopback connection in the hands of a test: what it says is queued, what it hears is kept.
import CLinux
import EventLoop
import Glibc

final class Peer {
    /// How the other side ended.
    enum End { case closed, reset }

    private var descriptor: Descriptor?
    private var outgoing: [UInt8] = []
    private var sent = 0
    private(set) var received: [UInt8] = []
    private(set) var end: End?
    /// A slow reader does not read.
    var isReading = true
    /// Bytes that one turn may bring; small ones make many reads.
    var readLimit = 256 << 10
    private var closesWhenSent = false

    init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }

    /// From another address of this machine; blocks for the moment that it takes.
    static func connect(to port: UInt16, from address: String) throws -> Peer {
        let number = try checked("socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        try checked("bind", named(address, 0) { Glibc.bind(number, $0, $1) })
        try checked("connect", named("127.0.0.1", port) { Glibc.connect(number, $0, $1) })
        _ = cl_set_nonblocking(number)
        return Peer(Descriptor(owning: number))
    }

    private static func named(_ address: String, _ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &name.sin_addr)
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        return result < 0 ? -errno : 0
    }

    static func connect(to port: UInt16, receiveBuffer: Int32? = nil) throws -> Peer {
        var number: Int32 = -1
        var pending = false
        try checked("connect", cl_connect_tcp("127.0.0.1", port, &number, &pending))
        cl_set_nodelay(number)
        if let receiveBuffer {
            var size = receiveBuffer
            setsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        return Peer(Descriptor(owning: number))
    }

    var isOpen: Bool { descriptor != nil }
    var text: String { String(decoding: received, as: UTF8.self) }
    var unsent: Int { outgoing.count - sent }

    func say(_ text: String) { say(Array(text.utf8)) }
    func say(_ bytes: [UInt8]) {
        outgoing += bytes
        _ = pump()
    }

    func forget() { received = [] }

    func close() {
        guard outgoing.isEmpty else {
            closesWhenSent = true
            return
        }
        descriptor = nil
    }

    /// FIN: nothing more is said, the answer is still read.
    func finish() {
        guard let number = descriptor?.number else { return }
        shutdown(number, Int32(SHUT_WR))
    }

    func reset() {
        guard let number = descriptor?.number else { return }
        cl_reset_on_close(number)
        descriptor = nil
    }

    /// Sends and reads what is possible; whether anything moved.
    func pump() -> Bool {
        guard let number = descriptor?.number else { return false }
        var moved = false
        if !outgoing.isEmpty {
            let count = outgoing.withUnsafeBytes { cl_send(number, $0.baseAddress.unsafelyUnwrapped + sent, min(unsent, 256 << 10)) }
            if count > 0 {
                sent += count
                moved = true
            }
            if unsent == 0 || (count <= 0 && count != -Int(EAGAIN)) {
                outgoing = []
                sent = 0
            }
            if closesWhenSent, outgoing.isEmpty {
                descriptor = nil
                return true
            }
        }
        guard isReading, end == nil else { return moved }
        withUnsafeTemporaryAllocation(byteCount: readLimit, alignment: 8) { room in
            let count = cl_receive(number, room.baseAddress, room.count)
            if count > 0 {
                received.append(contentsOf: UnsafeRawBufferPointer(start: room.baseAddress, count: count))
                moved = true
            } else if count == 0 {
                end = .closed
                moved = true
            } else if count != -Int(EAGAIN) {
                end = .reset
                moved = true
            }
        }
        return moved
    }
}
