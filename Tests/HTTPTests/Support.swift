// What the tests of this module share: parsed heads as values, bytes fed in pieces, and a seeded generator.

import HTTP

/// A parsed head as a value that can be compared and read in a failure's message.
struct Head: Equatable {
    struct Field: Equatable {
        var name: String
        var value: String
        var isHopByHop = false
        var isCanonical = true
    }

    var length = 0
    var method = Method.other
    var methodText = ""
    var targetForm = TargetForm.origin
    var target = ""
    var path = ""
    var query: String?
    var authority = ""
    var status: UInt16 = 0
    var reason = ""
    var version = Version.http11
    var framing = BodyFraming.none
    var contentLength: UInt64?
    var keepAlive = true
    var upgrade = Upgrade.none
    var expectsContinue = false
    var fields: [Field] = []

    init(_ length: Int, _ parser: borrowing HeadParser, _ bytes: [UInt8]) {
        self.length = length
        method = parser.method
        methodText = bytes.text(parser.methodRange)
        targetForm = parser.targetForm
        target = bytes.text(parser.targetRange)
        path = bytes.text(parser.pathRange)
        query = parser.hasQuery ? bytes.text(parser.queryRange) : nil
        authority = bytes.text(parser.authorityRange)
        status = parser.status
        reason = bytes.text(parser.reasonRange)
        version = parser.version
        framing = parser.framing
        contentLength = parser.contentLength
        keepAlive = parser.keepAlive
        upgrade = parser.upgrade
        expectsContinue = parser.expectsContinue
        for index in 0..<parser.fieldCount {
            let field = parser.field(index)
            fields.append(
                Field(
                    name: bytes.text(field.nameRange), value: bytes.text(field.valueRange),
                    isHopByHop: field.isHopByHop, isCanonical: field.isCanonical))
        }
    }

    subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// The names that do not travel.
    var hopByHop: [String] { fields.filter(\.isHopByHop).map(\.name) }
}

enum Outcome: Equatable {
    case head(Head)
    case incomplete
    case refused(HTTPError)

    var head: Head? {
        if case .head(let head) = self { head } else { nil }
    }

    var error: HTTPError? {
        if case .refused(let error) = self { error } else { nil }
    }
}

/// Parses a request head that arrives up to each cut in turn, then whole.
func request(_ bytes: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits()) -> Outcome {
    var parser = HeadParser()
    var position = 0
    for end in cuts + [bytes.count] {
        let arrived = Array(bytes[..<end])
        do throws(HTTPError) {
            if let length = try parser.parseRequest(arrived.span.bytes, from: &position, limits: limits) {
                return .head(Head(length, parser, arrived))
            }
        } catch {
            return .refused(error)
        }
    }
    return .incomplete
}

func request(_ text: String, limits: HeadLimits = HeadLimits()) -> Outcome {
    request(Array(text.utf8), limits: limits)
}

func response(
    _ bytes: [UInt8], to method: Method = .get, cuts: [Int] = [], limits: HeadLimits = HeadLimits()
) -> Outcome {
    var parser = HeadParser()
    var position = 0
    for end in cuts + [bytes.count] {
        let arrived = Array(bytes[..<end])
        do throws(HTTPError) {
            if let length = try parser.parseResponse(arrived.span.bytes, to: method, from: &position, limits: limits) {
                return .head(Head(length, parser, arrived))
            }
        } catch {
            return .refused(error)
        }
    }
    return .incomplete
}

func response(_ text: String, to method: Method = .get) -> Outcome {
    response(Array(text.utf8), to: method)
}

extension [UInt8] {
    func text(_ range: ByteRange) -> String {
        String(decoding: self[range.lowerBound..<range.upperBound], as: UTF8.self)
    }
}

/// What a sink with room for `capacity` bytes holds after `write`; nil when it overflowed.
func written(capacity: Int = 4096, _ write: (inout ByteSink) -> Void) -> String? {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 1)
    defer { buffer.deallocate() }
    var sink = ByteSink(buffer)
    write(&sink)
    return sink.overflowed ? nil : String(decoding: buffer[..<sink.count], as: UTF8.self)
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct Randomness: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
