// Text on a terminal. What others wrote must not move the cursor, set a title, or hide what stands elsewhere.

/// One line, without control characters; runs of white space become one space.
func oneLine(_ text: String) -> String {
    var result = ""
    var wasSpace = false
    for scalar in text.unicodeScalars {
        let isSpace = scalar.value <= 0x20 || (0x7F...0xA0).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
        if isSpace, wasSpace { continue }
        result.unicodeScalars.append(isSpace ? " " : scalar)
        wasSpace = isSpace
    }
    return result
}

func cut(_ text: String, _ limit: Int) -> String { text.count <= limit ? text : text.prefix(limit) + "…" }

/// A column of a table; one space at least separates it from the next.
func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
