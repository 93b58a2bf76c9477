// ControlChannel: descriptors arrive with their frames, and whatever a peer does none is left open.
import CLinux
import EventLoop
import Glibc
import Testing

@testable import IPC

private func control(_ end: Int32, _ loop: Loop, kind: UInt8 = 1) throws -> ControlChannel {
    try ControlChannel(Descriptor(owning: end), in: loop, token: Token(kind: kind))
}

/// A pipe: the reading end stays here, the other is passed.
private func pipeEnds() throws -> (reading: Int32, passed: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw SystemError("pipe", code: errno) }
    return (ends[0], ends[1])
}

/// A frame of nearly the control channel's limit.
private let large = Configure(incarnation: 1, pairs: [("a", String(repeating: "b", count: 60_000))])

struct ControlChannelTests {
    private let loop: Loop
    init() throws { loop = try Loop() }

    /// Hands out frames until the channel ends; `Attach` and `Configure` with id 1 take a descriptor.
    private func received(_ channel: inout ControlChannel, count: Int = .max) -> (types: [UInt16], descriptors: [Int32], end: ChannelEnd?) {
        var types: [UInt16] = []
        var descriptors: [Int32] = []
        var end: ChannelEnd?
        run(loop, until: { end != nil || types.count >= count }) { _, readiness in
            end = channel.handle(readiness, in: loop) { header, payload, queue throws(FrameError) in
                let message = try ControlToChild(header, payload)
                if case .attach = message { descriptors.append(try queue.take().release()) }
                types.append(header.type)
            }
        }
        return (types, descriptors, end)
    }

    private static let attach = Whole(Attach(kind: .capture, peer: 0, generation: 1)).bytes
    private static let ping = Whole(type: MessageType.ping.rawValue, []).bytes

    @Test(arguments: [0, 2048]) func `descriptors arrive with their frames, between frames without and through partial writes`(buffer: Int32) throws {
        let ends = try socketPair()
        var sender = try control(ends.0, loop, kind: 1)
        var receiver = try control(ends.1, loop, kind: 2)
        if buffer > 0 { cl_set_buffers(ends.0, buffer) }
        let count = 120
        var readers: [Int32] = []
        for index in 0..<count {
            // A run of pings of changing length, now and then a frame of 60 KB, and a frame with a descriptor, sometimes large itself.
            for nonce in 0..<UInt64(index % 4) {
                let taken = sender.send(.ping, id: nonce)
                #expect(taken)
            }
            if index % 16 == 2 {
                let taken = sender.send(large)
                #expect(taken)
            }
            let ends = try pipeEnds()
            readers.append(ends.reading)
            let passed = Descriptor(owning: ends.passed)
            let taken: Bool
            if index % 10 == 9 {
                taken = sender.send(large, passing: passed)
            } else {
                taken = sender.send(Attach(kind: .audit, peer: UInt16(index), generation: 1), passing: passed)
            }
            #expect(taken)
        }
        var ended = sender.flush(in: loop)
        var order: [UInt16] = []
        var expectsDescriptor = Set(stride(from: 9, to: count, by: 10).map { $0 })
        run(loop, until: { order.count == count || ended != nil }) { token, readiness in
            if token.kind == 1 {
                ended = sender.handle(readiness, in: loop) { _, _, _ throws(FrameError) in }
                return
            }
            ended = receiver.handle(readiness, in: loop) { header, payload, queue throws(FrameError) in
                var index: UInt16?
                switch try ControlToChild(header, payload) {
                case .attach(let attach): index = attach.peer
                // Large frames carry one when their turn has come.
                case .configure where expectsDescriptor.remove(order.count) != nil: index = UInt16(order.count)
                default: break
                }
                guard let index else { return }
                let passed = try queue.take()
                var byte = UInt8(index)
                #expect(write(passed.number, &byte, 1) == 1)
                order.append(index)
            }
        }
        #expect(ended == nil)
        #expect(order == Array(0..<UInt16(count)))
        // Each pipe got its own number, and then its end: no copy is open anywhere.
        for (index, reader) in readers.enumerated() {
            #expect(rest(of: reader) == [UInt8(index)])
            close(reader)
        }
    }

