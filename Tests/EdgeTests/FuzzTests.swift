// Random interleavings of reads, writes, splits and ends on both sides of the proxy, with good and with mutated messages. The
// properties: nothing traps and nothing is left over; what reaches the upstream is well-formed; what a client gets is a
// beginning of well-formed answers to its requests, with the bodies that the upstream sent.
import EventLoop
import Glibc
import HTTP
import Simulation
import Testing

@testable import edge

/// What one side says, piece by piece.
private struct Script {
    let peer: Peer
    var waiting: [UInt8] = []

    mutating func step(_ random: inout SeededRandom) {
        guard peer.isOpen, !waiting.isEmpty else { return }
        let most = random.oneIn(3) ? 7 : waiting.count
        let count = min(waiting.count, 1 + random.below(most))
        peer.say(Array(waiting.prefix(count)))
        waiting.removeFirst(count)
    }
}

private func mutated(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var bytes = bytes
    for _ in 0...random.below(3) where !bytes.isEmpty {
        let at = random.below(bytes.count)
        switch random.below(5) {
        case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.remove(at: at)
        case 2: bytes.insert(random.pick(Array("\r\n\0 :,;0f\t".utf8)) ?? 0, at: at)
        case 3: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 20)], at: at)
        default: bytes[at] ^= 1 << UInt8(random.below(8))
        }
    }
    return bytes
}

/// A body that tells where it is cut or mixed.
private func body(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(ascii: "a") + UInt8($0 % 23) } }

private func chunked(_ body: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var result: [UInt8] = []
    var rest = body[...]
    while !rest.isEmpty {
        let count = 1 + random.below(rest.count)
        result += Array("\(String(count, radix: 16))\(random.oneIn(8) ? ";e=1" : "")\r\n".utf8) + rest.prefix(count) + Array("\r\n".utf8)
        rest = rest.dropFirst(count)
    }
    return result + Array("0\r\n\(random.oneIn(8) ? "T: v\r\n" : "")\r\n".utf8)
}

private func size(_ random: inout SeededRandom) -> Int {
    switch random.below(10) {
    case 0: 0
    case 1: 20_000 + random.below(60_000)
    case 2: 4000 + random.below(200)
    default: random.below(200)
    }
}

private func request(_ random: inout SeededRandom) -> [UInt8] {
    let method = random.pick(["GET", "HEAD", "POST", "POST", "PUT"]) ?? ""
    var head = "\(method) \(random.pick(["/a", "/b?key=1", "/health", "/v1/chat/completions", "http://y/z"]) ?? "") HTTP/1.\(random.oneIn(8) ? 0 : 1)\r\nHost: x\r\n"
    if random.oneIn(6) { head += "Connection: \(random.pick(["close", "keep-alive", "X-A"]) ?? "")\r\nX-A:  b \r\n" }
    if random.oneIn(8) { head += "Expect: 100-continue\r\n" }
    guard method == "POST" || method == "PUT" else { return Array((head + "\r\n").utf8) }
    let data = body(size(&random))
    if random.oneIn(2), head.contains(" HTTP/1.1") { return Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8) + chunked(data, &random) }
    return Array((head + "Content-Length: \(data.count)\r\n\r\n").utf8) + data
}

private func answer(to method: Method, _ random: inout SeededRandom) -> (bytes: [UInt8], closes: Bool) {
    let data = body(size(&random))
    let interim = random.oneIn(8) ? "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" : ""
    let head = interim + "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    let isBare = method == .head
    switch random.below(6) {
    case 0 where !isBare: return (Array((interim + "HTTP/1.1 204 No Content\r\n\r\n").utf8), false)
    case 1 where !isBare: return (Array((head + "\r\n").utf8) + data, true)
    case 2, 3: return (Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8) + (isBare ? [] : chunked(data, &random)), false)
    default: return (Array((head + "Content-Length: \(data.count)\r\n\r\n").utf8) + (isBare ? [] : data), random.oneIn(8))
    }
}

/// The methods of what a client has said; `.other` where it cannot be read.
private func methods(_ bytes: [UInt8]) -> [Method] {
    let (list, _) = read(bytes) { parser, span, position throws(HTTPError) in try parser.parseRequest(span, from: &position) }
    return list.map(\.method)
}

