// Log lines as they arrive: form, escapes, caps, and what happens when nobody reads.

import Glibc
import Testing

@testable import Telemetry

/// A pipe whose write end does not block, as the supervisor gives it to children.
private struct Pipe: ~Copyable {
    let input: Int32
    let output: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        (output, input) = (ends[0], ends[1])
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    }

    deinit {
        close(input)
        close(output)
    }

    /// All that is there.
    func read() -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(output, &chunk, chunk.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}

/// The line without its time.
private func line(_ message: String, _ fields: Log.Fields = [:]) -> String {
    let pipe = Pipe()
    Log(edge(0), descriptor: pipe.input).info(message, fields)
    return String(pipe.read().dropFirst(Timestamp.textLength + 1))
}

@Test func `a line has time, level, origin, message and fields`() throws {
    let pipe = Pipe()
    let log = Log(edge(0), descriptor: pipe.input)
    log.info("Captured response", ["request_id": "req_1", "status": 200, "bytes": .number(UInt64.max), "stream": true])
    let text = pipe.read()
    #expect(
        text.hasSuffix(
            " info edge[0] Captured response request_id=req_1 status=200 bytes=18446744073709551615 stream=true\n"))
    #expect(text.prefix(24).wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
    Log(.supervisor, descriptor: pipe.input).warn("Restarting", ["reason": "signal \(11)"])
    #expect(pipe.read().hasSuffix(" warn supervisor Restarting reason=\"signal 11\"\n"))
}

@Test func `nothing is formatted below the level, which can change`() {
    let pipe = Pipe()
    let log = Log(edge(1), level: .warn, descriptor: pipe.input)
    let copy = log
    var formatted = 0
    func text() -> String {
        formatted += 1
        return "text"
    }
    log.debug(text())
    log.info(text(), ["k": .string(text())])
    #expect(formatted == 0 && pipe.read().isEmpty)
    log.warn(text())
    log.error(text())
    #expect(formatted == 2 && pipe.read().split(separator: "\n").count == 2)
    copy.level = .debug
    #expect(log.level == .debug)
    log.debug(text(), ["k": .string(text())])
    #expect(formatted == 4 && pipe.read().hasSuffix(" debug edge[1] text k=text\n"))
    #expect(Log.Level(name: "error") == .error && Log.Level(name: "loud") == nil)
}

private let values: [(value: Log.Value, shown: String)] = [
    ("plain", "plain"), ("/v1/chat?x", "/v1/chat?x"), ("", "\"\""), ("a b", "\"a b\""), ("a=b", "\"a=b\""),
    ("say \"x\"", #""say \"x\"""#),
    (#"a\b"#, #""a\\b""#), ("two\nlines\r\t", #""two\nlines\r\t""#), ("\u{1B}[31m", #""\u{1b}[31m""#),
    ("\u{0}", #""\u{0}""#),
    ("\u{7F}", #""\u{7f}""#), ("\u{9B}31m", #""\u{9b}31m""#), ("\u{2028}", #""\u{2028}""#),
    ("a\u{202E}b", #""a\u{202e}b""#),
    ("grüße 😀", "\"grüße 😀\""), (.number(-5), "-5"), (.flag(false), "false"),
    (.duration(.milliseconds(1500)), "1500ms"), (.duration(.microseconds(12_340)), "12.34ms"),
    (.duration(.microseconds(7)), "0.007ms"),
    (.duration(.zero), "0ms"), (.duration(.microseconds(-7)), "-0.007ms"), (.duration(.nanoseconds(999)), "0ms"),
    (.duration(.seconds(Int64.max)), "1000000000000000ms"),
]

@Test(arguments: values) func `values are quoted and escaped`(_ row: (value: Log.Value, shown: String)) {
    #expect(line("m", ["k": row.value]) == "info edge[0] m k=\(row.shown)\n")
}

@Test func `messages cannot end a line or forge one`() {
    #expect(
        line("Audit failed: \"no\"\ninfo edge[0] fine\u{1B}")
            == "info edge[0] Audit failed: \"no\"\\ninfo edge[0] fine\\u{1b}\n")
}

@Test func `long values are cut at a character and marked`() {
    let limit = LogLine.valueLimitBytes
    let full = String(repeating: "a", count: limit)
    #expect(line("m", ["k": .string(full)]) == "info edge[0] m k=\(full)\n")
    #expect(line("m", ["k": .string(full + "b"), "z": 1]) == "info edge[0] m k=\(full)… z=1\n")
    let wide = String(repeating: "é", count: limit)
    #expect(line("m", ["k": .string(wide)]) == "info edge[0] m k=\"\(wide.prefix(limit / 2))…\"\n")
}

@Test func `a line never exceeds what a pipe takes whole`() {
    for character in ["a", "é", "€", "😀", "\n", "\u{1}"] {
        for shift in 0..<8 {
            let pipe = Pipe()
            let log = Log(edge(0), descriptor: pipe.input)
            log.info(String(repeating: "x", count: shift) + String(repeating: character, count: 5000), ["k": "v"])
            let text = pipe.read()
            #expect(text.utf8.count <= 4096 && text.utf8.count > 4080)
            #expect(text.hasSuffix("…\n"))
            #expect(!text.contains("\u{FFFD}"))
            #expect(text.split(separator: "\n").count == 1)
        }
    }
    // Just full: nothing cut. Prefix of 24 + " info edge[0] ".
    let room = LogLine.capacity - 4 - 24 - 14
    #expect(line(String(repeating: "a", count: room)).hasSuffix("a\n"))
    #expect(line(String(repeating: "a", count: room + 1)).hasSuffix("a…\n"))
}

@Test func `a full pipe loses lines whole and counts them`() {
    let pipe = Pipe()
    let log = Log(edge(0), descriptor: pipe.input)
    let total = 500
    for index in 0..<total {
        log.info("fill", ["n": .number(index), "pad": .string(String(repeating: "p", count: 1000))])
    }
    let arrived = pipe.read().split(separator: "\n")
    #expect(log.droppedLines > 0)
    #expect(UInt64(arrived.count) + log.droppedLines == UInt64(total))
    for text in arrived { #expect(text.hasSuffix("ppp")) }
    log.info("again")
    #expect(pipe.read().hasSuffix("again\n"))
}

@Test func `a closed descriptor counts, too`() {
    let log = Log(edge(0), descriptor: -1)
    log.error("nobody hears this")
    #expect(log.droppedLines == 1)
}

private func edge(_ number: Int) -> Place { Place.Group.edge.places[number] }
