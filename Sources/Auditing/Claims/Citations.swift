// The documents that an answer names for a sentence: `[1]`, `[doc2]`, `[1, 3]`.

enum Citations {
    /// Numbers of one sentence that are read.
    private static let limit = 16

    /// The numbers in a sentence's citations, each with the citation it stands in.
    static func all(in bytes: [UInt8], _ sentence: Range<Int>) -> [(range: Range<Int>, number: Int)] {
        var result: [(range: Range<Int>, number: Int)] = []
        var index = sentence.lowerBound
        while index < sentence.upperBound, result.count < limit {
            guard bytes[index] == UInt8(ascii: "["), let numbers = numbers(in: bytes, at: index + 1, before: sentence.upperBound) else {
                index += 1
                continue
            }
            result += numbers.numbers.map { (index..<numbers.end, $0) }
            index = numbers.end
        }
        return result
    }

    /// `1]`, `doc1]`, `1, 2]`: numbers of one or two digits and nothing else.
    private static func numbers(in bytes: [UInt8], at start: Int, before end: Int) -> (numbers: [Int], end: Int)? {
        var index = start
        var numbers: [Int] = []
        while index < end, index - start < 32 {
            while index < end, bytes[index] == 0x20 { index += 1 }
            if bytes.has("doc", at: index) { index += 3 }
            let digits = index
            while index < end, ASCII.isDigit(bytes[index]), index - digits < 3 { index += 1 }
            guard (1...2).contains(index - digits), index < end, let number = Int(bytes.text(digits..<index)) else { return nil }
            numbers.append(number)
            if bytes[index] == UInt8(ascii: "]") { return (numbers, index + 1) }
            guard bytes[index] == UInt8(ascii: ",") else { return nil }
            index += 1
        }
        return nil
    }

    /// The document that a number names: by its id, otherwise by its place. nil if there is none, or more than one may be meant.
    static func document(_ number: Int, of ids: [String]) -> Int? {
        let named = ids.indices.filter { place in
            let digits = String(ids[place].reversed().prefix { $0.isASCII && $0.isNumber }.reversed())
            return digits.count <= 2 && Int(digits) == number
        }
        if named.count == 1 { return named[0] }
        return named.isEmpty && ids.allSatisfy { $0.last?.isNumber != true } && ids.indices.contains(number - 1) ? number - 1 : nil
    }
}