extension Exchanges {
    @Suite struct Fuzz {
        /// `TRUTHTABLE_SEED=n` repeats one.
        @Test func `whatever both sides do, the proxy keeps its word`() throws {
            let start = Instant.now
            let first = getenv("TRUTHTABLE_SEED").flatMap { UInt64(String(cString: $0)) }
            var seed = first ?? UInt64(start.nanoseconds & 0xFFFF_FFFF)
            print("first seed \(seed)")
            let world = try World(World.settings { $0.upstreamIdleConnections = 2 })
            repeat {
                try round(world, seed)
                seed += 1
            } while first == nil && start.duration(to: .now) < .seconds(5)
        }

        private func round(_ world: World, _ seed: UInt64) throws {
            var random = SeededRandom(seed: seed)
            let requestsAreGood = !random.oneIn(3)
            let answersAreGood = !random.oneIn(3)
            var said: [[UInt8]] = []
            var clients: [Script] = []
            for _ in 0..<(1 + random.below(3)) {
                var script = Script(peer: try world.connect())
                for _ in 0...random.below(4) {
                    let bytes = request(&random)
                    script.waiting += requestsAreGood || random.oneIn(2) ? bytes : mutated(bytes, &random)
                }
                said.append(script.waiting)
                clients.append(script)
            }
            var upstreams: [(script: Script, answered: Int, closes: Bool)] = []
            for step in 0..<400 {
                for index in clients.indices {
                    clients[index].step(&random)
                    if random.oneIn(400) { clients[index].peer.finish() }
                    if random.oneIn(600) { clients[index].peer.reset() }
                    clients[index].peer.isReading = !random.oneIn(5)
                }
                while upstreams.count < world.upstreams.count { upstreams.append((Script(peer: world.upstreams[upstreams.count]), 0, false)) }
                for index in upstreams.indices where upstreams[index].script.peer.isOpen {
                    let peer = upstreams[index].script.peer
                    peer.isReading = !random.oneIn(5)
                    // Parsing all anew each time is quadratic: now and then is enough.
                    if upstreams[index].script.waiting.isEmpty, !upstreams[index].closes, step % 3 == 0 {
                        let list = requests(peer.received)
                        if list.count > upstreams[index].answered, list[upstreams[index].answered].isWhole || random.oneIn(20) {
                            let (bytes, closes) = answer(to: list[upstreams[index].answered].method, &random)
                            upstreams[index].answered += 1
                            upstreams[index].script.waiting = answersAreGood || random.oneIn(2) ? bytes : mutated(bytes, &random)
                            upstreams[index].closes = closes
                        }
                    }
                    upstreams[index].script.step(&random)
                    if upstreams[index].closes, upstreams[index].script.waiting.isEmpty { peer.close() }
                    if random.oneIn(800) { peer.reset() }
                }
                world.turn(patience: 0)
                if clients.allSatisfy({ $0.waiting.isEmpty || $0.peer.end != nil }), upstreams.allSatisfy({ $0.script.waiting.isEmpty }), step > 60, random.oneIn(10) { break }
            }
            for (index, client) in clients.enumerated() {
                client.peer.isReading = true
                _ = client.peer.pump()
                let (list, error) = readAnswers(client.peer.received, to: methods(said[index]))
                #expect(error == nil, "seed \(seed): client \(index) got \(String(decoding: client.peer.received.prefix(2000), as: UTF8.self))")
                if answersAreGood { for message in list where message.status == 200 && !message.head.contains("{") && message.isWhole && message.name.hasPrefix("req_") && message.head.contains("json\r\nX-Truth") { check(message, seed) } }
            }
            for (index, upstream) in world.upstreams.enumerated() {
                let (_, error) = read(upstream.received) { parser, span, position throws(HTTPError) in try parser.parseRequest(span, from: &position) }
                #expect(error == nil, "seed \(seed): upstream \(index) got \(String(decoding: upstream.received.prefix(2000), as: UTF8.self))")
            }
            world.settle("seed \(seed)")
        }

        private func check(_ message: Message, _ seed: UInt64) {
            // The product's own answers to /health have the same head.
            if message.body.starts(with: "{\"status\"".utf8) { return }
            #expect(message.body == body(message.body.count), "seed \(seed): a body is not what was sent")
        }
    }
}
