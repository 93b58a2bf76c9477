// The fields traceparent and tracestate.

import HTTP
import Testing

struct TraceContextTests {
    static let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"

    private static let ids = "-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"

    static let accepted: [(text: String, written: String)] = [
        (valid, valid), ("01\(ids)03", valid), ("cc\(ids)03-more", valid), ("00\(ids)fd", "00\(ids)01"),
        ("00\(ids)00", "00\(ids)00"),
    ]

    @Test(arguments: accepted) func `a valid field is written again`(_ row: (text: String, written: String)) throws {
        let bytes = Array(row.text.utf8)
        let parsed = TraceContext(bytes.span.bytes)
        let context = try #require(parsed)
        #expect(written(capacity: TraceContext.byteCount) { $0.append(context) } == row.written)
        #expect(context.traceIDHigh == 0x0af7_6519_16cd_43dd && context.spanID == 0xb7ad_6b71_6920_3331)
    }

    static let refused: [String] = [
        "", "00", "00\(ids)0", "00\(ids)030", "00\(ids)03-more", "ff\(ids)03", "01\(ids)03x", "0x\(ids)03", "00\(ids)0g",
        "00\(ids)0A", " 00\(ids)03", "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01",
    ]

    @Test(arguments: refused) func `an invalid field is absent`(_ text: String) {
        let bytes = Array(text.utf8)
        let isAbsent = TraceContext(bytes.span.bytes) == nil
        #expect(isAbsent)
    }

    @Test func `every changed byte counts`() {
        let bytes = Array(Self.valid.utf8)
        for offset in bytes.indices {
            for byte in UInt8.min...UInt8.max where byte != bytes[offset] {
                var changed = bytes
                changed[offset] = byte
                let context = TraceContext(changed.span.bytes)
                let isDigit = (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
                let isHyphen = [2, 35, 52].contains(offset)
                #expect((context != nil) == (isDigit && !isHyphen), "byte \(byte) at \(offset)")
                if offset > 1, let context {
                    #expect(context != TraceContext(bytes.span.bytes), "byte \(byte) at \(offset)")
                }
            }
        }
    }

    static let lists: [(text: String, isAccepted: Bool)] = [
        ("a=1", true), ("a=1,b=2", true), (" a=1 ,\tb=2\t", true), ("a=1,,b=2,", true), ("0a=1", true), ("t@v=1", true), ("a_-*/@9=!~", true),
        ("a=x y", true), (String(repeating: "k", count: 256) + "=" + String(repeating: "v", count: 256), true),
        ((0..<32).map { "k\($0)=v" }.joined(separator: ","), true),
        ("", false), (",, ,", false), ("a", false), ("a=", false), ("=1", false), ("A=1", false), ("@v=1", false), ("a b=1", false), ("a =1", false),
        ("a=1=2", false), ("a=\u{7F}", false), ("a=é", false), ("a=1,a=2", false), ("a=x\ty", false),
        (String(repeating: "k", count: 257) + "=v", false), ("a=" + String(repeating: "v", count: 257), false),
        ((0..<33).map { "k\($0)=v" }.joined(separator: ","), false),
    ]

    @Test(arguments: lists) func `a list is passed on if it is one`(_ row: (text: String, isAccepted: Bool)) {
        let bytes = Array(row.text.utf8)
        #expect(TraceState.accepts(bytes.span.bytes) == row.isAccepted)
    }
}
