// What a readiness or an alarm is about.

/// Chosen by whoever registers a descriptor or a timer and given back with each readiness: which kind of thing, where it
/// lives (`slot`), and which of the things that lived there (`generation`), so that a late readiness of a closed
/// connection is never taken for one of its successor.
@usableFromInline
package struct Token: Hashable, Sendable {
    @usableFromInline package let bits: UInt64

    @inlinable
    package init(bits: UInt64) { self.bits = bits }

    /// `kind` belongs to the role; kinds from 0xF0 on belong to the skeleton (`Role`).
    @inlinable
    package init(kind: UInt8, slot: UInt32 = 0, generation: UInt32 = 0) {
        bits = UInt64(kind) << 56 | UInt64(generation & 0xFF_FFFF) << 32 | UInt64(slot)
    }

    @inlinable package var kind: UInt8 { UInt8(truncatingIfNeeded: bits >> 56) }
    @inlinable package var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) & 0xFF_FFFF }
    @inlinable package var slot: UInt32 { UInt32(truncatingIfNeeded: bits) }
}

/// What a descriptor is ready for. Constants that fold: tests of readiness happen on every event, and literals of option
/// sets cost calls through witness tables across modules.
@usableFromInline
package struct Readiness: OptionSet, Sendable {
    @usableFromInline package let rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable package static var readable: Readiness { Readiness(rawValue: 0x001) }
    @inlinable package static var writable: Readiness { Readiness(rawValue: 0x004) }
    @inlinable package static var failed: Readiness { Readiness(rawValue: 0x008) }
    @inlinable package static var hungUp: Readiness { Readiness(rawValue: 0x010) }
    /// The peer sends no more (it may still read).
    @inlinable package static var peerClosed: Readiness { Readiness(rawValue: 0x2000) }
    /// As an interest: report changes only, so that nothing is changed per request.
    @inlinable package static var edgeTriggered: Readiness { Readiness(rawValue: 0x8000_0000) }

    /// Something can be read, be it only an end or an error.
    @inlinable package var mayRead: Bool { rawValue & 0x2019 != 0 }
    /// The connection is over, or the peer's part of it.
    @inlinable package var mayHaveEnded: Bool { rawValue & 0x2018 != 0 }
    @inlinable package var mayWrite: Bool { rawValue & 0x004 != 0 }
    /// Both directions are over.
    @inlinable package var isBroken: Bool { rawValue & 0x018 != 0 }
}
