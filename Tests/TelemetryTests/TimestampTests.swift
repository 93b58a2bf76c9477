// Times against known dates and against the C library's calendar.

import Glibc
import Testing

@testable import Telemetry

private let dates: [(nanoseconds: Int64, text: String)] = [
    (0, "1970-01-01T00:00:00.000Z"), (999_999, "1970-01-01T00:00:00.000Z"), (1_000_000, "1970-01-01T00:00:00.001Z"),
    (-1, "1969-12-31T23:59:59.999Z"), (951_782_399_999_000_000, "2000-02-28T23:59:59.999Z"),
    (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
    (951_868_800_000_000_000, "2000-03-01T00:00:00.000Z"), (1_764_107_570_123_456_789, "2025-11-25T21:52:50.123Z"),
    (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000Z"), (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
    (.max, "2262-04-11T23:47:16.854Z"), (.min, "1677-09-21T00:12:43.145Z"),
]

@Test(arguments: dates) func `known times`(_ row: (nanoseconds: Int64, text: String)) {
    #expect(Timestamp(nanoseconds: row.nanoseconds).description == row.text)
}

@Test func `every day agrees with the C library`() {
    var text = [CChar](repeating: 0, count: 32)
    for day in stride(from: -100_000, to: 100_000, by: 7) {
        var seconds = time_t(day * 86_400 + 12_345)
        var fields = tm()
        gmtime_r(&seconds, &fields)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S.000Z", &fields)
        let expected = String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #expect(Timestamp(milliseconds: Int64(seconds) * 1000).description == expected)
    }
}

@Test func `now is now, and small buffers get nothing`() {
    let before = time(nil)
    let now = Timestamp.now()
    #expect(now.milliseconds / 1000 >= Int64(before) && now.milliseconds / 1000 <= Int64(time(nil)))
    var buffer = [UInt8](repeating: 7, count: Timestamp.textLength)
    #expect(buffer.withUnsafeMutableBytes { now.write(to: UnsafeMutableRawBufferPointer(rebasing: $0[..<23])) } == 0)
    #expect(buffer.allSatisfy { $0 == 7 })
    #expect(buffer.withUnsafeMutableBytes { now.write(to: $0) } == 24)
    #expect(Timestamp(milliseconds: .max).nanoseconds == .max && Timestamp(milliseconds: .min).nanoseconds == .min)
}
