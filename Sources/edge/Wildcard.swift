// Patterns of paths and models, in which `*` stands for any characters, none included; matched byte by byte, in any length.

/// Owns a copy of its bytes for the life of the process: patterns come from settings, at the start.
struct Wildcard {
    private let pattern: UnsafeRawBufferPointer

    init(_ text: String) { pattern = text.keptBytes }

    /// Time grows with the product of both lengths at worst; patterns are short.
    func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        var inPattern = 0
        // Where to go on when what follows the last `*` does not fit: that one takes a byte more.
        var retryPattern = -1
        var retryText = 0
        while position < text.count {
            if inPattern < pattern.count, pattern[inPattern] == UInt8(ascii: "*") {
                inPattern += 1
                retryPattern = inPattern
                retryText = position
            } else if inPattern < pattern.count, pattern[inPattern] == text[position] {
                inPattern += 1
                position += 1
            } else if retryPattern >= 0 {
                retryText += 1
                position = retryText
                inPattern = retryPattern
            } else {
                return false
            }
        }
        while inPattern < pattern.count, pattern[inPattern] == UInt8(ascii: "*") { inPattern += 1 }
        return inPattern == pattern.count
    }
}

extension String {
    /// Its bytes as memory that is never given back, for what lives as long as the process and is read without a reference.
    var keptBytes: UnsafeRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: utf8.count, alignment: 1)
        memory.copyBytes(from: utf8)
        return UnsafeRawBufferPointer(memory)
    }
}
