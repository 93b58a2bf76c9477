// Text of others on a terminal: what a model wrote must not move the cursor, set a title, or hide what stands elsewhere.

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
