// Names of a claim that its evidence leaves out though it speaks of them: the one that a passage cut out of a longer text is about,
// which it calls `he` or `its` from the start, and the first name of someone whom the documents call by the last one only.

enum LeftOutNames {
    private static let pronouns = Tokenizer.stopSet("he she it they his her its their this these")

    /// Bits of the claim's words that are left out by the document of a passage.
    static func words(of match: ClaimMatch, _ window: EvidenceWindow, in index: EvidenceIndex) -> UInt64 {
        guard match.claim.readsAsEnglish else { return 0 }
        return subject(of: match, window, in: index) | parts(of: match, in: index)
    }

    /// The name that the claim begins with, if no document holds any of it and that of the passage begins with a pronoun.
    private static func subject(of match: ClaimMatch, _ window: EvidenceWindow, in index: EvidenceIndex) -> UInt64 {
        guard let place = index.tokens(of: window.sentences).first, let opening = index.tokens(ofDocumentAt: place).first else { return 0 }
        guard pronouns.contains(index.tokens[opening].stopNumber) else { return 0 }
        let claim = match.claim
        var subject: UInt64 = 0
        for (place, token) in claim.tokens.enumerated() {
            if place == 0, token.isStop { continue }
            guard token.isCapitalised, !token.isNumber else { break }
            if claim.wordOf[place] >= 0 { subject |= 1 << UInt64(claim.wordOf[place]) }
        }
        guard subject != 0, subject & (match.exact | match.akin) == 0, subject.nonzeroBitCount < claim.words.count else { return 0 }
        // One word of running text has its capital from the beginning of the sentence.
        let isCommon = subject.nonzeroBitCount == 1 && (claim.words[subject.trailingZeroBitCount].lexicon?.commonness ?? 0) > 0
        return isCommon ? 0 : subject
    }

    /// Words beside a part of their name that the documents hold, always alone.
    private static func parts(of match: ClaimMatch, in index: EvidenceIndex) -> UInt64 {
        let claim = match.claim
        var parts: UInt64 = 0
        for place in claim.tokens.indices where claim.wordOf[place] >= 0 && isOfName(claim.tokens[place]) {
            let bit = UInt64(1) << UInt64(claim.wordOf[place])
            guard (match.exact | match.akin) & bit == 0 else { continue }
            for other in [place - 1, place + 1] where claim.tokens.indices.contains(other) && isOfName(claim.tokens[other]) {
                let word = Int(claim.wordOf[other])
                guard word >= 0, match.exact >> UInt64(word) & 1 == 1 else { continue }
                if match.hits.allSatisfy({ $0.word != word || !$0.isExact || standsAlone($0.place, in: index) }) { parts |= bit }
            }
        }
        return parts
    }

    /// Whether a place of the documents holds a name of one word.
    private static func standsAlone(_ place: Int, in index: EvidenceIndex) -> Bool {
        let sentence = index.sentences[Int(index.sentenceOf[place])].tokens
        return isOfName(index.tokens[place]) && ![place - 1, place + 1].contains { sentence.contains($0) && isOfName(index.tokens[$0]) }
    }

    private static func isOfName(_ token: Token) -> Bool { token.isCapitalised && !token.isStop && !token.isNumber && token.range.count > 1 }
}
