// IP addresses as numbers, nets of them (RFC 4632, RFC 4291 §2.3), and the list of peers that are trusted.
import Glibc

/// An IPv6 address, or an IPv4 one in its IPv6 form (`::ffff:a.b.c.d`), so that both families compare alike.
package struct IPAddress: Hashable, Sendable {
    package let bits: UInt128

    private static let mapped: UInt128 = 0xFFFF << 32

    private init(bits: UInt128) { self.bits = bits }

    package var isIPv4: Bool { bits >> 32 == 0xFFFF }

    /// What one user has at least: an IPv4 address, or the /64 net of an IPv6 one (RFC 6177), any address of which is theirs.
    package var household: IPAddress { isIPv4 ? self : IPAddress(bits: (bits >> 64) << 64) }

    /// Numeric text without brackets, port or zone.
    package init?(_ text: UnsafeRawBufferPointer) {
        guard (2...45).contains(text.count) else { return nil }
        let bits: UInt128? = withUnsafeTemporaryAllocation(byteCount: 46, alignment: 1) { room in
            room.copyMemory(from: text)
            room[text.count] = 0
            guard let name = room.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
            var old = in_addr()
            if inet_pton(AF_INET, name, &old) == 1 { return Self.mapped | UInt128(UInt32(bigEndian: old.s_addr)) }
            var new = in6_addr()
            guard inet_pton(AF_INET6, name, &new) == 1 else { return nil }
            return withUnsafeBytes(of: &new) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) }
        }
        guard let bits else { return nil }
        self.bits = bits
    }

    package init?(_ text: some StringProtocol) {
        var text = String(text)
        guard let address = text.withUTF8({ IPAddress(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = address
    }
}

/// An address, or all that begin with the same bits.
struct AddressNet: Equatable, Sendable, CustomStringConvertible {
    private let base: UInt128
    private let mask: UInt128
    let description: String

    /// `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`; nil where bits stand behind the prefix, as they tell of a typing error.
    init?(_ text: Substring) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let most = address.isIPv4 && !first.contains(":") ? 32 : 128
        var length = most
        if parts.count == 2 {
            guard let given = Notation.wholeNumber(parts[1]), given <= most else { return nil }
            length = given
        }
        let host = most - length
        mask = host == 128 ? 0 : ~UInt128(0) << UInt128(host)
        base = address.bits
        guard base & mask == base else { return nil }
        description = text.lowercased()
    }

    func contains(_ address: IPAddress) -> Bool { address.bits & mask == base }
}

/// `TRUTHTABLE_TRUSTED_PROXIES`: peers that say the truth about whom they forward for.
package struct TrustedProxies: Equatable, Sendable, CustomStringConvertible {
    /// No list: what anybody says is passed on with the peer's address behind it, and used for nothing.
    package static let unlisted = TrustedProxies(nets: nil)

    private let nets: [AddressNet]?

    private init(nets: [AddressNet]?) { self.nets = nets }

    /// Addresses and nets separated by commas, `none` for an empty list.
    package init?(_ text: String) {
        switch text.lowercased() {
        case "": nets = nil
        case "none": nets = []
        default:
            var nets: [AddressNet] = []
            for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
                guard let net = AddressNet(Substring(Notation.trimmed(String(entry)))) else { return nil }
                nets.append(net)
            }
            self.nets = nets
        }
    }

    /// Whether somebody who is not trusted may add to what is said about a client.
    package var isListed: Bool { nets != nil }

    package func contains(_ address: IPAddress) -> Bool { nets?.contains { $0.contains(address) } ?? false }

    package var description: String {
        guard let nets else { return "" }
        return nets.isEmpty ? "none" : nets.map(\.description).joined(separator: ",")
    }
}
