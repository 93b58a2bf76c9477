// The ring: bounds, order, bytes that stay whole, against a plain array as model.
import Testing

@testable import broadcaster

struct RecentEventsTests {
    private static func entry(_ epoch: UInt64, _ sequence: UInt64) -> RecentEvents.Entry {
        RecentEvents.Entry(
            number: EventNumber(epoch: epoch, sequence: sequence), kind: .auditComplete, milliseconds: 0, isHistory: false)
    }

    @Test(arguments: [1, 2, 7, 1000]) func `keeps the newest within both limits`(_ countLimit: Int) {
        var random = Random(state: 20_251_125 + UInt64(countLimit))
        var events = RecentEvents(countLimit: countLimit, byteLimit: 64 << 10)
        var model: [[UInt8]] = []
        var bytes = 0
        for sequence in 1...1000 as ClosedRange<UInt64> {
            let length = random.next() % 20 == 0 ? 64 << 10 : 1 + Int(random.next() % 4000)
            var json = [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: length)
            json[length - 1] = UInt8(truncatingIfNeeded: length)
            #expect(json.withUnsafeBytes { events.append(Self.entry(1, sequence), EventFacts(), json: $0) })
            model.append(json)
            bytes += length
            while model.count > events.count { bytes -= model.removeFirst().count }
            #expect(events.count >= 1 && events.count <= countLimit && events.end == sequence)
            #expect(events.byteCount == bytes && bytes <= 64 << 10)
            guard sequence % 97 == 0 else { continue }
            for (position, json) in zip(events.first..<events.end, model) {
                #expect(events.withJSON(at: position) { Array($0) } == json)
                #expect(events.waiting(from: position).count == Int(events.end - position))
            }
            #expect(events.withJSON(at: events.end) { _ in } == nil)
            if events.first > 0 { #expect(events.withJSON(at: events.first - 1) { _ in } == nil) }
        }
    }

    @Test func `too long and empty ones use up their number`() {
        var events = RecentEvents(countLimit: 10, byteLimit: 1 << 20)
        let long = [UInt8](repeating: 0x20, count: RecentEvents.mostEventBytes + 1)
        #expect(!long.withUnsafeBytes { events.append(Self.entry(1, 1), EventFacts(), json: $0) })
        #expect(![UInt8]().withUnsafeBytes { events.append(Self.entry(1, 2), EventFacts(), json: $0) })
        #expect(events.isEmpty && events.newest.sequence == 2)
        #expect(events.waiting(from: 0) == (0, 0) && events.byteCount == 0)
    }

    @Test(arguments: ["", ":", "1", "1:", ":1", "a:1", "1:2:3", "+1:-2", " 1:2"]) func `a malformed number is none`(_ text: String) {
        #expect(EventNumber(text) == nil)
    }
}

/// xorshift64*, seeded.
struct Random {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (state &* 0x2545_F491_4F6C_DD1D) >> 16
    }
}
