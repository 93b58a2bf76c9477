// BlockPool and BlockChain: a bounded pool that gets everything back, and chains that behave like arrays of bytes.
import CLinux
import Glibc
import Testing

@testable import EventLoop

private let block = BlockPool.payloadBytes

private func contents(_ chain: borrowing BlockChain) -> [UInt8] {
    var bytes: [UInt8] = []
    chain.forEachPiece {
        #expect($0.count > 0 && $0.count <= block, "an empty piece would be sent for nothing")
        bytes.append(contentsOf: $0)
    }
    return bytes
}

extension BlockChain {
    fileprivate mutating func add(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { append($0) } }
    fileprivate mutating func addAll(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { appendAll($0) } }
}

struct BlockPoolTests {
    @Test(arguments: [(1, 1), (4096, 1), (4097, 2), (64 * 4096, 64), (65 * 4096, 65), (200 * 4096, 200), (0, 1)])
    func `a chain gets what the limit says, then nothing, and gives all of it back`(_ limitBytes: Int, _ blocks: Int) {
        let pool = BlockPool(limitBytes: limitBytes)
        for _ in 0..<3 {
            var chain = BlockChain(in: pool)
            let taken = chain.add([UInt8](repeating: 1, count: (blocks + 1) * block))
            #expect(taken == blocks * block)
            #expect(chain.count == taken)
            #expect(pool.usedBytes == blocks * 4096)
            let none = (chain.add([1]), chain.addAll([1]), chain.add([]), chain.addAll([]))
            #expect(none == (0, false, 0, true))
            chain.removeFirst(block)
            let again = chain.add([UInt8](repeating: 2, count: 2 * block))
            #expect(again == block)
            _ = consume chain
            #expect(pool.usedBytes == 0)
        }
    }

    @Test func `what does not fit whole leaves the chain as it was`() {
        let pool = BlockPool(limitBytes: 4 * 4096)
        var chain = BlockChain(in: pool)
        for held in [0, 1, block - 1, block, block + 1] {
            let taken = chain.addAll([UInt8](repeating: 7, count: held))
            #expect(taken)
            let used = pool.usedBytes
            let over = chain.addAll([UInt8](repeating: 8, count: 4 * block - held + 1))
            #expect(!over)
            #expect(contents(chain) == [UInt8](repeating: 7, count: held))
            #expect(pool.usedBytes == used)
            let rest = chain.addAll([UInt8](repeating: 9, count: 4 * block - held))
            #expect(rest)
            chain.removeAll()
            #expect(pool.usedBytes == 0)
        }
    }
}

struct BlockChainTests {
    @Test func `as an array of bytes`() throws {
        var random = Seeded(printedFor: "block chain")
        for _ in 0..<60 {
            let pool = BlockPool(limitBytes: (1 + Int(random.next() % 12)) * 4096)
            let ends = try socketPair()
            defer {
                close(ends.0)
                close(ends.1)
            }
            cl_set_buffers(ends.0, 4096)
            do {
                var chain = BlockChain(in: pool)
                var model: [UInt8] = []
                for _ in 0..<120 {
                    let size = [0, 1, 15, 100, block - 1, block, block + 1, 3 * block][Int(random.next() % 8)]
                    let bytes = random.bytes(size)
                    switch random.next() % 12 {
                    case 0, 1:
                        let taken = chain.add(bytes)
                        #expect(taken <= size)
                        model += bytes[..<taken]
                    case 2:
                        if chain.addAll(bytes) { model += bytes }
                    case 3, 4:
                        var other = BlockChain(in: pool)
                        let taken = other.add(bytes)
                        let cut = Int(random.next() % 20)
                        other.removeFirst(cut)
                        model += bytes[..<taken].dropFirst(cut)
                        chain.takeAll(&other)
                    case 5:
                        let length = Int(random.next() % UInt64(model.count + 10))
                        chain.truncate(to: length)
                        model = Array(model.prefix(length))
                    case 6:
                        let length = random.next() % 4 == 0 ? size : Int(random.next() % UInt64(model.count + 10))
                        chain.removeFirst(length)
                        model = Array(model.dropFirst(length))
                    case 8:
                        let written = chain.appendInPlace(min(size, block)) { room in
                            #expect(room.count >= min(size, block) && room.count <= block)
                            let part = bytes.prefix(Int(random.next() % UInt64(room.count + 1)))
                            room.copyBytes(from: part)
                            return part.count
                        }
                        #expect(written <= size)
                        model += bytes[..<written]
                    case 9:
                        var other = BlockChain(in: pool)
                        let taken = other.add(bytes)
                        if chain.appendAll(other) { model += bytes[..<taken] }
                        #expect(contents(other) == Array(bytes[..<taken]))
                    case 7 where random.next() % 8 == 0:
                        chain.removeAll()
                        model = []
                    default:
                        let before = model
                        let sent = chain.send(to: ends.0)
                        #expect(sent == (chain.isEmpty ? .all : .blocked))
                        model = Array(before.suffix(chain.count))
                        var arrived: [UInt8] = []
                        var buffer = [UInt8](repeating: 0, count: 65_536)
                        while true {
                            let n = cl_receive(ends.1, &buffer, buffer.count)
                            guard n > 0 else { break }
                            arrived += buffer[..<n]
                        }
                        #expect(arrived == Array(before.prefix(before.count - chain.count)))
                    }
                    #expect(chain.count == model.count)
                    let empty = chain.isEmpty
                    #expect(empty == model.isEmpty)
                    #expect(contents(chain) == model)
                    #expect(model.isEmpty == (pool.usedBytes == 0), "an empty chain holds no block")
                }
            }
            #expect(pool.usedBytes == 0)
        }
    }

