// Routes, balancing, limits and CORS, each by itself, on times of the test's own.
import Configuration
import EventLoop
import Glibc
import HTTP
import Inbound
import Simulation
import Synchronization
import Telemetry
import Testing

@testable import edge

private func raw<R>(_ text: String, _ body: (UnsafeRawBufferPointer) -> R) -> R { Array(text.utf8).withUnsafeBytes(body) }

@Suite struct WildcardTests {
    @Test(arguments: [
        ("", ""), ("*", ""), ("*", "anything"), ("/v1/*", "/v1/"), ("/v1/*", "/v1/chat/completions"), ("*gpt*", "my-gpt-4"), ("a*b*c", "abbc"), ("a*b*c", "axxbxxbxc"),
        ("**a", "ba"), ("claude-*-latest", "claude-3-5-latest"),
    ]) func `matches`(_ row: (pattern: String, text: String)) {
        #expect(raw(row.text) { Wildcard(row.pattern).matches($0) })
    }

    @Test(arguments: [("", "a"), ("/v1/*", "/v1"), ("a*b", "abc"), ("a*b*c", "acb"), ("gpt", "gpt-4"), ("*x", "y")]) func `does not match`(_ row: (pattern: String, text: String)) {
        #expect(!raw(row.text) { Wildcard(row.pattern).matches($0) })
    }
}

@Suite struct RouteTableTests {
    private let table = RouteTable([("/v1/messages", ""), ("/api/", ""), ("/v1/chat", "llama*"), ("", "claude-*"), ("/v1", "gpt-4")])

    private func choose(_ path: String, _ model: String? = nil) -> RouteTable.Choice {
        raw(path) { path in
            guard let model else { return table.choose(path: path, model: .absent) }
            return raw(model) { table.choose(path: path, model: .named($0)) }
        }
    }

    private func chooseOpen(_ path: String) -> RouteTable.Choice { raw(path) { table.choose(path: $0, model: .open) } }

    @Test func `paths match by whole segments`() {
        #expect(choose("/v1/messages") == .list(1))
        #expect(choose("/v1/messages/batches") == .list(1))
        #expect(choose("/v1/messagesX") == .list(0))
        #expect(choose("/v1/message") == .list(0))
        #expect(choose("/api/chat") == .list(2))
        #expect(choose("/api") == .list(0))
        #expect(choose("") == .list(0))
    }

    @Test func `the first route that matches counts, by model where it asks for one`() {
        #expect(choose("/v1/chat/completions", "llama3:8b") == .list(3))
        #expect(choose("/v1/chat/completions", "claude-3") == .list(4))
        #expect(choose("/v1/chat/completions", "gpt-4") == .list(5))
        #expect(choose("/v1/chat/completions", "gpt-4o") == .list(0))
        #expect(choose("/v1/messages", "llama3") == .list(1))
        #expect(choose("/elsewhere", "llama3") == .list(0))
    }

    @Test func `a body is asked for its model only when the decision comes to it`() {
        #expect(chooseOpen("/v1/messages") == .list(1))
        #expect(chooseOpen("/v1/chat/completions") == .needsModel)
        #expect(chooseOpen("/elsewhere") == .needsModel)
        #expect(raw("/v1/chat") { RouteTable([("/v1", "")]).choose(path: $0, model: .open) } == .list(1))
        #expect(raw("/any") { RouteTable([]).choose(path: $0, model: .open) } == .list(0))
    }
}

@Suite struct ModelScannerTests {
    @Test func `a body that comes byte by byte is not read through at each byte`() {
        var looks = HeldLooks()
        var read = 0
        for count in 1...ModelScanner.limitBytes where looks.isDue(at: count) { read += count }
        #expect(read <= 4 * ModelScanner.limitBytes, "each look costs what is there")
        let isDecided = looks.isDue(at: ModelScanner.limitBytes)
        #expect(isDecided, "at the limit there is nothing more to wait for")
    }

