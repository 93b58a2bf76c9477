// The reader on named texts, cut everywhere, and on mutated texts: a value or an error, never a trap.

import Testing

@testable import JSON

private func parse(_ text: String) -> JSONValue? { parse(Array(text.utf8)) }
private func parse(_ bytes: [UInt8]) -> JSONValue? { try? JSONValue(parsing: bytes.span) }

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

struct JSONReaderTests {
    static let accepted: [(String, JSONValue)] = [
        ("null", .null), (" true ", .bool(true)), ("false\r\n", .bool(false)),
        ("0", .number("0")), ("-0", .number("-0")), ("12.50e+3", .number("12.50e+3")), ("1E-2", .number("1E-2")),
        ("123456789012345678901234567890", .number("123456789012345678901234567890")),
        (#""""#, .string("")), (#""a\"\\\/\b\f\n\r\tz""#, .string("a\"\\/\u{8}\u{c}\n\r\tz")),
        (#""\u00e9\u20AC\ud83d\ude00""#, .string("é€😀")), ("\"é€😀\u{7f}\u{2028}\"", .string("é€😀\u{7f}\u{2028}")),
        (#""\ud83d""#, .string("\u{fffd}")), (#""\ude00\ud83d""#, .string("\u{fffd}\u{fffd}")),
        (#""\ud83dx""#, .string("\u{fffd}x")), (#""\ud83d\u0041""#, .string("\u{fffd}A")), (#""\u0000""#, .string("\0")),
        ("[]", .array([])), ("[ 1 , [ ] ,{ } ]", .array([.number("1"), .array([]), .object([])])),
        (#"{"a":1,"b":[true],"a":null}"#, .object([
            .init(name: "a", value: .number("1")), .init(name: "b", value: .array([.bool(true)])), .init(name: "a", value: .null),
        ])),
    ]

    static let refused = [
        "", " ", "nul", "nulll", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "'a'", "\"", "\"a", "\"\n\"",
        #""\x""#, #""\u12""#, #""\u12g4""#, "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}",
        "{a:1}", "{\"a\" 1}", "{1:1}", "{,}", "[1}", "{\"a\":1]", "1 2", "[] []", "\u{feff}1", "\0", "/**/1", "\"\\",
    ]

    @Test(arguments: accepted.indices) func `texts of RFC 8259 are read`(_ row: Int) throws {
        let (text, value) = Self.accepted[row]
        #expect(parse(text) == value, "\(text)")
        let bytes = Array(text.utf8)
        var reader = JSONReader(bytes.span)
        try reader.skip()
        try reader.finish()
    }

    @Test(arguments: refused) func `other texts are errors`(_ text: String) {
        #expect(parse(text) == nil)
        let bytes = Array(text.utf8)
        var reader = JSONReader(bytes.span)
        #expect(throws: JSONError.self) {
            try reader.skip()
            try reader.finish()
        }
    }

    @Test func `bytes that are not UTF-8 become U+FFFD`() {
        #expect(parse([0x22, 0x61, 0xFF, 0x62, 0xC3, 0x22]) == .string("a\u{fffd}b\u{fffd}"))
        #expect(parse([0x22, 0xC3, 0x5C, 0x6E, 0x22]) == .string("\u{fffd}\n"))
        #expect(parse([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D])?["\u{fffd}"]?.int == 1)
    }

    @Test func `members come in order and values can be skipped`() throws {
        let bytes = Array(#"{"skip":{"deep":[1,{"x":"\"}"}]},"n":42,"x":2.5,"b":true,"z":null,"s":"t","l":["a","b"]}"#.utf8)
        var reader = JSONReader(bytes.span)
        var names: [String] = []
        var list: [String] = []
        try reader.beginObject()
        while let name = try reader.nextMember() {
            names.append(name)
            switch name {
            case "n": #expect(try reader.int() == 42)
            case "x": #expect(try reader.double() == 2.5)
            case "b": #expect(try reader.bool())
            case "z": try reader.null()
            case "s": #expect(try reader.string() == "t")
            case "l":
                try reader.beginArray()
                while try reader.nextElement() { list.append(try reader.string()) }
            default: try reader.skip()
            }
        }
        try reader.finish()
        #expect(names == ["skip", "n", "x", "b", "z", "s", "l"])
        #expect(list == ["a", "b"])
    }

    @Test func `numbers are exact or errors`() {
        let integers: [(String, Int?)] = [
            ("9223372036854775807", .max), ("-9223372036854775808", .min), ("9223372036854775808", nil), ("3.0", 3), ("3e2", 300),
            ("3.5", nil), ("1e400", nil), ("1e18", nil), ("-0", 0),
        ]
        for (text, value) in integers { #expect(parse(text)?.int == value, "\(text)") }
        #expect(parse("0.1")?.double == 0.1)
        #expect(parse("1e400")?.double == nil)
        #expect(parse("5e-324")?.double == Double.leastNonzeroMagnitude)
        #expect(parse("2.2250738585072014e-308")?.double == Double.leastNormalMagnitude)
    }

    @Test func `depth and number of values are limited`() {
        func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(parse(nested(128)) != nil)
        #expect(parse(nested(129)) == nil)
        let open = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONError.tooDeep(at: 128)) { _ = try JSONValue(parsing: open.span) }
        #expect(throws: JSONError.tooDeep(at: 128)) { _ = try JSONValue(parsingCut: open.span) }
        let many = Array("[1,2,3]".utf8)
        #expect(throws: JSONError.tooManyValues) { _ = try JSONValue(parsing: many.span, valueLimit: 3) }
    }

    static let body = #"{"model":"m","n":-1.5e2,"ok":true,"no":null,"messages":[{"role":"user","content":"caf\u00e9 \ud83d\ude00 ü"},[],{}]}"#

    @Test func `every truncation is an error, and its beginning is read where cuts are accepted`() throws {
        let bytes = Array(Self.body.utf8)
        for cut in 0..<bytes.count {
            let part = Array(bytes[..<cut])
            #expect(throws: JSONError.unexpectedEnd, "cut at \(cut)") { _ = try JSONValue(parsing: part.span) }
            if cut == 0 { continue }
            let value = try JSONValue(parsingCut: part.span)
            #expect(value.members != nil, "cut at \(cut)")
        }
        let cut = Array(#"{"messages":[{"role":"user","content":"caf\u00e"#.utf8)
        #expect(try JSONValue(parsingCut: cut.span)["messages"]?.array?.first?["content"]?.string == "caf")
        let number = Array("[12,34".utf8)
        #expect(try JSONValue(parsingCut: number.span) == .array([.number("12")]))
        let wrong = Array("[1 2".utf8)
        #expect(throws: JSONError.self) { _ = try JSONValue(parsingCut: wrong.span) }
    }

    @Test func `mutated texts give a value or an error`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("JSONReaderTests seed \(seed)")
        var generator = SeededGenerator(state: seed)
        let bytes = Array(Self.body.utf8)
        let alphabet = Array("{}[],:\"\\u0dD8e-.1tfn \n".utf8) + [0x00, 0xFF, 0xC3, 0x80]
        var values = 0
        for _ in 0..<200_000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) where !mutated.isEmpty {
                let index = Int.random(in: 0..<mutated.count, using: &generator)
                let byte = alphabet.randomElement(using: &generator) ?? 0
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: mutated[index] = byte
                case 1: mutated.insert(byte, at: index)
                case 2: mutated.remove(at: index)
                default: mutated = Array(mutated[..<index])
                }
            }
            guard let value = parse(mutated) else {
                _ = try? JSONValue(parsingCut: mutated.span)
                continue
            }
            values += 1
            guard values % 16 == 0 else { continue }
            var writer = JSONWriter()
            writer.value(value)
            if parse(writer.bytes) != value { Issue.record("seed \(seed): \(mutated)") }
        }
        #expect(values > 0)
    }
}
