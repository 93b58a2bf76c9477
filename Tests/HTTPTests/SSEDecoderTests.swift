// Server-sent events: the same events wherever reads end, line ends of all kinds, the specification's corners.

import HTTP
import Testing

struct SSEDecoderTests {
    struct Event: Equatable {
        var data: String
        var type = ""
        var id = ""
    }

    static func events(_ bytes: [UInt8], cuts: [Int] = [], limit: Int = SSEDecoder.defaultEventLimitBytes) -> [Event]? {
        var decoder = SSEDecoder(eventLimitBytes: limit)
        var events: [Event] = []
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = Array(bytes[start..<end])
            start = end
            var position = 0
            do {
                while try decoder.next(piece.span.bytes, from: &position) {
                    events.append(
                        Event(
                            data: String(decoding: decoder.data, as: UTF8.self),
                            type: String(decoding: decoder.eventType, as: UTF8.self),
                            id: String(decoding: decoder.lastEventID, as: UTF8.self)))
                }
                if position != piece.count { return nil }
            } catch {
                return nil
            }
        }
        return events
    }

    static let streams: [(name: String, text: String, events: [Event])] = [
        ("nothing", "", []),
        ("one", "data: a\n\n", [Event(data: "a")]),
        ("CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", [Event(data: "a"), Event(data: "b")]),
        ("CR", "data: a\r\rdata: b\r\r", [Event(data: "a"), Event(data: "b")]),
        ("mixed line ends", "data: a\rdata: b\ndata: c\r\n\n", [Event(data: "a\nb\nc")]),
        ("lines", "data: a\ndata:\ndata\ndata:  b\n\n", [Event(data: "a\n\n\n b")]),
        ("type and id", "event: delta\nid: 7\ndata: x\n\ndata: y\n\n", [Event(data: "x", type: "delta", id: "7"), Event(data: "y", id: "7")]),
        ("comments", ": ping\n\n:\ndata: a\n:b\n\n", [Event(data: "a")]),
        ("no data, no event", "event: x\n\ndata: a\n\n", [Event(data: "a")]),
        ("empty data", "data\n\n", [Event(data: "")]),
        ("id without data", "id: 3\n\ndata: a\n\n", [Event(data: "a", id: "3")]),
        ("id with NUL", "id: 1\nid: a\0b\ndata: a\n\n", [Event(data: "a", id: "1")]),
        ("empty id", "id: 1\ndata: a\n\nid\ndata: b\n\n", [Event(data: "a", id: "1"), Event(data: "b")]),
        ("unfinished", "data: a\n\ndata: b\n", [Event(data: "a")]),
        ("unfinished line", "data: a\n\ndata: b", [Event(data: "a")]),
        ("byte order mark", "\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", [Event(data: "a")]),
        ("unknown fields", "Data: a\nfoo: b\ndatas: c\nd: e\n\n", []),
        ("colons", "data::a:b\n\n", [Event(data: ":a:b")]),
        ("completion", "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
            [Event(data: "{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}"), Event(data: "[DONE]")]),
        ("long lines", "data: \(String(repeating: "é", count: 50))\ndata: \(String(repeating: "x", count: 50))\n\n",
            [Event(data: "\(String(repeating: "é", count: 50))\n\(String(repeating: "x", count: 50))")]),
    ]

    @Test(arguments: streams) func `events are the same wherever reads end`(
        _ row: (name: String, text: String, events: [Event])
    ) {
        let bytes = Array(row.text.utf8)
        #expect(Self.events(bytes) == row.events, "\(row.name)")
        for cut in 0...bytes.count {
            #expect(Self.events(bytes, cuts: [cut]) == row.events, "\(row.name), cut at \(cut)")
            for second in stride(from: cut, through: bytes.count, by: 5) {
                #expect(Self.events(bytes, cuts: [cut, second]) == row.events, "\(row.name), cut at \(cut), \(second)")
            }
        }
        #expect(Self.events(bytes, cuts: Array(0..<bytes.count)) == row.events, "\(row.name), byte by byte")
    }

    @Test func `one past the limit is refused`() {
        let bytes = Array("data: 0123456789\n\ndata: 0123456789\n\n".utf8)
        #expect(Self.events(bytes, limit: 16)?.count == 2)
        for cut in 0...bytes.count {
            #expect(Self.events(bytes, cuts: [cut], limit: 16)?.count == 2)
            #expect(Self.events(bytes, cuts: [cut], limit: 15) == nil)
        }
        #expect(Self.events(Array("data: a\ndata: b\ndata: c\n\n".utf8), limit: 10) == nil)
        #expect(Self.events(Array("x".utf8), limit: -1) == nil)
    }

    @Test(arguments: [("retry: 1500\n", UInt64?(1500)), ("retry: 1s\n", nil), ("retry:\n", nil), ("retry: -1\n", nil),
        ("retry: 999999999999999999999\n", nil), ("retry: 5\nretry: x\n", 5)])
    func `the reconnection time`(_ text: String, _ expected: UInt64?) throws {
        var decoder = SSEDecoder()
        var position = 0
        let isEvent = try decoder.next(Array(text.utf8).span.bytes, from: &position)
        #expect(!isEvent && decoder.retryMilliseconds == expected)
    }
}
