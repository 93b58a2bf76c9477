// Which captures are audited when not all of them are to be.

/// Takes a share of all captures. The choice depends on the request id alone: every process and every day choose alike, and
/// what a lower rate takes a higher one takes too.
struct Sampling: Equatable {
    /// 0…1.
    let rate: Double

    /// Rates beyond the ends mean the ends; one that is no number means everything: auditing too much is the safe mistake.
    init(rate: Double) { self.rate = rate.isNaN ? 1 : min(max(rate, 0), 1) }

    func takes(_ requestID: RawSpan) -> Bool {
        if rate >= 1 { return true }
        // The upper 53 bits are a fraction that Double holds exactly.
        return Double(Self.hash(requestID) >> 11) * 0x1p-53 < rate
    }

    /// FNV-1a, 64 bits, then the finalizer of MurmurHash3: FNV alone leaves the upper bits of short ids alike.
    static func hash(_ bytes: RawSpan) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in 0..<bytes.byteCount {
            hash ^= UInt64(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
            hash &*= 0x100_0000_01B3
        }
        hash ^= hash >> 33
        hash &*= 0xFF51_AFD7_ED55_8CCD
        hash ^= hash >> 33
        hash &*= 0xC4CE_B9FE_1A85_EC53
        return hash ^ hash >> 33
    }
}
