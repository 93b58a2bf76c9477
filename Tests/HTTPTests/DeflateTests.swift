// permessage-deflate: which offers are taken, and messages on bytes: those of the RFC, cut, wrong, and too large.

import HTTP
import Testing

/// Nil when nothing is gained.
private func deflate(_ bytes: [UInt8], windowBits: UInt8 = 15) -> [UInt8]? {
    var deflater = MessageDeflater(windowBits: windowBits)
    guard deflater.deflate(bytes.span.bytes) else { return nil }
    return deflater.message.withUnsafeBytes { Array($0) }
}

struct DeflateTests {
    private static let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

    @Test(arguments: [
        (["permessage-deflate"], plain), (["permessage-deflate; client_max_window_bits"], plain),
        (["permessage-deflate; client_max_window_bits=8"], plain), (["permessage-deflate;client_max_window_bits=\"15\""], plain),
        (["permessage-deflate; server_no_context_takeover; client_no_context_takeover"], plain),
        (["permessage-deflate; server_max_window_bits=15"], plain + "; server_max_window_bits=15"),
        (["permessage-deflate; server_max_window_bits=14"], plain + "; server_max_window_bits=12"),
        (["permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"], plain + "; server_max_window_bits=12"),
        (["permessage-deflate; server_max_window_bits=9"], plain + "; server_max_window_bits=9"),
        // What is not acceptable is declined, and the next offer looked at.
        (["permessage-deflate; server_max_window_bits=8"], nil), (["permessage-deflate; server_max_window_bits"], nil),
        (["permessage-deflate; server_max_window_bits=16"], nil), (["permessage-deflate; server_max_window_bits=09"], nil),
        (["permessage-deflate; server_max_window_bits=12; server_max_window_bits=12"], nil), (["permessage-deflate; unknown"], nil),
        (["permessage-deflate; client_max_window_bits=7"], nil), (["permessage-deflate; client_max_window_bits=1x"], nil),
        (["permessage-deflate; server_no_context_takeover=1"], nil), (["permessage-deflate; client_no_context_takeover; client_no_context_takeover"], nil),
        (["Permessage-Deflate"], nil), (["x-webkit-deflate-frame"], nil), ([], nil), ([""], nil),
        (["permessage-deflate; server_max_window_bits=8, permessage-deflate"], plain),
        (["permessage-bzip2; a=\"b\\c\" , permessage-deflate; unknown=1", ", permessage-deflate ; server_max_window_bits = 10 ,"], plain + "; server_max_window_bits=9"),
    ] as [([String], String?)])
    func `the first acceptable offer is taken`(_ fields: [String], _ answer: String?) throws {
        #expect(try DeflateAgreement.choose(fields)?.answer == answer)
    }

    @Test(arguments: [";", "permessage-deflate;", "permessage-deflate; =1", "permessage-deflate; a=", "permessage-deflate; a=\"", "permessage-deflate; a=\"\"", "a=1", "a b", "a; b=\"c d\"", "a; b=\"\\", "a, (b)"])
    func `what is no list of extensions is malformed`(_ field: String) {
        #expect(throws: DeflateAgreement.Malformed.self) { try DeflateAgreement.choose([field]) }
        #expect(throws: DeflateAgreement.Malformed.self) { try DeflateAgreement.choose(["permessage-deflate", field]) }
    }

    private func inflate(_ bytes: [UInt8], limit: Int = 1000) throws(WebSocketError) -> String {
        var inflater = MessageInflater()
        return String(decoding: try inflater.inflateText(bytes.span.bytes, limit: limit), as: UTF8.self)
    }

    @Test func `the examples of the RFC`() throws {
        #expect(try inflate([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]) == "Hello")  // §7.2.3.1
        #expect(try inflate([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00]) == "Hello")  // §7.2.3.3: not compressed
        #expect(try inflate([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]) == "Hello")  // §7.2.3.4: a last block
        #expect(try inflate([0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00]) == "Hello")  // §7.2.3.5: two blocks
        #expect(try inflate([0x00]) == "")  // §7.2.3.6
        #expect(throws: WebSocketError.badCompression) { try inflate([]) }
        // With the window of the message before, which was agreed to be forgotten (§7.2.3.2).
        #expect(throws: WebSocketError.badCompression) { try inflate([0xF2, 0x00, 0x11, 0x00, 0x00]) }
    }

    @Test func `the limit holds for what comes out`() throws {
        let bytes = try #require(deflate([UInt8](repeating: 0x61, count: 100_000)))
        #expect(bytes.count < 200)
        #expect(try inflate(bytes, limit: 100_000).utf8.count == 100_000)
        #expect(throws: WebSocketError.messageTooLarge) { try inflate(bytes, limit: 99_999) }
        #expect(throws: WebSocketError.messageTooLarge) { try inflate(bytes, limit: 0) }
        #expect(WebSocketError.badCompression.closeCode == 1007)
    }

    @Test func `a text must be UTF-8 when it is inflated`() throws {
        for bytes in [[0xC3] as [UInt8], [0xED, 0xA0, 0x80], [0x61, 0xFF]] {
            let long = [UInt8](repeating: 0x61, count: 100) + bytes
            let deflated = try #require(deflate(long, windowBits: 9))
            #expect(throws: WebSocketError.invalidUTF8) { try inflate(deflated) }
        }
    }

    @Test(arguments: [9, 12, 15] as [UInt8]) func `what is deflated is inflated, and no truncation of it`(_ windowBits: UInt8) throws {
        var deflater = MessageDeflater(windowBits: windowBits)
        var inflater = MessageInflater()
        var random = Randomness(seed: UInt64(windowBits))
        for length in [40, 300, 5000, 70_000, 200] {
            let text = (0..<length).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 4) }
            let gains = deflater.deflate(text.span.bytes)
            let deflated = deflater.message.withUnsafeBytes { Array($0) }
            #expect(gains && deflated.count < length)
            let inflated = try inflater.inflate(deflated.span.bytes, limit: length)
            #expect(inflated == text)
            for cut in stride(from: 0, to: deflated.count, by: max(1, deflated.count / 50)) where cut > 0 {
                let part = try? inflater.inflate(Array(deflated[..<cut]).span.bytes, limit: length)
                #expect(part != text, "cut at \(cut) of \(deflated.count)")
            }
        }
        let noise = (0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        #expect(deflate(noise, windowBits: windowBits) == nil && deflate([]) == nil, "nothing is gained")
    }
}
