// The writer's text, and that the reader gets back what was written.

import JSON
import Testing

struct JSONWriterTests {
    @Test func `objects and arrays are written with their commas`() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("a", 1)
        writer.member("b", "x")
        writer.name("c")
        writer.beginArray()
        writer.null()
        writer.bool(true)
        writer.beginObject()
        writer.endObject()
        writer.raw("{\"r\":1}".utf8)
        writer.endArray()
        writer.member("d", Double?.none)
        writer.member("e", false)
        writer.endObject()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"a":1,"b":"x","c":[null,true,{},{"r":1}],"d":null,"e":false}"#)
    }

    @Test(arguments: [
        (1.0, "1"), (-0.5, "-0.5"), (87.25, "87.25"), (.infinity, "null"), (.nan, "null"), (1e300, "1e+300"), (1e-7, "1e-07"),
    ])
    func `numbers are numbers of JSON`(_ value: Double, _ text: String) {
        var writer = JSONWriter()
        writer.double(value)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    }

    @Test func `every character of Unicode's first plane comes back`() throws {
        var text = ""
        for code in UInt32(0)...0xFFFF { if let scalar = Unicode.Scalar(code) { text.unicodeScalars.append(scalar) } }
        var writer = JSONWriter()
        writer.string(text)
        #expect(writer.bytes.count == JSONWriter.escapedSize(of: text) + 2)
        #expect(try JSONValue(parsing: writer.bytes.span).string == text)
    }
}
