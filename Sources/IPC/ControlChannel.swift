// The control channel between the supervisor and a child: small frames, some with a descriptor.
import CLinux
import EventLoop
import Glibc

/// One end of a control channel. Frames wait in order; each is written with its descriptor in one piece, because the
/// kernel delivers a descriptor with the bytes that it was sent with.
package struct ControlChannel: ~Copyable {
    /// Frames that may wait; a peer that lets more pile up is not working.
    package static let mostWaiting = 1024


    package let token: Token
    private let descriptor: Descriptor
    private var decoder = FrameDecoder(limit: ChannelKind.control.payloadLimit)
    private var waiting: [UInt8] = []
    private var passing: [(offset: Int, descriptor: Int32)] = []  // descriptors by the offset of their frame in `waiting`
    private var waitingCount = 0
    private var received: [Int32] = []
    private var blocked = false

    package init(_ descriptor: consuming Descriptor, in loop: Loop, token: Token) throws(SystemError) {
        try loop.add(descriptor.number, [.readable, .peerClosed], token)
        self.descriptor = descriptor
        self.token = token
    }

    /// Queues a message, with a descriptor that is closed here once it is sent; false when too many wait.
    package mutating func send<M: Message>(_ message: M, passing passed: consuming Descriptor? = nil) -> Bool {
        var payload = PayloadWriter()
        message.encode(into: &payload)
        return queue(FrameHeader(length: UInt32(clamping: payload.bytes.count), type: M.type.rawValue), payload.bytes, passed)
    }

    /// Queues a message that is its type and id.
    package mutating func send(_ type: MessageType, id: UInt64 = 0) -> Bool {
        queue(FrameHeader(length: 0, type: type.rawValue, id: id), [], nil)
    }

    private mutating func queue(_ header: FrameHeader, _ payload: [UInt8], _ passed: consuming Descriptor?) -> Bool {
        guard waitingCount < Self.mostWaiting, payload.count <= ChannelKind.control.payloadLimit else { return false }
        if let passed { passing.append((waiting.count, passed.release())) }
        withUnsafeTemporaryAllocation(byteCount: FrameHeader.byteCount, alignment: 8) { bytes in
            header.store(into: bytes)
            waiting.append(contentsOf: bytes)
        }
        waiting.append(contentsOf: payload)
        waitingCount += 1
        return true
    }

    /// Writes what waits, as far as the socket takes it.
    package mutating func flush(in loop: Loop) -> ChannelEnd? {
        while !waiting.isEmpty {
            // Up to the next frame with a descriptor, or that frame with it.
            let first = passing.first
            let sent: Int
            if let first, first.offset == 0 {
                sent = waiting.withUnsafeBytes { bytes in
                    var number = first.descriptor
                    let frame = FrameHeader.byteCount + Int(FrameHeader(loading: bytes).length)
                    return cl_send_descriptors(descriptor.number, bytes.baseAddress, frame, &number, 1)
                }
            } else {
                sent = waiting.withUnsafeBytes { cl_send(descriptor.number, $0.baseAddress, first?.offset ?? $0.count) }
            }
            if sent < 0 {
                let code = Int32(truncatingIfNeeded: -sent)
                guard code == EAGAIN else { return .broken(code) }
                if !blocked { loop.modify(descriptor.number, [.readable, .writable, .peerClosed], token) }
                blocked = true
                return nil
            }
            if let first, first.offset == 0 {
                close(first.descriptor)
                passing.removeFirst()
            }
            waiting.removeFirst(sent)
            for index in passing.indices { passing[index].offset -= sent }
        }
        waitingCount = 0
        if blocked { loop.modify(descriptor.number, [.readable, .peerClosed], token) }
        blocked = false
        return nil
    }

    /// Handles a readiness: sends what waits, reads once, hands out every whole frame. `frame` takes the descriptor that
    /// came with it by `takeDescriptor`; a descriptor that nobody takes is a violation.
    package mutating func handle(_ readiness: Readiness, in loop: Loop, _ frame: (FrameHeader, RawSpan, inout DescriptorQueue) throws(FrameError) -> Void) -> ChannelEnd? {
        if readiness.contains(.writable), let end = flush(in: loop) { return end }
        guard !readiness.isDisjoint(with: [.readable, .peerClosed, .hungUp, .failed]) else { return nil }
        var queue = DescriptorQueue(numbers: received)
        received = []
        var read = 0
        decoder.fill { room in
            withUnsafeTemporaryAllocation(of: Int32.self, capacity: 8) { numbers in
                var count: Int32 = 8
                read = cl_receive_descriptors(descriptor.number, room.baseAddress, room.count, numbers.baseAddress, &count)
                for index in 0..<max(0, min(8, Int(count))) { queue.numbers.append(numbers[index]) }
            }
            return read
        }
        if read < 0 { return Int32(truncatingIfNeeded: -read) == EAGAIN ? nil : .broken(Int32(truncatingIfNeeded: -read)) }
        do throws(FrameError) {
            while try decoder.next(
                { header, payload throws(FrameError) in try frame(header, payload, &queue) },
                refused: { error throws(FrameError) in throw error }) {}
        } catch {
            return .violation(error)
        }
        // A descriptor can come with the first bytes of its frame only; more than a frame's worth was never announced.
        guard queue.numbers.count <= 1 else { return .violation(.descriptors) }
        received = queue.numbers
        queue.numbers = []
        return read == 0 ? .closed : nil
    }

    deinit {
        for number in received { close(number) }
        for entry in passing { close(entry.descriptor) }
    }
}

/// Descriptors that have come and wait for the frame that announces them; what is left over is closed.
package struct DescriptorQueue: ~Copyable {
    fileprivate var numbers: [Int32]

    fileprivate init(numbers: [Int32]) { self.numbers = numbers }

    /// The descriptor of the frame at hand.
    package mutating func take() throws(FrameError) -> Descriptor {
        guard !numbers.isEmpty else { throw .descriptors }
        return Descriptor(owning: numbers.removeFirst())
    }

    deinit { for number in numbers { close(number) } }
}
