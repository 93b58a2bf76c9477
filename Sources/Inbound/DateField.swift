// The field `Date` (RFC 9110 §5.6.7), made once a second.

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its line end.
struct DateField {
    private var second: UInt64 = .max
    private var bytes: [UInt8] = []

    mutating func line(at nanoseconds: UInt64) -> [UInt8] {
        let now = nanoseconds / 1_000_000_000
        if now != second {
            second = now
            bytes = Self.make(now)
        }
        return bytes
    }

    private static let weekdays: [String] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]  // 1970 began on a Thursday
    private static let months: [String] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Days to a date by the calendar's eras of 400 years, which begin on 1 March.
    private static func make(_ seconds: UInt64) -> [UInt8] {
        let days = Int(seconds / 86_400)
        let time = Int(seconds % 86_400)
        let shifted = days + 719_468
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + shifted / 146_097 * 400 + (month <= 2 ? 1 : 0)
        let text =
            "Date: \(weekdays[days % 7]), \(two(day)) \(months[month - 1]) \(year) \(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60)) GMT\r\n"
        return Array(text.utf8)
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