    @Test func `the head can be filled in while it lies in one block`() {
        let pool = BlockPool(limitBytes: 1 << 20)
        var chain = BlockChain(in: pool)
        #expect(chain.withHead(1) { _ in } == nil)
        let taken = chain.addAll([UInt8](repeating: 1, count: 2 * block))
        #expect(taken)
        #expect(chain.withHead(block + 1) { _ in } == nil)
        #expect(chain.withHead(3) { $0.copyBytes(from: [9, 8, 7]) } != nil)
        chain.removeFirst(1)
        #expect(chain.withHead(2) { Array($0) } == [8, 7])
        #expect(chain.withHead(block) { _ in } == nil)
        #expect(contents(chain).prefix(4) == [8, 7, 1, 1])
    }

    @Test func `what is written in place goes behind what is there, or into a new block`() {
        let pool = BlockPool(limitBytes: 3 * 4096)
        for held in [0, 1, block - 100, block - 99, block] {
            var chain = BlockChain(in: pool)
            let taken = chain.addAll([UInt8](repeating: 1, count: held))
            #expect(taken)
            let used = pool.usedBytes
            for nothing in [0, -1, Int.min] {
                let written = chain.appendInPlace(100) { _ in nothing }
                #expect(written == 0 && pool.usedBytes == used)
            }
            let isBehind = held > 0 && block - held >= 100
            let written = chain.appendInPlace(100) { room in
                #expect(room.count == (isBehind ? block - held : block))
                room.initializeMemory(as: UInt8.self, repeating: 2)
                return .max  // more than there is room for
            }
            #expect(written == (isBehind ? block - held : block))
            #expect(contents(chain) == [UInt8](repeating: 1, count: held) + [UInt8](repeating: 2, count: written))
            #expect(pool.usedBytes == used + (isBehind ? 0 : 4096))
        }
        var chain = BlockChain(in: pool)
        let taken = chain.addAll([UInt8](repeating: 1, count: 3 * block - 5))
        let fits = chain.appendInPlace(5) { _ in 5 }
        let another = chain.appendInPlace(1) { _ in 1 }
        #expect(taken && fits == 5 && another == 0 && chain.count == 3 * block)
    }

    @Test func `lengths from nowhere change nothing`() {
        let pool = BlockPool(limitBytes: 1 << 20)
        var chain = BlockChain(in: pool)
        let taken = chain.addAll([1, 2, 3])
        #expect(taken)
        chain.removeFirst(0)
        chain.truncate(to: 3)
        chain.truncate(to: .max)
        #expect(contents(chain) == [1, 2, 3])
        chain.removeFirst(-1)
        chain.removeFirst(.min)
        #expect(chain.count == 3)
        chain.truncate(to: -1)
        #expect(chain.count == 0)
        chain.removeFirst(.max)
        #expect(chain.count == 0)
        #expect(pool.usedBytes == 0)
    }

