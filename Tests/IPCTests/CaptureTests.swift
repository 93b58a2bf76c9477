// A capture as the edge builds it: frame header and head reserved, runs appended, both filled in last; then sent through a
// channel in many small pieces. What arrives is what was built.
import CLinux
import EventLoop
import Glibc
import Testing

@testable import IPC

/// The runs of a capture, in the order of its layout.
private struct Runs: Equatable {
    static let names = ["request id", "audit id", "caller", "method", "target", "request fields", "request body", "upstream", "response fields", "response body"]
    var runs: [[UInt8]]

    init(_ lengths: [Int]) { runs = lengths.enumerated().map { pattern($1, salt: UInt64($0 + 1)) } }

    init(_ capture: borrowing Capture) {
        runs = [
            array(capture.requestID), array(capture.auditID), array(capture.caller), array(capture.method), array(capture.target),
            array(capture.requestFields), array(capture.requestBody), array(capture.upstream), array(capture.responseFields),
            array(capture.responseBody),
        ]
    }

    var head: CaptureHead {
        var head = CaptureHead()
        head.flags = [.requestTruncated, .clientAborted]
        head.status = 599
        head.acceptedMilliseconds = .max - 1
        head.upstreamStartMicroseconds = 0x0102_0304
        head.firstByteMicroseconds = .max - 3
        head.durationMicroseconds = .max
        head.requestBodyBytes = .max - 4
        head.responseBodyBytes = 0x0102_0304_0506_0708
        head.requestIDLength = UInt8(runs[0].count)
        head.auditIDLength = UInt8(runs[1].count)
        head.callerLength = UInt8(runs[2].count)
        head.methodLength = UInt16(runs[3].count)
        head.targetLength = UInt32(runs[4].count)
        head.requestFieldsLength = UInt32(runs[5].count)
        head.requestBodyLength = UInt32(runs[6].count)
        head.upstreamLength = UInt8(runs[7].count)
        head.responseFieldsLength = UInt32(runs[8].count)
        head.responseBodyLength = UInt32(runs[9].count)
        head.traceIDHigh = 0x0102_0304_0506_0708
        head.traceIDLow = .max - 5
        head.spanID = .max - 6
        head.parentSpanID = 9
        return head
    }

    var payload: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: CaptureHead.byteCount)
        bytes.withUnsafeMutableBytes { head.store(into: $0) }
        return bytes + runs.joined()
    }
}

/// Reserves, appends in pieces of `piece` bytes, fills in: nil when the pool is full.
private func chain(_ runs: Runs, id: UInt64, in pool: BlockPool, piece: Int) -> BlockChain? {
    let reserved = FrameHeader.byteCount + CaptureHead.byteCount
    var chain = BlockChain(in: pool)
    guard [UInt8](repeating: 0xEE, count: reserved).withUnsafeBytes({ chain.appendAll($0) }) else { return nil }
    for run in runs.runs {
        for at in stride(from: 0, to: run.count, by: piece) {
            guard run[at..<min(at + piece, run.count)].withUnsafeBytes({ chain.appendAll($0) }) else { return nil }
        }
    }
    let length = chain.count - FrameHeader.byteCount
    let filled: Void? = chain.withHead(reserved) { bytes in
        FrameHeader(length: UInt32(length), type: Capture.type.rawValue, id: id).store(into: bytes)
        runs.head.store(into: UnsafeMutableRawBufferPointer(rebasing: bytes[FrameHeader.byteCount...]))
    }
    guard filled != nil else { return nil }
    return chain
}

struct CaptureTests {
    private static let typical = [36, 36, 5, 4, 20, 300, 900, 30, 200, 1500]

