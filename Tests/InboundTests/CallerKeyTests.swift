// Callers' keys: their form, their checksum, their hash.
import Inbound
import Testing

@Suite struct CallerKeyTests {
    private func isWellFormed(_ text: String) -> Bool { Array(text.utf8).withUnsafeBytes { CallerKey.isWellFormed($0) } }

    @Test func `keys differ and are well formed`() throws {
        let keys = try (0..<100).map { _ in try #require(CallerKey.make()) }
        #expect(Set(keys).count == 100)
        for key in keys {
            #expect(key.hasPrefix("ttk_") && key.utf8.count == 53)
            #expect(isWellFormed(key))
        }
    }

    @Test func `keys that were made once stay well formed`() {
        // The bytes 0 to 31, worked out elsewhere.
        #expect(isWellFormed("ttk_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1Yo7hP"))
    }

    @Test func `a typing error shows`() throws {
        let key = Array(try #require(CallerKey.make()).utf8)
        for index in key.indices {
            var changed = key
            changed[index] = changed[index] == UInt8(ascii: "x") ? UInt8(ascii: "y") : UInt8(ascii: "x")
            #expect(!isWellFormed(String(decoding: changed, as: UTF8.self)))
        }
        for text in ["", "ttk_", "sk-123", String(decoding: key.dropLast(), as: UTF8.self), String(decoding: key, as: UTF8.self) + "x"] { #expect(!isWellFormed(text)) }
    }

    @Test func `the hash is SHA-256`() {
        let hash = Array("abc".utf8).withUnsafeBytes { CallerKey.Hash(of: $0) }
        // FIPS 180-2, appendix B.1
        let expected: [UInt8] = [
            0xBA, 0x78, 0x16, 0xBF, 0x8F, 0x01, 0xCF, 0xEA, 0x41, 0x41, 0x40, 0xDE, 0x5D, 0xAE, 0x22, 0x23, 0xB0, 0x03, 0x61, 0xA3, 0x96, 0x17, 0x7A, 0x9C, 0xB4, 0x10, 0xFF, 0x61,
            0xF2, 0x00, 0x15, 0xAD,
        ]
        #expect(hash.bytes == expected)
        #expect(hash == CallerKey.Hash(expected))
        #expect(hash != CallerKey.Hash(expected.reversed()))
        #expect(hash != CallerKey.Hash([]))
    }
}
