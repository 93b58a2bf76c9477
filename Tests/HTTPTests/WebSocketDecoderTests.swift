// WebSocket frames: the same events wherever reads end, and each violation with the code that answers it.

import HTTP
import Testing

/// What a decoder said to a stream of bytes.
struct WebSocketTranscript: Equatable {
    var events: [String] = []
    var error: WebSocketError?

    static func of(
        _ bytes: [UInt8], cuts: [Int] = [], role: WebSocketDecoder.Role = .server,
        limit: Int = WebSocketDecoder.defaultMessageLimitBytes, allowsCompression: Bool = false
    ) -> WebSocketTranscript {
        var decoder = WebSocketDecoder(role: role, messageLimitBytes: limit, allowsCompression: allowsCompression)
        var transcript = WebSocketTranscript()
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = Array(bytes[start..<end])
            start = end
            var position = 0
            feeding: while true {
                do throws(WebSocketError) {
                    let event = try decoder.next(piece.span.bytes, from: &position)
                    let message = decoder.message.withUnsafeBytes { Array($0) }
                    let control = decoder.control.withUnsafeBytes { Array($0) }
                    switch event {
                    case .needMore: break feeding
                    case .text(let isCompressed), .binary(let isCompressed):
                        let kind = event == .text(isCompressed: isCompressed) ? "text" : "binary"
                        transcript.events.append("\(isCompressed ? "compressed " : "")\(kind) \(show(message))")
                    case .ping: transcript.events.append("ping \(show(control))")
                    case .pong: transcript.events.append("pong \(show(control))")
                    case .close(let code):
                        transcript.events.append("close \(code.map { String($0) } ?? "-") \(show(control))")
                    }
                } catch {
                    transcript.error = error
                    return transcript
                }
            }
        }
        return transcript
    }

    private static func show(_ bytes: [UInt8]) -> String {
        bytes.count <= 40 ? String(decoding: bytes, as: UTF8.self) : "\(bytes.count) bytes, \(bytes.reduce(0) { $0 &* 31 &+ Int($1) })"
    }
}

/// A frame made without the code under test; the mask key is 1, 2, 3, 4.
func frame(
    _ first: UInt8, _ payload: [UInt8] = [], masked: Bool = true, lengthBytes: Int? = nil, length: UInt64? = nil
) -> [UInt8] {
    var bytes = [first]
    let count = length ?? UInt64(payload.count)
    let wide = lengthBytes ?? (count <= 125 ? 0 : count <= 65_535 ? 2 : 8)
    bytes.append((masked ? 0x80 : 0) | (wide == 0 ? UInt8(count) : wide == 2 ? 126 : 127))
    for index in 0..<wide { bytes.append(UInt8(truncatingIfNeeded: count >> UInt64((wide - 1 - index) * 8))) }
    if masked { bytes += [1, 2, 3, 4] }
    for (index, byte) in payload.enumerated() { bytes.append(masked ? byte ^ UInt8(index % 4 + 1) : byte) }
    return bytes
}

func frame(_ first: UInt8, _ text: String, masked: Bool = true) -> [UInt8] {
    frame(first, Array(text.utf8), masked: masked)
}

struct WebSocketDecoderTests {
    static let accepted: [(name: String, bytes: [UInt8], events: [String])] = [
        ("text", frame(0x81, "Hello"), ["text Hello"]),
        ("empty text", frame(0x81), ["text "]),
        ("binary", frame(0x82, "ab"), ["binary ab"]),
        ("fragments", frame(0x01, "Hel") + frame(0x00, "l") + frame(0x80, "o"), ["text Hello"]),
        ("empty fragments", frame(0x01) + frame(0x00) + frame(0x80), ["text "]),
        ("ping between fragments", frame(0x01, "Hel") + frame(0x89, "p") + frame(0x80, "lo"), ["ping p", "text Hello"]),
        ("character cut by frames", frame(0x01, [0xF0, 0x9F]) + frame(0x8A) + frame(0x80, [0x98, 0x80]), ["pong ", "text 😀"]),
        ("two messages", frame(0x81, "a") + frame(0x82, "b") + frame(0x81, "c"), ["text a", "binary b", "text c"]),
        ("binary is any bytes", frame(0x02, [0xFF]) + frame(0x80, [0xC0]), ["binary \u{FFFD}\u{FFFD}"]),
        ("close", frame(0x88, [0x03, 0xE8] + Array("bye".utf8)) + frame(0x81, "late"), ["close 1000 bye"]),
        ("close without a code", frame(0x88) + [0xFF, 0xFF], ["close - "]),
        ("close within a message", frame(0x01, "a") + frame(0x88, [0x0F, 0xA0]), ["close 4000 "]),
        ("126 bytes", frame(0x82, [UInt8](repeating: 65, count: 126)), ["binary 126 bytes, \(hash(126))"]),
        ("300 bytes", frame(0x81, [UInt8](repeating: 65, count: 300)), ["text 300 bytes, \(hash(300))"]),
    ]

    private static func hash(_ count: Int) -> Int { (0..<count).reduce(0) { hash, _ in hash &* 31 &+ 65 } }

