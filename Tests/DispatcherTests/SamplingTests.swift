// Sampling: stable, monotone, fair.
import Testing

@testable import dispatcher

@Suite struct SamplingTests {
    private func takes(_ rate: Double, _ id: String) -> Bool {
        let bytes = Array(id.utf8)
        return Sampling(rate: rate).takes(bytes.span.bytes)
    }

    @Test func `the hash never changes`() {
        let ids = ["", "a", "req_01J9Z3", "req_01J9Z4"].map { Array($0.utf8) }
        // Computed by another program.
        #expect(ids.map { Sampling.hash($0.span.bytes) } == [
            0xEFD0_1F60_BA99_2926, 0x82A2_A958_A9BE_CE5B, 0x8C9A_8B26_DA14_9DED, 0xA291_619D_5BBB_5849,
        ])
    }

    @Test(arguments: [(-1, 0), (0, 0), (1, 1), (2, 1), (.infinity, 1), (-.infinity, 0), (.nan, 1)] as [(Double, Double)])
    func `rates beyond the ends mean the ends`(_ row: (Double, Double)) {
        #expect(Sampling(rate: row.0).rate == row.1)
        for number in 0..<100 { #expect(takes(row.0, "r\(number)") == (row.1 == 1)) }
    }

    @Test func `a higher rate takes what a lower one takes, and its share`() {
        let rates = [0.01, 0.1, 0.5, 0.9]
        var counts = [0, 0, 0, 0]
        for number in 0..<20_000 {
            let taken = rates.map { takes($0, "req_\(number)") }
            for (index, isTaken) in taken.enumerated() where isTaken {
                counts[index] += 1
                if index < 3, !taken[index + 1] { return #expect(Bool(false), "req_\(number)") }
            }
        }
        for (rate, count) in zip(rates, counts) { #expect(abs(Double(count) / 20_000 - rate) < 0.02) }
    }
}
