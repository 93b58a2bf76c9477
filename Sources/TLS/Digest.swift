// Two small things that are libcrypto's: the digest of WebSocket handshakes, and a comparison that tells nothing by its time.
import COpenSSL

/// SHA-1 (FIPS 180-4). For the accept value of WebSocket handshakes (RFC 6455, 1.3), which needs no security of it.
package func sha1(_ bytes: UnsafeRawBufferPointer) -> InlineArray<20, UInt8> {
    var digest = InlineArray<20, UInt8>(repeating: 0)
    var span = digest.mutableSpan
    span.withUnsafeMutableBufferPointer { out in
        // An empty buffer may have no address, and SHA1 with a null address is undefined.
        var nothing: UInt8 = 0
        if let base = bytes.baseAddress {
            SHA1(base.assumingMemoryBound(to: UInt8.self), bytes.count, out.baseAddress)
        } else {
            SHA1(&nothing, 0, out.baseAddress)
        }
    }
    return digest
}

/// Whether both hold the same bytes, in a time that depends on their number only: for tokens and other secrets. That the
/// numbers differ may be learnt.
package func equalInConstantTime(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    guard let first = a.baseAddress, let second = b.baseAddress else { return true }
    return CRYPTO_memcmp(first, second, a.count) == 0
}

/// The same of texts, by their UTF-8 bytes.
package func equalInConstantTime(_ a: String, _ b: String) -> Bool {
    var a = a
    var b = b
    return a.withUTF8 { first in b.withUTF8 { equalInConstantTime(UnsafeRawBufferPointer(first), UnsafeRawBufferPointer($0)) } }
}
