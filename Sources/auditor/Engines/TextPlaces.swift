// Where quotes stand in the texts of a case. Engines outside tell places or leave them to us; either way they are checked.
import Auditing
import Glibc

struct TextPlaces {
    /// In the place of a document's number.
    static let answer = EvidenceQuote.answer

    /// Bytes compared for one case before places are no longer searched: hostile quotes could ask for a lot.
    static let workLimit = 50_000_000

    private let auditCase: AuditCase
    private var texts: [Int: [UInt8]] = [:]
    private var work = 0

    init(_ auditCase: AuditCase) { self.auditCase = auditCase }

    /// The place that was told if it can be one, else where the quote stands, else nothing at the beginning.
    mutating func range(_ start: UInt64?, _ end: UInt64?, orOf quote: String, in text: Int) -> Range<Int> {
        let bytes = self.bytes(of: text)
        if let end, end <= UInt64(bytes.count), start ?? 0 < end, Self.isBoundary(Int(start ?? 0), bytes), Self.isBoundary(Int(end), bytes) {
            return Int(start ?? 0)..<Int(end)
        }
        return find(quote, in: text) ?? 0..<0
    }

    /// The first place of a quote in a text, letter by letter.
    mutating func find(_ quote: String, in text: Int) -> Range<Int>? {
        let bytes = self.bytes(of: text)
        let wanted = Array(quote.utf8)
        guard !wanted.isEmpty, wanted.count <= bytes.count, work < Self.workLimit else { return nil }
        work += bytes.count
        return bytes.withUnsafeBytes { bytes in
            wanted.withUnsafeBytes { wanted in
                for start in 0...(bytes.count - wanted.count) where bytes[start] == wanted[0] {
                    work += wanted.count / 16  // memcmp takes many bytes at a time
                    if memcmp(bytes.baseAddress! + start, wanted.baseAddress!, wanted.count) == 0 { return start..<(start + wanted.count) }
                    guard work < Self.workLimit else { return nil }
                }
                return nil
            }
        }
    }

    private mutating func bytes(of text: Int) -> [UInt8] {
        if let known = texts[text] { return known }
        let content = auditCase.documents.indices.contains(text) ? auditCase.documents[text].content : auditCase.answer
        let bytes = Array(content.utf8)
        texts[text] = bytes
        return bytes
    }

    private static func isBoundary(_ offset: Int, _ bytes: [UInt8]) -> Bool { offset == bytes.count || bytes[offset] & 0xC0 != 0x80 }
}