    @Test func `more blocks than one system call takes, into a socket that takes little`() throws {
        var random = Seeded(printedFor: "long chain")
        let pool = BlockPool(limitBytes: 8 << 20)
        let ends = try socketPair()
        defer { close(ends.1) }
        let bytes = random.bytes(600 * block + 17)
        do {
            var chain = BlockChain(in: pool)
            for at in stride(from: 0, to: bytes.count, by: 3 * block) {
                var part = BlockChain(in: pool)
                let taken = part.addAll(Array(bytes[at..<min(bytes.count, at + 3 * block)]))
                #expect(taken)
                chain.takeAll(&part)
            }
            cl_set_buffers(ends.0, 4096)
            var arrived: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while arrived.count < bytes.count {
                let sent = chain.send(to: ends.0)
                #expect(sent == (chain.isEmpty ? .all : .blocked))
                guard readable(ends.1) else { break }
                let n = cl_receive(ends.1, &buffer, buffer.count)
                arrived += buffer[..<max(0, n)]
            }
            #expect(arrived == bytes)
        }
        close(ends.0)
        #expect(pool.usedBytes == 0)
    }

    @Test func `no more than asked for is sent`() throws {
        let pool = BlockPool(limitBytes: 1 << 20)
        let ends = try socketPair()
        let bytes = (0..<3 * block).map { UInt8(truncatingIfNeeded: $0 / 7) }
        do {
            var chain = BlockChain(in: pool)
            let taken = chain.addAll(bytes)
            #expect(taken)
            for (limit, left) in [(0, 0), (-1, 0), (1, 1), (block - 1, block), (block + 5, 2 * block + 5), (.max, 3 * block)] {
                let sent = chain.send(to: ends.0, upTo: limit)
                #expect(sent == .all)
                #expect(chain.count == bytes.count - left)
            }
        }
        close(ends.0)
        #expect(rest(of: ends.1) == bytes)
        close(ends.1)
    }

    /// Held bytes, then data that was never in a block: whatever the socket takes, the order is kept, and `blocked` is said
    /// only when the socket takes no more: an edge-triggered interest would wait for ever.
    @Test(arguments: [0, 1, 62, 63, 64, 65, 100, 130], [0, 8192]) func `what is held goes before what follows`(_ blocks: Int, _ buffer: Int32) throws {
        var random = Seeded(printedFor: "held and following")
        for following in [0, 1, 20_000] {
            let pool = BlockPool(limitBytes: 4 << 20)
            let ends = try socketPair()
            cl_set_buffers(ends.0, buffer == 0 ? 4 << 20 : buffer)
            let held = random.bytes(blocks * block)
            let data = random.bytes(following)
            var arrived: [UInt8] = []
            do {
                var chain = BlockChain(in: pool)
                let taken = chain.addAll(held)
                #expect(taken)
                var result = data.withUnsafeBytes { chain.send(to: ends.0, followedBy: $0) }
                #expect(result.isComplete)
                while result.sent == .blocked {
                    let before = chain.count
                    let more = chain.send(to: ends.0)
                    #expect(more == .blocked && chain.count == before, "the socket took more: nobody would have asked it")
                    var room = [UInt8](repeating: 0, count: 100_000)
                    let n = cl_receive(ends.1, &room, room.count)
                    guard n > 0 else { break }
                    arrived += room[..<n]
                    result.sent = chain.send(to: ends.0)
                }
                #expect(result.sent == .all)
                #expect(chain.count == 0)
            }
            close(ends.0)
            arrived += rest(of: ends.1)
            close(ends.1)
            #expect(arrived == held + data)
            #expect(pool.usedBytes == 0)
        }
    }

    @Test func `what follows and finds neither a socket nor a block is told`() throws {
        let pool = BlockPool(limitBytes: 2 * 4096)
        let ends = try socketPair()
        cl_set_buffers(ends.0, 4096)
        while cl_send(ends.0, [0], 1) == 1 {}
        var chain = BlockChain(in: pool)
        let data = [UInt8](repeating: 1, count: 3 * block)
        let result = data.withUnsafeBytes { chain.send(to: ends.0, followedBy: $0) }
        #expect(result.sent == .blocked && !result.isComplete)
        close(ends.1)
        let gone = data.withUnsafeBytes { chain.send(to: ends.0, followedBy: $0) }
        #expect(gone.sent != .blocked && gone.sent != .all)
        close(ends.0)
    }

    @Test func `a peer that is gone is an error, and the bytes stay`() throws {
        let pool = BlockPool(limitBytes: 1 << 20)
        let ends = try socketPair()
        shutdown(ends.1, Int32(SHUT_RD))
        defer {
            close(ends.0)
            close(ends.1)
        }
        var chain = BlockChain(in: pool)
        let taken = chain.addAll([1, 2, 3])
        #expect(taken)
        let sent = (chain.send(to: ends.0), chain.send(to: -1))
        #expect(sent == (.broken(EPIPE), .broken(EBADF)))
        #expect(contents(chain) == [1, 2, 3])
    }
}
