// A queue of bytes in blocks of a pool: appended at the end, sent or copied from the front.
import CLinux
import Glibc

/// Owns its blocks and gives them back to their pool. Appending takes no memory but blocks; an empty chain holds none.
@usableFromInline
package struct BlockChain: ~Copyable {
    @usableFromInline var first: UnsafeMutablePointer<Block>?
    @usableFromInline var last: UnsafeMutablePointer<Block>?
    @usableFromInline let pool: BlockPool
    /// Bytes held.
    @usableFromInline package internal(set) var count = 0

    @inlinable
    package init(in pool: BlockPool) { self.pool = pool }

    @inlinable @inline(__always)
    package var isEmpty: Bool { count == 0 }

    /// Appends as much of `bytes` as the pool has room for and says how much that was.
    @inlinable
    package mutating func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        // Most pieces are short and fit behind what is there.
        if let last, let source = bytes.baseAddress, bytes.count <= BlockPool.payloadBytes - Int(last.pointee.end) {
            memcpy(last.payload + Int(last.pointee.end), source, bytes.count)
            last.pointee.end &+= UInt32(truncatingIfNeeded: bytes.count)
            count += bytes.count
            return bytes.count
        }
        return appendInBlocks(bytes)
    }

    @usableFromInline
    mutating func appendInBlocks(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard var source = bytes.baseAddress else { return 0 }
        var left = bytes.count
        while left > 0 {
            if last == nil || Int(last.unsafelyUnwrapped.pointee.end) == BlockPool.payloadBytes {
                guard let block = pool.take() else { break }
                if let last { last.pointee.next = block } else { first = block }
                last = block
            }
            let tail = last.unsafelyUnwrapped
            let room = min(left, BlockPool.payloadBytes - Int(tail.pointee.end))
            memcpy(tail.payload + Int(tail.pointee.end), source, room)
            tail.pointee.end += UInt32(truncatingIfNeeded: room)
            source += room
            left -= room
        }
        count += bytes.count - left
        return bytes.count - left
    }

    /// Appends what `write` writes: into the room behind what is there, where that is at least `wanted` bytes, else into a new block.
    /// It says how many bytes it wrote, and so does this; nothing is appended where it says 0, or the pool has no room.
    @inlinable @inline(__always)
    package mutating func appendInPlace(_ wanted: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        var tail = last
        if let block = tail, BlockPool.payloadBytes - Int(block.pointee.end) < wanted { tail = nil }
        guard let block = tail ?? pool.take() else { return 0 }
        let end = Int(block.pointee.end)
        let room = UnsafeMutableRawBufferPointer(start: block.payload + end, count: BlockPool.payloadBytes - end)
        let written = max(0, min(write(room), room.count))
        if tail == nil {
            guard written > 0 else {
                pool.give(block)  // an empty piece would be sent for nothing
                return 0
            }
            if let last { last.pointee.next = block } else { first = block }
            last = block
        }
        block.pointee.end &+= UInt32(truncatingIfNeeded: written)
        count += written
        return written
    }

    /// Appends all of `bytes` or nothing.
    package mutating func appendAll(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let before = count
        guard append(bytes) == bytes.count else {
            truncate(to: before)
            return false
        }
        return true
    }

    /// Appends a copy of all that `other` holds, or nothing.
    package mutating func appendAll(_ other: borrowing BlockChain) -> Bool {
        let before = count
        other.forEachPiece { _ = append($0) }
        guard count - before == other.count else {
            truncate(to: before)
            return false
        }
        return true
    }

    /// Moves all of `other`, of the same pool, to the end without copying.
    package mutating func takeAll(_ other: inout BlockChain) {
        assert(other.pool.state == pool.state, "its blocks would go back to this pool, and both would miscount")
        guard let head = other.first else { return }
        if let last { last.pointee.next = head } else { first = head }
        last = other.last
        count += other.count
        other.first = nil
        other.last = nil
        other.count = 0
    }

    /// Forgets what stands behind the first `length` bytes.
    package mutating func truncate(to length: Int) {
        guard length < count else { return }
        guard length > 0 else { return removeAll() }
        var left = length
        var block = first
        while let current = block {
            let size = Int(current.pointee.end - current.pointee.start)
            if left <= size {
                current.pointee.end = current.pointee.start + UInt32(truncatingIfNeeded: left)
                var rest = current.pointee.next
                while let next = rest {
                    rest = next.pointee.next
                    pool.give(next)
                }
                current.pointee.next = nil
                last = current
                break
            }
            left -= size
            block = current.pointee.next
        }
        count = length
    }

    /// Drops `length` bytes from the front; all when it holds fewer.
    package mutating func removeFirst(_ length: Int) {
        var left = max(0, min(length, count))
        count -= left
        while left > 0, let block = first {
            let size = Int(block.pointee.end - block.pointee.start)
            guard left >= size else {
                block.pointee.start += UInt32(truncatingIfNeeded: left)
                return
            }
            left -= size
            first = block.pointee.next
            if first == nil { last = nil }
            pool.give(block)
        }
    }

    @inlinable @inline(__always)
    package mutating func removeAll() {
        guard first != nil else { return }
        giveBlocks()
        first = nil
        last = nil
        count = 0
    }

    @usableFromInline
    func giveBlocks() {
        var block = first
        while let current = block {
            block = current.pointee.next
            pool.give(current)
        }
    }

    /// The first `length` bytes, which must lie in the first block: for headers that are filled in last.
    @inlinable @inline(__always)
    package func withHead<R>(_ length: Int, _ body: (UnsafeMutableRawBufferPointer) -> R) -> R? {
        guard let first, Int(first.pointee.end - first.pointee.start) >= length else { return nil }
        return body(UnsafeMutableRawBufferPointer(start: first.payload + Int(first.pointee.start), count: length))
    }

    /// Each piece in order, without removing it.
    package func forEachPiece(_ body: (UnsafeRawBufferPointer) -> Void) {
        var block = first
        while let current = block {
            body(UnsafeRawBufferPointer(start: current.payload + Int(current.pointee.start), count: Int(current.pointee.end - current.pointee.start)))
            block = current.pointee.next
        }
    }

    /// The first bytes in one piece, up to `BlockPool.prefixBytes`: for writers that take one at a time. Where several blocks
    /// hold them, a copy that is good until the next one.
    package func withPrefix<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        guard let first else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let size = Int(first.pointee.end - first.pointee.start)
        if size == count { return body(UnsafeRawBufferPointer(start: first.payload + Int(first.pointee.start), count: size)) }
        var copied = 0
        var block: UnsafeMutablePointer<Block>? = first
        while let current = block, copied < BlockPool.prefixBytes {
            let size = min(Int(current.pointee.end - current.pointee.start), BlockPool.prefixBytes - copied)
            memcpy(pool.prefix + copied, current.payload + Int(current.pointee.start), size)
            copied += size
            block = current.pointee.next
        }
        return body(UnsafeRawBufferPointer(start: pool.prefix, count: copied))
    }

    /// What became of an attempt to send.
    package enum Sent: Equatable {
        case all
        case blocked
        case broken(Int32)
    }

    /// Lists the first blocks, up to `limit` bytes, for one system call.
    private func gather(upTo limit: Int, atMost capacity: Int) -> (used: Int, bytes: Int) {
        let pieces = pool.pieces
        var used = 0
        var bytes = 0
        var block = first
        while let current = block, used < capacity, bytes < limit {
            let size = min(Int(current.pointee.end - current.pointee.start), limit - bytes)
            pieces[used] = iovec(iov_base: current.payload + Int(current.pointee.start), iov_len: size)
            bytes += size
            used += 1
            block = current.pointee.next
        }
        return (used, bytes)
    }

    /// Sends the first `limit` bytes, many blocks per system call, until they are sent or the socket takes no more.
    package mutating func send(to descriptor: Int32, upTo limit: Int = .max) -> Sent {
        var left = min(limit, count)
        while left > 0 {
            let offered: Int
            let sent: Int
            if let first, Int(first.pointee.end - first.pointee.start) >= left {  // the common case needs no vector
                offered = left
                sent = cl_send(descriptor, first.payload + Int(first.pointee.start), left)
            } else {
                let used: Int
                (used, offered) = gather(upTo: left, atMost: BlockPool.piecesPerCall)
                sent = cl_send_vector(descriptor, pool.pieces, Int32(used))
            }
            guard sent >= 0 else {
                let code = Int32(truncatingIfNeeded: -sent)
                return code == EAGAIN ? .blocked : .broken(code)
            }
            removeFirst(sent)
            left -= sent
            if sent < offered { return .blocked }
        }
        return .all
    }

    /// Sends everything here and then `data`, in one system call where the socket takes it; what it does not take of `data`
    /// is appended, as far as the pool has room: `isComplete` is false when it had none.
    package mutating func send(to descriptor: Int32, followedBy data: UnsafeRawBufferPointer) -> (sent: Sent, isComplete: Bool) {
        var (used, held) = gather(upTo: .max, atMost: BlockPool.piecesPerCall - 1)
        if held == count {
            pool.pieces[used] = iovec(iov_base: UnsafeMutableRawPointer(mutating: data.baseAddress), iov_len: data.count)
            used += 1
        }
        let sent = cl_send_vector(descriptor, pool.pieces, Int32(used))
        if sent < 0, sent != -Int(EAGAIN) { return (.broken(Int32(truncatingIfNeeded: -sent)), true) }
        let fromHere = min(max(0, sent), held)
        removeFirst(fromHere)
        if fromHere == held, !isEmpty {
            // More blocks than one call takes, and it took all of those: the socket was not asked for the others.
            switch send(to: descriptor) {
            case .all: return send(to: descriptor, followedBy: data)
            case .blocked: break
            case .broken(let code): return (.broken(code), true)
            }
        }
        let rest = UnsafeRawBufferPointer(rebasing: data[(max(0, sent) - fromHere)...])
        guard append(rest) == rest.count else { return (.blocked, false) }
        return (isEmpty ? .all : .blocked, true)
    }

    @inlinable
    deinit {
        if first != nil { giveBlocks() }
    }
}
