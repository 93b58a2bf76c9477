// What is known of host names, and when to ask again: a state machine without clock, thread or network.
import EventLoop
import Glibc

/// What is known of a host.
package enum Lookup: Equatable, Sendable {
    /// Numeric addresses in the order of preference of the system (RFC 6724); at least one.
    case addresses([String])
    /// A look-up is under way; its end is reported by `Resolver.finished`.
    case pending
    /// Why there are none, for a person.
    case failed(String)
}

/// What a look-up found.
package enum Resolution: Equatable, Sendable {
    case found([String])
    case failed(String)
}

/// Per host:  unknown --lookup--> asking --answered--> fresh --time to live--> aging --lookup--> asking, old ones served …
///
/// Old addresses are served while a new look-up runs and while look-ups fail, until they are `staleLimit` past their time.
/// One look-up per host is under way at most.
package struct ResolverCache: Sendable {
    package static let timeToLive: Duration = .seconds(30)
    /// How long a failure is not asked about again: a broken name server is not besieged, a repaired one is seen at once.
    package static let failureTimeToLive: Duration = .seconds(1)
    package static let staleLimit: Duration = .seconds(300)
    /// Hosts come from the configuration; the limit is there for routes that take them from requests.
    package static let hostLimit = 256

    private struct Entry {
        var addresses: [String] = []
        var obtainedAt = Instant(nanoseconds: 0)
        var failure: (reason: String, at: Instant)?
        var isAsking = false
        var usedAt: Instant
    }

    private var entries: [String: Entry] = [:]

    package init() {}

    package var hostCount: Int { entries.count }

    /// What to do about a host: the answer now, and whether a look-up has to be started. `key` names the host in every
    /// other call.
    package mutating func lookup(_ host: String, now: Instant) -> (answer: Lookup, key: String, ask: Bool) {
        let key: String
        switch Self.classify(host) {
        case .address(let address): return (.addresses([address]), address, false)
        case .unusable(let reason): return (.failed(reason), host, false)
        case .name(let name): key = name
        }
        if entries[key] == nil {
            guard makeRoom() else { return (.failed("too many host names are being looked up"), key, false) }
            entries[key] = Entry(usedAt: now)
        }
        guard var entry = entries[key] else { return (.pending, key, false) }
        entry.usedAt = now
        let isFresh = !entry.addresses.isEmpty && now < entry.obtainedAt + Self.timeToLive
        let failedLately = entry.failure.map { now < $0.at + Self.failureTimeToLive } ?? false
        let ask = !isFresh && !entry.isAsking && !failedLately
        if ask { entry.isAsking = true }
        entries[key] = entry
        return (Self.answer(entry, now), key, ask)
    }

    private static func answer(_ entry: Entry, _ now: Instant) -> Lookup {
        if !entry.addresses.isEmpty, now < entry.obtainedAt + timeToLive + staleLimit { return .addresses(entry.addresses) }
        if entry.isAsking { return .pending }
        return entry.failure.map { .failed($0.reason) } ?? .pending
    }

    /// A look-up ended. An answer nobody asked for is ignored.
    package mutating func answered(_ key: String, _ resolution: Resolution, now: Instant) {
        guard var entry = entries[key], entry.isAsking else { return }
        entry.isAsking = false
        switch resolution {
        case .found(let addresses) where !addresses.isEmpty:
            entry.addresses = addresses
            entry.obtainedAt = now
            entry.failure = nil
        case .found: entry.failure = ("no address for \(key)", now)
        case .failed(let reason): entry.failure = ("no address for \(key): \(reason)", now)
        }
        entries[key] = entry
    }

    /// The look-up could not be started: nothing is remembered of it but the addresses there were.
    package mutating func refused(_ key: String, now: Instant) -> Lookup {
        let busy = Lookup.failed("no address for \(key): too many look-ups are waiting")
        guard var entry = entries[key], entry.isAsking else { return busy }
        entry.isAsking = false
        entries[key] = entry.addresses.isEmpty ? nil : entry
        if case .addresses(let addresses) = Self.answer(entry, now) { return .addresses(addresses) }
        return busy
    }

    /// By how much the addresses that are served for a host are past their time; nil when they are not, or not served.
    package func staleness(of host: String, now: Instant) -> Duration? {
        guard case .name(let key) = Self.classify(host), let entry = entries[key], !entry.addresses.isEmpty else { return nil }
        let age = (entry.obtainedAt + Self.timeToLive).duration(to: now)
        return age > .zero && age < Self.staleLimit ? age : nil
    }

    /// At the limit the host that was asked for longest ago makes room, unless its look-up is under way.
    private mutating func makeRoom() -> Bool {
        guard entries.count >= Self.hostLimit else { return true }
        guard let oldest = entries.filter({ !$0.value.isAsking }).min(by: { $0.value.usedAt < $1.value.usedAt }) else { return false }
        entries[oldest.key] = nil
        return true
    }

    private enum Kind {
        case address(String), name(String), unusable(String)
    }

    private static func classify(_ host: String) -> Kind {
        var bytes = host.utf8[...]
        if bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]"), bytes.count > 2 { bytes = bytes.dropFirst().dropLast() }
        // 254: the longest name of DNS with the dot at its end. A NUL would end it early in C.
        guard !bytes.isEmpty, bytes.count <= 254 else { return .unusable("a host name has 1 to 254 characters") }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return .unusable("a host name has visible ASCII characters only: write international ones as xn--…")
        }
        let name = String(decoding: bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
        var address = in6_addr()
        if inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1 { return .address(name) }
        return .name(name)
    }
}
