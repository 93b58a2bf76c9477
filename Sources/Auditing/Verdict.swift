// What was found of an answer and its claims, with the sentence that a person reads first.

package enum ClaimOutcome: String, CaseIterable, Sendable {
    case supported, contradicted, unsupported
    /// Nothing to hold it against, or not looked at.
    case unverifiable
}

/// What was found of one claim.
package struct ClaimVerdict: Sendable {
    package var claim: String
    /// In the answer, in bytes of UTF-8.
    package var start: Int
    package var end: Int
    package var verdict: ClaimOutcome
    package var supported: Bool { verdict == .supported }
    /// How sure the verdict is, 0…1; 0 for claims that cannot be verified.
    package var confidence: Double
    /// That the documents bear the claim out, 0…1; nil for claims that cannot be verified.
    package var probability: Double?
    package var evidence: [EvidenceQuote]
    /// One plain sentence.
    package var reasoning: String
    /// What the classifier was given; nil for claims that it did not see.
    package var features: [Double]?
    /// Their names, with the sign of what more of each does to the probability.
    package static let featureNames = ClaimFeatures.Name.allCases.map { ($0.raisesSupport ? "+" : "-") + "\($0)" }

    package init(
        claim: String, start: Int, end: Int, verdict: ClaimOutcome, confidence: Double, probability: Double?, evidence: [EvidenceQuote] = [], reasoning: String
    ) {
        self.claim = claim
        self.start = start
        self.end = end
        self.verdict = verdict
        self.confidence = confidence
        self.probability = probability
        self.evidence = evidence
        self.reasoning = reasoning
    }
}

/// A passage that a claim was judged by.
package struct EvidenceQuote: Sendable {
    /// The answer itself, where it contradicts itself.
    package static let answer = -1
    /// Something that an engine knows from elsewhere; its offsets mean nothing.
    package static let elsewhere = -2

    /// The document's place in the case, counted from 0, or `answer` or `elsewhere`.
    package var document: Int
    package var documentID: String
    package var source: String
    /// In the document's content, in bytes of UTF-8.
    package var start: Int
    package var end: Int
    package var quote: String
    /// Words of the claim that do not fit the passage.
    package var unmatched: [String]

    package init(document: Int, documentID: String, source: String, start: Int, end: Int, quote: String, unmatched: [String]) {
        self.document = document
        self.documentID = documentID
        self.source = source
        self.start = start
        self.end = end
        self.quote = quote
        self.unmatched = unmatched
    }
}

package enum VerdictKind: String, CaseIterable, Sendable {
    case grounded
    case mostlyGrounded = "mostly_grounded"
    case partlyGrounded = "partly_grounded"
    case ungrounded, contradicted, unverifiable
}

/// What asking an engine outside cost.
package struct EngineUsage: Sendable, Equatable {
    package var calls = 0
    package var promptTokens = 0
    package var completionTokens = 0
    /// In dollars, by the prices of the settings.
    package var cost = 0.0

    package init() {}
}

/// The embedded engine's verdict stands for that of another one.
package struct EngineFallback: Sendable, Equatable {
    /// The engine that should have audited.
    package var engine: String
    /// Why it did not, for a person.
    package var reason: String

    package init(engine: String, reason: String) {
        self.engine = engine
        self.reason = reason
    }
}

