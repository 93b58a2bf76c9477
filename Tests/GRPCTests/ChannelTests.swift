// The life of a channel: when it connects, what waits, what is dead; with the time said by the tests.
import EventLoop
import Testing

@testable import GRPC

private func makeChannel(_ limits: ClientChannel.Limits = .init()) -> ClientChannel { ClientChannel(authority: "engine:1", isTLS: false, userAgent: "test", limits: limits) }

private func call(_ channel: ClientChannel, _ id: UInt64, at now: Double, for time: Double = 30) {
    channel.call(id, path: "/a.B/C", message: [], deadline: seconds(now + time), now: seconds(now))
}

private func codes(_ channel: ClientChannel) -> [UInt64: RPCCode] {
    Dictionary(uniqueKeysWithValues: channel.takeOutcomes().map { ($0.id, $0.result.status?.code ?? .ok) })
}

@Test func `a call makes a connection, its answer comes back`() {
    let channel = makeChannel()
    #expect(!channel.wantsConnection && channel.nextAlarm == nil)
    call(channel, 1, at: 0)
    #expect(channel.wantsConnection && channel.nextAlarm == seconds(30))
    channel.connected(now: seconds(1))
    #expect(frameTypes(channel.takeOutput(now: seconds(1))).contains(1))
    #expect(!channel.isReady)
    channel.receive(Frames.settings() + Frames.answer(1, []), now: seconds(2))
    #expect(channel.isReady && codes(channel) == [1: .ok] && channel.nextAlarm == nil)
}

@Test func `an absent server fails calls at once and is tried again later and later`() {
    let channel = makeChannel()
    var now = 0.0
    var rests: [Double] = []
    for round in 1...8 {
        call(channel, UInt64(round), at: now)
        #expect(channel.wantsConnection)
        channel.disconnected("refused", now: seconds(now), jitter: 0.5)
        #expect(codes(channel) == [UInt64(round): .unavailable])
        // While it rests, calls fail without a try.
        call(channel, 100, at: now)
        #expect(!channel.wantsConnection && codes(channel) == [100: .unavailable])
        var rest = 0.0
        repeat {
            rest += 0.01
            channel.connect(now: seconds(now + rest))
        } while !channel.wantsConnection && rest < 10
        rests.append(rest)
        now += rest
    }
    #expect(rests.first! <= 0.06 && rests.last! <= 2.51 && rests.last! > 2.4)
    #expect(zip(rests, rests.dropFirst()).allSatisfy { $0 <= $1 + 0.011 })
}

@Test func `the server's limit of streams is kept, what waits goes next`() {
    let channel = makeChannel()
    call(channel, 1, at: 0)
    channel.connected(now: seconds(0))
    channel.receive(Frames.settings([(3, 2)]), now: seconds(0))
    for id in 2...5 { call(channel, UInt64(id), at: 0) }
    #expect(frameTypes(channel.takeOutput(now: seconds(0))).filter { $0 == 1 }.count == 2)
    channel.receive(Frames.answer(1, []) + Frames.answer(3, []), now: seconds(1))
    #expect(codes(channel) == [1: .ok, 2: .ok])
    #expect(frameTypes(channel.takeOutput(now: seconds(1))).filter { $0 == 1 }.count == 2)
}

@Test func `calls that wait are bounded`() {
    var limits = ClientChannel.Limits()
    limits.waitingCalls = 3
    limits.messageBytes = 10
    let channel = makeChannel(limits)
    for id in 1...4 { call(channel, UInt64(id), at: 0) }
    #expect(codes(channel) == [4: .resourceExhausted])
    channel.cancel(1, now: seconds(0))
    channel.call(5, path: "/a.B/C", message: [UInt8](repeating: 0, count: 11), deadline: seconds(9), now: seconds(0))
    #expect(codes(channel) == [5: .resourceExhausted])
}

@Test func `deadlines end calls, waiting or out`() {
    let channel = makeChannel()
    call(channel, 1, at: 0, for: 1)
    channel.alarm(now: seconds(1))
    #expect(codes(channel) == [1: .deadlineExceeded])
    channel.connected(now: seconds(1))
    call(channel, 2, at: 1, for: 1)
    _ = channel.takeOutput(now: seconds(1))
    channel.alarm(now: seconds(2))
    #expect(codes(channel) == [2: .deadlineExceeded])
    #expect(frameTypes(channel.takeOutput(now: seconds(2))) == [3], "the stream is reset")
}

