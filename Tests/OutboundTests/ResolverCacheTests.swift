// The cache's decisions with a false clock: when it asks, what it serves meanwhile, what it forgets.
import EventLoop
import Outbound
import Testing

/// What happens at a second, and what must come of it.
private enum Act: Sendable {
    case lookup(Lookup, asks: Bool)
    case found([String])
    case failed(String)
    case refused(Lookup)
}

private struct Story: Sendable, CustomTestStringConvertible {
    let name: String
    let acts: [(Double, Act)]
    var testDescription: String { name }
}

private let a: Lookup = .addresses(["192.0.2.1", "2001:db8::1"])
private let b: Lookup = .addresses(["192.0.2.2"])
private let down: Lookup = .failed("no address for api.example: Name or service not known")
private let busy: Lookup = .failed("no address for api.example: too many look-ups are waiting")

private let stories = [
    Story(name: "found, fresh, aging, found again", acts: [
        (0, .lookup(.pending, asks: true)), (0.1, .lookup(.pending, asks: false)), (1, .found(["192.0.2.1", "2001:db8::1"])),
        (1, .lookup(a, asks: false)), (30.9, .lookup(a, asks: false)), (31, .lookup(a, asks: true)), (32, .lookup(a, asks: false)),
        (33, .found(["192.0.2.2"])), (33, .lookup(b, asks: false)), (63, .lookup(b, asks: true)),
    ]),
    Story(name: "a failure is asked about again after a second", acts: [
        (0, .lookup(.pending, asks: true)), (5, .failed("Name or service not known")), (5, .lookup(down, asks: false)),
        (5.9, .lookup(down, asks: false)), (6, .lookup(.pending, asks: true)), (7, .found(["192.0.2.2"])), (7, .lookup(b, asks: false)),
    ]),
    Story(name: "old addresses outlive failures for five minutes", acts: [
        (0, .lookup(.pending, asks: true)), (0, .found(["192.0.2.2"])), (30, .lookup(b, asks: true)),
        (31, .failed("Name or service not known")), (31, .lookup(b, asks: false)), (32, .lookup(b, asks: true)),
        (33, .failed("Name or service not known")), (329.9, .lookup(b, asks: true)), (330, .lookup(.pending, asks: false)),
        (330, .failed("Name or service not known")), (330.5, .lookup(down, asks: false)), (331, .lookup(.pending, asks: true)),
    ]),
    Story(name: "a slow look-up is not doubled, and old addresses are served until they are too old", acts: [
        (0, .lookup(.pending, asks: true)), (0, .found(["192.0.2.2"])), (40, .lookup(b, asks: true)), (300, .lookup(b, asks: false)),
        (330, .lookup(.pending, asks: false)), (400, .found(["192.0.2.1", "2001:db8::1"])), (400, .lookup(a, asks: false)),
    ]),
    Story(name: "no address at all is a failure", acts: [
        (0, .lookup(.pending, asks: true)), (0, .found([])), (0, .lookup(.failed("no address for api.example"), asks: false)),
    ]),
    Story(name: "a full queue is not remembered", acts: [
        (0, .lookup(.pending, asks: true)), (0, .refused(busy)), (0, .lookup(.pending, asks: true)), (0, .found(["192.0.2.2"])),
        (31, .lookup(b, asks: true)), (31, .refused(b)), (31, .lookup(b, asks: true)),
    ]),
    Story(name: "answers that nobody asked for are ignored", acts: [
        (0, .found(["192.0.2.2"])), (0, .refused(busy)), (0, .lookup(.pending, asks: true)), (0, .found(["192.0.2.2"])),
        (0, .failed("late")), (0, .found(["203.0.113.1"])), (0, .lookup(b, asks: false)),
    ]),
]

private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .milliseconds(Int64(seconds * 1000)) }

@Suite struct ResolverCacheTests {
    @Test(arguments: stories) private func `asks and serves as told`(_ story: Story) {
        var cache = ResolverCache()
        for (index, (seconds, act)) in story.acts.enumerated() {
            let place = Comment(rawValue: "\(story.name), act \(index)")
            switch act {
            case .lookup(let expected, let asks):
                let result = cache.lookup("API.example", now: at(seconds))
                #expect(result.answer == expected, place)
                #expect(result.ask == asks, place)
                #expect(result.key == "api.example", place)
            case .found(let addresses): cache.answered("api.example", .found(addresses), now: at(seconds))
            case .failed(let reason): cache.answered("api.example", .failed(reason), now: at(seconds))
            case .refused(let expected): #expect(cache.refused("api.example", now: at(seconds)) == expected, place)
            }
        }
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("[2001:DB8::1]", "2001:db8::1"), ("0.0.0.0", "0.0.0.0"),
    ]) func `numeric addresses are their own answer`(_ host: String, _ address: String) {
        var cache = ResolverCache()
        let result = cache.lookup(host, now: at(0))
        #expect(result.answer == .addresses([address]))
        #expect(!result.ask)
        #expect(cache.hostCount == 0)
    }

    @Test(arguments: ["", " ", "a b", "a\0b", "a\n", "ü.example", String(repeating: "a", count: 255)])
    func `what is no host name is refused with a sentence`(_ host: String) {
        var cache = ResolverCache()
        let result = cache.lookup(host, now: at(0))
        guard case .failed(let reason) = result.answer else {
            Issue.record("\(result)")
            return
        }
        #expect(reason.hasPrefix("a host name has "))
        #expect(!result.ask)
    }

    @Test func `staleness is told while it is served`() {
        var cache = ResolverCache()
        _ = cache.lookup("api.example", now: at(0))
        #expect(cache.staleness(of: "api.example", now: at(0)) == nil)
        cache.answered("api.example", .found(["192.0.2.1"]), now: at(0))
        #expect(cache.staleness(of: "api.example", now: at(30)) == nil)
        #expect(cache.staleness(of: "API.example", now: at(42)) == .seconds(12))
        #expect(cache.staleness(of: "api.example", now: at(331)) == nil)
    }

    @Test func `the longest unused host makes room, one being asked about does not`() {
        var cache = ResolverCache()
        for number in 0..<ResolverCache.hostLimit { _ = cache.lookup("h\(number)", now: at(Double(number))) }
        let refused = cache.lookup("one-more", now: at(1000))
        #expect(refused.answer == .failed("too many host names are being looked up"))
        #expect(!refused.ask)
        for number in [3, 5, 7] { cache.answered("h\(number)", .found(["192.0.2.1"]), now: at(1000)) }
        _ = cache.lookup("h3", now: at(1001))
        #expect(cache.lookup("one-more", now: at(1001)).ask)
        #expect(cache.hostCount == ResolverCache.hostLimit)
        #expect(!cache.lookup("h3", now: at(1002)).ask)
        #expect(!cache.lookup("h7", now: at(1002)).ask)
    }
}
