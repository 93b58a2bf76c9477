// From a capture to a case: content coding, JSON or streams of it, then Prompt, AnswerAssembler and Extraction.

import JSON

/// Decodes captures. Total: every capture gives a case or a reason.
package enum CaptureDecoder {
    /// Longer answers are cut: no person reads on, and offsets stay small.
    package static let answerLimitBytes = 1 << 20

    package static func decode(_ coded: CapturedExchange) -> Decoded {
        let exchange: CapturedExchange
        do throws(ContentCoding.Failure) {
            exchange = try plain(coded)
        } catch {
            return .notAuditable(error == .unknownCoding ? .contentEncoding : .malformed)
        }
        if exchange.isSubmission { return Submission.decode(exchange) }
        var response = AnswerAssembler()
        guard read(exchange, into: &response) else { return .notAuditable(.malformed) }
        let answer = response.answer
        guard answer.utf8.contains(where: { !ASCII.isSpace($0) }) else { return .notAuditable(.notAuditable) }

        return .auditable(auditCase(of: exchange, answer: cut(answer), response))
    }

    /// Question and documents alone, of an exchange whose answer does not matter or is not there.
    package static func context(of coded: CapturedExchange) -> AuditCase {
        let exchange = (try? plain(coded)) ?? coded
        var response = AnswerAssembler()
        _ = read(exchange, into: &response)
        return auditCase(of: exchange, answer: cut(response.answer), response)
    }

    /// A request that is no JSON has no question and no documents, but its answer can still be shown.
    private static func auditCase(of exchange: CapturedExchange, answer: String, _ response: AnswerAssembler) -> AuditCase {
        let body = try? exchange.requestTruncated
            ? JSONValue(parsingCut: exchange.requestBody.span) : JSONValue(parsing: exchange.requestBody.span)
        let prompt = Prompt(body ?? .null)
        var extraction = ContextExtractor()
        extraction.extract(from: prompt, responseDocuments: response.documents)
        var auditCase = AuditCase(
            requestID: exchange.requestID, auditID: exchange.auditID, path: exchange.path, model: response.model ?? prompt.model, query: extraction.query,
            documents: extraction.documents, contextState: extraction.state,
            contextIsPartial: extraction.isPartial || prompt.isPartial || exchange.requestTruncated,
            answer: answer, truncated: exchange.requestTruncated || exchange.responseTruncated, usage: response.usage)
        auditCase.traceID = exchange.traceID
        return auditCase
    }

    /// The exchange with both bodies free of content codings.
    private static func plain(_ coded: CapturedExchange) throws(ContentCoding.Failure) -> CapturedExchange {
        var exchange = coded
        if !coded.responseContentEncoding.isEmpty {
            let response = try ContentCoding.decode(coded.responseBody, codings: coded.responseContentEncoding, isCut: coded.responseTruncated)
            exchange.responseBody = response.bytes
            exchange.responseTruncated = response.isCut
            exchange.responseContentEncoding = ""
        }
        if !coded.requestContentEncoding.isEmpty {
            let request = try ContentCoding.decode(coded.requestBody, codings: coded.requestContentEncoding, isCut: coded.requestTruncated)
            exchange.requestBody = request.bytes
            exchange.requestTruncated = request.isCut
            exchange.requestContentEncoding = ""
        }
        return exchange
    }

    /// Reads the answer's body; false if it is neither JSON nor a stream.
    private static func read(_ exchange: CapturedExchange, into response: inout AnswerAssembler) -> Bool {
        let body = exchange.responseBody
        let type = exchange.responseContentType.lowercased()
        if type.contains("event-stream") || (!type.contains("json") && EventStream.looksLike(body)) {
            for data in EventStream.data(of: body) where !data.elementsEqual("[DONE]".utf8) {
                if let chunk = try? JSONValue(parsing: data.span) {
                    response.add(chunk)
                } else if let first = data.first(where: { !ASCII.isSpace($0) }), first != UInt8(ascii: "{"), first != UInt8(ascii: "[") {
                    response.add(plain: data)
                }
            }
            return true
        }
        if let value = try? JSONValue(parsing: body.span) {
            response.add(value)
            return true
        }
        // Newline-delimited JSON, under its own type or under that of JSON. A line that is cut is the stream's end.
        let texts = EventStream.texts(of: body)
        if let first = texts.first, (try? JSONValue(parsing: first.span))?.members != nil {
            for text in texts {
                guard let chunk = try? JSONValue(parsing: text.span) else { continue }
                response.add(chunk)
            }
            return true
        }
        guard exchange.responseTruncated || body.allSatisfy(ASCII.isSpace) else {
            if EventStream.looksLike(body) {
                var asStream = exchange
                asStream.responseContentType = "text/event-stream"
                return read(asStream, into: &response)
            }
            return false
        }
        if let value = try? JSONValue(parsingCut: body.span) { response.add(value) }
        return true
    }

    static func cut(_ answer: String) -> String {
        guard answer.utf8.count > answerLimitBytes else { return answer }
        return String(decoding: Array(answer.utf8.prefix(ASCII.boundary(in: answer.utf8, atMost: answerLimitBytes))), as: UTF8.self)
    }
}
