// Sixteen bytes at once against one by one: every byte, every place, every length, and nothing beyond the span.

import Testing

@testable import HTTP

struct SixteenBytesTests {
    private typealias Search = (
        name: String, find: @Sendable (borrowing RawSpan, Int) -> Int, isHit: @Sendable (UInt8) -> Bool
    )

    @Sendable private static func isPlain(_ byte: UInt8) -> Bool {
        CharacterClass.isAlphanumeric(byte) || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains(byte)
    }

    @Sendable private static func endsTarget(_ byte: UInt8) -> Bool { byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "#") }

    private static let searches: [Search] = [
        ("colon", { bytes, offset in bytes.firstIndex(from: offset) { $0.equal(.colon) } }, { $0 == .colon }),
        ("text", { bytes, offset in CharacterClass.endOfText(bytes, from: offset) }, { !CharacterClass.isText($0) }),
        ("plain", { bytes, offset in bytes.firstIndex(from: offset) { .!CharacterClass.plain($0) } }, { !isPlain($0) }),
        ("target", { bytes, offset in CharacterClass.endOfTarget(bytes, from: offset, stoppingAtQuery: false) }, endsTarget),
        (
            "path", { bytes, offset in CharacterClass.endOfTarget(bytes, from: offset, stoppingAtQuery: true) },
            { endsTarget($0) || $0 == UInt8(ascii: "?") }
        ),
    ]

    @Test func `every byte is told apart at every place`() {
        for search in Self.searches {
            for byte in UInt8.min...UInt8.max {
                for place in 0..<16 {
                    var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 16)
                    bytes[place] = byte
                    let found = search.find(bytes.span.bytes, 0)
                    #expect(found == (search.isHit(byte) ? place : 16), "\(search.name): \(byte) at \(place)")
                }
            }
        }
    }

    @Test func `a search ends where one byte by byte does`() {
        var random = Randomness(seed: 1)
        for length in 0..<70 {
            // Mostly bytes that no search stops at, then any.
            let bytes = (0..<length).map { _ in
                random.next() % 16 == 0 ? UInt8(truncatingIfNeeded: random.next()) : UInt8(ascii: "a")
            }
            for (search, offset) in Self.searches.flatMap({ search in (0...length).map { (search, $0) } }) {
                let expected = bytes[offset...].firstIndex(where: search.isHit) ?? length
                #expect(search.find(bytes.span.bytes, offset) == expected, "\(search.name) from \(offset) of \(bytes)")
            }
        }
    }

    @Test func `nothing is read outside the span`() {
        let all = (1...60).map { UInt8($0) }
        for length in 0...20 {
            let span = all.span.bytes.extracting(20..<20 + length)
            let inside = Array(all[20..<20 + length])
            for offset in [Int.min, Int.min + 1, -17, -16, -8, -2, -1] + Array(0...length + 20) + [Int.max - 15, Int.max] {
                func byte(_ index: Int) -> UInt8 {
                    let (place, overflow) = offset.addingReportingOverflow(index)
                    return !overflow && inside.indices.contains(place) ? inside[place] : 0
                }
                for count in [1, 2, 8, 16] {
                    let isInside = offset >= 0 && offset <= length - count
                    #expect(span.holds(count, from: offset) == isInside, "\(count) from \(offset) of \(length)")
                }
                #expect(span.peek(offset) == byte(0), "\(offset) of \(length)")
                let pair = UInt16(byte(0)) | UInt16(byte(1)) << 8
                #expect(span.peekPair(offset) == (span.holds(2, from: offset) ? pair : 0), "\(offset) of \(length)")
                if offset >= 0, offset <= length {
                    let sixteen = span.sixteen(offset)
                    #expect((0..<16).allSatisfy { sixteen[$0] == byte($0) }, "\(offset) of \(length)")
                }
            }
        }
    }

    @Test func `a word ends before the first colon`() {
        for length in 0..<48 {
            for rest in [0, 1, 7, 15, 16, 40] {
                let name = (0..<length).map { UInt8(ascii: "A") + UInt8($0 % 26) }
                let bytes = name + [.colon] + [UInt8](repeating: .colon, count: rest)
                let found = FoldedWord(bytes.span.bytes, from: 0, upTo: .colon)
                guard length < FoldedWord.capacity else {
                    #expect(found == nil)
                    continue
                }
                let plain = FoldedWord(bytes.span.bytes, 0, length)
                let isSame = found.map { word in
                    word.count == length && (word.first, word.second) == (plain.first, plain.second)
                        && (word.third, word.fourth) == (plain.third, plain.fourth)
                }
                #expect(isSame == true, "\(length) bytes before \(rest)")
            }
        }
        let none = Array("name".utf8)
        #expect(FoldedWord(none.span.bytes, from: 0, upTo: .colon) == nil)
    }

    @Test func `field lines of every length`() {
        for nameLength in 1...40 {
            for valueLength in 0...40 {
                let name = String(repeating: "n", count: nameLength)
                let value = String(repeating: "v", count: valueLength)
                for (before, after) in [(" ", ""), ("", ""), ("  ", ""), (" ", " "), ("\t", "\t ")] {
                    let head = response("HTTP/1.1 200\r\n\(name):\(before)\(value)\(after)\r\nA: b\r\n\r\n").head
                    let isCanonical = before == " " && after == ""
                    #expect(
                        head?.fields == [
                            Head.Field(name: name, value: value, isCanonical: isCanonical), Head.Field(name: "A", value: "b"),
                        ], "\(nameLength), \(valueLength), white space \([before, after])")
                }
            }
        }
    }

    @Test func `one wrong byte in a line is found at every place`() {
        for length in 1...40 {
            for place in 0..<length {
                var text = [UInt8](repeating: UInt8(ascii: "x"), count: length)
                text[place] = 0x01
                let start = Array("HTTP/1.1 200\r\n".utf8)
                let name = start + text + Array(": v\r\n\r\n".utf8)
                #expect(response(name) == .refused(.badFieldName), "\(place) of a name of \(length)")
                let value = start + Array("n: ".utf8) + text + Array("\r\n\r\n".utf8)
                #expect(response(value) == .refused(.controlByte), "\(place) of a value of \(length)")
                let host = Array("GET / HTTP/1.1\r\nHost: ".utf8) + text.map { $0 == 1 ? UInt8(ascii: "/") : $0 } + Array("\r\n\r\n".utf8)
                #expect(request(host) == .refused(.badHost), "\(place) of a host of \(length)")
            }
        }
    }

    @Test func `fields of one name follow each other`() throws {
        let bytes = Array("HTTP/1.1 200\r\nVary: a\r\nVia: b\r\nVary: c\r\nDate: d\r\nVary: e\r\n\r\n".utf8)
        var parser = HeadParser()
        var position = 0
        _ = try parser.parseResponse(bytes.span.bytes, to: .get, from: &position)
        let found = [0, 2, 4].map { parser.nextIndex(of: .vary, after: $0) }
        let other = (parser.nextIndex(of: .via, after: 1), parser.nextIndex(of: .server, after: 0))
        #expect(found == [2, 4, nil] && other == (nil, nil))
    }

    @Test func `hexadecimal digits are those of the standard library`() {
        var random = Randomness(seed: 2)
        let numbers = [0, 9, 10, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, .max] + (0..<1000).map { _ in random.next() }
        for number in numbers {
            let text = String(number, radix: 16)
            let padded = String(repeating: "0", count: 16 - text.count) + text
            #expect(written(capacity: 16) { $0.append(digitsOf: number) } == padded)
            #expect(written(capacity: 8) { $0.append(digitsOf: UInt32(truncatingIfNeeded: number)) } == String(padded.suffix(8)))
        }
        #expect(written(capacity: 15) { $0.append(digitsOf: UInt64.max) } == nil)
        #expect(written(capacity: 7) { $0.append(digitsOf: UInt32.max) } == nil)
    }
}
