// The byte classes of heads: tokens (RFC 9110 §5.6.2), field text (§5.5) and targets (RFC 3986), and the scans for the
// first byte outside one. Tokens are short and take a table; texts are long and take sixteen bytes at a time.

@usableFromInline
enum CharacterClass {
    /// A bit per ASCII byte that may stand in a token: letters, digits and !#$%&'*+-.^_`|~
    @usableFromInline static let tokenLow: UInt64 = 0x03FF_6CFA_0000_0000
    @usableFromInline static let tokenHigh: UInt64 = 0x57FF_FFFF_C7FF_FFFE

    @inlinable @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        if byte >= 0x80 { return false }
        return (byte < 64 ? tokenLow : tokenHigh) &>> UInt64(byte & 63) & 1 != 0
    }

    @inlinable @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    @inlinable @inline(__always)
    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20) &- UInt8(ascii: "a") < 26
    }

    /// The value of a hexadecimal digit, or nil.
    @inlinable @inline(__always)
    static func hexadecimal(_ byte: UInt8) -> UInt8? {
        let digit = byte &- UInt8(ascii: "0")
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? letter &+ 10 : nil
    }

    @inlinable @inline(__always)
    static func isSpaceOrTab(_ byte: UInt8) -> Bool { byte == .space || byte == .tab }

    /// What may stand in a field value or reason: tab, space, visible ASCII and the upper half (obs-text).
    @inlinable @inline(__always)
    static func isText(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7F) || byte == .tab }

    /// The first byte from `offset` that is not field text; the span's end when all are.
    @inline(__always)
    static func endOfText(_ bytes: borrowing RawSpan, from offset: Int) -> Int {
        bytes.firstIndex(from: offset) { $0.within(0, 0x1F) .& .!$0.equal(.tab) .| $0.equal(0x7F) }
    }

    /// What names of fields and hosts are made of, all of it token bytes: letters, digits, `-`, `.`, `_`.
    @inline(__always)
    static func plain(_ bytes: SixteenBytes) -> SixteenBytes.Hits {
        let letters = (bytes | SixteenBytes(repeating: 0x20)).within(UInt8(ascii: "a"), UInt8(ascii: "z"))
        let digits = bytes.within(UInt8(ascii: "0"), UInt8(ascii: "9"))
        return letters .| digits .| bytes.within(UInt8(ascii: "-"), UInt8(ascii: ".")) .| bytes.equal(UInt8(ascii: "_"))
    }

    /// The first byte from `offset` that may not stand in a path or query: spaces, controls, raw non-ASCII and `#`
    /// (a fragment is never sent, and readers that cut it off disagree with those that do not).
    /// With `stoppingAtQuery` the first `?` too.
    @inline(__always)
    static func endOfTarget(_ bytes: borrowing RawSpan, from offset: Int, stoppingAtQuery: Bool) -> Int {
        bytes.firstIndex(from: offset) {
            let hits = .!$0.within(0x21, 0x7E) .| $0.equal(UInt8(ascii: "#"))
            return stoppingAtQuery ? hits .| $0.equal(UInt8(ascii: "?")) : hits
        }
    }
}

extension UInt8 {
    @usableFromInline static let tab: UInt8 = 0x09
    @usableFromInline static let lineFeed: UInt8 = 0x0A
    @usableFromInline static let carriageReturn: UInt8 = 0x0D
    @usableFromInline static let space: UInt8 = 0x20
    @usableFromInline static let colon: UInt8 = 0x3A
    @usableFromInline static let comma: UInt8 = 0x2C
}

/// As `RawSpan.peekPair` answers them.
extension UInt16 {
    static let carriageReturnLineFeed: UInt16 = 0x0A0D
    static let colonSpace: UInt16 = 0x203A
}
