// The resolver with its threads: real names, one look-up per host, a full queue; and the helper threads by themselves.
import EventLoop
import Outbound
import Synchronization
import Testing

/// Looks up until there is an answer, ten seconds at most.
private func settle(_ resolver: inout Resolver, _ host: String) throws -> Lookup {
    let loop = try Loop()
    try loop.add(resolver.wakeupDescriptor, .readable, Token(kind: 1))
    let deadline = Instant.now + .seconds(20)
    var answer = resolver.lookup(host, now: loop.now)
    while answer == .pending, Instant.now < deadline {
        loop.turn(patience: 1000) { _, _ in _ = resolver.finished(now: loop.now) } alarm: { _ in
        }
        answer = resolver.lookup(host, now: loop.now)
    }
    return answer
}

@Suite struct ResolverTests {
    @Test func `localhost is here`() throws {
        var resolver = try Resolver()
        let answer = try settle(&resolver, "localhost")
        guard case .addresses(let addresses) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { $0 == "::1" || $0.hasPrefix("127.") })
        #expect(Set(addresses).count == addresses.count)
    }

    @Test func `a name that does not exist fails with a sentence`() throws {
        var resolver = try Resolver()
        let answer = try settle(&resolver, "does-not-exist.invalid")
        guard case .failed(let reason) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(reason.hasPrefix("no address for does-not-exist.invalid: "))
        #expect(reason.count > "no address for does-not-exist.invalid: ".count)
    }

    @Test func `one look-up per host, the others wait for it`() throws {
        let calls = Counter()
        let gate = Gate()
        var resolver = try Resolver { host in
            calls.add()
            gate.pass()
            return .found(["192.0.2.\(host.count)"])
        }
        for _ in 0..<50 {
            let answer = resolver.lookup("one.example", now: .now)
            #expect(answer == .pending)
        }
        gate.open()
        let answer = try settle(&resolver, "One.Example")
        #expect(answer == .addresses(["192.0.2.11"]))
        #expect(calls.value == 1)
    }

    @Test func `a full queue refuses and counts`() throws {
        let gate = Gate()
        var resolver = try Resolver { _ in
            gate.pass()
            return .found(["192.0.2.1"])
        }
        for number in 0..<Resolver.queueLimit {
            let answer = resolver.lookup("h\(number)", now: .now)
            #expect(answer == .pending)
        }
        let (refused, count) = (resolver.lookup("late.example", now: .now), resolver.refusedCount)
        #expect(refused == .failed("no address for late.example: too many look-ups are waiting"))
        #expect(count == 1)
        gate.open()
        let first = try settle(&resolver, "h0")
        #expect(first == .addresses(["192.0.2.1"]))
        let late = try settle(&resolver, "late.example")
        #expect(late == .addresses(["192.0.2.1"]))
    }
}

@Suite struct HelperThreadTests {
    @Test func `answers come in order and the capacity counts what is not fetched`() throws {
        let helper = try HelperThread<Int, Int>(name: "test", capacity: 3) { $0 * 2 }
        let loop = try Loop()
        try loop.add(helper.wakeupDescriptor, .readable, Token(kind: 1))
        var next = 0
        var answers: [Int] = []
        let deadline = Instant.now + .seconds(20)
        while answers.count < 1000, Instant.now < deadline {
            var taken = 0
            while helper.submit(next) { (next, taken) = (next + 1, taken + 1) }
            #expect(taken <= 3)
            loop.turn(patience: 1000) { _, _ in answers += helper.takeAnswers() } alarm: { _ in
            }
        }
        #expect(answers == (0..<answers.count).map { $0 * 2 })
        #expect(answers.count >= 1000)
    }
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}

/// Holds threads up until it is opened.
private final class Gate: Sendable {
    private let isOpen = Atomic<Bool>(false)
    func open() { isOpen.store(true, ordering: .releasing) }
    func pass() { while !isOpen.load(ordering: .acquiring) { pause() } }
    private func pause() { _ = try? Loop().turn(patience: 1) { _, _ in } alarm: { _ in } }
}
