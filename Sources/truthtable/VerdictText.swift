// A verdict as text for a person at a terminal.
import Auditing

enum VerdictText {
    /// Quotes are cut here: the whole text is in the file that was audited.
    private static let quoteLimit = 200

    static func text(_ verdict: AuditVerdict, of auditCase: AuditCase) -> String {
        var lines = [oneLine(verdict.verdict), ""]
        let score = verdict.trustScore.map { "\(Int($0.rounded())) of 100" } ?? "none"
        let rate = verdict.hallucinationRate.map { ", hallucination rate \(Int($0.rounded())) %" } ?? ""
        lines.append("Trust score \(score), grade \(verdict.grade)\(rate)")
        if !auditCase.query.isEmpty { lines.append("Question    " + cut(oneLine(auditCase.query), quoteLimit)) }
        let readable = auditCase.documents.count { !$0.isOpaque }
        lines.append("Documents   \(readable) to read, context \(auditCase.contextState.rawValue)" + (auditCase.contextIsPartial ? ", seen in part" : ""))
        if verdict.truncated { lines.append("The exchange was cut before its end.") }
        for claim in verdict.claims {
            lines.append("")
            let probability = claim.probability.map { " \(Int(($0 * 100).rounded())) %" } ?? ""
            lines.append("[\(claim.verdict.rawValue)\(probability)] \(oneLine(claim.claim))")
            lines.append("    " + oneLine(claim.reasoning))
            for quote in claim.evidence {
                let source = quote.source.isEmpty ? "" : ", \(oneLine(quote.source))"
                lines.append("    \(oneLine(quote.documentID))\(source), byte \(quote.start): \"\(cut(oneLine(quote.quote), quoteLimit))\"")
            }
        }
        if verdict.omittedClaims > 0 { lines += ["", "\(verdict.omittedClaims) further claims were not looked at."] }
        return lines.joined(separator: "\n") + "\n"
    }
}
