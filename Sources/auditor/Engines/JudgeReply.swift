// What the judge answered, held against the schema that it was told, and put in the place of the first verdicts.
import Auditing
import JSON

/// One judgement, its fields as the schema wants them.
struct Judgement: Equatable {
    let outcome: ClaimOutcome
    let confidence: Double
    /// Counted from 0.
    let document: Int?
    let quote: String
    let reasoning: String
}

/// An answer of an OpenAI-compatible API, as far as it matters here.
struct JudgeReply: Equatable {
    /// By the claim's place.
    let judgements: [Int: Judgement]

    /// What is wrong, for the judge and for a person.
    struct Flaw: Error, Equatable {
        let complaint: String
        init(_ complaint: String) { self.complaint = complaint }
    }

    /// The usage and the model that a chat completion tells, whatever else is wrong with it.
    struct Account: Equatable {
        var promptTokens = 0
        var completionTokens = 0
        var model = ""
    }

    private static let textLimit = 2000
    /// Of one request: far beyond what any model takes, so that sums and prices stay numbers whatever a server says.
    static let tokenLimit = 1_000_000_000

    /// - Parameter claims: the places that were asked about; each must be answered, once.
    static func read(_ body: [UInt8], claims: ArraySlice<Int>, documents: Int) -> (account: Account, result: Result<JudgeReply, Flaw>) {
        var account = Account()
        guard let answer = try? JSONValue(parsing: body.span) else { return (account, .failure(Flaw("it is not JSON"))) }
        if let model = answer["model"]?.string { account.model = model }
        account.promptTokens = tokens(answer, "prompt_tokens")
        account.completionTokens = tokens(answer, "completion_tokens")
        let choice = answer["choices"]?.array?.first
        guard let content = choice?["message"]?["content"]?.string else { return (account, .failure(Flaw("it is no chat completion with a text"))) }
        do throws(Flaw) {
            return (account, .success(try JudgeReply(content, claims: claims, documents: documents)))
        } catch {
            return (account, .failure(choice?["finish_reason"]?.string == "length" ? Flaw("it was cut at its longest length") : error))
        }
    }

    private static func tokens(_ answer: JSONValue, _ name: String) -> Int { min(max(0, answer["usage"]?[name]?.int ?? 0), tokenLimit) }

    init(_ content: String, claims: ArraySlice<Int>, documents: Int) throws(Flaw) {
        guard let object = try? JSONValue(parsing: Array(content.utf8).span), object.members != nil else { throw Flaw("it is not one JSON object") }
        guard let entries = object["claims"]?.array else { throw Flaw("it has no array \"claims\"") }
        var judgements: [Int: Judgement] = [:]
        for entry in entries {
            guard let id = entry["id"]?.int, id > 0, claims.contains(id - 1) else { throw Flaw("an entry's \"id\" is none of the claims'") }
            guard judgements[id - 1] == nil else { throw Flaw("claim \(id) is judged twice") }
            judgements[id - 1] = try Self.judgement(entry, id, documents)
        }
        if let missing = claims.first(where: { judgements[$0] == nil }) { throw Flaw("claim \(missing + 1) is not judged") }
        self.judgements = judgements
    }

    private static func judgement(_ entry: JSONValue, _ id: Int, _ documents: Int) throws(Flaw) -> Judgement {
        guard let outcome = entry["verdict"]?.string.flatMap(ClaimOutcome.init(rawValue:)), outcome != .unverifiable else {
            throw Flaw("the \"verdict\" of claim \(id) is none of supported, contradicted, unsupported")
        }
        guard let confidence = entry["confidence"]?.double, 0...1 ~= confidence else { throw Flaw("the \"confidence\" of claim \(id) is no number from 0 to 1") }
        guard let reasoning = entry["reasoning"]?.string, !reasoning.isEmpty, reasoning.utf8.count <= textLimit else {
            throw Flaw("the \"reasoning\" of claim \(id) is no sentence")
        }
        var document: Int?
        if let told = entry["document"], told != .null {
            guard let number = told.int, 1...max(1, documents) ~= number else { throw Flaw("the \"document\" of claim \(id) is none of the documents' numbers") }
            document = number - 1
        }
        var quote = ""
        if let told = entry["quote"], told != .null {
            guard let text = told.string, text.utf8.count <= textLimit else { throw Flaw("the \"quote\" of claim \(id) is no passage") }
            quote = text
        }
        return Judgement(outcome: outcome, confidence: confidence, document: document, quote: quote, reasoning: reasoning)
    }
}

enum Judgements {
    /// The claim with the judge's verdict. A quote counts if it stands in the document that the judge names, letter by letter; no
    /// claim becomes supported without a passage, and none is called unsupported where part of the context was not seen.
    static func apply(_ judgement: Judgement, to claim: ClaimVerdict, of auditCase: AuditCase, _ places: inout TextPlaces) -> ClaimVerdict {
        var claim = claim
        var outcome = judgement.outcome
        claim.reasoning = judgement.reasoning
        if let document = judgement.document, auditCase.documents.indices.contains(document), let range = places.find(judgement.quote, in: document) {
            let content = auditCase.documents[document]
            claim.evidence = [
                EvidenceQuote(
                    document: document, documentID: content.id, source: content.source, start: range.lowerBound, end: range.upperBound, quote: judgement.quote, unmatched: [])
            ]
        }
        if outcome == .supported, claim.evidence.isEmpty {
            outcome = .unverifiable
            claim.reasoning = "The judge calls it supported, but names no passage that stands in the documents."
        } else if outcome == .unsupported, auditCase.contextIsPartial {
            outcome = .unverifiable
            claim.reasoning = "The documents that could be read do not support it; others could not be read."
        }
        claim.verdict = outcome
        claim.confidence = outcome == .unverifiable ? 0 : judgement.confidence
        claim.probability = outcome == .unverifiable ? nil : outcome == .supported ? judgement.confidence : 1 - judgement.confidence
        return claim
    }
}
