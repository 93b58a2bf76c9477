// How many connections each address has open.
import Configuration

/// Counts up to a limit; without one nothing is kept. There are no more entries than connections.
struct AddressCounts {
    /// 0 for none.
    let limit: Int
    private var counts: [IPAddress: Int] = [:]

    init(limit: Int) { self.limit = limit }

    /// False when the address has as many as it may.
    mutating func enter(_ address: IPAddress) -> Bool {
        let count = counts[address.household, default: 0]
        guard count < limit else { return false }
        counts[address.household] = count + 1
        return true
    }

    mutating func leave(_ address: IPAddress) {
        guard let count = counts[address.household] else { return }
        counts[address.household] = count > 1 ? count - 1 : nil
    }
}
