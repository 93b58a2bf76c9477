// What the mock says: the canned answer of a question that it knows, else a fixed sentence; and its cut into tokens.

enum AnswerText {
    /// The answer to the last thing that the user said.
    static func answer(to question: String) -> String {
        if let judgement = MockJudge.answer(to: question) { return judgement }
        for known in Question.all where contains(question, known.question) { return known.answer }
        let words = question.utf8.split { $0 <= 0x20 }.suffix(8).map { String(Substring($0)) }.joined(separator: " ")
        return words.isEmpty
            ? "This is a mock language model; it was asked nothing."
            : "This is a mock language model; it has no answer to a question that ends with: \(words)"
    }

    /// Questions are compared by bytes: prompts often wrap the user's words in more text.
    private static func contains(_ text: String, _ part: String) -> Bool {
        guard part.utf8.count <= text.utf8.count else { return false }
        return text.utf8.withContiguousStorageIfAvailable { text in
            part.utf8.withContiguousStorageIfAvailable { part in
                guard let first = part.first else { return false }
                for start in 0...(text.count - part.count) where text[start] == first {
                    if text[start..<start + part.count].elementsEqual(part) { return true }
                }
                return false
            } ?? false
        } ?? false
    }

    /// Made `size` bytes long by words that say nothing, or cut to it at a character.
    static func sized(_ text: String, _ size: Int) -> String {
        var bytes = Array(text.utf8)
        let filler = Array(" and so on".utf8)
        bytes.reserveCapacity(size + filler.count)
        while bytes.count < size { bytes += filler }
        var end = min(size, bytes.count)
        while end > 0, end < bytes.count, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// Words with the space before them: near enough to what language models call tokens. Together they are the text.
    static func tokens(_ text: [UInt8]) -> [Range<Int>] {
        var tokens: [Range<Int>] = []
        var start = 0
        var hasWord = false
        for (index, byte) in text.enumerated() {
            let isSpace = byte == 0x20 || byte == 0x0A
            if isSpace, hasWord {
                tokens.append(start..<index)
                start = index
            }
            hasWord = !isSpace
        }
        if hasWord {
            tokens.append(start..<text.count)
        } else if let last = tokens.popLast() {
            tokens.append(last.lowerBound..<text.count)  // space at the end
        }
        return tokens
    }

    /// The number of tokens without making them.
    static func tokenCount(_ text: String) -> Int {
        var text = text
        return text.withUTF8 { bytes in
            var count = 0
            var hasWord = false
            for byte in bytes {
                let isSpace = byte == 0x20 || byte == 0x0A
                if !isSpace, !hasWord { count += 1 }
                hasWord = !isSpace
            }
            return count
        }
    }
}
