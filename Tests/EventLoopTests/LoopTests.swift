// Loop: alarms and readinesses reach their tokens; signals and other threads wake it.
import CLinux
import Glibc
import Testing

@testable import EventLoop

struct TokenTests {
    @Test(arguments: [(0, 0, 0), (255, .max, 0xFF_FFFF), (1, 0, 0xFF_FFFF), (0xF0, 7, 9), (1, .max, 0)] as [(UInt8, UInt32, UInt32)])
    func `parts come back`(_ kind: UInt8, _ slot: UInt32, _ generation: UInt32) {
        let token = Token(kind: kind, slot: slot, generation: generation)
        #expect(token.kind == kind && token.slot == slot && token.generation == generation)
        #expect(Token(bits: token.bits) == token)
    }

    @Test func `generations go round at 24 bits and touch nothing else`() {
        let token = Token(kind: 3, slot: 4, generation: 0xFF00_0005)
        #expect(token == Token(kind: 3, slot: 4, generation: 5))
    }
}

struct LoopTests {
    private let loop: Loop
    init() throws { loop = try Loop() }

    /// One turn: what was ready and which alarms rang.
    private func turn(patience: Int32 = 10_000) -> (ready: [Token: Readiness], alarms: [Token]) {
        var ready: [Token: Readiness] = [:]
        var alarms: [Token] = []
        loop.turn(patience: patience) { ready[$0] = $1 } alarm: { alarms.append($0) }
        return (ready, alarms)
    }

    @Test func `alarms ring in order and never early`() {
        let start = loop.now
        for (slot, milliseconds) in [(3, 30), (1, 10), (2, 20)] as [(UInt32, Int64)] {
            loop.schedule(Token(kind: 1, slot: slot), after: .milliseconds(milliseconds))
        }
        var rung: [UInt32] = []
        while rung.count < 3 {
            let found = turn()
            for token in found.alarms {
                rung.append(token.slot)
                #expect(loop.now >= start + .milliseconds(10 * Int64(token.slot)))
            }
            guard !found.alarms.isEmpty else {
                Issue.record("woke without an alarm")
                return
            }
        }
        #expect(rung == [1, 2, 3])
    }

    @Test func `an alarm that is over rings in the next turn, without waiting`() {
        loop.schedule(Token(kind: 1), at: Instant(nanoseconds: 0))
        #expect(turn(patience: -1).alarms == [Token(kind: 1)])
        #expect(turn(patience: 0).alarms == [])
    }

    @Test func `an alarm in the distant future only waits`() throws {
        loop.schedule(Token(kind: 1), at: .distantFuture)
        loop.schedule(Token(kind: 1), after: .seconds(Int64.max))
        #expect(turn(patience: 0).alarms == [])
        let ends = try socketPair()
        try loop.add(ends.0, [.readable], Token(kind: 2))
        close(ends.1)
        #expect(turn(patience: -1).ready[Token(kind: 2)] != nil)
        close(ends.0)
    }

