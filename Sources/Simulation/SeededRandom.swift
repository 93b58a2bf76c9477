// Randomness that a number repeats.

/// SplitMix64: small, and good from the first number of any seed.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// Any number of 0..<`bound`; 0 for bounds below 1.
    package mutating func below(_ bound: Int) -> Int {
        bound > 1 ? Int(truncatingIfNeeded: next() % UInt64(bound)) : 0
    }

    /// True once in so many times.
    package mutating func oneIn(_ times: Int) -> Bool { below(times) == 0 }

    /// Up to `most`, short ones as likely as long ones in proportion to their logarithm: faults hide in both.
    package mutating func duration(upTo most: Duration) -> Duration {
        let limit = max(1, most / .microseconds(1))
        let bits = 64 - UInt64(limit).leadingZeroBitCount
        let scale = 1 << min(62, below(bits + 1))
        return min(most, .microseconds(below(scale)))
    }

    /// One of the elements; nil when there is none.
    package mutating func pick<C: RandomAccessCollection>(_ elements: C) -> C.Element? {
        guard !elements.isEmpty else { return nil }
        return elements[elements.index(elements.startIndex, offsetBy: below(elements.count))]
    }
}
