// The query of a target as HTML forms write it: `name=value` pairs between `&`, percent-encoded.

package enum QueryText {
    /// The first value of that name; nil without one.
    package static func value(of name: StaticString, in query: ArraySlice<UInt8>) -> String? {
        var rest = query
        while !rest.isEmpty {
            let pair = rest.prefix { $0 != UInt8(ascii: "&") }
            rest = rest.dropFirst(pair.count + 1)
            let key = pair.prefix { $0 != UInt8(ascii: "=") }
            guard key.count == name.utf8CodeUnitCount, name.withUTF8Buffer({ key.elementsEqual($0) }) else { continue }
            return decoded(pair.dropFirst(key.count + 1))
        }
        return nil
    }

    /// Percent-encoding and `+` undone; a `%` without two digits stays.
    package static func decoded(_ bytes: ArraySlice<UInt8>) -> String {
        var result: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                result.append(0x20)
            } else if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                rest.count >= 2, rest.first != UInt8(ascii: "+"), rest.first != UInt8(ascii: "-")
            {
                result.append(value)
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
