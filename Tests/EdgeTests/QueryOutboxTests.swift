// Questions to the dispatcher and its answers, over a socket pair whose other end is the test's.
import CLinux
import EventLoop
import IPC
import Testing

@testable import edge

private final class Line {
    let loop: Loop
    var outbox = QueryOutbox()
    private(set) var peer: Peer
    private var generation: UInt32 = 0

    init() throws {
        loop = try Loop()
        peer = Peer(Descriptor(owning: -1))
        #expect(try attach().isEmpty)
    }

    func attach() throws -> [QueryOutbox.Waiting] {
        var ends: [Int32] = [-1, -1]
        try checked("socketpair", cl_socket_pair(&ends))
        generation += 1
        peer = Peer(Descriptor(owning: ends[1]))
        let attach = Attach(kind: .query, peer: 1, generation: generation)
        return try outbox.attach(attach, Descriptor(owning: ends[0]), in: loop, token: Token(kind: EdgeToken.queries, generation: generation))
    }

    func ask(_ id: String, client: Int = 0, until: UInt64 = 100) -> UInt64? {
        outbox.ask(Lookup(waitMilliseconds: 0, id: id), for: client, .lookup, until: until)
    }

    /// Types and ids of the frames that have come.
    func sent() -> [String] {
        #expect(outbox.flush(in: loop) == nil)
        _ = peer.pump()
        var decoder = FrameDecoder(limit: ChannelKind.query.payloadLimit)
        let bytes = peer.received
        decoder.fill { room in
            bytes.withUnsafeBytes { room.copyMemory(from: $0) }
            return bytes.count
        }
        peer.forget()
        var frames: [String] = []
        while (try? decoder.next({ header, _ throws(FrameError) in frames.append("\(MessageType(rawValue: header.type)!) \(header.id)") }, refused: { error throws(FrameError) in throw error })) == true {}
        return frames
    }

    func say(_ type: UInt16, _ id: UInt64, _ payload: [UInt8]) -> (answers: [QueryOutbox.Answered], end: ChannelEnd?) {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { FrameHeader(length: UInt32(payload.count), type: type, id: id).store(into: $0) }
        peer.say(bytes + payload)
        return outbox.handle([.readable], in: loop)
    }
}

@Suite struct QueryOutboxTests {
    @Test func `each question gets its own answer, once`() throws {
        let line = try Line()
        #expect(line.ask("a", client: 7) == 1 && line.ask("b", client: 8) == 2)
        #expect(line.sent() == ["lookup 1", "lookup 2"])
        let (answers, end) = line.say(MessageType.answer.rawValue, 2, [AnswerKind.completed.rawValue] + Array("{}".utf8))
        #expect(end == nil && answers.map(\.waiting.client) == [8] && answers.first?.kind == .completed && answers.first?.json == Array("{}".utf8))
        #expect(line.say(MessageType.answer.rawValue, 2, [AnswerKind.completed.rawValue]).answers.isEmpty)
        #expect(line.say(MessageType.answer.rawValue, 99, [AnswerKind.completed.rawValue]).answers.isEmpty)
    }

    @Test func `who leaves is no longer waited for, and the dispatcher hears of it`() throws {
        let line = try Line()
        let id = try #require(line.ask("a"))
        line.outbox.cancel(id)
        line.outbox.cancel(id)
        #expect(line.sent() == ["lookup 1", "cancelQuery 1"])
        #expect(line.say(MessageType.answer.rawValue, id, [AnswerKind.completed.rawValue]).answers.isEmpty)
    }

    @Test func `only those are late whose time is over`() throws {
        let line = try Line()
        _ = line.ask("a", until: 10)
        _ = line.ask("b", until: 20)
        #expect(line.outbox.late(at: 9).isEmpty)
        #expect(line.outbox.late(at: 10).map(\.id) == [1])
        #expect(Set(line.outbox.late(at: 30).map(\.id)) == [1, 2])
        _ = line.ask("c", until: 90)
        line.outbox.hurry(until: 15)
        #expect(line.outbox.late(at: 14).map(\.id) == [1])
        #expect(Set(line.outbox.late(at: 15).map(\.id)) == [1, 2, 3])
    }

    @Test func `with a new channel, or none, nobody waits for the old one`() throws {
        let line = try Line()
        _ = line.ask("a", client: 3)
        #expect(try line.attach().map(\.client) == [3])
        _ = line.ask("b", client: 4)
        let (answers, end) = line.say(MessageType.answer.rawValue, 2, [200])
        #expect(answers.isEmpty && end == .violation(.outOfRange("kind")))
        #expect(line.outbox.takeUnanswered().map(\.client) == [4])
        #expect(!line.outbox.isAttached && line.ask("c") == nil)
    }

    @Test func `so many may wait, and no more`() throws {
        let line = try Line()
        for _ in 0..<QueryOutbox.most { #expect(line.ask("a") != nil) }
        #expect(line.ask("a") == nil && line.outbox.isAttached)
        line.outbox.cancel(5)
        #expect(line.ask("a") != nil)
    }
}
