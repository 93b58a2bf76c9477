// FrameDecoder: the same frames come out wherever the reads ended, up to the limit and not beyond it.
import Testing

@testable import IPC

/// Puts `reads` in one after the other and takes out what is whole after each.
private func frames(_ reads: [ArraySlice<UInt8>], limit: Int) -> (frames: [Whole], error: FrameError?) {
    var decoder = FrameDecoder(limit: limit)
    var found: [Whole] = []
    for read in reads {
        var left = read
        repeat {
            decoder.fill { room in
                let count = min(room.count, left.count)
                room.copyBytes(from: left.prefix(count))
                left = left.dropFirst(count)
                return count
            }
            do throws(FrameError) {
                try decoder.drain { header, payload in found.append(Whole(header, array(payload))) }
            } catch {
                return (found, error)
            }
        } while !left.isEmpty
    }
    return (found, nil)
}

struct FrameDecoderTests {
    struct Stream: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let limit: Int
        let frames: [Whole]
        var bytes: [UInt8] { frames.flatMap(\.bytes) }
    }

    static let small = Stream(testDescription: "two small frames", limit: 64, frames: [Whole(type: 1, [7]), Whole(type: 2, id: 9, [])])
    static let several = Stream(
        testDescription: "empty, one byte, extreme header, at the limit, one less", limit: 128,
        frames: [
            Whole(type: 4, []), Whole(type: 17, id: 1, [0xFF]), Whole(type: .max, flags: .max, id: .max, pattern(40)),
            Whole(type: 0, pattern(128, salt: 2)), Whole(type: 33, pattern(127, salt: 3)), Whole(type: 5, []),
        ])

    @Test(arguments: [small, several]) func `frames are the same wherever reads end`(_ row: Stream) {
        let bytes = row.bytes
        for cut in 0...bytes.count {
            let result = frames([bytes[..<cut], bytes[cut...]], limit: row.limit)
            #expect(result.frames == row.frames, "cut at \(cut)")
            #expect(result.error == nil, "cut at \(cut)")
        }
    }

    @Test func `frames are the same wherever two reads end`() {
        let bytes = Self.small.bytes
        for first in 0...bytes.count {
            for second in first...bytes.count {
                let result = frames([bytes[..<first], bytes[first..<second], bytes[second...]], limit: 64)
                #expect(result.frames == Self.small.frames, "cuts at \(first) and \(second)")
            }
        }
    }

    @Test(arguments: [small, several]) func `reads of one byte`(_ row: Stream) {
        let bytes = row.bytes
        #expect(frames(bytes.indices.map { bytes[$0...$0] }, limit: row.limit).frames == row.frames)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 100, 65_519, 65_520, 65_521, 65_536, 70_000])
    func `a payload at the limit is taken, one past it is refused with its length`(limit: Int) {
        let fits = Whole(type: 1, pattern(limit))
        let after = Whole(type: 2, [])
        #expect(frames([fits.bytes[...], after.bytes[...]], limit: limit).frames == [fits, after])

        let over = FrameHeader(length: UInt32(limit + 1), type: 1)
        let refused = frames([(after.bytes + Whole(over, []).bytes)[...]], limit: limit)
        #expect(refused.frames == [after], "what came before is handed out")
        #expect(refused.error == .oversized(length: UInt32(limit + 1), limit: limit))
    }

    @Test func `the longest length that a header can announce is refused`() {
        let result = frames([Whole(FrameHeader(length: .max, type: 33), []).bytes[...]], limit: 1 << 20)
        #expect(result.error == .oversized(length: .max, limit: 1 << 20))
    }

    @Test func `the buffer grows to a frame of one MiB, between small ones`() {
        let limit = ChannelKind.capture.payloadLimit
        let expected = [
            Whole(type: 1, pattern(10)), Whole(type: 33, id: 5, pattern(limit)), Whole(type: 2, pattern(1000)),
            Whole(type: 33, pattern(limit - 1)), Whole(type: 3, []),
        ]
        let bytes = expected.flatMap(\.bytes)
        for size in [4096, 65_536, 212_992, bytes.count] {
            let reads = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(frames(reads, limit: limit).frames == expected, "reads of \(size)")
        }
    }

    @Test func `there is always room for a read, however many small frames came before`() {
        // Frames of 17 bytes end at every offset of the buffer.
        let expected = (0..<20_000).map { Whole(type: 1, id: UInt64($0), [UInt8(truncatingIfNeeded: $0)]) }
        let bytes = expected.flatMap(\.bytes)
        let reads = stride(from: 0, to: bytes.count, by: 1021).map { bytes[$0..<min($0 + 1021, bytes.count)] }
        #expect(frames(reads, limit: 1 << 16).frames == expected)
    }

    @Test func `random frames in random reads`() {
        var random = Seeded(printedFor: "frames in reads")
        for round in 0..<60 {
            let limit = Int.random(in: 0...80_000, using: &random)
            var expected: [Whole] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let payload = pattern(Int.random(in: 0...limit, using: &random), salt: random.next())
                expected.append(Whole(type: .random(in: 0...UInt16.max, using: &random), id: random.next(), payload))
            }
            let bytes = expected.flatMap(\.bytes)
            var reads: [ArraySlice<UInt8>] = []
            var at = 0
            while at < bytes.count && reads.count < 2000 {
                let next = min(bytes.count, at + Int.random(in: 1...(Bool.random(using: &random) ? 40_000 : 40), using: &random))
                reads.append(bytes[at..<next])
                at = next
            }
            reads.append(bytes[at...])
            #expect(frames(reads, limit: limit).frames == expected, "round \(round), limit \(limit)")
        }
    }

    @Test func `a read that claims more than it was lent is not believed`() throws {
        var decoder = FrameDecoder(limit: 64)
        decoder.fill { room in
            room.initializeMemory(as: UInt8.self, repeating: 0)
            return room.count + 1000
        }
        decoder.fill { _ in -5 }
        var count = 0
        try decoder.drain { _, _ in count += 1 }
        #expect(count == 5, "80 bytes of zeros")
    }
}
