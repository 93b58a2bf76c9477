// Dates of the Date field.

import HTTP
import Testing

struct HTTPDateTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"), (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"), (-1, "Thu, 01 Jan 1970 00:00:00 GMT"), (.min, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]) func `seconds are shown as IMF-fixdate`(_ second: Int64, _ expected: String) {
        var date = HTTPDate(unixSecond: 1_000_000_000)
        #expect(written { $0.append(date.bytes) } == "Sun, 09 Sep 2001 01:46:40 GMT")
        date.update(unixSecond: second)
        #expect(written(capacity: HTTPDate.byteCount) { $0.append(date.bytes) } == expected)
        #expect(HTTPDate(unixSecond: second).unixSecond == second)
    }
}
