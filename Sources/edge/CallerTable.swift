// The callers' keys with their limits and what they use of them: found by the SHA-256 of what a request shows, changed as a
// whole when the key file has changed. Pure: the time is an argument.
import Configuration
import HTTP
import Inbound
import Telemetry

/// A caller keeps its number while requests of it are under way, also when its key is revoked meanwhile.
struct CallerTable: ~Copyable {
    enum Admission: Equatable {
        case admitted
        /// Nanoseconds until there is a request left.
        case rateLimited(wait: UInt64)
        case tooManyStreams
    }

    private struct Caller {
        var hash: CallerKey.Hash
        let quota: CallerQuotas.Entry
        var isRevoked = false
        /// In this edge.
        var streams = 0
        var streamLimit: Int?
        var bucket: TokenBucket?
        /// Kept for the life of the process, as captures and log lines take it without a reference.
        var name: UnsafeRawBufferPointer
        /// Its row of figures; -1 until the first request.
        var row = -1
    }

    private let quotas: CallerQuotas
    private var callers: UnsafeMutableBufferPointer<Caller>
    private var used = 0
    private var free: [Int] = []
    /// Open addressing by the first bytes of the hash: these are as random as the keys, so neither a search nor its time tells
    /// anything about a key that one does not have. A power of two, at least twice the number of keys; -1 is empty.
    private var index: UnsafeMutableBufferPointer<Int32>

    init(_ quotas: CallerQuotas) {
        self.quotas = quotas
        callers = .allocate(capacity: 0)
        index = .allocate(capacity: 1)
        index.initialize(repeating: -1)
    }

    deinit {
        callers.deallocate()
        index.deallocate()
    }

    // MARK: Requests

    /// The number of the caller, nil for a key that there is not.
    func find(_ hash: CallerKey.Hash) -> Int? {
        let mask = index.count - 1
        var place = Int(truncatingIfNeeded: hash.first) & mask
        while index[place] >= 0 {
            let caller = Int(index[place])
            if callers[caller].hash == hash { return caller }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Counts a request of the caller as begun, unless a limit refuses it; `release` ends it.
    mutating func admit(_ caller: Int, _ now: UInt64) -> Admission {
        let place = callers.baseAddress.unsafelyUnwrapped + caller
        if let limit = place.pointee.streamLimit, !place.pointee.quota.tell(streams: place.pointee.streams + 1, limit: limit) { return .tooManyStreams }
        place.pointee.streams += 1
        if let bucket = place.pointee.bucket, !bucket.take(now) {
            release(caller)
            return .rateLimited(wait: bucket.wait(now))
        }
        return .admitted
    }

    mutating func release(_ caller: Int) {
        let place = callers.baseAddress.unsafelyUnwrapped + caller
        place.pointee.streams -= 1
        // A revoked key may be a new caller's by now.
        if place.pointee.streamLimit != nil, !place.pointee.isRevoked { place.pointee.quota.tell(streams: place.pointee.streams) }
        giveBack(caller)
    }

    /// A revoked caller's number is free once nothing of it is under way.
    private mutating func giveBack(_ caller: Int) {
        if callers[caller].isRevoked, callers[caller].streams == 0 { free.append(caller) }
    }

    /// The name in the key file; empty for -1, nobody.
    func name(of caller: Int) -> UnsafeRawBufferPointer { caller >= 0 ? callers[caller].name : UnsafeRawBufferPointer(start: nil, count: 0) }

    /// The caller's row of figures, made by `make` with the first request.
    mutating func row(of caller: Int, make: (String) -> Int) -> Int {
        if callers[caller].row < 0 { callers[caller].row = make(String(decoding: callers[caller].name, as: UTF8.self)) }
        return callers[caller].row
    }

    func limits(of caller: Int) -> (bucket: TokenBucket?, streams: Int?) { (callers[caller].bucket, callers[caller].streamLimit) }

    // MARK: The key file

    /// The keys are these from now on. Those that were there keep what they have used.
    mutating func replace(with entries: [CallerKeyEntry]) {
        var numbers: [CallerKey.Hash: Int] = [:]
        for number in 0..<used where !callers[number].isRevoked { numbers[callers[number].hash] = number }
        reserve(used + entries.count)
        var live: [Int] = []
        for entry in entries {
            let hash = CallerKey.Hash(entry.hash)
            let quota = quotas.entry(of: hash.first)
            let bucket = entry.requestsPerMinute.map { TokenBucket(perMinute: $0, quota.fullAt) }
            if let number = numbers.removeValue(forKey: hash) {
                callers[number].streamLimit = entry.concurrentStreams
                callers[number].bucket = bucket
                if !callers[number].name.elementsEqual(entry.name.utf8) { rename(number, entry.name) }
                live.append(number)
            } else {
                live.append(add(Caller(hash: hash, quota: quota, streamLimit: entry.concurrentStreams, bucket: bucket, name: entry.name.keptBytes)))
            }
        }
        // Where streams were not counted before, or by a predecessor.
        for number in live { callers[number].quota.tell(streams: callers[number].streams) }
        for number in numbers.values {
            callers[number].isRevoked = true
            giveBack(number)
        }
        rebuildIndex(live)
    }

    private mutating func rename(_ number: Int, _ name: String) {
        callers[number].name = name.keptBytes
        callers[number].row = -1
    }

    private mutating func add(_ caller: Caller) -> Int {
        if let number = free.popLast() {
            callers[number] = caller
            return number
        }
        (callers.baseAddress.unsafelyUnwrapped + used).initialize(to: caller)
        used += 1
        return used - 1
    }

    private mutating func reserve(_ capacity: Int) {
        guard capacity > callers.count else { return }
        let larger = UnsafeMutableBufferPointer<Caller>.allocate(capacity: 2 * capacity)
        for number in 0..<used { (larger.baseAddress.unsafelyUnwrapped + number).initialize(to: callers[number]) }
        callers.deallocate()
        callers = larger
    }

    private mutating func rebuildIndex(_ live: [Int]) {
        var capacity = 1
        while capacity < 2 * live.count + 1 { capacity *= 2 }
        index.deallocate()
        index = .allocate(capacity: capacity)
        index.initialize(repeating: -1)
        for number in live {
            var place = Int(truncatingIfNeeded: callers[number].hash.first) & (capacity - 1)
            while index[place] >= 0 { place = (place + 1) & (capacity - 1) }
            index[place] = Int32(number)
        }
    }
}
