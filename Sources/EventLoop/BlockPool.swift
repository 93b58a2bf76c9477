// Memory for bytes in flight: a bounded pool of fixed-size blocks, and chains of them. Captures, outboxes and slow
// readers' answers live here, because freed buffers of many sizes stay in the heap: the process would keep its peak size.
import Glibc

/// One block: a header and `BlockPool.payloadBytes` of payload, of which start..<end is filled.
@usableFromInline
struct Block {
    @usableFromInline var next: UnsafeMutablePointer<Block>?
    @usableFromInline var start: UInt32
    @usableFromInline var end: UInt32

    @inlinable
    init(next: UnsafeMutablePointer<Block>?, start: UInt32, end: UInt32) {
        self.next = next
        self.start = start
        self.end = end
    }
}

/// A bounded pool of blocks. A handle: copies share it; it lives as long as its process. One thread only.
@usableFromInline
package struct BlockPool {
    /// With its header a block is one page.
    @inlinable package static var payloadBytes: Int { 4096 - MemoryLayout<Block>.stride }

    @usableFromInline
    struct State {
        @usableFromInline var free: UnsafeMutablePointer<Block>?
        @usableFromInline var used: Int
        @usableFromInline var made: Int
        @usableFromInline let limit: Int
    }

    /// Blocks that one system call writes at most.
    static let piecesPerCall = 256

    @usableFromInline let state: UnsafeMutablePointer<State>
    /// Scratch for that call, because on the stack it would be too large and from the heap too dear.
    let pieces: UnsafeMutablePointer<iovec>
    /// What `BlockChain.withPrefix` copies at most: a record of TLS.
    static var prefixBytes: Int { 16_384 }
    let prefix: UnsafeMutableRawPointer

    /// At most `limitBytes` of memory, rounded up to a block; taken from the system as it is needed, and kept.
    package init(limitBytes: Int) {
        state = .allocate(capacity: 1)
        pieces = .allocate(capacity: Self.piecesPerCall)
        prefix = .allocate(byteCount: Self.prefixBytes, alignment: 64)
        state.initialize(to: State(free: nil, used: 0, made: 0, limit: max(1, (limitBytes + 4095) / 4096)))
    }

    package var usedBytes: Int { state.pointee.used * 4096 }

    /// Nil when the limit is reached or the system has no memory.
    @inlinable
    func take() -> UnsafeMutablePointer<Block>? {
        if state.pointee.free == nil { grow() }
        guard let block = state.pointee.free else { return nil }
        state.pointee.free = block.pointee.next
        state.pointee.used += 1
        block.pointee = Block(next: nil, start: 0, end: 0)
        return block
    }

    @inlinable
    func give(_ block: UnsafeMutablePointer<Block>) {
        block.pointee.next = state.pointee.free
        state.pointee.free = block
        state.pointee.used -= 1
    }

    @usableFromInline
    func grow() {
        let count = min(64, state.pointee.limit - state.pointee.made)
        guard count > 0, let memory = aligned_alloc(4096, count * 4096) else { return }
        state.pointee.made += count
        for index in 0..<count {
            let block = (memory + index * 4096).bindMemory(to: Block.self, capacity: 1)
            block.initialize(to: Block(next: state.pointee.free, start: 0, end: 0))
            state.pointee.free = block
        }
    }
}

extension UnsafeMutablePointer<Block> {
    @inlinable
    var payload: UnsafeMutableRawPointer { UnsafeMutableRawPointer(self) + MemoryLayout<Block>.stride }
}
