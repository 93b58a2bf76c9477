// The index of the documents: every sentence with the stems that it holds, so that the passages which speak of a claim are
// found without reading all documents for every claim.

/// A sentence of a document.
struct EvidenceSentence {
    var document: Int
    var range: Range<Int>
}

/// The passage that speaks most of a claim.
struct EvidenceWindow {
    /// Neighbouring sentences of one document.
    var sentences: Range<Int>
    /// Bits of the claim's stems that stand in it.
    var mask: UInt64
    var score: Double
}

/// Sentences and stems of all documents.
struct EvidenceIndex {
    /// Documents whose text is indexed, in the order of the case.
    private(set) var texts: [[UInt8]] = []
    private(set) var sentences: [EvidenceSentence] = []
    /// Stems by number, and the sentences that hold each.
    private var numbers: [UInt64: Int] = [:]
    private var postings: [[Int32]] = []
    /// Bits of the current claim's stems for each sentence; all zero between searches.
    private var masks: [UInt64] = []

    mutating func add(document text: [UInt8]) { texts.append(text) }

    /// Adds a sentence of the last document; the work done, in bytes.
    mutating func add(_ range: Range<Int>, document: Int) -> Int {
        guard texts.indices.contains(document), let number = Int32(exactly: sentences.count) else { return 0 }
        sentences.append(EvidenceSentence(document: document, range: range))
        masks.append(0)
        for token in Tokenizer.tokens(of: texts[document], range) where !token.isStop {
            if let known = numbers[token.stem] {
                if postings[known].last != number { postings[known].append(number) }
            } else {
                numbers[token.stem] = postings.count
                postings.append([number])
            }
        }
        return range.count
    }

    func frequency(of stem: UInt64) -> Int { numbers[stem].map { postings[$0].count } ?? 0 }

    /// The best windows for a claim's stems and their weights, the best first, and the work that it took.
    mutating func windows(for stems: [UInt64], weights: [Double], limit: Int) -> (windows: [EvidenceWindow], work: Int) {
        var touched: [Int] = []
        var work = 0
        // Rare stems first: of those that stand nearly everywhere, only the sentences count that a rare one has found.
        let lists = stems.prefix(64).enumerated().compactMap { bit, stem in numbers[stem].map { (bit: bit, list: $0) } }
        for (bit, list) in lists.sorted(by: { postings[$0.list].count < postings[$1.list].count }) {
            for sentence in postings[list].prefix(Self.postingLimit) {
                let place = Int(sentence)
                if masks[place] == 0 {
                    guard touched.count < Self.touchLimit else { continue }
                    touched.append(place)
                }
                masks[place] |= 1 << UInt64(bit)
            }
            work += min(postings[list].count, Self.postingLimit)
        }
        func score(_ mask: UInt64) -> Double {
            var sum = 0.0
            var rest = mask
            while rest != 0 {
                let bit = rest.trailingZeroBitCount
                if bit < weights.count { sum += weights[bit] }
                rest &= rest - 1
            }
            return sum
        }
        // The best few, without sorting all of them.
        var candidates: [(sentence: Int, score: Double)] = []
        for sentence in touched {
            let score = score(masks[sentence])
            if candidates.count == Self.candidateLimit, let last = candidates.last, score < last.score || (score == last.score && sentence > last.sentence) { continue }
            let place = candidates.firstIndex { score > $0.score || (score == $0.score && sentence < $0.sentence) } ?? candidates.count
            candidates.insert((sentence, score), at: place)
            if candidates.count > Self.candidateLimit { candidates.removeLast() }
        }
        work += touched.count * 4
        var windows: [EvidenceWindow] = []
        for candidate in candidates {
            var best = EvidenceWindow(sentences: candidate.sentence..<(candidate.sentence + 1), mask: 0, score: 0)
            for (before, after) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)] {
                let first = candidate.sentence - before
                let last = candidate.sentence + after
                guard first >= 0, last < sentences.count, sentences[first].document == sentences[last].document else { continue }
                var mask: UInt64 = 0
                for sentence in first...last { mask |= masks[sentence] }
                // Each further sentence must bring something of its own.
                let total = score(mask) * (1 - 0.04 * Double(before + after))
                if total > best.score { best = EvidenceWindow(sentences: first..<(last + 1), mask: mask, score: total) }
            }
            windows.append(best)
        }
        for sentence in touched { masks[sentence] = 0 }
        windows.sort { $0.score != $1.score ? $0.score > $1.score : $0.sentences.lowerBound < $1.sentences.lowerBound }
        return (Array(windows.prefix(limit)), work)
    }

    private static let postingLimit = 4000
    private static let touchLimit = 6000
    private static let candidateLimit = 24

    /// The text that a window covers.
    func range(of window: EvidenceWindow) -> (document: Int, range: Range<Int>)? {
        guard let first = window.sentences.first, let last = window.sentences.last, sentences.indices.contains(first), sentences.indices.contains(last) else { return nil }
        return (sentences[first].document, span(sentences[first].range.lowerBound, sentences[last].range.upperBound))
    }
}
