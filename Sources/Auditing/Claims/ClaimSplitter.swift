// The statements of an answer that can be held against documents: its sentences without code, headings, questions,
// greetings, remarks about the answer itself, and admissions of not knowing.

/// A checkable statement.
struct Claim: Equatable, Sendable {
    /// In the answer, in bytes of UTF-8.
    var range: Range<Int>
}

/// Finds the claims of an answer, some sentences at a time.
struct ClaimSplitter {
    /// Sentences of one go.
    private static let sentencesOfStep = 32

    private let bytes: [UInt8]
    private let limit: Int
    private let everySentence: Bool
    private var blocks: ArraySlice<Range<Int>>
    private var statements: [Claim] = []
    /// Sentences such as `That's great!`, of a text that is known to be a claim.
    private var asides: [Claim] = []
    /// Asides only where the text says nothing else.
    var claims: [Claim] { statements.isEmpty ? asides : statements }
    /// How many more there are than the limit.
    private(set) var omitted = 0

    init(_ bytes: [UInt8], limit: Int, everySentence: Bool = false) {
        self.bytes = bytes
        self.limit = limit
        self.everySentence = everySentence
        blocks = Self.proseBlocks(of: bytes)[...]
    }

    /// Goes on; the bytes looked at, nil when all are.
    mutating func step() -> Int? {
        guard let block = blocks.first else { return nil }
        let sentences = Sentences.ranges(in: bytes, block, limit: Self.sentencesOfStep)
        for sentence in sentences {
            let range = Self.withoutMarks(bytes, sentence)
            guard everySentence ? bytes[range].contains(where: ASCII.isWord) : Self.isClaim(bytes, range) else { continue }
            if !Self.saysSomething(bytes, range) {
                if everySentence, asides.count < limit { asides.append(Claim(range: range)) }
            } else if statements.count < limit {
                statements.append(Claim(range: range))
            } else {
                omitted += 1
            }
        }
        guard sentences.count >= Self.sentencesOfStep, let last = sentences.last, last.upperBound > block.lowerBound else {
            blocks.removeFirst()
            return block.count
        }
        blocks[blocks.startIndex] = span(last.upperBound, block.upperBound)
        return last.upperBound - block.lowerBound
    }

    /// All at once.
    static func claims(in answer: [UInt8], limit: Int, everySentence: Bool = false) -> (claims: [Claim], omitted: Int) {
        var splitter = ClaimSplitter(answer, limit: limit, everySentence: everySentence)
        while splitter.step() != nil {}
        return (splitter.claims, splitter.omitted)
    }

    /// The answer without fenced code and without the model's thinking.
    private static func proseBlocks(of bytes: [UInt8]) -> [Range<Int>] {
        var blocks: [Range<Int>] = []
        var start = 0
        let text = PromptText(bytes)
        var fence: (sign: UInt8, length: Int)?
        for line in text.lines {
            guard let found = text.fence(line), found.sign == UInt8(ascii: "`") || found.sign == UInt8(ascii: "~") else { continue }
            if let open = fence {
                guard found.sign == open.sign, found.length >= open.length, found.info.isEmpty else { continue }
                fence = nil
                start = line.next
            } else if !found.info.utf8.contains(found.sign) {
                blocks.append(span(start, line.range.lowerBound))
                fence = (found.sign, found.length)
            }
        }
        if fence == nil { blocks.append(span(start, bytes.count)) }
        guard let opening = bytes.first("<think>", in: 0..<min(bytes.count, 64)) else { return blocks }
        let end = bytes.first("</think>", in: opening..<bytes.count).map { $0 + 8 } ?? bytes.count
        return blocks.compactMap { $0.upperBound <= end ? nil : span(max($0.lowerBound, end), $0.upperBound) }
    }

    /// A sentence without the marks of lists, quotes and emphasis at its start.
    private static func withoutMarks(_ bytes: [UInt8], _ sentence: Range<Int>) -> Range<Int> {
        var start = sentence.lowerBound
        let end = sentence.upperBound
        while start < end {
            if let mark = Sentences.listMark(bytes, at: start, before: end), mark <= end {
                start = mark
            } else if bytes[start] == UInt8(ascii: ">") || ASCII.isSpace(bytes[start]) {
                start += 1
            } else {
                break
            }
        }
        return withoutOpener(bytes, bytes.trimmed(span(start, end)))
    }

    /// Words that answer or agree before a sentence begins: `No, it was built later.`
    private static let openerWords = "yes no yeah yep yea yup nope ok okay sure well oh ah wow exactly indeed right true correct absolutely definitely certainly "
    private static let openers = Tokenizer.forms(openerWords)

    private static func withoutOpener(_ bytes: [UInt8], _ range: Range<Int>) -> Range<Int> {
        var scanner = TokenScanner(bytes, range)
        guard let first = scanner.next(), openers.contains(first.exact) else { return range }
        let rest = bytes.trimmed(span(first.range.upperBound, range.upperBound))
        guard let sign = bytes[rest].first, ASCII.is(sign, oneOf: ",!;:"), bytes[rest].contains(where: ASCII.isWord) else { return range }
        return bytes.trimmed(span(rest.lowerBound + 1, rest.upperBound))
    }