    @Test(arguments: [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], typical, [255, 255, 255, 65_535, 70_000, 0, 0, 255, 0, 0], [0, 0, 0, 0, 0, 40_000, 300_000, 0, 40_000, 300_000],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ]) func `the head that is stored is the one that is read, and its lengths cut the runs`(_ lengths: [Int]) throws {
        let runs = Runs(lengths)
        let payload = runs.payload
        try payload.withUnsafeBytes {
            let capture = try Capture(from: PayloadReader($0.bytes))
            let head = capture.head
            #expect(head == runs.head)
            let back = Runs(capture)
            #expect(back == runs)
        }
    }

    /// Each field alone, so that two that were swapped show.
    @Test func `every field of the head has its own place`() throws {
        let fields: [(String, (inout CaptureHead) -> Void)] = [
            ("flags", { $0.flags = CaptureFlags(rawValue: .max) }), ("status", { $0.status = .max }), ("accepted", { $0.acceptedMilliseconds = .max }),
            ("upstream start", { $0.upstreamStartMicroseconds = .max }), ("first byte", { $0.firstByteMicroseconds = .max }),
            ("duration", { $0.durationMicroseconds = .max }), ("request bytes", { $0.requestBodyBytes = .max }),
            ("response bytes", { $0.responseBodyBytes = .max }), ("request id", { $0.requestIDLength = .max }), ("audit id", { $0.auditIDLength = .max }),
            ("method", { $0.methodLength = .max }), ("target", { $0.targetLength = .max }), ("request fields", { $0.requestFieldsLength = .max }),
            ("request body", { $0.requestBodyLength = .max }), ("response fields", { $0.responseFieldsLength = .max }),
            ("response body", { $0.responseBodyLength = .max }), ("caller", { $0.callerLength = .max }), ("upstream", { $0.upstreamLength = .max }),
        ]
        for (name, set) in fields {
            var head = CaptureHead()
            set(&head)
            var bytes = [UInt8](repeating: 0, count: CaptureHead.byteCount)
            bytes.withUnsafeMutableBytes { head.store(into: $0) }
            let back = try bytes.withUnsafeBytes {
                var reader = PayloadReader($0.bytes)
                let head = try CaptureHead(from: &reader)
                try reader.end()
                return head
            }
            #expect(back == head, "\(name)")
        }
    }

    @Test func `every truncation names a field, trailing bytes are refused`() {
        let payload = Runs([3, 2, 6, 4, 5, 30, 20, 8, 10, 7]).payload
        for length in 0..<payload.count {
            do {
                try payload[..<length].withUnsafeBytes { _ = try Capture(from: PayloadReader($0.bytes)) }
                Issue.record("cut to \(length) it was taken")
            } catch FrameError.truncated {
            } catch {
                Issue.record("cut to \(length): \(error)")
            }
        }
        #expect(throws: FrameError.trailingBytes(1)) { try (payload + [0]).withUnsafeBytes { _ = try Capture(from: PayloadReader($0.bytes)) } }
    }

    @Test func `a run longer than the payload is refused by its name`() {
        let fields = [(40, 1), (41, 1), (96, 1), (42, 2), (44, 4), (48, 4), (52, 4), (97, 1), (56, 4), (60, 4)]  // offset and size of each length
        for (name, (offset, size)) in zip(Runs.names, fields) {
            for value in [[UInt8](repeating: 0xFF, count: size), [UInt8](repeating: 0, count: size - 1) + [0x80]] {
                var payload = Runs([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).payload
                payload.replaceSubrange(offset..<offset + value.count, with: value)
                #expect(throws: FrameError.truncated(name)) { try payload.withUnsafeBytes { _ = try Capture(from: PayloadReader($0.bytes)) } }
            }
        }
    }

    @Test(arguments: [typical, [36, 36, 5, 4, 8000, 30_000, 262_144, 30, 20_000, 262_144]], [1000, 4080, 65_536])
    func `captures built in blocks arrive identical through a socket that takes little at once`(_ lengths: [Int], piece: Int) throws {
        let loop = try Loop()
        let ends = try socketPair()
        let pool = BlockPool(limitBytes: 8 << 20)
        let attach = Attach(kind: .capture, peer: 0, generation: 1)
        var sender = try Channel(attach, Descriptor(owning: ends.0), in: loop, token: Token(kind: 1), pool: pool, outboxLimit: 8 << 20)
        var receiver = try Channel(attach, Descriptor(owning: ends.1), in: loop, token: Token(kind: 2), pool: pool, outboxLimit: 0)
        cl_set_buffers(ends.0, 4096)

        let runs = Runs(lengths)
        let count = 5
        var frames = BlockChain(in: pool)
        for id in 1...UInt64(count) {
            guard var built = chain(runs, id: id, in: pool, piece: piece) else { throw FrameError.descriptors }
            frames.takeAll(&built)
        }
        var ended = sender.flush(&frames, upTo: frames.count, in: loop)
        #expect(lengths == Self.typical || !frames.isEmpty, "the socket took all at once: nothing was partial")
        var arrived: [UInt64] = []
        run(loop, until: { arrived.count == count || ended != nil }) { token, readiness in
            if token.kind == 1 {
                ended = sender.handle(readiness, in: loop) { _, _ throws(FrameError) in } ?? sender.flush(&frames, upTo: frames.count, in: loop)
            } else {
                ended = receiver.handle(readiness, in: loop) { header, payload throws(FrameError) in
                    guard case .capture(let capture) = try CaptureToDispatcher(header, payload) else { return }
                    let head = capture.head
                    #expect(head == runs.head)
                    let same = Runs(capture) == runs
                    #expect(same)
                    arrived.append(header.id)
                }
            }
        }
        #expect(ended == nil)
        #expect(arrived == Array(1...UInt64(count)))
        #expect(pool.usedBytes == 0)
    }

    @Test func `a capture that the pool has no room for leaves nothing behind`() {
        let pool = BlockPool(limitBytes: 64 << 10)
        let built = chain(Runs([0, 0, 0, 0, 0, 0, 200_000, 0, 0, 0]), id: 1, in: pool, piece: 5000) != nil
        #expect(!built)
        #expect(pool.usedBytes == 0)
    }
}

@Test func `ids of a trace are shown as in a traceparent field`() {
    var head = CaptureHead()
    #expect(head.traceIDText == "" && head.spanIDText == "")
    head.traceIDLow = 0xF
    head.spanID = 0xABC
    #expect(head.traceIDText == "0000000000000000000000000000000f" && head.spanIDText == "0000000000000abc")
}
