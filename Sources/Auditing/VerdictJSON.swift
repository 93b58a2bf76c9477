// The JSON object of a completed audit, rendered once: later processes only wrap these bytes. It keeps to a size: long texts
// are cut at characters, then claims are left out from the end, and the object says so.
//
// Offsets in the JSON count UTF-16 units, as JavaScript's strings do: `answer.slice(start, end)`.

import JSON

/// Renders the verdict of a case.
package enum VerdictJSON {
    /// An event must fit 64 KiB with its envelope.
    package static let defaultLimitBytes = 60 << 10

    /// How much of each text is kept, in bytes as they stand in the JSON; tried one after the other until the object fits.
    private struct Budget {
        var answer: Int
        var query: Int
        var text: Int
        var evidence: Int
        var documents: Int

        static let steps = [
            Budget(answer: 32 << 10, query: 4096, text: 1200, evidence: 3, documents: 200), Budget(answer: 16 << 10, query: 2048, text: 600, evidence: 2, documents: 100),
            Budget(answer: 8 << 10, query: 1024, text: 300, evidence: 1, documents: 40), Budget(answer: 4 << 10, query: 512, text: 160, evidence: 1, documents: 20),
            Budget(answer: 1 << 10, query: 256, text: 120, evidence: 0, documents: 5), Budget(answer: 256, query: 64, text: 80, evidence: 0, documents: 0),
        ]
    }

    /// - Parameters:
    ///   - timestampMilliseconds: when the audit was completed, since 1970.
    ///   - limitBytes: the size that the object must not exceed. Below about a kilobyte, ids and claims are dropped as well, never syntax.
    package static func render(
        _ verdict: AuditVerdict, of auditCase: AuditCase, processingTimeMilliseconds: Int, timestampMilliseconds: Int,
        limitBytes: Int = defaultLimitBytes
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        let positions = UTF16Positions(of: auditCase.answer, at: verdict.claims.flatMap { [$0.start, $0.end] } + [auditCase.answer.utf8.count])
        var quoteOffsets: [Int: [Int]] = [:]
        for quote in verdict.claims.lazy.flatMap(\.evidence) { quoteOffsets[quote.document, default: []] += [quote.start, quote.end] }
        var quotePositions: [Int: UTF16Positions] = [:]
        for (document, offsets) in quoteOffsets where auditCase.documents.indices.contains(document) {
            quotePositions[document] = UTF16Positions(of: auditCase.documents[document].content, at: offsets)
        }
        if let offsets = quoteOffsets[EvidenceQuote.answer] { quotePositions[EvidenceQuote.answer] = UTF16Positions(of: auditCase.answer, at: offsets) }
        for budget in Budget.steps {
            var renderer = Renderer(verdict: verdict, auditCase: auditCase, budget: budget, positions: positions, quotePositions: quotePositions, limitBytes: limitBytes)
            bytes = renderer.render(processingTimeMilliseconds, timestampMilliseconds)
            // Claims are left out last: only with the smallest texts.
            if bytes.count <= limitBytes, renderer.omitted == 0 || budget.evidence == 0 { return bytes }
        }
        return bytes
    }

    private struct Renderer {
        let verdict: AuditVerdict
        let auditCase: AuditCase
        let budget: Budget
        let positions: UTF16Positions
        let quotePositions: [Int: UTF16Positions]
        let limitBytes: Int
        var omitted = 0
        private var isCut = false
        private var writer = JSONWriter(reservingCapacity: 8192)

        init(verdict: AuditVerdict, auditCase: AuditCase, budget: Budget, positions: UTF16Positions, quotePositions: [Int: UTF16Positions], limitBytes: Int) {
            self.verdict = verdict
            self.auditCase = auditCase
            self.budget = budget
            self.positions = positions
            self.quotePositions = quotePositions
            self.limitBytes = limitBytes
        }

        mutating func render(_ processingTime: Int, _ timestamp: Int) -> [UInt8] {
            writer.beginObject()
            text("request_id", auditCase.requestID, 256)
            text("audit_id", auditCase.auditID, 256)
            writer.member("trust_score", rounded(verdict.trustScore))
            writer.member("hallucination_rate", rounded(verdict.hallucinationRate))
            writer.member("grade", verdict.grade)
            text("verdict", verdict.verdict, max(160, budget.text))
            writer.member("verdict_kind", verdict.verdictKind.rawValue)
            writer.member("total_claims", verdict.totalClaims)
            writer.member("supported_claims", verdict.supportedClaims)
            // Contradicted ones are a part of them: with supported and unverifiable ones they are the total.
            writer.member("unsupported_claims", verdict.unsupportedClaims + verdict.contradictedClaims)
            writer.member("contradicted_claims", verdict.contradictedClaims)
            writer.member("unverifiable_claims", verdict.unverifiableClaims)
            writer.member("processing_time_ms", processingTime)
            writer.member("timestamp", timestamp)
            if let model = auditCase.model { text("model", model, 200) } else { null("model") }
            text("path", auditCase.path, 512)
            if !auditCase.traceID.isEmpty { text("trace_id", auditCase.traceID, 32) }
            if !auditCase.callerKey.isEmpty { text("key", auditCase.callerKey, 64) }
            if !auditCase.upstream.isEmpty { text("upstream", auditCase.upstream, 255) }
            text("query", auditCase.query, budget.query)
            text("answer", auditCase.answer, budget.answer)
            writer.member("answer_length", positions[auditCase.answer.utf8.count])
            writer.member("context_state", verdict.contextState.rawValue)
            writer.member("context_partial", auditCase.contextIsPartial)
            documents()
            text("engine", verdict.engine, 256)
            text("engine_version", verdict.engineVersion, 256)
            writer.member("scale_version", verdict.scaleVersion)
            engineUsage()
            fallback()
            writer.member("truncated", verdict.truncated)
            usage()
            verifications()
            writer.member("omitted_claims", omitted + verdict.omittedClaims)
            writer.member("cut", isCut || omitted + verdict.omittedClaims > 0)
            writer.endObject()
            return writer.bytes
        }

        private mutating func documents() {
            writer.name("documents")
            writer.beginObject()
            writer.member("count", auditCase.documents.count)
            writer.name("list")
            writer.beginArray()
            for document in auditCase.documents.prefix(budget.documents) {
                writer.beginObject()
                text("id", document.id, 128)
                text("source", document.source, 256)
                writer.member("origin", document.origin.rawValue)
                if document.isOpaque { writer.member("opaque", true) }
                if document.isEarlierTurn { writer.member("earlier_turn", true) }
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
        }

        private mutating func engineUsage() {
            guard let usage = verdict.engineUsage else { return null("engine_usage") }
            writer.name("engine_usage")
            writer.beginObject()
            writer.member("calls", usage.calls)
            writer.member("prompt_tokens", usage.promptTokens)
            writer.member("completion_tokens", usage.completionTokens)
            writer.member("cost", (usage.cost * 1e9).rounded() / 1e9)
            writer.endObject()
        }

        private mutating func fallback() {
            guard let fallback = verdict.fallback else { return null("fallback") }
            writer.name("fallback")
            writer.beginObject()
            text("engine", fallback.engine, 64)
            text("reason", fallback.reason, 512)
            writer.endObject()
        }

        private mutating func usage() {
            guard let usage = auditCase.usage else { return null("usage") }
            writer.name("usage")
            writer.beginObject()
            for (name, value) in [("prompt_tokens", usage.prompt), ("completion_tokens", usage.completion), ("total_tokens", usage.total)] {
                if let value { writer.member(name, value) } else { null(name) }
            }
            writer.endObject()
        }

        private mutating func verifications() {
            writer.name("verifications")
            writer.beginArray()
            for (index, claim) in verdict.claims.enumerated() {
                let mark = writer.mark
                verification(claim)
                if writer.bytes.count > limitBytes - 64 {  // what still follows the list
                    writer.rewind(to: mark)
                    omitted = verdict.claims.count - index
                    break
                }
            }
            writer.endArray()
        }

        private mutating func verification(_ claim: ClaimVerdict) {
            writer.beginObject()
            text("claim", claim.claim, budget.text)
            writer.member("supported", claim.supported)
            writer.member("verdict", claim.verdict.rawValue)
            writer.member("confidence", (claim.confidence * 1000).rounded() / 1000)
            writer.member("start", positions[claim.start])
            writer.member("end", positions[claim.end])
            writer.name("evidence")
            writer.beginArray()
            for quote in claim.evidence.prefix(budget.evidence) { cutString(quote.quote, budget.text) }
            writer.endArray()
            writer.name("evidence_details")
            writer.beginArray()
            for quote in claim.evidence.prefix(budget.evidence) {
                writer.beginObject()
                if quote.document == EvidenceQuote.elsewhere { null("document") } else { writer.member("document", quote.document + 1) }
                text("document_id", quote.documentID, 128)
                text("source", quote.source, 256)
                writer.member("start", quotePositions[quote.document]?[quote.start] ?? 0)
                writer.member("end", quotePositions[quote.document]?[quote.end] ?? 0)
                writer.name("unmatched")
                writer.beginArray()
                for word in quote.unmatched { cutString(word, 64) }
                writer.endArray()
                writer.endObject()
            }
            writer.endArray()
            text("reasoning", claim.reasoning, max(160, budget.text))
            writer.endObject()
        }

        private mutating func text(_ name: String, _ text: String, _ limit: Int) {
            writer.name(name)
            cutString(text, limit)
        }

        /// A string of at most `limit` bytes as they stand in the JSON; a longer one ends at a character.
        private mutating func cutString(_ text: String, _ limit: Int) {
            guard text.utf8.count > limit / 6 else { return writer.string(text) }  // an escape takes six bytes at most
            var text = text
            let end = text.withUTF8 { unsafe Self.end(of: $0, escapedWithin: limit) }
            guard let end else { return writer.string(text) }
            isCut = true
            writer.string(text[..<text.utf8.index(text.startIndex, offsetBy: end)])
        }

        /// The last character's boundary at which a text is still short enough; nil if all of it is.
        private static func end(of bytes: UnsafeBufferPointer<UInt8>, escapedWithin limit: Int) -> Int? {
            var size = 0
            var end = 0
            for offset in bytes.indices {
                let byte = unsafe bytes[offset]
                if byte & 0xC0 != 0x80 { end = offset }
                size += JSONWriter.escapedSize(of: byte)
                if size > limit { return end }
            }
            return nil
        }

        private mutating func null(_ name: String) {
            writer.name(name)
            writer.null()
        }

        private func rounded(_ value: Double?) -> Double? { value.map { ($0 * 10).rounded() / 10 } }
    }
}

/// Offsets in bytes of UTF-8 turned into offsets in UTF-16 units, for a few places of a text.
struct UTF16Positions {
    private var positions: [Int: Int] = [:]

    init(of text: String, at offsets: [Int]) {
        var text = text
        text.withUTF8 { bytes in
            var place = 0
            var units = 0
            for offset in offsets.sorted() {
                while place < min(offset, bytes.count) {
                    let byte = unsafe bytes[place]
                    units += (byte & 0xC0 != 0x80 ? 1 : 0) + (byte >= 0xF0 ? 1 : 0)
                    place += 1
                }
                positions[offset] = units
            }
        }
    }

    subscript(offset: Int) -> Int { positions[offset] ?? 0 }
}
