// Host names to addresses off the loop: the cache decides, helper threads block in getaddrinfo.
import CLinux
import EventLoop

/// Answers at once or later. The loop registers `wakeupDescriptor` as readable, edge-triggered or not, and calls `finished`
/// when it is; whoever was told `.pending` looks up again then.
package struct Resolver: ~Copyable {
    /// Two, so that one name server that does not answer (10 s and more) does not hold up the other hosts.
    package static let threads = 2
    /// Look-ups waiting or running, one per host.
    package static let queueLimit = 64

    private struct Answer: Sendable {
        let key: String
        let resolution: Resolution
    }

    private let helper: HelperThread<String, Answer>
    private var cache = ResolverCache()
    /// Look-ups that were not started because the queue was full.
    package private(set) var refusedCount: UInt64 = 0

    /// `resolve` blocks as long as it likes; it runs on a helper thread.
    package init(resolve: @escaping @Sendable (String) -> Resolution = Resolver.system) throws(SystemError) {
        helper = try HelperThread(name: "resolver", capacity: Self.queueLimit, threads: Self.threads) { key in
            Answer(key: key, resolution: resolve(key))
        }
    }

    package var wakeupDescriptor: Int32 { helper.wakeupDescriptor }

    /// Numeric addresses are their own answer; names come from the cache, see `ResolverCache` for its times.
    package mutating func lookup(_ host: String, now: Instant) -> Lookup {
        let (answer, key, ask) = cache.lookup(host, now: now)
        guard ask, !helper.submit(key) else { return answer }
        refusedCount += 1
        return cache.refused(key, now: now)
    }

    /// Called at the wake-up: the hosts, in lower case and without brackets, whose look-ups ended, well or not.
    package mutating func finished(now: Instant) -> [String] {
        var hosts: [String] = []
        for answer in helper.takeAnswers() {
            cache.answered(answer.key, answer.resolution, now: now)
            hosts.append(answer.key)
        }
        return hosts
    }

    /// By how much the addresses that are served for a host are past their time; for logs and `/health`.
    package func staleness(of host: String, now: Instant) -> Duration? { cache.staleness(of: host, now: now) }

    /// As the system resolves: hosts file, search list, DNS, in its order.
    package static let system: @Sendable (String) -> Resolution = { host in
        // More addresses than are ever tried within one connect time limit.
        let capacity = 16
        let size = 46  // a numeric address of any family and its NUL
        let texts = UnsafeMutableRawPointer.allocate(byteCount: capacity * size, alignment: 1)
        defer { texts.deallocate() }
        var why: UnsafePointer<CChar>?
        let count = cl_resolve(host, bound(texts), Int32(capacity), &why)
        guard count >= 0 else { return .failed(why.map { String(cString: $0) } ?? "unknown failure") }
        return .found((0..<Int(count)).map { String(cString: (texts + $0 * size).assumingMemoryBound(to: CChar.self)) })
    }
}

/// Memory as C's array of arrays, whose type has no short name in Swift.
private func bound<T>(_ memory: UnsafeMutableRawPointer) -> UnsafeMutablePointer<T> { memory.assumingMemoryBound(to: T.self) }
