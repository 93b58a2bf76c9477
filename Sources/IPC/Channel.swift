// A data channel: frames over a non-blocking stream socket, with a bounded outbox. Nobody waits on it: what does not fit
// is refused, and what became of a refused frame is the sender's stated policy.
import CLinux
import EventLoop
import Glibc

/// Why a channel is of no more use. The owner drops the channel; the supervisor hands out a new one.
package enum ChannelEnd: Error, Equatable {
    case closed
    case broken(Int32)
    case violation(FrameError)
}

/// One end of a channel.
package struct Channel: ~Copyable {
    package let kind: ChannelKind
    /// The place of the process at the other end.
    package let peer: UInt16
    package let generation: UInt32
    package let token: Token

    private let descriptor: Descriptor
    private var decoder: FrameDecoder
    private var outbox: BlockChain
    private let outboxLimit: Int
    private var writer = PayloadWriter()
    private var blocked = false

    /// Takes over an attached descriptor and registers it. The outbox takes up to `outboxLimit` bytes of `pool`.
    package init(_ attach: Attach, _ descriptor: consuming Descriptor, in loop: Loop, token: Token, pool: BlockPool, outboxLimit: Int) throws(SystemError) {
        kind = attach.kind
        peer = attach.peer
        generation = attach.generation
        self.token = token
        cl_set_buffers(descriptor.number, 1 << 20)
        try loop.add(descriptor.number, [.readable, .peerClosed], token)
        self.descriptor = descriptor
        decoder = FrameDecoder(limit: attach.kind.payloadLimit)
        outbox = BlockChain(in: pool)
        self.outboxLimit = outboxLimit
    }

    /// Bytes that wait to be written.
    package var waitingBytes: Int { outbox.count }

    /// Puts a message into the outbox; false when it does not fit. `flush` sends it.
    package mutating func send<M: Message & ~Escapable>(_ message: borrowing M, id: UInt64 = 0) -> Bool {
        writer.removeAll()
        message.encode(into: &writer)
        return queue(M.type, id)
    }

    /// The same for a message that is its type and id.
    package mutating func send(_ type: MessageType, id: UInt64) -> Bool {
        writer.removeAll()
        return queue(type, id)
    }

    private mutating func queue(_ type: MessageType, _ id: UInt64) -> Bool {
        guard writer.bytes.count <= kind.payloadLimit, outbox.count + FrameHeader.byteCount + writer.bytes.count <= outboxLimit else { return false }
        let header = FrameHeader(length: UInt32(truncatingIfNeeded: writer.bytes.count), type: type.rawValue, id: id)
        let before = outbox.count
        let appended = withUnsafeTemporaryAllocation(byteCount: FrameHeader.byteCount, alignment: 8) { bytes in
            header.store(into: bytes)
            return outbox.appendAll(UnsafeRawBufferPointer(bytes))
        }
        guard appended, writer.bytes.withUnsafeBytes({ outbox.appendAll($0) }) else {
            outbox.truncate(to: before)
            return false
        }
        return true
    }

    /// Writes what waits, as far as the socket takes it; called once per loop turn and when the socket can take more.
    /// A peer that is gone is no error here: what it sent before may wait unread, and `handle` finds the end behind it.
    package mutating func flush(in loop: Loop) -> ChannelEnd? {
        guard !blocked, !outbox.isEmpty else { return nil }
        return conclude(outbox.send(to: descriptor.number), in: loop)
    }

    /// Writes the first `limit` bytes of whole frames that the caller keeps; only while nothing waits in the outbox. `pressing`: also
    /// when the socket was full and nobody has told yet that it is not any more.
    package mutating func flush(_ frames: inout BlockChain, upTo limit: Int, pressing: Bool = false, in loop: Loop) -> ChannelEnd? {
        guard !blocked || pressing, outbox.isEmpty else { return nil }
        return conclude(frames.send(to: descriptor.number, upTo: limit), in: loop)
    }

    /// Asks for writability only while the socket is full.
    private mutating func conclude(_ sent: BlockChain.Sent, in loop: Loop) -> ChannelEnd? {
        switch sent {
        case .all: return nil
        case .blocked:
            guard !blocked else { return nil }
            blocked = true
            loop.modify(descriptor.number, [.readable, .writable, .peerClosed], token)
            return nil
        case .broken(EPIPE), .broken(ECONNRESET):
            outbox.removeAll()
            blocked = true  // for good: nothing is written any more
            shutdown(descriptor.number, Int32(SHUT_RDWR))  // reading ends even if the peer only stopped reading
            return nil
        case .broken(let code): return .broken(code)
        }
    }

    /// Handles a readiness: sends what waits, reads once, hands out every whole frame that has come.
    package mutating func handle(_ readiness: Readiness, in loop: Loop, _ frame: (FrameHeader, RawSpan) throws(FrameError) -> Void) -> ChannelEnd? {
        if readiness.mayWrite, blocked {
            blocked = false
            loop.modify(descriptor.number, [.readable, .peerClosed], token)
            if let end = flush(in: loop) { return end }
        }
        guard readiness.mayRead else { return nil }
        var read = 0
        decoder.fill { room in
            read = cl_receive(descriptor.number, room.baseAddress, room.count)
            return read
        }
        switch Int32(truncatingIfNeeded: -read) {
        case EAGAIN: return nil
        case ECONNRESET: return .closed  // the peer ended with frames of ours unread; what it sent has been read
        case let code where code > 0: return .broken(code)
        default: break
        }
        do throws(FrameError) {
            while try decoder.next(frame, refused: { error throws(FrameError) in throw error }) {}
        } catch {
            return .violation(error)
        }
        return read == 0 ? .closed : nil
    }
}