    @Test func `a descriptor belongs to the frame that its bytes begin, wherever that is cut`() throws {
        for cut in 1..<Self.attach.count {
            let ends = try socketPair()
            let peer = Descriptor(owning: ends.1)
            let parcel = try Parcel()
            let passed = parcel.copy()
            var channel = try control(ends.0, loop)
            put(Self.ping, to: peer.number)
            put(Array(Self.attach[..<cut]), with: [passed.number], to: peer.number)
            let first = received(&channel, count: 1)
            #expect(first.types == [4])
            put(Array(Self.attach[cut...]) + Self.ping, to: peer.number)
            let second = received(&channel, count: 2)
            #expect(second.types == [2, 4])
            #expect(second.end == nil)
            #expect(second.descriptors.map { parcel.owns($0) } == [true], "cut at \(cut)")
            for number in second.descriptors { close(number) }
        }
    }

    @Test func `a frame that needs a descriptor and has none is a violation`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try control(ends.0, loop)
        put(Self.ping + Self.attach, to: peer.number)
        let found = received(&channel)
        #expect(found.types == [4])
        #expect(found.end == .violation(.descriptors))
    }

    @Test(arguments: [false, true]) func `a descriptor with a frame that takes none is a violation at once`(_ another: Bool) throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let parcel = try Parcel()
        do {
            var channel = try control(ends.0, loop)
            let passed = parcel.copy()
            // Also when the rest comes later, behind the beginning of a frame that would take one.
            put(another ? Array(Self.ping[..<9]) : Self.ping, with: [passed.number], to: peer.number)
            if another {
                loop.turn(patience: 10_000) { _, readiness in
                    let end = channel.handle(readiness, in: loop) { _, _, _ throws(FrameError) in }
                    #expect(end == nil)
                } alarm: { _ in
                }
                put(Array(Self.ping[9...]) + Self.attach, to: peer.number)
            }
            let found = received(&channel)
            #expect(found.end == .violation(.descriptors))
            #expect(found.descriptors == [])
        }
        #expect(parcel.copies == 0)
    }

    @Test func `a readiness with nothing to read keeps the descriptor that has come`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let parcel = try Parcel()
        var channel = try control(ends.0, loop)
        let passed = parcel.copy()
        put(Array(Self.attach[..<9]), with: [passed.number], to: peer.number)
        for _ in 0..<3 {
            let end = channel.handle([.readable], in: loop) { _, _, _ throws(FrameError) in }
            #expect(end == nil)
        }
        #expect(parcel.copies == 2)
        put(Array(Self.attach[9...]), to: peer.number)
        let found = received(&channel, count: 1)
        #expect(found.end == nil)
        #expect(found.descriptors.map { parcel.owns($0) } == [true])
        for number in found.descriptors { close(number) }
    }

    @Test func `only frames that wait count as waiting`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try control(ends.0, loop)
        cl_set_buffers(ends.0, 4096)
        // The peer always has something left to read, yet takes a frame for each that is queued.
        var taken = 0
        var buffer = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        for nonce in 0..<UInt64(4 * ControlChannel.mostWaiting) {
            guard channel.send(.ping, id: nonce) else { break }
            taken += 1
            let ended = channel.flush(in: loop)
            #expect(ended == nil)
            if nonce > 900 { #expect(read(peer.number, &buffer, buffer.count) == buffer.count) }
        }
        #expect(taken == 4 * ControlChannel.mostWaiting)
    }

    @Test func `what a child said before it died arrives, though nothing can be sent to it any more`() throws {
        let ends = try socketPair()
        let parcel = try Parcel()
        var channel = try control(ends.0, loop)
        put(Self.ping, to: ends.1)
        close(ends.1)
        let taken = channel.send(Attach(kind: .audit, peer: 0, generation: 1), passing: parcel.copy())
        #expect(taken)
        let ended = channel.flush(in: loop)
        #expect(ended == nil, "the end is found behind what has come")
        #expect(parcel.copies == 0)
        let found = received(&channel)
        #expect(found.types == [4])
        #expect(found.end == .closed)
    }

    @Test func `several descriptors and no frame are a violation, and none stays open`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let parcel = try Parcel()
        do {
            var channel = try control(ends.0, loop)
            let passed = parcel.copy()
            put([0, 0, 0], with: Array(repeating: passed.number, count: 8), to: peer.number)
            let found = received(&channel)
            #expect(found.end == .violation(.descriptors))
        }
        #expect(parcel.copies == 0)
    }

    @Test(arguments: [9, 30, 250]) func `more descriptors than there is room for do not stay open either`(_ count: Int) throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let parcel = try Parcel()
        do {
            var channel = try control(ends.0, loop)
            let passed = parcel.copy()
            putMany(Array(repeating: passed.number, count: count), to: peer.number)
            let found = received(&channel)
            #expect(found.end == .violation(.descriptors))
        }
        #expect(parcel.copies == 0)
    }

    @Test func `a peer that leaves amid a frame leaves no descriptor`() throws {
        let ends = try socketPair()
        let parcel = try Parcel()
        var channel = try control(ends.0, loop)
        do {
            let passed = parcel.copy()
            put(Array(Self.attach[..<20]), with: [passed.number], to: ends.1)
        }
        close(ends.1)
        let found = received(&channel)
        #expect(found.end == .closed)
        _ = consume channel
        #expect(parcel.copies == 0)
    }

    @Test func `what was queued with a channel that is dropped is closed`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let parcel = try Parcel()
        do {
            var channel = try control(ends.0, loop)
            for _ in 0..<5 {
                let taken = channel.send(Attach(kind: .audit, peer: 0, generation: 1), passing: parcel.copy())
                #expect(taken)
            }
            #expect(parcel.copies == 5)
        }
        #expect(parcel.copies == 0)
        _ = consume peer
    }

    @Test func `too many frames or too long a frame are refused with their descriptors closed`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        let parcel = try Parcel()
        var channel = try control(ends.0, loop)
        let long = Configure(incarnation: 1, pairs: [("a", String(repeating: "b", count: 65_000)), ("c", String(repeating: "d", count: 1000))])
        let refused = channel.send(long, passing: parcel.copy())
        #expect(!refused)
        #expect(parcel.copies == 0)
        for nonce in 0..<UInt64(ControlChannel.mostWaiting) {
            let taken = channel.send(.ping, id: nonce)
            #expect(taken)
        }
        let over = (channel.send(.ping), channel.send(Attach(kind: .audit, peer: 0, generation: 1), passing: parcel.copy()))
        #expect(over == (false, false))
        #expect(parcel.copies == 0)
        let ended = channel.flush(in: loop)
        #expect(ended == nil)
        let again = channel.send(.ping)
        #expect(again)
        _ = consume peer
    }

    @Test func `an oversized control frame is a violation`() throws {
        let ends = try socketPair()
        let peer = Descriptor(owning: ends.1)
        var channel = try control(ends.0, loop)
        put(Whole(FrameHeader(length: 65_537, type: 1), []).bytes, to: peer.number)
        let found = received(&channel)
        #expect(found.end == .violation(.oversized(length: 65_537, limit: 65_536)))
    }

    @Test func `whatever a peer sends, no descriptor stays open`() throws {
        var random = Seeded(printedFor: "control channel fuzzer")
        let parcel = try Parcel()
        for _ in 0..<400 {
            let ends = try socketPair()
            var channel = try control(ends.0, loop)
            do {
                let passed = parcel.copy()
                for _ in 0..<random.next() % 8 {
                    var bytes: [UInt8] = []
                    for _ in 0...random.next() % 3 { bytes += Bool.random(using: &random) ? Self.attach : Self.ping }
                    if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
                    let count = [0, 0, 1, 1, 1, 2, 8][Int(random.next() % 7)]
                    put(bytes, with: Array(repeating: passed.number, count: count), to: ends.1)
                }
            }
            close(ends.1)
            let found = received(&channel)
            #expect(found.end != nil)
            for number in found.descriptors { close(number) }
            _ = consume channel
            #expect(parcel.copies == 0)
        }
    }
}