    private static let cases: [(body: String, model: String?)] = [
        (#"{"model":"gpt-4o","messages":[]}"#, "gpt-4o"), (#" { "messages" : [ {"model":"no","content":"\"model\":\"no\""} ] , "model" : "yes" }"#, "yes"),
        ("\u{FEFF}{\"a\":{\"model\":\"no\"},\"model\":\"yes\"}", "yes"), (#"{"a":"model","model":"yes"}"#, "yes"), (#"{"model":"meta\/llama\\x"}"#, #"meta/llama\x"#),
        (#"{"models":"no","mode":"no","xmodel":"no"}"#, nil), (#"{"model":5,"a":"b"}"#, nil), (#"{"model":["no"],"a":1}"#, nil), (#"{"model":{"model":"no"}}"#, nil), (#"{"model":""}"#, nil),
        (#"{"mo\u0064el":"no"}"#, nil), (#"{"model":"\u0041"}"#, nil), ("[{\"model\":\"no\"}]", nil), ("", nil), ("{", nil), (#"{"model":"cut"#, nil), ("not json", nil),
        (#"{"s":"model","t":["model",":","no"],"model":"yes"}"#, "yes"), (#"{"prompt":"a long text with \"model\": \"no\" in it and }}} brackets","model":"yes"}"#, "yes"),
        ("{\"model\":\"" + String(repeating: "m", count: 128) + "\"}", String(repeating: "m", count: 128)), ("{\"model\":\"" + String(repeating: "m", count: 129) + "\"}", nil),
    ]

    private func scan(_ pieces: [ArraySlice<UInt8>]) -> String? {
        var scanner = ModelScanner()
        for piece in pieces {
            switch piece.withUnsafeBytes({ scanner.scan($0) }) {
            case .found: return scanner.withName { String(decoding: $0, as: UTF8.self) }
            case .absent: return nil
            case .needsMore: continue
            }
        }
        return nil
    }

    @Test(arguments: cases) func `finds the outermost model wherever reads end`(_ row: (body: String, model: String?)) {
        let bytes = Array(row.body.utf8)
        for cut in 0...bytes.count {
            #expect(scan([bytes[..<cut], bytes[cut...]]) == row.model, "\(row.body), cut at \(cut)")
        }
        #expect(scan(bytes.indices.map { bytes[$0...$0] }) == row.model)
    }

    @Test func `looks no further than its limit`() {
        let filler = String(repeating: "x", count: ModelScanner.limitBytes)
        let late = Array("{\"a\":\"\(filler)\",\"model\":\"no\"}".utf8)
        #expect(scan([late[...]]) == nil)
        #expect(scan([late[..<30_000], late[30_000...]]) == nil)
        let early = Array("{\"a\":\"\(filler.dropLast(40))\",\"model\":\"yes\"}".utf8)
        #expect(scan([early[...]]) == "yes")
    }

    @Test func `any bytes give an answer`() {
        var random = SeededRandom(seed: 5)
        let alphabet = Array(#"{}[]":,\model 12"#.utf8)
        for _ in 0..<2000 {
            let bytes = (0..<random.below(80)).map { _ in random.pick(alphabet) ?? 0 }
            let cut = random.below(bytes.count + 1)
            #expect(scan([bytes[..<cut], bytes[cut...]]) == scan([bytes[...]]))
        }
    }
}

@Suite struct TokenBucketTests {
    private let second: UInt64 = 1_000_000_000

    private func bucket(_ limit: Int) -> TokenBucket { TokenBucket(perMinute: limit, CallerQuotas.standalone().entry(of: 1).fullAt) }

    @Test(arguments: [1, 2, 7, 60, 999, 1_000_000]) func `a full bucket gives exactly its limit at once`(_ limit: Int) {
        let bucket = bucket(limit)
        let now = 5 * second
        var taken = 0
        while bucket.take(now), taken <= limit { taken += 1 }
        #expect(taken == limit)
        // The next one comes when it is said to, and not a nanosecond before.
        let wait = bucket.wait(now)
        #expect(wait > 0 && wait <= 60 * second / UInt64(limit))
        #expect(!bucket.take(now + wait - 1))
        #expect(bucket.take(now + wait))
        #expect(!bucket.take(now + wait))
    }

    @Test func `over an hour it gives its limit for each minute, and what it was full of`() {
        let bucket = bucket(30)
        var taken = 0
        for step in 0..<(3600 * 10) where bucket.take(UInt64(step) * second / 10 + second) { taken += 1 }
        #expect(taken == 30 * 60 + 30 - 1)  // the last one is due just after the hour
    }

    @Test func `a changed limit keeps what was used`() {
        let cell = CallerQuotas.standalone().entry(of: 1).fullAt
        let bucket = TokenBucket(perMinute: 10, cell)
        for _ in 0..<10 { #expect(bucket.take(second)) }
        let larger = TokenBucket(perMinute: 20, cell)
        #expect(!larger.take(second))
        #expect(larger.take(second + 3 * second))
    }
}

@Suite struct BalancerTests {
    private func order(_ balancer: inout Balancer, _ count: Int, excluding: UInt32 = 0) -> [Int] { (0..<count).map { _ in balancer.next(excluding: excluding) ?? -1 } }

    @Test func `weights are shares, without bursts`() {
        var balancer = Balancer([5, 1, 1].enumerated().map { Balancer.Member(target: $0.offset, weight: $0.element) })
        #expect(order(&balancer, 7) == [0, 0, 1, 0, 2, 0, 0])
        #expect(order(&balancer, 7) == [0, 0, 1, 0, 2, 0, 0])
    }

    @Test func `what is excluded gets nothing, and the others their shares`() {
        var balancer = Balancer([3, 2, 1].enumerated().map { Balancer.Member(target: $0.offset, weight: $0.element) })
        let without = order(&balancer, 300, excluding: 1)
        #expect(!without.contains(0) && without.filter { $0 == 1 }.count == 200)
        #expect(order(&balancer, 1, excluding: 7) == [-1])
    }
}

@Suite struct CORSPolicyTests {
    private func policy(_ text: String) throws -> CORSPolicy { CORSPolicy(try #require(AllowedOrigins(text))) }

    @Test func `credentials are for listed origins only`() throws {
        let listed = try policy("https://app.example,local")
        #expect(listed.grant("https://app.example") == .originWithCredentials)
        #expect(listed.grant("HTTPS://APP.example") == .originWithCredentials)
        #expect(listed.grant("http://localhost:3000") == .origin)
        #expect(listed.grant("null") == .origin)
        #expect(listed.grant("https://app.example.evil") == .none)
        #expect(listed.grant("http://app.example") == .none)
        #expect(listed.grant(String(repeating: "x", count: 301)) == .none)
        let all = try policy("*")
        #expect(all.grant("https://anybody.example") == .any && !all.varies)
        let both = try policy("*,https://app.example")
        #expect(both.grant("https://app.example") == .originWithCredentials && both.grant("https://other.example") == .any && both.varies)
        #expect(CORSPolicy(.localOnly).grant("https://app.example") == .none)
    }
}

@Suite struct CallerTableTests {
    private final class Callers {
        private var table: CallerTable

        init(_ quotas: CallerQuotas = .standalone()) { table = CallerTable(quotas) }

        func find(_ name: String) -> Int? { table.find(raw("key of " + name) { CallerKey.Hash(of: $0) }) }
        func admit(_ caller: Int, _ now: UInt64 = 1) -> CallerTable.Admission { table.admit(caller, now) }
        func release(_ caller: Int) { table.release(caller) }
        func replace(with entries: [CallerKeyEntry]) { table.replace(with: entries) }
    }

    private static func entry(_ name: String, perMinute: Int? = nil, streams: Int? = nil) -> CallerKeyEntry {
        CallerKeyEntry(name: name, hash: raw("key of " + name) { CallerKey.Hash(of: $0).bytes }, requestsPerMinute: perMinute, concurrentStreams: streams, created: "now")
    }

    @Test func `a thousand keys at their limits admit exactly what is allowed`() throws {
        let table = Callers()
        table.replace(with: (0..<1000).map { Self.entry("k\($0)", perMinute: 1 + $0 % 50) })
        var random = SeededRandom(seed: 11)
        var admitted = [Int](repeating: 0, count: 1000)
        for _ in 0..<100_000 {
            let key = random.below(1000)
            let caller = try #require(table.find("k\(key)"))
            if table.admit(caller) == .admitted {
                admitted[key] += 1
                table.release(caller)
            }
        }
        // Each key was asked for a hundred times or so, and in any case more often than its limit.
        #expect(admitted == (0..<1000).map { 1 + $0 % 50 })
        #expect(table.find("k1000") == nil)
    }

    @Test func `what keys have used is known to other edges and to the next one`() throws {
        let quotas = CallerQuotas.standalone()
        let edges = [Callers(quotas), Callers(quotas)]
        for (number, edge) in edges.enumerated() { edge.replace(with: [Self.entry("a", perMinute: 5), Self.entry("b\(number)", perMinute: 1)]) }
        var admitted = 0
        for _ in 0..<4 {
            for edge in edges where edge.admit(try #require(edge.find("a"))) == .admitted { admitted += 1 }
        }
        #expect(admitted == 5)
        let next = Callers(quotas)
        next.replace(with: [Self.entry("b1", perMinute: 1), Self.entry("a", perMinute: 5)])
        #expect(next.admit(try #require(next.find("a"))) == .rateLimited(wait: TokenBucket.window / 5))
        #expect(next.admit(try #require(next.find("b1"))) == .admitted)
        // Back in the file after it was gone.
        next.replace(with: [])
        next.replace(with: [Self.entry("b1", perMinute: 1)])
        #expect(next.admit(try #require(next.find("b1"))) == .rateLimited(wait: TokenBucket.window))
    }

    @Test func `streams are counted until they end`() throws {
        let table = Callers()
        table.replace(with: [Self.entry("a", streams: 2)])
        let caller = try #require(table.find("a"))
        #expect(table.admit(caller) == .admitted)
        #expect(table.admit(caller) == .admitted)
        #expect(table.admit(caller) == .tooManyStreams)
        table.release(caller)
        #expect(table.admit(caller) == .admitted)
        #expect(table.admit(caller) == .tooManyStreams)
    }

    @Test func `streams are counted over all edges, also when a file tells of a limit late and when an edge has died`() throws {
        let quotas = CallerQuotas.standalone()
        let edges = [Callers(quotas), Callers(quotas.seen(by: 1))]
        let limited = [Self.entry("a", streams: 3)]
        edges[0].replace(with: [Self.entry("a")])
        edges[1].replace(with: limited)
        let (here, there) = (try #require(edges[0].find("a")), try #require(edges[1].find("a")))
        #expect(edges[0].admit(here) == .admitted)
        #expect(edges[0].admit(here) == .admitted)
        edges[0].replace(with: limited)
        #expect(edges[1].admit(there) == .admitted)
        #expect(edges[1].admit(there) == .tooManyStreams)
        #expect(edges[0].admit(here) == .tooManyStreams)
        edges[0].release(here)
        #expect(edges[1].admit(there) == .admitted)
        #expect(edges[0].admit(here) == .tooManyStreams)
        // The first edge dies with a stream under way; its successor has none.
        let successor = Callers(quotas)
        successor.replace(with: limited)
        let again = try #require(successor.find("a"))
        #expect(successor.admit(again) == .admitted)
        #expect(successor.admit(again) == .tooManyStreams)
        // Revoked while under way, and back in the file: the old stream's end takes nothing off the new one's count.
        successor.replace(with: [])
        successor.replace(with: limited)
        let back = try #require(successor.find("a"))
        #expect(successor.admit(back) == .admitted)
        successor.release(again)
        #expect(successor.admit(back) == .tooManyStreams)
    }

    @Test func `of two edges that ask for a key's last stream at once, one gets it`() throws {
        let quotas = CallerQuotas.standalone()
        let edges = (0..<2).map { OneEdge(Callers(quotas.seen(by: $0))) }
        for edge in edges { edge.callers.replace(with: [Self.entry("a", streams: 1)]) }
        let meeting = Meeting()
        let rounds = 10_000
        let wins = Mutex([Int](repeating: 0, count: rounds))
        @Sendable func race(_ edge: OneEdge) {
            let caller = edge.callers.find("a") ?? -1
            for round in 0..<rounds {
                meeting.meet()
                let isAdmitted = edge.callers.admit(caller) == .admitted
                if isAdmitted { wins.withLock { $0[round] += 1 } }
                meeting.meet()
                if isAdmitted { edge.callers.release(caller) }
            }
            meeting.meet()
        }
        try startThread("other-edge") { [edge = edges[1]] in race(edge) }
        race(edges[0])
        #expect(wins.withLock { $0.count { $0 != 1 } } == 0)
        for edge in edges {
            let caller = try #require(edge.callers.find("a"))
            #expect(edge.callers.admit(caller) == .admitted)
            edge.callers.release(caller)
        }
    }

    /// An edge's callers, used by one thread at a time.
    private struct OneEdge: @unchecked Sendable {
        let callers: Callers

        init(_ callers: Callers) { self.callers = callers }
    }

    /// Where two threads wait for each other.
    private final class Meeting: Sendable {
        private let arrivals = Atomic<Int>(0)

        func meet() {
            let meeting = arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue / 2
            var looks = 0
            while arrivals.load(ordering: .acquiring) < 2 * (meeting + 1) {
                looks += 1
                if looks > 1000 { sched_yield() }  // else the two would not be on their way at the same time
            }
        }
    }

    @Test func `a changed file keeps what keys have used, and forgets those that are gone`() throws {
        let table = Callers()
        table.replace(with: [Self.entry("a", perMinute: 2), Self.entry("b", streams: 1)])
        let a = try #require(table.find("a"))
        let b = try #require(table.find("b"))
        #expect(table.admit(a) == .admitted)
        #expect(table.admit(a) == .admitted)
        #expect(table.admit(b) == .admitted)
        table.replace(with: [Self.entry("a", perMinute: 2), Self.entry("c")])
        #expect(table.find("a") == a)
        #expect(table.admit(a) == .rateLimited(wait: TokenBucket.window / 2))
        #expect(table.find("b") == nil)
        // b's number is b's until its stream has ended.
        let c = try #require(table.find("c"))
        #expect(c != b)
        table.release(b)
        table.replace(with: [Self.entry("a"), Self.entry("c"), Self.entry("d")])
        #expect(table.find("d") == b)
        #expect(table.admit(a) == .admitted)
        table.replace(with: [])
        #expect(table.find("a") == nil && table.find("d") == nil)
    }
}
