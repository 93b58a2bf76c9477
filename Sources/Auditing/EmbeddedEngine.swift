// The engine that needs no model: it finds the passage of the documents that speaks most of a claim, and looks for what does
// not fit. It works in steps, so that the process that runs it stays within reach of its other duties.
//
//     splitting --step…--> selfChecking --step--> indexing --step…--> matching --step…--> done

/// Bounds of one audit. Texts beyond them are not looked at, and the verdict says so.
package struct EngineLimits: Sendable {
    package var claims = 500
    package var documents = 200
    package var documentBytes = 256 << 10
    package var evidenceSentences = 12_000
    /// Distinct words of one claim.
    package var claimWords = 64
    /// Work of one step, in bytes read or index entries visited: 1 ms (110 units take 1 µs); one claim or document may add 5 ms.
    package var stepWork = 100_000
    /// Work of the whole audit: 1 s, so that it ends within 2 s on a machine that has other things to do.
    package var totalWork = 110_000_000

    package init() {}
}

/// Audits one case.
package struct EmbeddedEngine: Sendable {
    package static let name = "embedded"
    package static let version = "7"
    /// The probability from which on it calls a claim supported.
    package static let threshold = Classifier.threshold

    /// Of a claim that the answer itself contradicts.
    private static let findingProbability = 0.05

    /// A passage that holds this share of a claim is about it.
    private static let fitting = 0.85
    /// A passage that holds this share of what the best one does, numbers aside, may be the one that is meant.
    private static let besides = 0.95
    /// A document that holds less of a claim does not bear it out.
    private static let citedShare = 0.6

    private enum Phase { case splitting, selfChecking, indexing, matching, done }

    private let auditCase: AuditCase
    private let limits: EngineLimits
    private let everySentence: Bool
    private let answer: [UInt8]
    private var phase = Phase.splitting
    private var work = 0
    private(set) var workOfStep = 0

    private var splitter: ClaimSplitter?
    /// Of the answer; nil before it is known, and without words.
    private var language: Language?
    /// The verdict's sentence where the documents are in another language.
    private var whyNothing: String?
    private var findings: [SelfFinding] = []
    private var claims: [Claim] = []
    private var omittedClaims = 0
    private var verdicts: [ClaimVerdict] = []

    private var index: EvidenceIndex
    private var parser = TableParser()
    /// The tables of the documents; nil before all are indexed.
    private var tables: TableReader?
    /// The document being indexed, its sentences and the next of them.
    private var document = 0
    private var sentences: [Range<Int>] = []
    private var sentence = 0
    /// Places of the indexed texts in the case.
    private var places: [Int] = []
    private var isPartial: Bool

    /// - Parameter everySentence: the answer is known to be a claim: greetings, questions and remarks in it are judged too.
    package init(_ auditCase: AuditCase, limits: EngineLimits = EngineLimits(), everySentence: Bool = false) {
        self.auditCase = auditCase
        self.everySentence = everySentence
        self.limits = limits
        answer = Array(auditCase.answer.utf8)
        index = EvidenceIndex(bytes: auditCase.documents.reduce(0) { $0 + $1.content.utf8.count })
        isPartial = auditCase.contextIsPartial
    }

    /// Goes on for a bounded time; the verdict when all is done. After it, nil.
    package mutating func step() -> AuditVerdict? {
        workOfStep = 0
        while phase != .done {
            switch phase {
            case .splitting: split()
            case .selfChecking: checkItself()
            case .indexing: indexNext()
            case .matching:
                if verdicts.count >= claims.count { return finish() }
                if work > limits.totalWork { return stopNow() }
                match(claims[verdicts.count])
            case .done: break
            }
            if workOfStep >= limits.stepWork { return nil }
        }
        return nil
    }

    /// Ends at a deadline: claims that were not reached are unverifiable. nil if the verdict was given already.
    package mutating func stopNow() -> AuditVerdict? {
        guard phase != .done else { return nil }
        if phase == .splitting {
            split()
            if let splitter {
                claims = splitter.claims
                omittedClaims = splitter.omitted + 1  // the rest, at least one
            }
        }
        while verdicts.count < claims.count {
            verdicts.append(unverifiable(claims[verdicts.count], "It was not checked: the time for the audit was over."))
        }
        return finish()
    }

    private mutating func spend(_ amount: Int) {
        work += amount
        workOfStep += amount
    }

    private mutating func finish() -> AuditVerdict {
        phase = .done
        applyFindings()
        var verdict = AuditVerdict(of: auditCase, claims: verdicts, omittedClaims: omittedClaims, engine: Self.name, engineVersion: Self.version)
        if let whyNothing, verdict.verdictKind == .unverifiable, !claims.isEmpty { verdict.verdict = whyNothing }
        return verdict
    }

    // MARK: Phases

    private mutating func split() {
        var splitter = self.splitter ?? ClaimSplitter(answer, limit: limits.claims, everySentence: everySentence)
        self.splitter = nil
        if let bytes = splitter.step() {
            spend(bytes * 4 + 64)
            self.splitter = splitter
            return
        }
        claims = splitter.claims
        omittedClaims = splitter.omitted
        phase = .selfChecking
    }

    /// What the answer says against itself needs no documents.
    private mutating func checkItself() {
        let isFound = auditCase.contextState == .found
        let documents = isFound && !auditCase.contextIsPartial ? auditCase.documents.map(\.id) : nil
        findings = SelfChecks(answer, claims, documents: documents, isCut: auditCase.truncated).findings
        spend(answer.count * 2 + claims.count * 32)
        let foreign = isFound ? foreignLanguages() : nil
        guard !isFound || foreign != nil else {
            phase = .indexing
            return
        }
        whyNothing = foreign.map { "No claim could be checked: the \($0)." }
        let why = foreign.map { "The \($0): they cannot be compared." } ?? Self.whyUnverifiable(auditCase.contextState)
        verdicts = claims.map { unverifiable($0, why) }
        phase = .matching
    }

    /// What to say where no document is in the answer's language: "answer is in German, the documents are in English". nil if one is, or may be.
    private mutating func foreignLanguages() -> String? {
        language = Language.of(answer)
        spend(Language.sampleBytes)
        guard let language else { return nil }
        var names: [String] = []
        for document in auditCase.documents.prefix(limits.documents) where !document.isOpaque {
            spend(Language.sampleBytes)
            guard let other = Language.of(Array(document.content.utf8.prefix(Language.sampleBytes))), !other.isComparable(to: language) else { return nil }
            if !names.contains(other.name) { names.append(other.name) }
        }
        return names.isEmpty ? nil : "answer is in \(language.name), the documents are in \(names.joined(separator: " and "))"
    }

    /// Puts the findings in the place of the verdicts of their claims; a line that is no claim becomes one.
    private mutating func applyFindings() {
        for finding in findings {
            let evidence = EvidenceQuote(
                document: EvidenceQuote.answer, documentID: "answer", source: "", start: finding.evidence.lowerBound, end: finding.evidence.upperBound,
                quote: answer.text(finding.evidence), unmatched: [])
            let found = ClaimVerdict(
                claim: answer.text(finding.claim), start: finding.claim.lowerBound, end: finding.claim.upperBound, verdict: .contradicted,
                confidence: 1 - Self.findingProbability, probability: Self.findingProbability, evidence: [evidence], reasoning: finding.reasoning)
            if let place = verdicts.firstIndex(where: { $0.start == finding.claim.lowerBound }) {
                guard verdicts[place].verdict != .contradicted else { continue }
                var found = found
                found.features = verdicts[place].features
                verdicts[place] = found
            } else {
                verdicts.insert(found, at: verdicts.firstIndex { $0.start > finding.claim.lowerBound } ?? verdicts.count)
            }
        }
    }

    /// The next sentences of the documents.
    private mutating func indexNext() {
        while sentence < sentences.count {
            guard index.sentences.count < limits.evidenceSentences else {
                isPartial = true
                phase = .matching
                return
            }
            spend(index.add(sentences[sentence], document: places.count - 1) + 16)
            sentence += 1
            if workOfStep >= limits.stepWork { return }
        }
        guard document < auditCase.documents.count, places.count < limits.documents else {
            if document < auditCase.documents.count { isPartial = true }
            phase = .matching
            return
        }
        let content = auditCase.documents[document]
        if !content.isOpaque {
            let isLonger = content.content.utf8.count > limits.documentBytes
            var text = isLonger ? Array(content.content.utf8.prefix(limits.documentBytes)) : Array(content.content.utf8)
            if isLonger {
                isPartial = true
                text.removeLast(text.count - ASCII.boundary(in: content.content.utf8, atMost: limits.documentBytes))
            }
            sentences = Sentences.members(in: text, limit: limits.evidenceSentences) ?? Sentences.ranges(in: text, 0..<text.count, limit: limits.evidenceSentences)
            sentence = 0
            index.add(document: text)
            spend(parser.add(text, document: places.count))
            places.append(document)
            spend(text.count / 8 + 64)
        }
        document += 1
    }

    private mutating func match(_ claim: Claim) {
        let text = ClaimText(answer, claim.range, wordLimit: limits.claimWords, readsAsEnglish: language?.readsAsEnglish ?? true, index: index)
        spend(claim.range.count * 2 + 200)
        guard text.totalWeight > 0 else {
            verdicts.append(unverifiable(claim, "It says nothing that could be looked up."))
            return
        }
        let match = ClaimMatch(text, in: index, windowLimit: 6)
        spend(match.work)
        let tables = self.tables ?? TableReader(parser.tables, in: index.texts)
        self.tables = tables
        let (field, held) = tables.finding(for: text)
        spend(parser.cells * 16)
        let cited = cited(by: claim)
        guard let window = window(of: match, field, cited), let (place, range) = index.range(of: window.sentences) else {
            let features = ClaimFeatures(without: match)
            var verdict = unsupported(claim, probability: Classifier.probability(features), evidence: [], "No document speaks of it.")
            verdict.features = features.values
            verdicts.append(verdict)
            return
        }
        // What a table bears out is said, in whatever words.
        let read = held | (field?.agrees == true ? field?.words ?? 0 : 0)
        var features = ClaimFeatures(match, window, in: index, field, read: read)
        // Cells deny nothing: that one does not say the claim's `not` is no contradiction.
        if features.mismatches.contains(where: { $0.kind == .negation }), tables.hold(range, in: place) { features.mismatches.removeAll { $0.kind == .negation } }
        spend(range.count * 2 + match.hits.count * 16 + text.tokens.count * (64 + min(400, index.tokens(of: window.sentences).count)))
        let probability = Classifier.probability(features)
        let missing = text.words.indices.filter { (window.exact | window.akin) >> UInt64($0) & 1 == 0 }
        // What a field says otherwise is shown where it stands.
        let shown = field.map { ($0.document, $0.evidence) } ?? (place, range)
        let evidence = quote(shown.0, shown.1, missing.filter { read >> UInt64($0) & 1 == 0 }.prefix(12).map { answer.text(text.words[$0].token.range) })
        var verdict = judge(claim, features, probability, evidence, field)
        if verdict.verdict == .supported, !cited.isEmpty, !cited.contains(evidence.document), match.share(in: Set(cited), of: places, index) < Self.citedShare {
            let names = cited.map { String($0 + 1) }.joined(separator: ", ")
            verdict.reasoning += " The answer cites document \(names), which does not."
        }
        verdict.features = features.values
        verdicts.append(verdict)
    }

    /// The passage to judge by: the one that holds most, unless one that holds less repeats the claim word for word up to a name, and
    /// has another name there. A swapped name draws the first passage to where it really belongs. Where no passage holds any word, it is
    /// what a table says to the claim (a sum is in none of its cells).
    private func window(of match: ClaimMatch, _ field: TableFinding?, _ cited: [Int]) -> EvidenceWindow? {
        guard let first = match.windows.first else {
            return field.map { EvidenceWindow(sentences: index.sentences(over: $0.evidence, in: $0.document), exact: 0, akin: 0, score: 0) }
        }
        // Of passages that hold as much, the one of a document that the answer names.
        if !cited.isEmpty, let named = match.windows.first(where: { cited.contains(places[index.sentences[$0.sentences.lowerBound].document]) }), named.score >= first.score { return named }
        if let same = windowOfSameNumber(as: match, first) { return same }
        guard first.score < Self.fitting * match.claim.totalWeight, match.claim.words.contains(where: { $0.isName && $0.own != nil }) else { return first }
        return match.windows.dropFirst().first { window in
            guard !window.sentences.overlaps(first.sentences) else { return false }
            let alignment = Alignment(match, window.sentences, in: index)
            return (MismatchFinder(match: match, alignment: alignment, index: index).swap()?.strength ?? 0) >= 1
        } ?? first
    }

    /// The words of a unit draw to where it stands with another number: of `1,200 metres`, the passage that says `1.2 km`. nil if the
    /// first passage has all numbers.
    private func windowOfSameNumber(as match: ClaimMatch, _ first: EvidenceWindow) -> EvidenceWindow? {
        let wanted = match.claim.quantities.filter(\.isConvertible)
        guard !wanted.isEmpty, match.windows.count > 1 else { return nil }
        func holds(_ window: EvidenceWindow) -> Bool {
            let found = Quantities.all(in: index.texts[index.sentences[window.sentences.lowerBound].document], Array(index.tokens[index.tokens(of: window.sentences)]))
            return wanted.allSatisfy { quantity in found.contains { quantity.admits($0) } }
        }
        guard !holds(first) else { return nil }
        let words = ~wanted.reduce(into: UInt64(0)) { $0 |= match.claim.words(of: $1) }
        let rest = match.score(exact: first.exact & words, akin: first.akin & words)
        return match.windows.dropFirst().first { match.score(exact: $0.exact & words, akin: $0.akin & words) >= Self.besides * rest && holds($0) }
    }

    /// The documents that the answer names for a claim, by their places in the case.
    private func cited(by claim: Claim) -> [Int] {
        guard auditCase.documents.count > 1 else { return [] }
        let citations = Citations.all(in: answer, claim.range)
        guard !citations.isEmpty else { return [] }
        let ids = auditCase.documents.map(\.id)
        var cited: [Int] = []
        for citation in citations {
            guard let document = Citations.document(citation.number, of: ids) else { return [] }
            if !cited.contains(document) { cited.append(document) }
        }
        return cited
    }

    // MARK: Judgement

    private func judge(_ claim: Claim, _ features: ClaimFeatures, _ probability: Double, _ quote: EvidenceQuote, _ field: TableFinding?) -> ClaimVerdict {
        let name = Self.name(of: quote, among: auditCase.documents.count)
        let mismatches = features.mismatches.sorted { $0.rank != $1.rank ? $0.rank < $1.rank : $0.strength > $1.strength }
        if Classifier.isContradiction(features, probability: probability) {
            return verdict(claim, .contradicted, probability: probability, confidence: 1 - probability, [quote], Self.explain(mismatches, name))
        }
        if probability >= Classifier.threshold {
            let says = field?.agrees == true ? "\(name) says so: \(field?.place ?? ""), \(field?.found ?? "")." : "\(name) says so."
            let reason = mismatches.isEmpty ? says : "\(name) says so for the most part; \(Self.lowered(Self.explain(mismatches, name)))"
            return verdict(claim, .supported, probability: probability, confidence: probability, [quote], reason)
        }
        var reason = "The nearest passage, in \(Self.lowered(name)), says too little of it."
        if !mismatches.isEmpty {
            reason = Self.explain(mismatches, name)
        } else if !quote.unmatched.isEmpty {
            reason = "The nearest passage, in \(Self.lowered(name)), does not hold: \(quote.unmatched.prefix(6).joined(separator: ", "))."
        }
        return unsupported(claim, probability: probability, evidence: [quote], reason)
    }

    /// Where part of the context was not seen, what no document supports may stand there.
    private func unsupported(_ claim: Claim, probability: Double, evidence: [EvidenceQuote], _ reasoning: String) -> ClaimVerdict {
        guard !isPartial else {
            var verdict = unverifiable(claim, "The documents that could be read do not support it; others could not be read.")
            verdict.evidence = evidence
            return verdict
        }
        return verdict(claim, .unsupported, probability: probability, confidence: 1 - probability, evidence, reasoning)
    }

    private func verdict(
        _ claim: Claim, _ outcome: ClaimOutcome, probability: Double?, confidence: Double, _ evidence: [EvidenceQuote], _ reasoning: String
    ) -> ClaimVerdict {
        ClaimVerdict(
            claim: answer.text(claim.range), start: claim.range.lowerBound, end: claim.range.upperBound, verdict: outcome, confidence: confidence,
            probability: probability, evidence: evidence, reasoning: reasoning)
    }

    private func unverifiable(_ claim: Claim, _ reasoning: String) -> ClaimVerdict {
        verdict(claim, .unverifiable, probability: nil, confidence: 0, [], reasoning)
    }

    private func quote(_ place: Int, _ range: Range<Int>, _ unmatched: [String]) -> EvidenceQuote {
        let document = places.indices.contains(place) ? places[place] : 0
        let content = auditCase.documents.indices.contains(document) ? auditCase.documents[document] : ContextDocument(content: "")
        return EvidenceQuote(
            document: document, documentID: content.id, source: content.source, start: range.lowerBound, end: range.upperBound,
            quote: index.texts[place].text(range), unmatched: unmatched)
    }

    private static func name(of quote: EvidenceQuote, among documents: Int) -> String {
        documents == 1 ? "The document" : "Document \(quote.document + 1)"
    }

    private static func lowered(_ name: String) -> String { name.prefix(1).lowercased() + name.dropFirst() }

    /// "The answer says 1887, document 2 says 1889."
    private static func explain(_ mismatches: [Mismatch], _ document: String) -> String {
        let document = lowered(document)
        var seen: Set<String> = []
        let parts = mismatches.filter { seen.insert($0.said + "\u{0}" + $0.found).inserted }.prefix(3).map { mismatch in
            switch mismatch.kind {
            case .fieldReplaced: "the answer says \(mismatch.said), \(mismatch.place) of \(document) says \(mismatch.found)"
            case .numberReplaced, .nameReplaced: "the answer says \(mismatch.said), \(document) says \(mismatch.found)"
            case .numberAbsent, .nameAbsent: "\(document) does not hold \(mismatch.said)"
            case .negation:
                mismatch.said.isEmpty ? "\(document) denies it (\"\(mismatch.found)\")" : "the answer denies it (\"\(mismatch.said)\"), \(document) does not"
            case .opposite, .sibling: "the answer says \(mismatch.said), \(document) says \(mismatch.found)"
            }
        }
        let text = parts.joined(separator: "; ")
        return text.prefix(1).uppercased() + text.dropFirst() + "."
    }

    private static func whyUnverifiable(_ state: ContextState) -> String {
        switch state {
        case .none: "The request shows no documents to hold it against."
        case .empty: "The request's place for documents is empty."
        case .opaque: "The documents of the request cannot be read."
        case .found: ""
        }
    }
}
