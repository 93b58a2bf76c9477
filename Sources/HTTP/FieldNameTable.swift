// Finds the known name of a field: an open hash table over length and first eight bytes, which tell nearly all names
// apart. Made once, with its parser; a lookup is one multiplication and one or two compares.

@safe struct FieldNameTable: ~Copyable {
    private struct Entry {
        var text = FoldedWord(lowercase: "")
        var name = FieldName.other
    }

    /// A power of two, at least twice the number of names: every search soon meets an empty entry.
    private static let capacity = 128

    private let entries: UnsafeMutablePointer<Entry>

    init() {
        assert(FieldName.allCases.count * 2 <= Self.capacity)
        unsafe entries = .allocate(capacity: Self.capacity)
        unsafe entries.initialize(repeating: Entry(), count: Self.capacity)
        for name in FieldName.allCases where name != .other {
            let text = FoldedWord(lowercase: name.text)
            assert(text.count > 0 && text.count <= FoldedWord.capacity)
            var index = Self.index(of: text)
            while unsafe entries[index].name != .other { index = (index &+ 1) & (Self.capacity &- 1) }
            unsafe entries[index] = Entry(text: text, name: name)
        }
    }

    deinit { unsafe entries.deallocate() }

    @inline(__always)
    func name(of word: FoldedWord) -> FieldName {
        var index = Self.index(of: word)
        while true {
            let name = unsafe entries[index].name
            if name == .other { return .other }
            if unsafe word.isEqual(to: entries[index].text) { return name }
            index = (index &+ 1) & (Self.capacity &- 1)
        }
    }

    @inline(__always)
    private static func index(of word: FoldedWord) -> Int {
        let folded = word.first | 0x2020_2020_2020_2020
        let mixed = (folded ^ UInt64(truncatingIfNeeded: word.count)) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed &>> 57)
    }
}
