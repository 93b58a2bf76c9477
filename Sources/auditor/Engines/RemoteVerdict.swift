// What an external engine found, checked and made a verdict like any other. An engine that breaks the rules of audit.proto has its
// result refused: half of it could not be trusted either.
import Auditing

enum RemoteVerdict {
    private static let grades: Set<String> = ["A", "B", "C", "D", "F", "N/A"]
    private static let nameLimit = 100

    /// Throws what is wrong, for a person.
    static func verdict(_ result: RemoteResult, of auditCase: AuditCase) throws(EngineFailure) -> AuditVerdict {
        var places = TextPlaces(auditCase)
        var claims: [ClaimVerdict] = []
        for (index, claim) in result.claims.enumerated() { claims.append(try verdict(claim, number: index + 1, auditCase, &places)) }
        let engine = result.engine.isEmpty ? "grpc" : String(result.engine.prefix(nameLimit))
        var verdict = AuditVerdict(
            of: auditCase, claims: claims, omittedClaims: result.omittedClaims, engine: engine, engineVersion: String(result.engineVersion.prefix(nameLimit)), knowsMore: true)
        if let score = result.trustScore { verdict.trustScore = try percent(score, "trust_score") }
        if let rate = result.hallucinationRate { verdict.hallucinationRate = try percent(rate, "hallucination_rate") }
        if !result.grade.isEmpty {
            guard grades.contains(result.grade) else { throw .broken("its result has the grade \(shown(result.grade)), which is none of A, B, C, D, F, N/A") }
            verdict.grade = result.grade
        } else if let score = result.trustScore {
            verdict.grade = AuditVerdict.grade(score: score, contradicted: verdict.contradictedClaims, checkable: claims.count - verdict.count(.unverifiable))
        }
        if !result.verdict.isEmpty { verdict.verdict = result.verdict }
        return verdict
    }

    private static func verdict(_ claim: RemoteClaim, number: Int, _ auditCase: AuditCase, _ places: inout TextPlaces) throws(EngineFailure) -> ClaimVerdict {
        guard !claim.claim.isEmpty else { throw .broken("claim \(number) of its result has no text") }
        let confidence = try share(claim.confidence, "confidence of claim \(number)")
        let outcome: ClaimOutcome =
            switch claim.verdict {
            case 1: .supported
            case 2: .contradicted
            case 3: .unsupported
            case 4: .unverifiable
            default: claim.isSupported ? .supported : .unsupported
            }
        var probability: Double?
        if outcome != .unverifiable {
            probability = outcome == .supported ? confidence : 1 - confidence
            if let told = claim.probability { probability = try share(told, "probability of claim \(number)") }
        }
        let range = places.range(claim.start, claim.end, orOf: claim.claim, in: TextPlaces.answer)
        return ClaimVerdict(
            claim: claim.claim, start: range.lowerBound, end: range.upperBound, verdict: outcome, confidence: outcome == .unverifiable ? 0 : confidence,
            probability: probability, evidence: claim.evidence.map { evidence($0, auditCase, &places) }, reasoning: claim.reasoning)
    }

    private static func evidence(_ told: RemoteEvidence, _ auditCase: AuditCase, _ places: inout TextPlaces) -> EvidenceQuote {
        let document = told.documentID.isEmpty ? nil : auditCase.documents.firstIndex { $0.id == told.documentID }
        guard let document else {
            return EvidenceQuote(document: EvidenceQuote.elsewhere, documentID: told.documentID, source: told.source, start: 0, end: 0, quote: told.quote, unmatched: told.unmatched)
        }
        let range = places.range(told.start, told.end, orOf: told.quote, in: document)
        return EvidenceQuote(
            document: document, documentID: told.documentID, source: auditCase.documents[document].source, start: range.lowerBound, end: range.upperBound,
            quote: told.quote, unmatched: told.unmatched)
    }

    private static func percent(_ value: Double, _ name: String) throws(EngineFailure) -> Double {
        guard value >= 0, value <= 100 else { throw .broken("its result has the \(name) \(value), which is not between 0 and 100") }
        return value
    }

    private static func share(_ value: Double, _ name: String) throws(EngineFailure) -> Double {
        guard value >= 0, value <= 1 else { throw .broken("the \(name) of its result is \(value), which is not between 0 and 1") }
        return value
    }

    private static func shown(_ text: String) -> String { "\"\(text.prefix(20))\"" }
}
