// Which seeds a simulation runs.
import Glibc

/// `TRUTHTABLE_SEED=n` runs one seed, the one that a failure printed; `TRUTHTABLE_SEEDS=n` runs so many.
package enum Seeds {
    package static func chosen(count: Int) -> [UInt64] {
        if let seed = number("TRUTHTABLE_SEED") { return [seed] }
        let count = number("TRUTHTABLE_SEEDS").flatMap { Int(exactly: $0) } ?? count
        return (0..<max(1, count)).map { UInt64($0) }
    }

    private static func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }
}
