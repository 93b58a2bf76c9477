// Channel: bounded outbox, partial writes, and what a peer that closes or misbehaves brings about.
import CLinux
import EventLoop
import Glibc
import Testing

@testable import IPC

private func channel(_ end: Int32, _ loop: Loop, pool: BlockPool = BlockPool(limitBytes: 8 << 20), outboxLimit: Int = 4 << 20) throws -> Channel {
    let attach = Attach(kind: .audit, peer: 7, generation: 3)
    return try Channel(attach, Descriptor(owning: end), in: loop, token: Token(kind: 1, slot: 5), pool: pool, outboxLimit: outboxLimit)
}

/// A result with this many bytes of JSON.
private func result(_ lease: UInt64, _ length: Int) -> AuditResult { AuditResult(lease: lease, outcome: .completed, json: pattern(length, salt: lease)) }

struct ChannelOutboxTests {
    @Test func `the outbox refuses what is over its limit, and keeps earlier frames whole`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let frames = [Whole(result(1, 100), id: 11), Whole(Credit(count: 9))]
        let limit = frames.reduce(0) { $0 + $1.bytes.count }
        do {
            var channel = try channel(ends.0, loop, outboxLimit: limit)
            let first = channel.send(result(1, 100), id: 11)
            let over = channel.send(result(2, 100))
            let exact = channel.send(Credit(count: 9))
            let full = channel.send(Credit(count: 1))
            #expect(first && !over && exact && !full)
            #expect(channel.waitingBytes == limit)
            let ended = channel.flush(in: loop)
            #expect(ended == nil)
            #expect(channel.waitingBytes == 0)
        }
        #expect(rest(of: peer.number) == frames.flatMap(\.bytes))
    }

    @Test func `a full pool refuses a frame without a trace of it`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let pool = BlockPool(limitBytes: 3 * 4096)
        let frames = [Whole(result(1, 5000)), Whole(result(3, 3000))]
        do {
            var channel = try channel(ends.0, loop, pool: pool)
            let first = channel.send(result(1, 5000))
            let waiting = channel.waitingBytes
            let over = channel.send(result(2, 9000))
            #expect(channel.waitingBytes == waiting)
            let third = channel.send(result(3, 3000))
            #expect(first && !over && third)
            _ = channel.flush(in: loop)
        }
        #expect(rest(of: peer.number) == frames.flatMap(\.bytes))
        #expect(pool.usedBytes == 0)
    }

    @Test func `a message over the frame limit is refused, whatever the outbox takes`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let fixed = encoded(result(1, 0)).count
        let limit = ChannelKind.audit.payloadLimit
        var channel = try channel(ends.0, loop, outboxLimit: 8 << 20)
        let over = channel.send(result(1, limit - fixed + 1))
        #expect(!over)
        #expect(channel.waitingBytes == 0)
        let fits = channel.send(result(1, limit - fixed))
        #expect(fits)
        #expect(channel.waitingBytes == FrameHeader.byteCount + limit)
        _ = consume peer
    }

    @Test func `a blocked outbox drains when the peer reads, and then no longer asks to write`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let pool = BlockPool(limitBytes: 8 << 20)
        var channel = try channel(ends.0, loop, pool: pool)
        cl_set_buffers(ends.0, 4096)
        let frames = (1...4).map { Whole(result($0, 300_000)) }
        for lease in 1...UInt64(4) {
            let taken = channel.send(result(lease, 300_000))
            #expect(taken)
        }
        var ended = channel.flush(in: loop)
        #expect(ended == nil)
        #expect(channel.waitingBytes > 0)

        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 50_000)
        let expected = frames.flatMap(\.bytes)
        while bytes.count < expected.count {
            guard readable(peer.number) else { break }
            let n = read(peer.number, &buffer, buffer.count)
            guard n > 0 else { break }
            bytes += buffer[..<n]
            loop.turn(patience: 0) { token, readiness in
                #expect(token == Token(kind: 1, slot: 5))
                ended = channel.handle(readiness, in: loop) { _, _ throws(FrameError) in }
            } alarm: { _ in
            }
            #expect(ended == nil)
        }
        #expect(bytes == expected)
        #expect(pool.usedBytes == 0)
        loop.turn(patience: 0) { _, readiness in Issue.record("ready for \(readiness) with nothing to write") } alarm: { _ in }
    }

    @Test func `a dropped channel gives its blocks back`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let pool = BlockPool(limitBytes: 1 << 20)
        do {
            var channel = try channel(ends.0, loop, pool: pool)
            let taken = channel.send(result(1, 100_000))
            #expect(taken)
            #expect(pool.usedBytes > 100_000)
        }
        #expect(pool.usedBytes == 0)
        #expect(rest(of: peer.number) == [], "nothing is written without a flush")
    }
}

struct ChannelInboxTests {
    /// What a channel hands out until it ends.
    private func received(_ loop: Loop, _ channel: inout Channel) -> (frames: [Whole], end: ChannelEnd?) {
        var frames: [Whole] = []
        var end: ChannelEnd?
        run(loop, until: { end != nil }) { _, readiness in
            end = channel.handle(readiness, in: loop) { header, payload throws(FrameError) in
                guard header.type != 0xDEAD else { throw .unexpectedType(header.type) }
                frames.append(Whole(header, array(payload)))
            }
        }
        return (frames, end)
    }

    private static let frames = [Whole(Credit(count: 4)), Whole(result(1, 100_000), id: 5), Whole(Nack(lease: 8))]

