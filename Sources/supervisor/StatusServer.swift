// The control socket of the runtime directory: `truthtable status` and `truthtable auditors` ask here. One line in, one JSON text out,
// closed.
import CLinux
import EventLoop
import Glibc

/// Answers people and scripts on this machine that run as the same user (or root). Never blocks, never reads more than a
/// line, and takes few at a time: one more ends the oldest, so that silent ones keep nobody out.
struct StatusServer: ~Copyable {
    static let mostConnections = 16
    static let lineLimit = 256

    enum Request: Equatable {
        case status
        /// So many of them from now on.
        case auditors(Int)

        init?(_ line: String) {
            let words = line.split(separator: " ")
            switch words.first {
            case "status" where words.count == 1: self = .status
            case "auditors" where words.count == 2:
                guard let count = Int(words[1]) else { return nil }
                self = .auditors(count)
            default: return nil
            }
        }
    }

    private final class Connection {
        let descriptor: Descriptor
        var line: [UInt8] = []
        var answer: [UInt8]?
        var sent = 0

        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    }

    private let listener: Int32
    private let kind: UInt8
    private var connections: [Connection?]
    /// Where the oldest connection is, when all places are taken: they are filled in turn.
    private var oldest = 0

    /// Tokens have the given kind; slot 0 is the listener, slot n connection n − 1.
    init(_ listener: Int32, in loop: Loop, kind: UInt8) throws(SystemError) {
        self.listener = listener
        self.kind = kind
        connections = Array(repeating: nil, count: Self.mostConnections)
        try loop.add(listener, .readable, Token(kind: kind))
    }

    mutating func handle(_ token: Token, _ readiness: Readiness, in loop: Loop, answer: (Request) -> String) {
        let slot = Int(token.slot) - 1
        guard slot >= 0 else { return accept(in: loop) }
        guard slot < Self.mostConnections, let connection = connections[slot] else { return }
        if !progress(connection, token, in: loop, answer) { connections[slot] = nil }
    }

    private mutating func accept(in loop: Loop) {
        var loopback = false
        let number = cl_accept(listener, nil, 0, &loopback)
        guard number >= 0 else { return }
        let descriptor = Descriptor(owning: number)
        let user = cl_peer_user(descriptor.number)
        guard user == 0 || user == Int32(truncatingIfNeeded: geteuid()) else { return }
        let slot = connections.firstIndex { $0 == nil } ?? oldest
        oldest = (slot + 1) % Self.mostConnections
        connections[slot] = nil
        let token = Token(kind: kind, slot: UInt32(slot) + 1)
        guard (try? loop.add(descriptor.number, [.readable, .peerClosed], token)) != nil else { return }
        connections[slot] = Connection(descriptor)
    }

    /// False when the connection is done with.
    private func progress(_ connection: Connection, _ token: Token, in loop: Loop, _ answer: (Request) -> String) -> Bool {
        let number = connection.descriptor.number
        if connection.answer == nil {
            var ended = false
            withUnsafeTemporaryAllocation(byteCount: Self.lineLimit, alignment: 1) { room in
                let count = cl_receive(number, room.baseAddress, room.count)
                ended = count == 0 || (count < 0 && count != -Int(EAGAIN))
                connection.line.append(contentsOf: room[..<max(0, count)])
            }
            guard let end = connection.line.firstIndex(of: UInt8(ascii: "\n")) else {
                return !ended && connection.line.count < Self.lineLimit
            }
            let line = String(decoding: connection.line[..<end], as: UTF8.self)
            let text = Request(line).map(answer) ?? "{\"error\":\"unknown request: send `status` or `auditors N`, and a newline\"}"
            connection.answer = Array((text + "\n").utf8)
        }
        guard let answer = connection.answer else { return false }
        while connection.sent < answer.count {
            let rest = answer[connection.sent...]
            let count = rest.withUnsafeBytes { cl_send(number, $0.baseAddress, $0.count) }
            if count == -Int(EAGAIN) {
                loop.modify(number, .writable, token)
                return true
            }
            guard count > 0 else { return false }
            connection.sent += count
        }
        return false
    }
}
