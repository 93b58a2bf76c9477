// The index of the documents: every word with the places where it stands, so that the passages which speak of a claim are found
// without reading all documents for every claim.

/// A sentence of a document.
struct EvidenceSentence {
    var document: Int
    var range: Range<Int>
    /// Its words, by their places in the index.
    var tokens: Range<Int>
}

/// Words and sentences of all documents.
struct EvidenceIndex {
    /// A word of the vocabulary: all tokens of one stem.
    private struct Entry {
        /// Its latest place; earlier ones hang on that.
        var last: Int32
        var sentences: Int32
        /// The next word of the same root, -1 if none is left.
        var nextOfRoot: Int32
        /// Its number in the lexicon, -1 if that does not hold it.
        var lexicon: Int32
        var stemLength: UInt8
    }

    /// Documents whose text is indexed, in the order of the case.
    private(set) var texts: [[UInt8]] = []
    /// Where the words of each document begin.
    private var starts: [Int] = []
    private(set) var sentences: [EvidenceSentence] = []
    private(set) var tokens: [Token] = []
    /// The sentence of every token.
    private(set) var sentenceOf: [Int32] = []
    /// The word of every token, -1 for stop words.
    private(set) var wordAt: [Int32] = []
    /// Stop words of all documents.
    private(set) var stops = StopSet()
    private var previous: [Int32] = []
    private var numbers: HashTable
    private var roots: HashTable
    private var entries: [Entry] = []
    /// The words of the lexicon that the documents hold, a bit each: most relations of a word lead to none of them.
    private var lexiconBits = [UInt64](repeating: 0, count: LexiconWord.count / 64 + 1)
    /// Words as they stand, of all documents.
    private var forms: HashTable
    /// The sentence that names a document, for each: its first, if it is short.
    private(set) var titles: [Int?] = []
    private static let titleTokens = 10

    /// - Parameter bytes: of all documents; of them depends how much room is made at once.
    init(bytes: Int) {
        let words = min(bytes / 12, 1 << 16)
        numbers = HashTable(capacity: words)
        roots = HashTable(capacity: words)
        forms = HashTable(capacity: words)
        tokens.reserveCapacity(words * 2)
        sentenceOf.reserveCapacity(words * 2)
        wordAt.reserveCapacity(words * 2)
        previous.reserveCapacity(words * 2)
    }

    mutating func add(document text: [UInt8]) {
        texts.append(text)
        starts.append(tokens.count)
        titles.append(nil)
    }

    /// Adds a sentence of the last document; the work done, in bytes.
    mutating func add(_ range: Range<Int>, document: Int) -> Int {
        guard texts.indices.contains(document), let number = Int32(exactly: sentences.count), tokens.count < Int(Int32.max) / 2 else { return 0 }
        let first = tokens.count
        var scanner = TokenScanner(texts[document], range)
        while let token = scanner.next() {
            let place = Int32(truncatingIfNeeded: tokens.count)
            tokens.append(token)
            sentenceOf.append(number)
            guard !token.isStop else {
                stops.insert(token.stopNumber)
                previous.append(-1)
                wordAt.append(-1)
                continue
            }
            let word = numbers[token.stem]
            if word >= 0 {
                wordAt.append(word)
                if tokens[Int(entries[Int(word)].last)].exact != token.exact { forms.set(token.exact, 1) }
                let last = entries[Int(word)].last
                previous.append(last)
                entries[Int(word)].last = place
                if sentenceOf[Int(last)] != number { entries[Int(word)].sentences += 1 }
            } else {
                previous.append(-1)
                let word = Int32(truncatingIfNeeded: entries.count)
                wordAt.append(word)
                numbers.set(token.stem, word)
                forms.set(token.exact, 1)
                var next: Int32 = -1
                if token.root != 0 {
                    next = roots[token.root]
                    roots.set(token.root, word)
                }
                let lexicon = LexiconWord.number(of: token.stem)
                if lexicon >= 0 { lexiconBits[Int(lexicon >> 6)] |= 1 << UInt64(lexicon & 63) }
                entries.append(Entry(last: place, sentences: 1, nextOfRoot: next, lexicon: lexicon, stemLength: token.stemLength))
            }
        }
        if sentences.last?.document != document, tokens.count - first <= Self.titleTokens { titles[document] = sentences.count }
        sentences.append(EvidenceSentence(document: document, range: range, tokens: first..<tokens.count))
        return range.count
    }

