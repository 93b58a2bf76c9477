// Small questions about bytes of UTF-8 text. Everything here is total: any byte, any range clamped to the text.

import Glibc

enum ASCII {
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    static func isUpper(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
    static func isLower(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) }
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    static func isWord(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) || byte >= 0x80 }
    static func `is`(_ byte: UInt8, oneOf signs: StaticString) -> Bool { unsafe memchr(signs.utf8Start, Int32(byte), signs.utf8CodeUnitCount) != nil }
    static func lowered(_ byte: UInt8) -> UInt8 { isUpper(byte) ? byte | 0x20 : byte }

    /// The greatest boundary of a character at or before `limit`.
    static func boundary(in bytes: some Collection<UInt8>, atMost limit: Int) -> Int {
        guard limit < bytes.count else { return bytes.count }
        var end = max(0, limit)
        while end > 0, bytes[bytes.index(bytes.startIndex, offsetBy: end)] & 0xC0 == 0x80 { end -= 1 }
        return end
    }
}

extension [UInt8] {
    /// A range without white space at its ends; empty at its lower bound if nothing is left.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        let range = range.clamped(to: 0..<count)
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, ASCII.isSpace(self[start]) { start += 1 }
        while end > start, ASCII.isSpace(self[end - 1]) { end -= 1 }
        return start..<end
    }

    /// The text of a range, with what is not UTF-8 replaced.
    func text(_ range: Range<Int>) -> String { String(decoding: self[range.clamped(to: 0..<count)], as: UTF8.self) }

    /// The text of a range in lower case (ASCII only), for comparison with words of ours.
    func lowercased(_ range: Range<Int>) -> String {
        String(decoding: self[range.clamped(to: 0..<count)].map(ASCII.lowered), as: UTF8.self)
    }

    /// Whether a text of ours stands at an offset, whatever its case.
    func has(_ word: String, at offset: Int) -> Bool {
        guard offset >= 0, word.utf8.count <= count - Swift.min(offset, count) else { return false }
        var index = offset
        for byte in word.utf8 {
            guard ASCII.lowered(self[index]) == byte else { return false }
            index += 1
        }
        return true
    }

    /// The first offset at which a text of ours in lower case stands within a range, whatever its case.
    func first(_ word: String, in range: Range<Int>) -> Int? {
        let range = range.clamped(to: 0..<count)
        guard let head = word.utf8.first, word.utf8.count <= range.count else { return nil }
        let end = range.upperBound - word.utf8.count + 1
        let capital = ASCII.isLower(head) ? head & 0xDF : head
        var small = place(of: head, from: range.lowerBound, before: end)
        var large = capital == head ? nil : place(of: capital, from: range.lowerBound, before: end)
        while small != nil || large != nil {
            let offset = Swift.min(small ?? end, large ?? end)
            if has(word, at: offset) { return offset }
            if offset == small { small = place(of: head, from: offset + 1, before: end) } else { large = place(of: capital, from: offset + 1, before: end) }
        }
        return nil
    }

    /// The first offset of a byte at or after a place and before an end, found as fast as the machine can.
    func place(of byte: UInt8, from start: Int, before end: Int) -> Int? {
        let end = Swift.min(end, count)
        guard start >= 0, start < end else { return nil }
        return unsafe withUnsafeBytes { bytes in
            unsafe memchr(bytes.baseAddress! + start, Int32(byte), end - start).map { unsafe UnsafeRawPointer($0) - bytes.baseAddress! }
        }
    }
}

/// A range from two bounds of which the upper may lie below the lower: it is empty then.
func span(_ lower: Int, _ upper: Int) -> Range<Int> { lower..<Swift.max(lower, upper) }
