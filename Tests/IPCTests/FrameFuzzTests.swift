// A million frames that nobody declared: a message or a FrameError, never a trap.
import Testing

@testable import IPC

struct FrameFuzzTests {
    static let rounds = 1_050_000
    private static let most = 320

    /// Good payloads to start from: mutations of these get past the first checks.
    private static func templates() -> [Whole] {
        let json = Array(#"{"claims":[]}"#.utf8)
        return pattern(60).withUnsafeBytes { bytes in
            [
                Whole(Configure(incarnation: 3, pairs: [("TRUTHTABLE_PORT", "8080"), ("b", "")])),
                Whole(Attach(kind: .audit, peer: 1, generation: 2)),
                Whole(PeerEnded(kind: .audit, peer: 1, generation: 2, signal: 9, ordered: false)),
                Whole(Drain(limitMilliseconds: 45_000)),
                Whole(type: MessageType.ping.rawValue, id: 4, []),
                Whole(Hello(role: 2, place: 1, build: "abc")),
                Whole(type: MessageType.ready.rawValue, []),
                Whole(CaptureOpen(sentBefore: 5)),
                Whole(type: MessageType.capture.rawValue, capturePayload()),
                Whole(Job(lease: 1, attempt: 2, limitMilliseconds: 3, capture: bytes.bytes)),
                Whole(Credit(count: 4)),
                Whole(AuditResult(lease: 1, outcome: .completed, scoreTenths: 900, claims: 2, grade: "A", json: json)),
                Whole(Nack(lease: 1)),
                Whole(Event(epoch: 1, sequence: 2, kind: .auditFailed, milliseconds: 3, json: bytes.bytes)),
                Whole(Subscribe(epoch: 1, sequence: 2)),
            ]
        }
    }

    /// Short runs behind a head that tells of them.
    private static func capturePayload() -> [UInt8] {
        var head = CaptureHead()
        head.requestIDLength = 3
        head.methodLength = 4
        head.targetLength = 1
        head.requestBodyLength = 20
        head.responseBodyLength = 8
        head.callerLength = 3
        head.upstreamLength = 1
        var bytes = [UInt8](repeating: 0, count: CaptureHead.byteCount)
        bytes.withUnsafeMutableBytes { head.store(into: $0) }
        return bytes + pattern(40)
    }

    /// One decoder, chosen by number: true when it gave a message.
    @inline(never)
    private static func decode(_ which: Int, _ header: FrameHeader, _ payload: RawSpan) -> Bool {
        do throws(FrameError) {
            switch which {
            case 0: _ = try ControlToChild(header, payload)
            case 1: _ = try ControlToSupervisor(header, payload)
            case 2: _ = try CaptureToDispatcher(header, payload)
            case 3: _ = try AuditToAuditor(header, payload)
            case 4: _ = try AuditToDispatcher(header, payload)
            case 5: _ = try EventToSubscriber(header, payload)
            default: _ = try EventToDispatcher(header, payload)
            }
            return true
        } catch {
            return false
        }
    }

    /// The decoder that takes `type`, or now and then any.
    private static func decoder(for type: UInt16, _ chance: UInt64) -> Int {
        chance & 15 == 0 ? Int((chance >> 8) % 7) : min(6, Int(type) / 16)
    }

    @Test func `a million frames are messages or errors`() {
        var random = Seeded(printedFor: "frame fuzzer")
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.most, alignment: 8)
        defer { memory.deallocate() }
        let base = memory.baseAddress!
        let templates = Self.templates()
        let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x10, 0x11]
        var taken = [Int](repeating: 0, count: 7)
        var refused = [Int](repeating: 0, count: 7)
        for _ in 0..<Self.rounds {
            let a = random.next()
            let b = random.next()
            let type: UInt16
            var length: Int
            if a & 7 == 0 {
                // Random bytes under a type that exists, or nearly.
                type = UInt16(truncatingIfNeeded: (b >> 8) % 112)
                length = Int((a >> 8) & 127)
                var at = 0
                while at < length {
                    base.storeBytes(of: random.next(), toByteOffset: at, as: UInt64.self)
                    at += 8
                }
            } else {
                let template = templates[Int((a >> 8) % UInt64(templates.count))]
                type = template.header.type
                length = template.payload.count
                template.payload.withUnsafeBytes { memory.copyMemory(from: $0) }
                // Other values at up to three places; then perhaps another length.
                var turn: UInt64 = 0
                while length > 0 && turn < (a >> 20) & 3 {
                    let place = Int((b >> (turn * 16)) % UInt64(length))
                    let value = UInt8(truncatingIfNeeded: a >> (24 + turn * 8))
                    base.storeBytes(of: value & 1 == 0 ? value : interesting[Int(value >> 5)], toByteOffset: place, as: UInt8.self)
                    turn += 1
                }
                switch (a >> 48) & 7 {
                case 0: length = Int(b % UInt64(length + 1))
                case 1: length = min(Self.most, length + Int(b & 31))
                default: break
                }
            }
            let header = FrameHeader(length: UInt32(length), type: type, flags: UInt16(truncatingIfNeeded: b), id: b)
            let which = Self.decoder(for: type, a >> 52)
            if Self.decode(which, header, UnsafeRawBufferPointer(start: base, count: length).bytes) {
                taken[which] += 1
            } else {
                refused[which] += 1
            }
        }
        // A fuzzer that never gets in, or is never refused, tests nothing.
        for which in 0..<7 {
            #expect(taken[which] > 1000, "decoder \(which) took \(taken[which])")
            #expect(refused[which] > 1000, "decoder \(which) refused \(refused[which])")
        }
    }

    @Test func `random streams are frames or an error`() {
        var random = Seeded(printedFor: "stream fuzzer")
        for _ in 0..<2000 {
            var decoder = FrameDecoder(limit: Int(random.next() % 2000))
            var open = true
            for _ in 0..<20 where open {
                let ask = Int(random.next() % 1000)
                // Mostly small numbers, so that lengths are often believable.
                let small = random.next() & 3 != 0
                decoder.fill { room in
                    let count = min(ask, room.count)
                    var at = 0
                    while at + 8 <= count {
                        room.storeBytes(of: small ? random.next() & 0x0000_00FF_0000_01FF : random.next(), toByteOffset: at, as: UInt64.self)
                        at += 8
                    }
                    return at
                }
                do throws(FrameError) {
                    try decoder.drain { _, _ in }
                } catch {
                    open = false
                }
            }
        }
    }
}
