// CreditWindow: nothing is sent without a credit, and nobody grants more than the most.
import Testing

@testable import IPC

struct CreditWindowTests {
    private var window = CreditWindow()

    /// How many of `tries` attempts to take a credit succeed.
    private mutating func taken(_ tries: Int) -> Int { (0..<tries).count { _ in window.take() } }

    private mutating func refuses(_ count: Int) -> Bool {
        do throws(FrameError) {
            try window.grant(count)
            return false
        } catch {
            return error == .outOfRange("credit")
        }
    }

    @Test mutating func `it begins at nothing, and each credit is used once`() throws {
        let before = taken(1)
        #expect(before == 0)
        try window.grant(2)
        try window.grant(1)
        #expect(window.available == 3)
        let after = taken(5)
        #expect(after == 3)
        #expect(window.available == 0)
    }

    @Test mutating func `the most can be granted, one more is a violation and changes nothing`() throws {
        try window.grant(CreditWindow.most - 1)
        try window.grant(1)
        let over = refuses(1)
        #expect(over)
        #expect(window.available == CreditWindow.most)
        _ = taken(1)
        try window.grant(1)
        let again = refuses(1)
        #expect(again)
    }

    @Test(arguments: [CreditWindow.most + 1, .max, -1, .min]) mutating func `no single grant is over the most or under nothing`(_ count: Int) {
        let refused = refuses(count)
        #expect(refused)
        #expect(window == CreditWindow())
    }
}
