// Cases, verdicts and tasks for the tests of the auditor.
import Auditing
import Configuration
import EventLoop
import JSON

@testable import auditor

func seconds(_ count: Double) -> Instant { Instant(nanoseconds: UInt64(count * 1e9) + 1_000_000_000) }

let bridge = AuditCase(
    requestID: "req_1", query: "How long is the bridge?",
    documents: [
        ContextDocument(id: "doc-1", content: "Über den Fluss: the bridge is 148 metres long. It was opened in 2009.", source: "a.txt"),
        ContextDocument(id: "doc-2", content: "Ilse Tornqvist designed it."),
    ], contextState: .found, answer: "The bridge is 184 metres long. Ilse designed it.")

func claim(_ text: String, _ outcome: ClaimOutcome = .supported, probability: Double? = 0.9, evidence: [EvidenceQuote] = []) -> ClaimVerdict {
    ClaimVerdict(claim: text, start: 0, end: text.utf8.count, verdict: outcome, confidence: 0.9, probability: probability, evidence: evidence, reasoning: "first")
}

func quote(_ document: Int, _ text: String) -> EvidenceQuote {
    EvidenceQuote(document: document, documentID: "doc-\(document + 1)", source: "", start: 0, end: text.utf8.count, quote: text, unmatched: [])
}

func verdict(_ claims: [ClaimVerdict], of auditCase: AuditCase = bridge, engine: String = "embedded") -> AuditVerdict {
    AuditVerdict(of: auditCase, claims: claims, engine: engine, engineVersion: "1")
}

func task(_ claims: [ClaimVerdict], of auditCase: AuditCase = bridge, until deadline: Instant = seconds(30), id: UInt64 = 1) -> EngineTask {
    EngineTask(id: id, auditCase: auditCase, draft: verdict(claims, of: auditCase), claims: Array(claims.indices), deadline: deadline)
}

func json(_ bytes: [UInt8]) -> JSONValue? { try? JSONValue(parsing: bytes.span) }

extension Result where Success == AuditVerdict, Failure == EngineFailure {
    var failure: EngineFailure? { if case .failure(let failure) = self { failure } else { nil } }
    var verdict: AuditVerdict? { if case .success(let verdict) = self { verdict } else { nil } }
}
