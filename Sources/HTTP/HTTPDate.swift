// The Date field's format, IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. Kept as bytes, made again
// only when the second changed.
// Leaves to others: the clock.

package struct HTTPDate: Sendable {
    package static let byteCount = 29
    /// The end of year 9999: the format has four digits.
    private static let lastSecond: Int64 = 253_402_300_799

    package private(set) var unixSecond: Int64
    private var text = InlineArray<29, UInt8>(repeating: .space)

    /// Seconds before 1970 and after 9999 are shown as the nearest one within.
    package init(unixSecond: Int64) {
        self.unixSecond = unixSecond
        format()
    }

    /// Once per turn of a loop; nearly always the same second.
    package mutating func update(unixSecond: Int64) {
        guard unixSecond != self.unixSecond else { return }
        self.unixSecond = unixSecond
        format()
    }

    package var bytes: RawSpan {
        @_lifetime(borrow self)
        get { unsafe text.span.bytes }
    }

    private mutating func format() {
        let second = min(max(unixSecond, 0), Self.lastSecond)
        var days = Int(second / 86_400)
        let timeOfDay = Int(second % 86_400)
        let weekday = (days + 4) % 7  // 1 January 1970 was a Thursday
        var year = 1970
        while days >= Self.days(in: year) {
            days -= Self.days(in: year)
            year += 1
        }
        var month = 0
        while days >= Self.days(in: month, of: year) {
            days -= Self.days(in: month, of: year)
            month += 1
        }
        put("SunMonTueWedThuFriSat", weekday, at: 0)
        text[3] = .comma
        put(days + 1, at: 5)
        put("JanFebMarAprMayJunJulAugSepOctNovDec", month, at: 8)
        put(year / 100, at: 12)
        put(year % 100, at: 14)
        put(timeOfDay / 3600, at: 17)
        text[19] = .colon
        put(timeOfDay / 60 % 60, at: 20)
        text[22] = .colon
        put(timeOfDay % 60, at: 23)
        put("GMT", 0, at: 26)
    }

    /// One of several names of three letters.
    private mutating func put(_ names: StaticString, _ index: Int, at offset: Int) {
        for letter in 0..<3 { text[offset + letter] = unsafe names.utf8Start[index * 3 + letter] }
    }

    /// Two digits of a number below 100.
    private mutating func put(_ number: Int, at offset: Int) {
        text[offset] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / 10)
        text[offset + 1] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10)
    }

    private static func isLeap(_ year: Int) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    private static func days(in year: Int) -> Int { isLeap(year) ? 366 : 365 }

    /// `month` from 0.
    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 1: isLeap(year) ? 29 : 28
        case 3, 5, 8, 10: 30
        default: 31
        }
    }
}