    static let refused: [(name: String, bytes: [UInt8], error: WebSocketError)] = [
        ("no mask", frame(0x81, "a", masked: false), .maskMissing),
        ("RSV1", frame(0xC1, "a"), .reservedBits), ("RSV2", frame(0xA1, "a"), .reservedBits), ("RSV3", frame(0x91, "a"), .reservedBits),
        ("RSV1 of a ping", frame(0xC9, "a"), .reservedBits), ("opcode 3", frame(0x83), .unknownOpcode), ("opcode 15", frame(0x8F), .unknownOpcode),
        ("fragmented ping", frame(0x09), .controlFragmented), ("fragmented close", frame(0x08), .controlFragmented),
        ("long ping", frame(0x89, [UInt8](repeating: 0, count: 126)), .controlTooLong),
        ("continuation of nothing", frame(0x80, "a"), .unexpectedContinuation),
        ("continuation after the end", frame(0x81, "a") + frame(0x80, "b"), .unexpectedContinuation),
        ("text within a message", frame(0x01, "a") + frame(0x81, "b"), .unfinishedMessage),
        ("length 125 in 2 bytes", frame(0x82, [UInt8](repeating: 0, count: 125), lengthBytes: 2), .lengthNotMinimal),
        ("length 65,535 in 8 bytes", frame(0x82, lengthBytes: 8, length: 65_535), .lengthNotMinimal),
        ("length 0 in 8 bytes", frame(0x82, lengthBytes: 8, length: 0), .lengthNotMinimal),
        ("length of 64 bits", frame(0x82, lengthBytes: 8, length: .max), .lengthTooLarge),
        ("length of 63 bits", frame(0x82, lengthBytes: 8, length: .max >> 1), .messageTooLarge),
        ("overlong character", frame(0x81, [0xC0, 0xAF]), .invalidUTF8), ("surrogate", frame(0x81, [0xED, 0xA0, 0x80]), .invalidUTF8),
        ("above the last plane", frame(0x81, [0xF4, 0x90, 0x80, 0x80]), .invalidUTF8), ("cut character", frame(0x81, [0x61, 0xC3]), .invalidUTF8),
        ("wrong in the second fragment", frame(0x01, [0xC3]) + frame(0x00, [0x28]), .invalidUTF8),
        ("close of one byte", frame(0x88, [0x03]), .badClose), ("close 999", frame(0x88, [0x03, 0xE7]), .badClose),
        ("close 1004", frame(0x88, [0x03, 0xEC]), .badClose), ("close 1005", frame(0x88, [0x03, 0xED]), .badClose),
        ("close 1006", frame(0x88, [0x03, 0xEE]), .badClose), ("close 1015", frame(0x88, [0x03, 0xF7]), .badClose),
        ("close 2999", frame(0x88, [0x0B, 0xB7]), .badClose), ("close 5000", frame(0x88, [0x13, 0x88]), .badClose),
        ("close with a bad reason", frame(0x88, [0x03, 0xE8, 0xFF]), .invalidUTF8), ("close with a cut reason", frame(0x88, [0x03, 0xE8, 0xC3]), .invalidUTF8),
    ]

    @Test(arguments: accepted) func `events are the same wherever reads end`(
        _ row: (name: String, bytes: [UInt8], events: [String])
    ) {
        #expect(WebSocketTranscript.of(row.bytes) == WebSocketTranscript(events: row.events), "\(row.name)")
        for cut in 0...row.bytes.count {
            #expect(WebSocketTranscript.of(row.bytes, cuts: [cut]).events == row.events, "\(row.name), cut at \(cut)")
            #expect(WebSocketTranscript.of(Array(row.bytes[..<cut])).error == nil, "\(row.name), ends at \(cut)")
        }
        let everywhere = WebSocketTranscript.of(row.bytes, cuts: Array(0..<row.bytes.count))
        #expect(everywhere.events == row.events, "\(row.name), byte by byte")
    }

    @Test(arguments: refused) func `a violation is refused wherever reads end`(
        _ row: (name: String, bytes: [UInt8], error: WebSocketError)
    ) {
        let whole = WebSocketTranscript.of(row.bytes)
        #expect(whole.error == row.error, "\(row.name)")
        for cut in 0...row.bytes.count {
            #expect(WebSocketTranscript.of(row.bytes, cuts: [cut]) == whole, "\(row.name), cut at \(cut)")
        }
    }

    @Test func `a client takes unmasked frames only`() {
        #expect(WebSocketTranscript.of(frame(0x81, "a", masked: false), role: .client).events == ["text a"])
        #expect(WebSocketTranscript.of(frame(0x81, "a"), role: .client).error == .maskForbidden)
    }

    @Test func `RSV1 marks compressed messages when an extension allows it`() {
        func transcript(_ bytes: [UInt8]) -> WebSocketTranscript { .of(bytes, allowsCompression: true) }
        #expect(transcript(frame(0x41, "a") + frame(0x80, "b") + frame(0x81, "c")).events == ["compressed text ab", "text c"])
        #expect(transcript(frame(0xC1, [0xFF])).error == nil)
        #expect(transcript(frame(0x01, "a") + frame(0xC0, "b")).error == .reservedBits)
        #expect(transcript(frame(0xC9)).error == .reservedBits)
        #expect(transcript(frame(0xE1)).error == .reservedBits)
    }

