// The control channel between the supervisor and a child: small frames, some with a descriptor.
import CLinux
import EventLoop
import Glibc

/// One end of a control channel. Frames wait in order; each is written with its descriptor in one piece, because the
/// kernel delivers a descriptor with the bytes that it was sent with.
package struct ControlChannel: ~Copyable {
    /// Frames that may wait; a peer that lets more pile up is not working.
    package static let mostWaiting = 1024

    private struct Waiting {
        let bytes: [UInt8]
        var written = 0
        /// Leaves with the first byte; -1 when there is none or it has left.
        var descriptor: Int32
    }

    package let token: Token
    private let descriptor: Descriptor
    private var decoder = FrameDecoder(limit: ChannelKind.control.payloadLimit)
    private var waiting: [Waiting] = []
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
        guard waiting.count < Self.mostWaiting, payload.count <= ChannelKind.control.payloadLimit else { return false }
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.store(into: $0) }
        bytes.append(contentsOf: payload)
        var number: Int32 = -1
        if let passed { number = passed.release() }
        waiting.append(Waiting(bytes: bytes, descriptor: number))
        return true
    }

    /// Writes what waits, as far as the socket takes it. A peer that is gone is no error here: what it sent before may
    /// wait unread, and `handle` finds the end behind it.
    package mutating func flush(in loop: Loop) -> ChannelEnd? {
        var done = 0
        var code: Int32 = 0
        while code == 0 && done < waiting.count {
            code = Self.write(&waiting[done], to: descriptor.number)
            if code == 0 { done += 1 }
        }
        waiting.removeFirst(done)
        switch code {
        case 0, EAGAIN:
            if blocked != (code == EAGAIN) {
                blocked.toggle()
                loop.modify(descriptor.number, blocked ? [.readable, .writable, .peerClosed] : [.readable, .peerClosed], token)
            }
            return nil
        case EPIPE, ECONNRESET:
            closeWaiting()
            waiting.removeAll()
            shutdown(descriptor.number, Int32(SHUT_RDWR))  // reading ends even if the peer only stopped reading
            return nil
        default:
            return .broken(code)
        }
    }

    /// Writes the rest of a frame; 0, or the error number that it ended with.
    private static func write(_ frame: inout Waiting, to socket: Int32) -> Int32 {
        while frame.written < frame.bytes.count {
            let written = frame.written
            var passed = frame.descriptor
            let sent = frame.bytes.withUnsafeBytes { bytes in
                cl_send_descriptors(socket, bytes.baseAddress.unsafelyUnwrapped + written, bytes.count - written, &passed, passed < 0 ? 0 : 1)
            }
            guard sent >= 0 else { return Int32(truncatingIfNeeded: -sent) }
            if passed >= 0 { close(passed) }
            frame.descriptor = -1
            frame.written += sent
        }
        return 0
    }

    private func closeWaiting() {
        for frame in waiting where frame.descriptor >= 0 { close(frame.descriptor) }
    }

    /// Handles a readiness: sends what waits, reads once, hands out every whole frame. `frame` takes the descriptor that
    /// came with it by `takeDescriptor`; a descriptor that nobody takes is a violation.
    package mutating func handle(_ readiness: Readiness, in loop: Loop, _ frame: (FrameHeader, RawSpan, inout DescriptorQueue) throws(FrameError) -> Void) -> ChannelEnd? {
        if readiness.contains(.writable), let end = flush(in: loop) { return end }
        guard !readiness.isDisjoint(with: [.readable, .peerClosed, .hungUp, .failed]) else { return nil }
        var queue = DescriptorQueue(numbers: received)
        var carried = !received.isEmpty  // came with the beginning of the frame that is whole next
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
        if read < 0 {
            let code = Int32(truncatingIfNeeded: -read)
            guard code == EAGAIN else { return .broken(code) }
            received = queue.release()
            return nil
        }
        do throws(FrameError) {
            while try decoder.next(
                { header, payload throws(FrameError) in
                    let held = queue.numbers.count
                    try frame(header, payload, &queue)
                    guard !carried || queue.numbers.count < held else { throw .descriptors }
                    carried = false
                },
                refused: { error throws(FrameError) in throw error }) {}
        } catch {
            return .violation(error)
        }
        // The kernel ends a read behind the bytes that a descriptor came with: what is left belongs to a frame that has
        // begun, or to none.
        guard queue.numbers.count <= (decoder.holdsPart ? 1 : 0) else { return .violation(.descriptors) }
        received = queue.release()
        return read == 0 ? .closed : nil
    }

    deinit {
        for number in received { close(number) }
        closeWaiting()
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

    /// Gives up what is left: the channel keeps it for the frame that has begun.
    fileprivate mutating func release() -> [Int32] {
        defer { numbers = [] }
        return numbers
    }

    deinit { for number in numbers { close(number) } }
}