    @Test func `a peer that closes ends the channel after its frames`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        var channel = try channel(ends.0, loop)
        put(Self.frames.flatMap(\.bytes), to: ends.1)
        close(ends.1)
        let found = received(loop, &channel)
        #expect(found.frames == Self.frames)
        #expect(found.end == .closed)
    }

    @Test func `what a peer sent before it died arrives, though nothing can be sent to it any more`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let pool = BlockPool(limitBytes: 1 << 20)
        var channel = try channel(ends.0, loop, pool: pool)
        put(Self.frames.flatMap(\.bytes), to: ends.1)
        close(ends.1)
        for _ in 0..<2 {
            let taken = channel.send(Nack(lease: 1))
            #expect(taken)
            let ended = channel.flush(in: loop)
            #expect(ended == nil, "the end is found behind what has come")
        }
        let found = received(loop, &channel)
        #expect(found.frames == Self.frames)
        #expect(found.end == .closed)
        _ = consume channel
        #expect(pool.usedBytes == 0)
    }

    @Test func `a peer that dies with our frames unread ends the channel after its own`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        var channel = try channel(ends.0, loop)
        let taken = channel.send(Nack(lease: 1))
        #expect(taken)
        _ = channel.flush(in: loop)
        put(Self.frames.flatMap(\.bytes), to: ends.1)
        close(ends.1)
        let found = received(loop, &channel)
        #expect(found.frames == Self.frames)
        #expect(found.end == .closed)
    }

    @Test func `a peer that takes nothing more ends the channel`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try channel(ends.0, loop)
        shutdown(peer.number, Int32(SHUT_RD))
        let taken = channel.send(Nack(lease: 1))
        #expect(taken)
        let ended = channel.flush(in: loop)
        #expect(ended == nil)
        let found = received(loop, &channel)
        #expect(found.frames == [])
        #expect(found.end == .closed)
    }

    @Test(arguments: [1, 15, 16, 17, 26]) func `a peer that closes amid a frame ends the channel after the whole ones`(_ length: Int) throws {
        let loop = try Loop()
        let ends = try socketPair()
        var channel = try channel(ends.0, loop)
        put(Whole(Credit(count: 4)).bytes + Whole(type: 65, pattern(11)).bytes[..<length], to: ends.1)
        close(ends.1)
        let found = received(loop, &channel)
        #expect(found.frames == [Whole(Credit(count: 4))])
        #expect(found.end == .closed)
    }

    @Test func `a peer that only stops sending ends the channel too`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try channel(ends.0, loop)
        put(Whole(Credit(count: 4)).bytes, to: ends.1)
        shutdown(peer.number, Int32(SHUT_WR))
        let found = received(loop, &channel)
        #expect(found.frames == [Whole(Credit(count: 4))])
        #expect(found.end == .closed)
    }

    @Test func `an oversized frame is a violation after the frames before it`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try channel(ends.0, loop)
        let length = UInt32(ChannelKind.audit.payloadLimit + 1)
        put(Self.frames.flatMap(\.bytes) + Whole(FrameHeader(length: length, type: 65), pattern(100)).bytes, to: peer.number)
        let found = received(loop, &channel)
        #expect(found.frames == Self.frames)
        #expect(found.end == .violation(.oversized(length: length, limit: ChannelKind.audit.payloadLimit)))
    }

    @Test func `what the handler refuses is a violation, and nothing after it is handed out`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try channel(ends.0, loop)
        put(Whole(Credit(count: 4)).bytes + Whole(type: 0xDEAD, []).bytes + Whole(Credit(count: 5)).bytes, to: peer.number)
        let found = received(loop, &channel)
        #expect(found.frames == [Whole(Credit(count: 4))])
        #expect(found.end == .violation(.unexpectedType(0xDEAD)))
    }

    @Test func `descriptors that come on a data channel are dropped, its frames go on`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let parcel = try Parcel()
        var channel = try channel(ends.0, loop)
        do {
            let passed = parcel.copy()
            for _ in 0..<3 { put(Whole(Credit(count: 4)).bytes, with: [passed.number, passed.number], to: ends.1) }
        }
        close(ends.1)
        let found = received(loop, &channel)
        #expect(found.frames == Array(repeating: Whole(Credit(count: 4)), count: 3))
        #expect(parcel.copies == 0)
    }

    @Test func `two channels speak both ways at once through full sockets`() throws {
        let loop = try Loop()
        let ends = try socketPair()
        let pool = BlockPool(limitBytes: 16 << 20)
        let attach = Attach(kind: .audit, peer: 0, generation: 1)
        var left = try Channel(attach, Descriptor(owning: ends.0), in: loop, token: Token(kind: 1), pool: pool, outboxLimit: 8 << 20)
        var right = try Channel(attach, Descriptor(owning: ends.1), in: loop, token: Token(kind: 2), pool: pool, outboxLimit: 8 << 20)
        for end in [ends.0, ends.1] { cl_set_buffers(end, 8192) }
        let frames = (0..<60).map { Whole(result($0, 20_000), id: $0) }
        for id in 0..<UInt64(60) {
            let taken = (left.send(result(id, 20_000), id: id), right.send(result(id, 20_000), id: id))
            #expect(taken == (true, true))
        }
        var ended = left.flush(in: loop) ?? right.flush(in: loop)
        var toLeft: [Whole] = []
        var toRight: [Whole] = []
        run(loop, until: { toLeft.count + toRight.count == 120 || ended != nil }) { token, readiness in
            if token.kind == 1 {
                ended = left.handle(readiness, in: loop) { header, payload throws(FrameError) in toLeft.append(Whole(header, array(payload))) }
            } else {
                ended = right.handle(readiness, in: loop) { header, payload throws(FrameError) in toRight.append(Whole(header, array(payload))) }
            }
        }
        #expect(ended == nil)
        #expect(toLeft == frames)
        #expect(toRight == frames)
        #expect(pool.usedBytes == 0)
    }
}