    /// A word that the documents hold.
    func word(_ stem: UInt32) -> Int32? {
        let word = numbers[stem]
        return word >= 0 ? word : nil
    }

    /// A word of the lexicon that the documents hold.
    @inline(__always)
    func word(_ word: LexiconWord) -> Int32? { lexiconBits[word.number >> 6] >> UInt64(word.number & 63) & 1 == 1 ? self.word(word.stem) : nil }

    /// Whether a word stands in the documents as it is.
    func holds(_ token: Token) -> Bool { token.isStop ? stops.contains(token.stopNumber) : forms[token.exact] >= 0 }

    func lexiconWord(_ word: Int32) -> LexiconWord? { entries.indices.contains(Int(word)) ? LexiconWord(number: entries[Int(word)].lexicon) : nil }

    /// In how many sentences a word stands.
    func frequency(of word: Int32) -> Int { entries.indices.contains(Int(word)) ? Int(entries[Int(word)].sentences) : 0 }

    /// Words that begin alike and are about as long: `industry` and `industrial`.
    @inline(__always)
    func forEachRelative(of token: Token, limit: Int, _ body: (Int32) -> Void) {
        guard token.root != 0 else { return }
        let own = numbers[token.stem]
        var next = roots[token.root]
        var left = 16
        var found = 0
        while next >= 0, left > 0, found < limit {
            let entry = entries[Int(next)]
            if abs(Int(entry.stemLength) - Int(token.stemLength)) <= 4, own != next {
                body(next)
                found += 1
            }
            next = entry.nextOfRoot
            left -= 1
        }
    }

    /// The places of a word, the last first.
    @inline(__always)
    func forEachPlace(of word: Int32, limit: Int, _ body: (Int) -> Void) {
        guard entries.indices.contains(Int(word)) else { return }
        var place = entries[Int(word)].last
        var left = limit
        while place >= 0, left > 0 {
            body(Int(place))
            place = previous[Int(place)]
            left -= 1
        }
    }

    /// The sentences that have a part in some text of a document.
    func sentences(over range: Range<Int>, in document: Int) -> Range<Int> {
        func touches(_ sentence: EvidenceSentence) -> Bool { sentence.document == document && sentence.range.overlaps(range) }
        guard let first = sentences.firstIndex(where: touches), let last = sentences.lastIndex(where: touches) else { return 0..<0 }
        return first..<(last + 1)
    }

    /// The text that neighbouring sentences of one document cover.
    func range(of window: Range<Int>) -> (document: Int, range: Range<Int>)? {
        guard let first = window.first, let last = window.last, sentences.indices.contains(first), sentences.indices.contains(last) else { return nil }
        return (sentences[first].document, span(sentences[first].range.lowerBound, sentences[last].range.upperBound))
    }

    /// The words of the document that holds a place.
    func tokens(ofDocumentAt place: Int) -> Range<Int> {
        let document = sentences[Int(sentenceOf[place])].document
        return starts[document]..<(document + 1 < starts.count ? starts[document + 1] : tokens.count)
    }

    /// The words that neighbouring sentences cover.
    func tokens(of window: Range<Int>) -> Range<Int> {
        guard let first = window.first, let last = window.last, sentences.indices.contains(first), sentences.indices.contains(last) else { return 0..<0 }
        return span(sentences[first].tokens.lowerBound, sentences[last].tokens.upperBound)
    }
}
