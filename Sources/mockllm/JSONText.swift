// Long texts into JSON: most need no escape, and are then copied as they are.
import JSON

extension JSONWriter {
    /// The same as `member`, for texts of any length.
    mutating func member(_ name: String, longText text: String) {
        self.name(name)
        var quoted: [UInt8] = []
        quoted.reserveCapacity(text.utf8.count + 2)
        quoted.appendJSONString(Array(text.utf8)[...])
        raw(quoted)
    }
}

extension [UInt8] {
    /// A JSON string with its quotes.
    mutating func appendJSONString(_ text: ArraySlice<UInt8>) {
        if text.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            append(UInt8(ascii: "\""))
            append(contentsOf: text)
            append(UInt8(ascii: "\""))
        } else {
            var json = JSONWriter(reservingCapacity: text.count + 16)
            json.string(String(decoding: text, as: UTF8.self))
            append(contentsOf: json.bytes)
        }
    }
}
