// What a readiness or an alarm is about.

/// Chosen by whoever registers a descriptor or a timer and given back with each readiness: which kind of thing, where it
/// lives (`slot`), and which of the things that lived there (`generation`), so that a late readiness of a closed
/// connection is never taken for one of its successor.
package struct Token: Hashable, Sendable {
    package let bits: UInt64

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

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: 0x001)
    package static let writable = Readiness(rawValue: 0x004)
    package static let failed = Readiness(rawValue: 0x008)
    package static let hungUp = Readiness(rawValue: 0x010)
    /// The peer sends no more (it may still read).
    package static let peerClosed = Readiness(rawValue: 0x2000)
    /// As an interest: report changes only, so that nothing is changed per request.
    package static let edgeTriggered = Readiness(rawValue: 0x8000_0000)
}