    @Test func `an alarm that is set again for now rings once a turn, and readinesses get theirs`() throws {
        let ends = try socketPair()
        try loop.add(ends.0, [.readable], Token(kind: 2))
        loop.schedule(Token(kind: 1), at: loop.now)
        for count in 1...3 {
            var rings = 0
            var readinesses = 0
            loop.turn(patience: 10_000) { _, _ in readinesses += 1 } alarm: { token in
                rings += 1
                if rings < 1000 { loop.schedule(token, at: loop.now) }
            }
            #expect(rings == 1)
            #expect(readinesses == (count > 1 ? 1 : 0))
            if count == 1 { #expect(write(ends.1, "x", 1) == 1) }
        }
        close(ends.0)
        close(ends.1)
    }

    @Test func `readinesses come with their tokens, and only what is asked for`() throws {
        let ends = try socketPair()
        let token = Token(kind: 9, slot: .max, generation: 0xFF_FFFF)
        try loop.add(ends.0, [.readable, .peerClosed], token)
        #expect(turn(patience: 0).ready == [:])
        loop.modify(ends.0, [.readable, .writable], Token(kind: 8))
        #expect(turn().ready == [Token(kind: 8): [.writable]])
        #expect(write(ends.1, "x", 1) == 1)
        #expect(turn().ready == [Token(kind: 8): [.readable, .writable]])
        loop.remove(ends.0)
        #expect(turn(patience: 0).ready == [:])
        try loop.add(ends.0, [.peerClosed], token)
        close(ends.1)
        #expect(turn().ready[token]?.isSuperset(of: [.peerClosed, .hungUp]) == true)
        close(ends.0)
    }

    @Test func `edge-triggered interests are told of changes only`() throws {
        let ends = try socketPair()
        try loop.add(ends.0, [.readable, .edgeTriggered], Token(kind: 1))
        for _ in 0..<2 {
            #expect(write(ends.1, "x", 1) == 1)
            #expect(turn().ready == [Token(kind: 1): [.readable]])
            #expect(turn(patience: 0).ready == [:])
        }
        close(ends.0)
        close(ends.1)
    }

    @Test func `more descriptors than one batch are all served`() throws {
        var pairs: [(Int32, Int32)] = []
        for slot in 0..<UInt32(Loop.batch + 44) {
            let ends = try socketPair()
            try loop.add(ends.0, [.readable, .edgeTriggered], Token(kind: 1, slot: slot))
            #expect(write(ends.1, "x", 1) == 1)
            pairs.append(ends)
        }
        var served: [UInt32: Int] = [:]
        while served.count < pairs.count {
            let ready = turn().ready
            guard !ready.isEmpty else { break }
            for token in ready.keys { served[token.slot, default: 0] += 1 }
        }
        #expect(served.count == pairs.count)
        #expect(served.values.allSatisfy { $0 == 1 })
        for ends in pairs {
            close(ends.0)
            close(ends.1)
        }
    }

    @Test func `a descriptor that cannot be watched is an error`() throws {
        #expect(throws: SystemError("epoll_ctl", code: EBADF)) { try loop.add(-1, [.readable], Token(kind: 1)) }
        let ends = try socketPair()
        try loop.add(ends.0, [.readable], Token(kind: 1))
        #expect(throws: SystemError("epoll_ctl", code: EEXIST)) { try loop.add(ends.0, [.readable], Token(kind: 1)) }
        close(ends.0)
        close(ends.1)
    }

    @Test func `what a handler throws comes out of the turn`() throws {
        loop.schedule(Token(kind: 1), at: loop.now)
        #expect(throws: SystemError("handler", code: 1)) {
            try loop.turn { _, _ throws(SystemError) in } alarm: { _ throws(SystemError) in throw SystemError("handler", code: 1) }
        }
    }

    @Test func `signals are read in the loop`() throws {
        let signals = try Signals([SIGUSR1, SIGUSR2])
        try loop.add(signals.descriptor.number, [.readable], Token(kind: 1))
        #expect(signals.next() == nil)
        for number in [SIGUSR1, SIGUSR2, SIGUSR1] { pthread_kill(pthread_self(), number) }
        #expect(turn().ready == [Token(kind: 1): [.readable]])
        // The same signal twice is one.
        #expect(Set([signals.next(), signals.next()]) == [SIGUSR1, SIGUSR2])
        #expect(signals.next() == nil)
    }

    @Test func `another thread wakes the loop, however often it does`() throws {
        final class Shared: Sendable {
            let wakeup: Wakeup
            init() throws(SystemError) { wakeup = try Wakeup() }
        }
        let shared = try Shared()
        try loop.add(shared.wakeup.descriptor.number, [.readable], Token(kind: 1))
        shared.wakeup.clear()
        #expect(turn(patience: 0).ready == [:])
        for _ in 0..<3 {
            onThread { for _ in 0..<100 { shared.wakeup.signal() } }
            #expect(turn().ready == [Token(kind: 1): [.readable]])
            shared.wakeup.clear()
            #expect(turn(patience: 0).ready == [:])
        }
    }
}