    private static let remarks = [
        "i hope", "let me know", "feel free", "please let me", "here is", "here are", "here's", "sure", "certainly", "of course", "hello", "hi ", "hi,", "hi!",
        "thank you", "thanks", "you're welcome", "i'd be happy", "i would be happy", "if you have any", "if you need", "if you'd like", "would you like", "happy to help",
        "i'm happy to", "i am happy to", "i'm glad to", "i am glad to",
        "i can help", "i'm sorry", "i am sorry", "sorry", "i apologize", "great question", "good question", "in summary:", "sources:", "source:", "references:", "note:",
        "as an ai", "please note", "good luck", "best regards", "sincerely", "welcome",
    ]

    private static let remarksByLetter: [[String]] = {
        var lists = [[String]](repeating: [], count: 26)
        for remark in remarks { if let first = remark.utf8.first, ASCII.isLower(first) { lists[Int(first - UInt8(ascii: "a"))].append(remark) } }
        return lists
    }()

    private static let abstentions = [
        "i don't know", "i do not know", "i could not find", "i couldn't find", "i cannot find", "i can't find", "i'm not sure", "i am not sure",
        "i don't have", "i do not have", "i cannot answer", "i can't answer", "i'm unable", "i am unable", "unable to answer", "cannot be determined from",
        "not mentioned in the", "not provided in the", "not specified in the", "no information", "does not mention", "doesn't mention", "do not mention", "does not provide",
        "doesn't provide", "do not provide", "does not specify", "doesn't specify", "does not contain", "doesn't contain", "do not contain", "does not include any information", "does not include information",
        "doesn't include any information", "doesn't include information", "do not include any information", "do not include information", "don't include any information",
        "not enough information", "insufficient information", "does not say", "doesn't say", "does not state",
    ]

    private static func isClaim(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard let first = bytes[range].first, let last = bytes[range].last else { return false }
        let isHeading = first == UInt8(ascii: "#")
        let isTableRule = bytes[range].allSatisfy { ASCII.is($0, oneOf: "|-:+ =*_") }
        guard !isHeading, !isTableRule, last != UInt8(ascii: ":"), !Sentences.isQuestion(bytes, range) else { return false }
        let initial = Int(ASCII.lowered(first)) - Int(UInt8(ascii: "a"))
        guard !remarksByLetter.indices.contains(initial) || !remarksByLetter[initial].contains(where: { bytes.has($0, at: range.lowerBound) && endsWord(bytes, range.lowerBound + $0.utf8.count) }) else { return false }
        return !abstains(bytes, range)
    }

    /// Words of agreement and praise, which documents neither hold nor deny.
    private static let asideWords = Tokenizer.forms(
        openerWords
            + """
            haha lol hmm totally agree understand see know bet guess think hope sounds great good nice cool awesome amazing interesting wonderful fantastic glad
            thank thanks welcome hello hi hey sorry really pretty too like
            """)

    /// At least a number, or a word that says something.
    private static func saysSomething(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        var scanner = TokenScanner(bytes, range)
        for _ in 0..<40 {
            guard let token = scanner.next() else { return false }
            if !token.isStop, !asideWords.contains(token.exact) { return true }
        }
        return false
    }

    /// Whether a sentence holds an abstention: looked for at the one sign that each of them has.
    private static func abstains(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        let last = range.upperBound - 2
        var index = range.lowerBound
        while index < last {
            defer { index += 1 }
            guard bytes[index] | 0x20 == UInt8(ascii: "n"), let sign = sign(bytes[index + 1] | 0x20, bytes[index + 2] | 0x20) else { continue }
            for (phrase, offset) in abstentionsBySign[sign] where index - offset >= range.lowerBound && index - offset + phrase.utf8.count <= range.upperBound {
                if bytes.has(phrase, at: index - offset) { return true }
            }
        }
        return false
    }

    /// What follows the telling `n` of an abstention: `n't`, `not`, `no `, `unable`, `insufficient`.
    private static func sign(_ first: UInt8, _ second: UInt8) -> Int? {
        switch (first, second) {
        case (UInt8(ascii: "'"), UInt8(ascii: "t")): 0
        case (UInt8(ascii: "o"), UInt8(ascii: "t")): 1
        case (UInt8(ascii: "o"), UInt8(ascii: " ")): 2
        case (UInt8(ascii: "a"), UInt8(ascii: "b")): 3
        case (UInt8(ascii: "s"), UInt8(ascii: "u")): 4
        default: nil
        }
    }

    /// The abstentions of each sign, and where the sign stands in them.
    private static let abstentionsBySign: [[(String, Int)]] = {
        var lists = [[(String, Int)]](repeating: [], count: 5)
        for phrase in abstentions {
            let letters = Array(phrase.utf8)
            for offset in letters.indices.dropLast(2) where letters[offset] == UInt8(ascii: "n") {
                guard let sign = sign(letters[offset + 1], letters[offset + 2]) else { continue }
                lists[sign].append((phrase, offset))
                break
            }
        }
        return lists
    }()

    private static func endsWord(_ bytes: [UInt8], _ index: Int) -> Bool { index >= bytes.count || !ASCII.isLetter(bytes[index]) || !ASCII.isLetter(bytes[index - 1]) }
}
