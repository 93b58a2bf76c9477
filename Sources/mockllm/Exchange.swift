// One answer that takes its time or goes wrong on purpose.
//
//     waiting --delay--> begun --events at their pace--> over
//                          \--failure after so many--> over, or stalled until the client leaves
import HTTP
import Inbound

/// What is to be answered.
enum Reply {
    case whole(UInt16, HTTPFields, [UInt8])
    case stream(UInt16, HTTPFields, AnswerStream)
}

final class Exchange {
    enum Step: Equatable {
        /// Go on after so many milliseconds.
        case again(Int)
        /// Go on when the client has taken what waits.
        case wait
        case over
    }

    /// How bodies are written: by the server, or by hand to be able to break the rules.
    private enum Framing { case served, raw, rawChunked }

    let id: ConnectionID
    private let controls: Controls
    private let reply: Reply
    private var events: AnswerStream?
    private var event: [UInt8] = []
    /// `event` was refused at the limit of waiting bytes.
    private var isPending = false
    private var framing = Framing.served
    private var hasBegun = false
    private var sent = 0
    private(set) var isStalled = false
    /// It sends no more.
    var clientHasFinished = false

    init(_ id: ConnectionID, _ reply: Reply, _ controls: Controls) {
        self.id = id
        self.reply = reply
        self.controls = controls
        if case .stream(_, _, let events) = reply { self.events = events }
    }

    func goOn(_ server: HTTPServer) -> Step {
        if isStalled { return .wait }
        guard hasBegun else {
            hasBegun = true
            return begin(server)
        }
        return goOnStreaming(server)
    }

    private func begin(_ server: HTTPServer) -> Step {
        switch controls.failure {
        case .refuse:
            server.abort(id, reset: false)
            return .over
        case .reset where controls.after == nil:
            server.abort(id, reset: true)
            return .over
        case .garbage:
            server.upgrade(id, Array("\u{0}\u{1}\u{2}This is no HTTP.\n".utf8).span.bytes)
            server.close(id)
            return .over
        default: break
        }
        switch reply {
        case .whole(let status, let fields, let body): return giveWhole(server, status, fields, body)
        case .stream(let status, let fields, _):
            switch controls.failure {
            case .cutChunk: beginRaw(server, status, fields, "Transfer-Encoding: chunked\r\n", .rawChunked)
            case .noLength: beginRaw(server, status, fields, "", .raw)
            case .closeDelimited: server.beginStream(id, status, fields, .untilClose)
            default: server.beginStream(id, status, fields)
            }
            return goOnStreaming(server)
        }
    }

    private func giveWhole(_ server: HTTPServer, _ status: UInt16, _ fields: HTTPFields, _ body: [UInt8]) -> Step {
        let length = StreamFraming.length(UInt64(body.count))
        let part = Array(body.prefix(controls.after ?? (controls.failure == .stall ? 0 : body.count / 2)))
        switch controls.failure {
        case .closeDelimited:
            server.beginStream(id, status, fields, .untilClose)
            server.stream(id, body)
            server.endStream(id)
        case .noLength:
            beginRaw(server, status, fields, "", .raw)
            server.send(id, body)
            server.close(id)
        case .chunked:
            server.beginStream(id, status, fields)
            server.stream(id, part)
            server.stream(id, Array(body.dropFirst(part.count)))
            server.endStream(id)
        case .cutChunk:
            beginRaw(server, status, fields, "Transfer-Encoding: chunked\r\n", .rawChunked)
            server.send(id, Array("\(String(max(1, body.count), radix: 16))\r\n".utf8) + part)
            server.close(id)
        case .cut:
            server.beginStream(id, status, fields, length)
            server.stream(id, part)
            server.close(id)
        case .reset:
            server.beginStream(id, status, fields, length)
            server.stream(id, part)
            server.abort(id, reset: true)
        case .stall:
            server.beginStream(id, status, fields, length)
            server.stream(id, part)
            isStalled = true
            return .wait
        case .refuse, .garbage, nil: server.respond(id, status, fields, body)
        }
        return .over
    }

    private func goOnStreaming(_ server: HTTPServer) -> Step {
        while isPending || events?.next(into: &event) == true {
            isPending = false
            if isToFail { return fail(server) }
            guard write(server) else {
                isPending = true
                return .wait
            }
            sent += 1
            if controls.paceMilliseconds > 0 { return .again(controls.paceMilliseconds) }
        }
        event = Array("\n".utf8)  // a failure after the last event
        if isToFail { return fail(server) }
        switch framing {
        case .served: server.endStream(id)
        case .raw: server.close(id)
        case .rawChunked:
            server.send(id, Array("0\r\n\r\n".utf8))
            server.close(id)
        }
        return .over
    }

    /// Whether the failure is due before the next event.
    private var isToFail: Bool {
        switch controls.failure {
        case .stall: sent >= controls.after ?? 0
        case .cut, .cutChunk: sent >= controls.after ?? (events?.eventCount ?? 0) / 2
        case .reset: sent >= controls.after ?? 0
        default: false
        }
    }

    private func fail(_ server: HTTPServer) -> Step {
        switch controls.failure {
        case .stall:
            isStalled = true
            return .wait
        case .reset: server.abort(id, reset: true)
        case .cutChunk:
            server.send(id, Array("\(String(event.count, radix: 16))\r\n".utf8) + event.prefix(event.count / 2))
            server.close(id)
        default: server.close(id)
        }
        return .over
    }

    private func write(_ server: HTTPServer) -> Bool {
        switch framing {
        case .served: server.stream(id, event)
        case .raw: server.send(id, event)
        case .rawChunked: server.send(id, Array("\(String(event.count, radix: 16))\r\n".utf8) + event + Array("\r\n".utf8))
        }
    }

    private func beginRaw(_ server: HTTPServer, _ status: UInt16, _ fields: HTTPFields, _ more: String, _ framing: Framing) {
        self.framing = framing
        var head = Array("HTTP/1.1 \(status) \(Status.reason(status))\r\n".utf8)
        head += fields.lines
        head += more.utf8
        head += "\r\n".utf8
        server.upgrade(id, head.span.bytes)
    }
}
