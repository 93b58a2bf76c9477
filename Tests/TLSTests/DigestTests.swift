// Published test vectors of SHA-1, and the comparison.
import TLS
import Testing

@Suite struct DigestTests {
    private static let digits = Array("0123456789abcdef")

    private func hexadecimal(_ text: String) -> String {
        let digest = Array(text.utf8).withUnsafeBytes { sha1($0) }
        var hexadecimal = ""
        for index in 0..<20 { hexadecimal += [Self.digits[Int(digest[index] >> 4)], Self.digits[Int(digest[index] & 15)]] }
        return hexadecimal
    }

    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        // RFC 6455, 1.3
        ("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11", "b37a4f2cc0624f1690f64606cf385945b2bec4ea"),
    ]) func `digests are the published ones`(_ text: String, _ expected: String) { #expect(hexadecimal(text) == expected) }

    @Test(arguments: [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "", false), ("", "a", false), ("secret", "secreT", false), ("ab", "abc", false)])
    func `texts are equal or not`(_ a: String, _ b: String, _ equal: Bool) { #expect(equalInConstantTime(a, b) == equal) }
}
