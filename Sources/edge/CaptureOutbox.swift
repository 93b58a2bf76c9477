// Captures on their way to the dispatcher: edge → dispatcher/CaptureInbox.
import EventLoop
import IPC
import Telemetry

/// Holds whole capture frames until the channel takes them, many per system call: once per loop turn, and as soon as there are
/// many bytes. Never waits: what the capture pool has no room for was dropped before it came here.
///
/// What has been offered to a channel is bound to it and counted as sent *before* it is written: when the channel ends,
/// the dispatcher can tell what was lost on it. What was not offered goes to the next channel.
struct CaptureOutbox: ~Copyable {
    /// Frames offered to the socket at once.
    private static let mostOffered = 128
    /// So much is not kept to the end of the turn: it would have left the processor's cache by then, and what the socket holds is
    /// soon read by a dispatcher that keeps up.
    private static let batchBytes = 128 << 10

    private let slot: ScoreboardSlot
    /// For the first frame of a channel, which must find room when captures have taken all theirs.
    private let openingPool = BlockPool(limitBytes: 4096)
    private var channel: Channel?
    private var token: Token?
    private var frames: BlockChain
    /// Lengths of the frames that are not offered yet, oldest first.
    private var lengths: FrameLengths
    private var boundBytes = 0
    /// What has come since the last write.
    private var newBytes = 0
    private var sent: UInt64
    private var nextID: UInt64 = 1
    /// Why the channel has ended, until `flush` tells.
    private var end: ChannelEnd?

    /// `sentBefore`: what earlier incarnations in this place counted as sent.
    init(pool: BlockPool, slot: ScoreboardSlot, sentBefore: UInt64, capacity: Int) {
        self.slot = slot
        sent = sentBefore
        frames = BlockChain(in: pool)
        lengths = FrameLengths(capacity: capacity)
    }

    var isEmpty: Bool { frames.isEmpty }
    var waitingFrames: Int { lengths.count }

    /// Takes over a finished capture (or counts that there was no room for it).
    mutating func take(_ writer: inout CaptureWriter, in loop: Loop) {
        slot.add(.captured)
        guard !lengths.isFull, let length = writer.finish(id: nextID, to: &frames) else {
            writer.discard()
            slot.add(.droppedCaptureBacklog)
            return
        }
        nextID &+= 1
        lengths.append(length)
        newBytes += length
        if newBytes >= Self.batchBytes { write(pressing: true, in: loop) }
    }

    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor, in loop: Loop, token: Token) -> SystemError? {
        dropChannel()
        end = nil
        do throws(SystemError) {
            var channel = try Channel(attach, descriptor, in: loop, token: token, pool: openingPool, outboxLimit: 4096)
            // The first frame tells what earlier channels took, so that the dispatcher can book what they swallowed: at
            // once, because there may be no capture for a long time.
            _ = channel.send(CaptureOpen(sentBefore: sent))
            _ = channel.flush(in: loop)  // an end is found, and reported, by `handle`
            self.channel = consume channel
            self.token = token
            return nil
        } catch {
            return error
        }
    }

    func isFor(_ token: Token) -> Bool { self.token == token }

    /// The channel is ready for something: for more captures, or it has ended. The dispatcher says nothing on it.
    mutating func handle(_ readiness: Readiness, in loop: Loop) -> ChannelEnd? {
        guard token != nil else { return nil }
        let end = channel!.handle(readiness, in: loop) { header, _ throws(FrameError) in throw .unexpectedType(header.type) }
        if let end {
            dropChannel()
            return end
        }
        return flush(in: loop)
    }

    /// Writes as much as the channel takes; says why the channel has ended, once.
    mutating func flush(in loop: Loop) -> ChannelEnd? {
        write(in: loop)
        defer { end = nil }
        return end
    }

    private mutating func write(pressing: Bool = false, in loop: Loop) {
        newBytes = 0
        guard token != nil else { return }
        end = channel!.flush(in: loop)
        while end == nil, !frames.isEmpty {
            if boundBytes == 0 { offer() }
            let before = frames.count
            end = channel!.flush(&frames, upTo: boundBytes, pressing: pressing, in: loop)
            boundBytes -= before - frames.count
            if boundBytes > 0 { break }
        }
        if end != nil { dropChannel() }
    }

    private mutating func offer() {
        var offered: UInt64 = 0
        while offered < Self.mostOffered, let length = lengths.popFirst() {
            boundBytes += length
            offered += 1
        }
        sent &+= offered
        slot.add(.captureSent, offered)
    }

    private mutating func dropChannel() {
        channel = nil
        token = nil
        frames.removeFirst(boundBytes)
        boundBytes = 0
    }
}

/// A ring of frame lengths; as many as there can be frames in the pool, since a frame takes at least a block.
private struct FrameLengths: ~Copyable {
    private let ring: UnsafeMutablePointer<UInt32>
    private let capacity: Int
    private var first = 0
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = max(1, capacity)
        ring = .allocate(capacity: self.capacity)
    }

    var isFull: Bool { count == capacity }

    mutating func append(_ length: Int) {
        guard !isFull else { return }
        let end = first + count
        (ring + (end < capacity ? end : end - capacity)).initialize(to: UInt32(clamping: length))
        count += 1
    }

    mutating func popFirst() -> Int? {
        guard count > 0 else { return nil }
        defer {
            first = first + 1 < capacity ? first + 1 : 0
            count -= 1
        }
        return Int(ring[first])
    }

    deinit { ring.deallocate() }
}
