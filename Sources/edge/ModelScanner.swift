// Finds the member `model` of a JSON object in the first bytes of a request, however they come in pieces: for routes by model,
// and only where there is one. It looks for this one text and leaves all judgement of the JSON to whoever reads it.

/// start → members of the outermost object, everything deeper passed over → found, or not there.
struct ModelScanner: ~Copyable {
    /// A request that has not named its model by then has none.
    static let limitBytes = 64 << 10
    /// No model has a longer name.
    static let nameLimit = 128

    enum Verdict: Equatable { case needsMore, found, absent }

    private enum Place: UInt8 { case start, between, key, string, over }

    private var place = Place.start
    private var depth = 0
    private var seen = 0
    /// A text of the outermost object would be a member's name, not its value.
    private var expectsKey = false
    /// How much of `model` the name that is read has; -1 when it is another one.
    private var keyLength = 0
    /// The value that comes is the model's.
    private var isModel = false
    private var isEscaped = false
    private var isFound = false
    private var name = InlineArray<128, UInt8>(repeating: 0)
    private var nameLength = 0

    private static let key: StaticString = "model"

    /// Looks at the next bytes.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        var position = 0
        let end = min(bytes.count, Self.limitBytes - seen)
        while position < end, place != .over {
            if place == .string, !isEscaped, !isModel {
                position = Self.skipText(bytes, from: position, to: end)
                guard position < end else { break }
            }
            take(bytes[position])
            position += 1
        }
        seen += end
        if isFound { return .found }
        return place == .over || seen >= Self.limitBytes ? .absent : .needsMore
    }

    /// After `.found`.
    func withName<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeBytes(of: name) { body(UnsafeRawBufferPointer(rebasing: $0[..<nameLength])) }
    }

    private mutating func take(_ byte: UInt8) {
        switch place {
        case .start:
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF: break  // white space, byte order mark
            case UInt8(ascii: "{"):
                depth = 1
                expectsKey = true
                place = .between
            default: place = .over
            }
        case .between: takeBetween(byte)
        case .key: takeKey(byte)
        case .string: takeString(byte)
        case .over: break
        }
    }

    private mutating func takeBetween(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""):
            isEscaped = false
            place = depth == 1 && expectsKey ? .key : .string
            keyLength = 0
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            isModel = false
            depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            if depth == 0 { place = .over }
        case UInt8(ascii: ":") where depth == 1:
            isModel = keyLength == Self.key.utf8CodeUnitCount
            expectsKey = false
        case UInt8(ascii: ",") where depth == 1:
            isModel = false
            expectsKey = true
        default: break
        }
    }

    private mutating func takeKey(_ byte: UInt8) {
        if isEscaped {
            isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
            keyLength = -1
        } else if byte == UInt8(ascii: "\"") {
            place = .between
        } else if keyLength >= 0, keyLength < Self.key.utf8CodeUnitCount, byte == Self.key.utf8Start[keyLength] {
            keyLength += 1
        } else {
            keyLength = -1
        }
    }

    private mutating func takeString(_ byte: UInt8) {
        if isEscaped {
            isEscaped = false
            // `\/`, `\"` and `\\` stand for themselves; what needs more is in no model's name.
            guard isModel else { return }
            if byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { keep(byte) } else { place = .over }
        } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
            if isModel {
                isFound = nameLength > 0
                place = .over
            } else {
                place = .between
            }
        } else if isModel {
            keep(byte)
        }
    }

    private mutating func keep(_ byte: UInt8) {
        guard nameLength < Self.nameLimit else {
            place = .over
            return
        }
        name[nameLength] = byte
        nameLength += 1
    }

    /// The first quote or backslash at or behind `start`; prompts are long, so sixteen bytes at a time.
    private static func skipText(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int {
        var position = start
        while position + 16 <= end {
            let block = bytes.loadUnaligned(fromByteOffset: position, as: SIMD16<UInt8>.self)
            if any((block .== UInt8(ascii: "\"")) .| (block .== UInt8(ascii: "\\"))) { break }
            position += 16
        }
        while position < end, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\") { position += 1 }
        return position
    }
}

/// When a held body is looked at again: once it has doubled, or a request in many small pieces would be read through at each of them.
struct HeldLooks {
    private var next = 1

    /// Whether a body of so many bytes is worth a look; the caller then takes one.
    mutating func isDue(at count: Int) -> Bool {
        guard count >= next else { return false }
        next = min(count * 2, ModelScanner.limitBytes)
        return true
    }
}