@Test func `a silent connection is asked for a sign of life, and given up without one`() {
    let channel = makeChannel()
    call(channel, 1, at: 0, for: 100)
    channel.connected(now: seconds(0))
    channel.receive(Frames.settings(), now: seconds(0))
    _ = channel.takeOutput(now: seconds(0))
    #expect(channel.nextAlarm == seconds(20))
    channel.alarm(now: seconds(20))
    #expect(frameTypes(channel.takeOutput(now: seconds(20))).contains(6))
    channel.receive(Frames.pong(), now: seconds(21))
    #expect(channel.nextAlarm == seconds(41))
    channel.alarm(now: seconds(41))
    #expect(!channel.wantsClose && channel.nextAlarm == seconds(51))
    channel.alarm(now: seconds(51))
    #expect(channel.wantsClose)
    channel.disconnected(channel.closeReason, now: seconds(51), jitter: 0.5)
    #expect(codes(channel) == [1: .unavailable])
}

@Test func `an idle connection is not asked`() {
    let channel = makeChannel()
    call(channel, 1, at: 0)
    channel.connected(now: seconds(0))
    channel.receive(Frames.settings() + Frames.answer(1, []), now: seconds(0))
    channel.alarm(now: seconds(1000))
    #expect(!frameTypes(channel.takeOutput(now: seconds(1000))).contains(6) && channel.nextAlarm == nil)
    call(channel, 2, at: 1000, for: 100)
    channel.alarm(now: seconds(1001))
    #expect(!frameTypes(channel.takeOutput(now: seconds(1001))).contains(6))
}

@Test func `a server that leaves finishes what it has, and the rest goes to the next connection`() {
    let channel = makeChannel()
    call(channel, 1, at: 0)
    channel.connected(now: seconds(0))
    _ = channel.takeOutput(now: seconds(0))
    channel.receive(Frames.settings() + Frames.goAway(last: 1, 0), now: seconds(0))
    call(channel, 2, at: 0)
    #expect(!channel.wantsClose)
    channel.receive(Frames.answer(1, []), now: seconds(1))
    #expect(codes(channel) == [1: .ok] && channel.wantsClose)
    channel.disconnected(channel.closeReason, now: seconds(1), jitter: 0.5)
    #expect(channel.wantsConnection && channel.takeOutcomes().isEmpty)
    channel.connected(now: seconds(1))
    _ = channel.takeOutput(now: seconds(1))
    channel.receive(Frames.settings() + Frames.answer(1, []), now: seconds(1))
    #expect(codes(channel) == [2: .ok])
}

@Test func `a server that finds the pings too many gets fewer`() {
    let channel = makeChannel()
    call(channel, 1, at: 0)
    channel.connected(now: seconds(0))
    channel.receive(Frames.settings() + Frames.goAway(last: 0, 11), now: seconds(0))
    channel.disconnected(channel.closeReason, now: seconds(0), jitter: 0.5)
    call(channel, 2, at: 0, for: 1000)
    channel.connected(now: seconds(0))
    channel.receive(Frames.settings(), now: seconds(0))
    #expect(channel.nextAlarm == seconds(300))
}

@Test func `a server that finds the pings too many and still answers does no harm, however often time passes`() {
    let channel = makeChannel()
    call(channel, 1, at: 0, for: 1000)
    channel.connected(now: seconds(0))
    _ = channel.takeOutput(now: seconds(0))
    channel.receive(Frames.settings() + Frames.goAway(last: 1, 11), now: seconds(0))
    for turn in 1...200 { channel.alarm(now: seconds(Double(turn) / 1000)) }
    #expect(!channel.wantsClose && channel.nextAlarm == seconds(300))
    channel.receive(Frames.answer(1, []), now: seconds(1))
    #expect(codes(channel) == [1: .ok] && channel.wantsClose)
}

@Test func `a peer that never says who it is counts as absent`() {
    let channel = makeChannel()
    call(channel, 1, at: 0)
    channel.connected(now: seconds(0))
    channel.receive(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), now: seconds(0))
    _ = channel.takeOutput(now: seconds(0))
    #expect(channel.wantsClose && channel.closeReason.contains("does not speak HTTP/2"))
    channel.disconnected(channel.closeReason, now: seconds(0), jitter: 0.5)
    call(channel, 2, at: 0)
    #expect(!channel.wantsConnection && codes(channel) == [1: .unavailable, 2: .unavailable])
}
