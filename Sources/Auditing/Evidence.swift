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
    private var postings: [UInt64: [Int32]] = [:]

    mutating func add(document text: [UInt8]) { texts.append(text) }

    /// Adds a sentence of the last document; the work done, in bytes.
    mutating func add(_ range: Range<Int>, document: Int) -> Int {
        guard texts.indices.contains(document), let number = Int32(exactly: sentences.count) else { return 0 }
        sentences.append(EvidenceSentence(document: document, range: range))
        for token in Tokenizer.tokens(of: texts[document], range) where !token.isStop {
            if postings[token.stem]?.last != number { postings[token.stem, default: []].append(number) }
        }
        return range.count
    }

    func frequency(of stem: UInt64) -> Int { postings[stem]?.count ?? 0 }

    /// The best windows for a claim's stems and their weights, the best first, and the work that it took.
    func windows(for stems: [UInt64], weights: [Double], limit: Int) -> (windows: [EvidenceWindow], work: Int) {
        var masks: [Int32: UInt64] = [:]
        var work = 0
        for (bit, stem) in stems.enumerated().prefix(64) {
            guard let list = postings[stem] else { continue }
            // A stem that stands nearly everywhere tells no passage from another.
            for sentence in list.prefix(Self.postingLimit) { masks[sentence, default: 0] |= 1 << UInt64(bit) }
            work += min(list.count, Self.postingLimit)
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
        var candidates = masks.map { (sentence: Int($0.key), score: score($0.value)) }
        candidates.sort { $0.score != $1.score ? $0.score > $1.score : $0.sentence < $1.sentence }
        work += candidates.count * 8
        var windows: [EvidenceWindow] = []
        for candidate in candidates.prefix(Self.candidateLimit) {
            var best = EvidenceWindow(sentences: candidate.sentence..<(candidate.sentence + 1), mask: 0, score: 0)
            for (before, after) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)] {
                let first = candidate.sentence - before
                let last = candidate.sentence + after
                guard first >= 0, last < sentences.count, sentences[first].document == sentences[last].document else { continue }
                var mask: UInt64 = 0
                for sentence in first...last { mask |= masks[Int32(truncatingIfNeeded: sentence)] ?? 0 }
                // Each further sentence must bring something of its own.
                let total = score(mask) * (1 - 0.04 * Double(before + after))
                if total > best.score { best = EvidenceWindow(sentences: first..<(last + 1), mask: mask, score: total) }
            }
            windows.append(best)
        }
        windows.sort { $0.score != $1.score ? $0.score > $1.score : $0.sentences.lowerBound < $1.sentences.lowerBound }
        return (Array(windows.prefix(limit)), work)
    }

    private static let postingLimit = 4000
    private static let candidateLimit = 24

    /// The text that a window covers.
    func range(of window: EvidenceWindow) -> (document: Int, range: Range<Int>)? {
        guard let first = window.sentences.first, let last = window.sentences.last, sentences.indices.contains(first), sentences.indices.contains(last) else { return nil }
        return (sentences[first].document, span(sentences[first].range.lowerBound, sentences[last].range.upperBound))
    }
}