/// What was found of an answer.
package struct AuditVerdict: Sendable {
    /// Changes when the same answer would get another score.
    package static let scaleVersion = 5

    /// 0…100: mean probability of the claims that can be checked; nil without any.
    package var trustScore: Double?
    /// 0…100: share of the checkable claims that are unsupported or contradicted; nil without any.
    package var hallucinationRate: Double?
    /// `A` … `F`, or `N/A`.
    package var grade: String
    /// One plain sentence.
    package var verdict: String
    package var verdictKind: VerdictKind
    package var claims: [ClaimVerdict]
    /// Claims beyond the engine's limit, which were not looked at.
    package var omittedClaims: Int
    package var contextState: ContextState
    package var engine: String
    package var engineVersion: String
    package var scaleVersion: Int
    package var truncated: Bool
    package var engineUsage: EngineUsage?
    package var fallback: EngineFallback?
    /// Probability that the documents bear out the whole text, 0…1; nil without a claim that can be checked.
    package var support: Double?
    /// How much the claim that is believed least counts in it, beside the mean of all; as in tools/fit/fit.py.
    private static let weakest = 0.7

    package func count(_ outcome: ClaimOutcome) -> Int { claims.lazy.filter { $0.verdict == outcome }.count }
    package var totalClaims: Int { claims.count + omittedClaims }
    package var supportedClaims: Int { count(.supported) }
    package var unsupportedClaims: Int { count(.unsupported) }
    package var contradictedClaims: Int { count(.contradicted) }
    package var unverifiableClaims: Int { count(.unverifiable) + omittedClaims }

    /// Sums up the claims of a case, by whichever engine they were judged. `knowsMore`: the engine judges by what it knows beyond the
    /// documents, so that there is a share of supported claims without them.
    package init(of auditCase: AuditCase, claims: [ClaimVerdict], omittedClaims: Int = 0, engine: String, engineVersion: String, knowsMore: Bool = false) {
        self.claims = claims
        self.omittedClaims = max(0, omittedClaims)
        contextState = auditCase.contextState
        self.engine = engine
        self.engineVersion = engineVersion
        scaleVersion = Self.scaleVersion
        truncated = auditCase.truncated
        let checkable = claims.filter { $0.verdict != .unverifiable }
        let supported = checkable.count { $0.verdict == .supported }
        let contradicted = checkable.count { $0.verdict == .contradicted }
        guard !checkable.isEmpty else {
            grade = "N/A"
            verdictKind = .unverifiable
            verdict = Self.whyNothing(claims.count + self.omittedClaims, auditCase)
            return
        }
        let total = Double(checkable.count)
        guard auditCase.contextState == .found || knowsMore else {
            // Only what contradicts the answer itself was looked for: no share of anything.
            grade = "N/A"
            verdictKind = .contradicted
            let first = checkable.first { $0.verdict == .contradicted }?.reasoning ?? ""
            verdict = "\(contradicted) \(contradicted == 1 ? "claim contradicts" : "claims contradict") the answer itself: \(first)"
            return
        }
        let score = 100 * checkable.reduce(0) { $0 + min(1, max(0, $1.probability ?? 0)) } / total
        trustScore = score
        support = Self.weakest * checkable.reduce(1) { min($0, $1.probability ?? 0) } + (1 - Self.weakest) * score / 100
        hallucinationRate = 100 * Double(checkable.count - supported) / total
        grade = Self.grade(score: score, contradicted: contradicted, checkable: checkable.count)
        verdictKind = Self.kind(supported: supported, contradicted: contradicted, checkable: checkable.count)
        verdict = Self.sentence(checkable, supported: supported, contradicted: contradicted, kind: verdictKind)
    }

    /// One contradiction allows C at best, two or more than a fifth D.
    package static func grade(score: Double, contradicted: Int, checkable: Int) -> String {
        let grades = ["A", "B", "C", "D", "F"]
        let byScore = score >= 90 ? 0 : score >= 80 ? 1 : score >= 65 ? 2 : score >= 50 ? 3 : 4
        let atBest = contradicted >= 2 || contradicted * 5 > checkable ? 3 : contradicted == 1 ? 2 : 0
        return grades[max(byScore, atBest)]
    }

    static func kind(supported: Int, contradicted: Int, checkable: Int) -> VerdictKind {
        if contradicted > 0 { return .contradicted }
        if supported == checkable { return .grounded }
        if supported * 5 >= checkable * 4 { return .mostlyGrounded }
        return supported * 4 >= checkable ? .partlyGrounded : .ungrounded
    }

    private static func sentence(_ checkable: [ClaimVerdict], supported: Int, contradicted: Int, kind: VerdictKind) -> String {
        let total = checkable.count
        let claims = total == 1 ? "claim" : "claims"
        switch kind {
        case .grounded: return total == 1 ? "The one claim that can be checked is supported by the documents." : "All \(total) claims that can be checked are supported by the documents."
        case .contradicted:
            let first = checkable.first { $0.verdict == .contradicted }
            return "\(contradicted) of \(total) \(claims) \(contradicted == 1 ? "contradicts" : "contradict") \(first?.evidence.first?.document == EvidenceQuote.answer ? "the answer itself" : "the documents"): \(first?.reasoning ?? "")"
        case .ungrounded where supported == 0:
            return total == 1 ? "The one claim that can be checked is not supported by the documents." : "None of the \(total) claims that can be checked is supported by the documents."
        default: return "\(supported) of \(total) \(claims) that can be checked are supported by the documents."
        }
    }

    private static func whyNothing(_ claims: Int, _ auditCase: AuditCase) -> String {
        guard claims > 0 else { return "The answer makes no claim that can be checked." }
        return switch auditCase.contextState {
        case .none: "No claim could be checked: the request shows no documents."
        case .empty: "No claim could be checked: the request has a place for documents, and it is empty."
        case .opaque: "No claim could be checked: the documents of the request cannot be read."
        case .found where auditCase.contextIsPartial: "No claim could be checked: the documents were seen only in part."
        case .found: "No claim could be checked in the time allowed."
        }
    }
}