    @Test func `one past the message limit is refused before it arrives`() {
        let limit = 200
        let full = [UInt8](repeating: 65, count: limit)
        #expect(WebSocketTranscript.of(frame(0x82, full), limit: limit).error == nil)
        #expect(WebSocketTranscript.of(Array(frame(0x82, full + [65]).prefix(8)), limit: limit).error == .messageTooLarge)
        let inParts = frame(0x02, Array(full.dropLast())) + frame(0x89, full.prefix(125) + []) + frame(0x80, [65])
        #expect(WebSocketTranscript.of(inParts, limit: limit).events.count == 2)
        let beyond = frame(0x02, full) + frame(0x00) + frame(0x80, [65])
        #expect(WebSocketTranscript.of(beyond, limit: limit).error == .messageTooLarge)
        #expect(WebSocketTranscript.of(frame(0x81, "a"), limit: 0).error == .messageTooLarge)
        #expect(WebSocketTranscript.of(frame(0x81), limit: -1).events == ["text "])
    }

    @Test func `violations name their close code`() {
        #expect(WebSocketError.invalidUTF8.closeCode == 1007 && WebSocketError.messageTooLarge.closeCode == 1009)
        #expect(WebSocketError.maskMissing.closeCode == 1002 && WebSocketError.badClose.closeCode == 1002)
    }

    @Test func `an error stays`() throws {
        var decoder = WebSocketDecoder(role: .server)
        var position = 0
        for bytes in [frame(0x83), frame(0x81, "a")] {
            #expect(throws: WebSocketError.unknownOpcode) { try decoder.next(bytes.span.bytes, from: &position) }
        }
    }

    @Test(arguments: [0, 1, 125, 126, 65_535, 65_536, 100_003]) func `what is written is read again`(_ count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for mask in [nil, WebSocketMask(key: 0x1234_5678)] {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: count + WebSocketFrame.clientHeaderLimitBytes, alignment: 1)
            defer { buffer.deallocate() }
            var sink = ByteSink(buffer)
            sink.appendFrame(.binary, payload.span.bytes, mask: mask)
            let (length, overflowed) = (sink.count, sink.overflowed)
            #expect(!overflowed)
            let role: WebSocketDecoder.Role = mask == nil ? .client : .server
            let read = WebSocketTranscript.of(Array(buffer[..<length]), cuts: [min(3, length), min(9, length), length / 2 + 9].filter { $0 <= length }.sorted(), role: role)
            let expected = WebSocketTranscript.of(frame(0x82, payload, masked: mask != nil), role: role)
            #expect(read == expected && read.events.count == 1)
        }
    }

    @Test func `close frames`() {
        #expect(written { $0.appendCloseFrame(1000, reason: "bye") } == "\u{88}\u{5}\u{3}\u{E8}bye".latin1)
        #expect(written { $0.appendCloseFrame(nil) } == "\u{88}\0".latin1)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
        defer { buffer.deallocate() }
        var sink = ByteSink(buffer)
        sink.appendCloseFrame(1009, reason: "too large", mask: WebSocketMask(key: 0xDEAD_BEEF))
        sink.appendCloseFrame(nil, mask: WebSocketMask(key: 1))
        let length = sink.count
        #expect(WebSocketTranscript.of(Array(buffer[..<length])).events == ["close 1009 too large"])
    }
}

extension String {
    /// What `written` shows of the bytes that are these scalars.
    fileprivate var latin1: String {
        String(decoding: unicodeScalars.map { UInt8($0.value) }, as: UTF8.self)
    }
}

struct UTF8ValidatorTests {
    /// On all sequences of four bytes at the edges of the classes.
    @Test func `agrees with the standard library`() {
        let edges: [UInt8] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
        var differences = 0
        for first in edges {
            for second in edges {
                for third in edges {
                    for fourth in edges {
                        let bytes = [first, second, third, fourth]
                        var validator = UTF8Validator()
                        let isValid = validator.accept(bytes.span.bytes) && validator.isComplete
                        if isValid != (String(validating: bytes, as: UTF8.self) != nil) { differences += 1 }
                    }
                }
            }
        }
        #expect(differences == 0)
    }

    @Test(arguments: [
        ("0123456789abcdef\u{E9}0123456789\u{20AC}abcdefghij\u{1F600}", true), ("\u{10FFFF}", true), ("", true),
    ]) func `texts in any two pieces`(_ text: String, _ isValid: Bool) {
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            var validator = UTF8Validator()
            let first = validator.accept(bytes.span.bytes.extracting(0..<cut))
            let second = validator.accept(bytes.span.bytes.extracting(cut..<bytes.count))
            #expect((first && second && validator.isComplete) == isValid)
        }
        var validator = UTF8Validator()
        let isAccepted = validator.accept(([UInt8](repeating: 0x61, count: 17) + [0x80]).span.bytes)
        #expect(!isAccepted)
    }
}
