// Bodies in content codings: what they hold, cut or broken anywhere, and what unpacks to more than anybody wants.

import CZlib
import Testing

@testable import Auditing

private let text = #"{"answer":"In 1964."}"#
private let gzip: [UInt8] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 204, 43, 46, 79, 45, 82, 178, 82, 242, 204, 83, 48, 180, 52, 51, 209, 83, 170, 5, 0, 37, 120, 190, 241, 21, 0, 0, 0,
]
private let zlib: [UInt8] = [120, 156, 171, 86, 74, 204, 43, 46, 79, 45, 82, 178, 82, 242, 204, 83, 48, 180, 52, 51, 209, 83, 170, 5, 0, 74, 115, 6, 36]
private let deflate: [UInt8] = [171, 86, 74, 204, 43, 46, 79, 45, 82, 178, 82, 242, 204, 83, 48, 180, 52, 51, 209, 83, 170, 5, 0]

/// A stream of brotli that holds bytes as they are (RFC 7932 §9.2).
private func brotli(_ bytes: [UInt8]) -> [UInt8] {
    let head = 0x0B | (bytes.count - 1) << 7 | 1 << 23
    return [UInt8(head & 255), UInt8(head >> 8 & 255), UInt8(head >> 16)] + bytes + [3]
}

private func packed(_ bytes: [UInt8]) -> [UInt8] {
    var size = compressBound(UInt(bytes.count))
    var result = [UInt8](repeating: 0, count: Int(size))
    compress2(&result, &size, bytes, UInt(bytes.count), 9)
    return Array(result.prefix(Int(size)))
}

/// Without any of its codings.
private func unpacked(_ bytes: [UInt8], codings: String, isCut: Bool) throws -> ContentCoding.Body {
    var body = ContentCoding.Body(bytes: bytes, codings: codings, isCut: isCut)
    while !body.codings.isEmpty { try body.unpack() }
    return body
}

struct ContentCodingTests {
    static let rows: [(codings: String, body: [UInt8])] = [
        ("gzip", gzip), ("x-gzip", gzip), (" GZIP ", gzip), ("deflate", zlib), ("deflate", deflate), ("br", brotli(Array(text.utf8))), ("gzip, br", brotli(gzip)),
        ("identity", Array(text.utf8)), ("gzip", Array(text.utf8)), ("br", Array(text.utf8)), ("", Array(text.utf8)),
    ]

    @Test(arguments: rows.indices) func `bodies are read in every coding`(_ index: Int) throws {
        let (codings, body) = Self.rows[index]
        let plain = try unpacked(body, codings: codings, isCut: false)
        #expect(String(decoding: plain.bytes, as: UTF8.self) == text, "\(codings)")
        #expect(!plain.isCut)
        var coded = exchange(#"{"query":"When?"}"#, "")
        coded.responseBody = body
        coded.responseContentEncoding = codings
        #expect(auditCase(coded)?.answer == "In 1964.")
        // Every truncation gives the beginning, and says that the end is missing.
        for cut in 0..<body.count where codings != "identity" && !codings.isEmpty && body != Array(text.utf8) {
            guard let part = try? unpacked(Array(body[..<cut]), codings: codings, isCut: false) else { continue }
            #expect(text.utf8.starts(with: part.bytes), "\(codings), cut at \(cut)")
            #expect(part.isCut || part.bytes.count == text.utf8.count || cut == 0, "\(codings), cut at \(cut)")
        }
    }

    @Test func `broken bodies give what can be read or nothing`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("ContentCodingTests seed \(seed)")
        var generator = SeededGenerator(state: seed)
        for (codings, body) in Self.rows {
            for _ in 0..<200 where !body.isEmpty {
                var broken = body
                broken[Int.random(in: 0..<body.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
                _ = try? unpacked(broken, codings: codings, isCut: false)
            }
        }
        #expect(throws: ContentCoding.Failure.malformed) { try unpacked([1, 2, 3, 4, 5, 6], codings: "gzip", isCut: false) }
        #expect(throws: ContentCoding.Failure.unknownCoding) { try unpacked([1], codings: "zstd", isCut: false) }
        #expect(throws: ContentCoding.Failure.unknownCoding) { try unpacked([1], codings: "br,br,br,br", isCut: false) }
    }

    @Test func `bombs unpack to the limit and no further`() throws {
        let bomb = packed(packed([UInt8](repeating: 0x20, count: 32 << 20)))
        #expect(bomb.count < 4096)
        let plain = try unpacked(bomb, codings: "deflate, deflate", isCut: false)
        #expect(plain.bytes.count <= ContentCoding.limitBytes)
        #expect(plain.isCut)
        var coded = exchange("", "")
        coded.requestBody = bomb
        coded.requestContentEncoding = "deflate, deflate"
        coded.responseBody = Array(#"{"answer":"In 1964."}"#.utf8)
        #expect(auditCase(coded)?.truncated == true)
    }

    /// 32 MiB of spaces in 52 bytes.
    private static let brotliBomb: [UInt8] = [
        203, 255, 255, 63, 0, 36, 64, 226, 177, 64, 114, 239, 255, 248, 255, 255, 7, 128, 4, 64, 28, 22, 128, 238, 253, 31, 255, 255, 255, 0, 144, 0, 136, 195, 2, 208, 189, 255, 227,
        255, 255, 31, 0, 18, 0, 113, 88, 0, 186, 247, 127, 3,
    ]

    @Test func `a bomb of brotli unpacks to the limit and no further`() throws {
        let plain = try unpacked(Self.brotliBomb, codings: "br", isCut: false)
        #expect(plain.bytes.count == ContentCoding.limitBytes)
        #expect(plain.isCut)
        var coded = exchange(#"{"query":"When?"}"#, "")
        coded.responseBody = Self.brotliBomb
        coded.responseContentEncoding = "br"
        #expect(skip(coded) != nil)
    }

    @Test func `documents of packed requests are found`() throws {
        var coded = exchange("", #"{"answer":"In 1964."}"#)
        coded.requestBody = packed(Array(#"{"query":"When?","documents":["It opened in 1964."]}"#.utf8))
        coded.requestContentEncoding = "deflate"
        let found = try #require(auditCase(coded))
        #expect(found.documents.map(\.content) == ["It opened in 1964."])
        #expect(!found.truncated)
    }
}
