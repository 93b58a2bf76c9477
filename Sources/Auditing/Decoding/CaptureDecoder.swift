// From a capture to a case: content coding, JSON or streams of it, then Prompt, AnswerAssembler and Extraction. In steps, so that
// the process that decodes stays within reach of its other duties whatever the bodies are.
//
//     unpacking --step…--> answer --step…--> request --step--> prompt --step--> context --step…--> done

import JSON

/// Decodes one capture. Total: every capture gives a case or a reason.
package struct CaptureDecoder {
    /// Longer answers are cut: no person reads on, and offsets stay small.
    package static let answerLimitBytes = 1 << 20
    /// Work of one step, in bytes that are read: a few milliseconds. A body that is one text is read at once, as is the request;
    /// both are bounded by `ContentCoding.limitBytes`.
    static let stepBytes = 64 << 10
    /// What a text costs beside its bytes.
    private static let textBytes = 256
    /// More than an exchange of words holds; a body beyond it is not read, and the context counts as partial.
    static let valueLimit = 50_000

    private enum Phase { case unpacking, answer, request, prompt, context, done }

    private var phase: Phase
    /// Of this step's work, in bytes.
    private var left = stepBytes
    private var exchange: CapturedExchange
    /// A stream that is being read; its texts count as no more than beginnings of JSON when they are lines.
    private var stream: (texts: EventStream, form: EventStream.Form)?
    private var response = AnswerAssembler()
    /// The request's body, when it is known as a tree.
    private var body: JSONValue?
    private var prompt = Prompt(.null)
    private var extraction: ContextExtractor?
    private var isUnread = false

    package init(_ exchange: CapturedExchange) {
        self.exchange = exchange
        phase = .unpacking
    }

    /// An exchange whose bodies, or one of them, were parsed already.
    init(_ exchange: CapturedExchange, request: JSONValue?, response: JSONValue?) {
        self.exchange = exchange
        body = request
        phase = response == nil ? .unpacking : .request
        if let response { self.response.add(response) }
    }

    /// What the last step read, in bytes.
    var workOfStep: Int { Self.stepBytes - left }

    /// Goes on for a bounded time; the case, or the reason for none, when all is done. After it, nil.
    package mutating func step() -> Decoded? {
        left = Self.stepBytes
        while left > 0, phase != .done {
            switch phase {
            case .unpacking: if let decoded = unpack() { return decoded }
            case .answer: if let decoded = readAnswer() { return decoded }
            case .request:
                guard response.answer.utf8.contains(where: { !ASCII.isSpace($0) }) else { return end(.notAuditable(.notAuditable)) }
                readRequest()
            case .prompt: readPrompt()
            case .context:
                guard let bytes = extraction?.step() else { return end(.auditable(auditCase())) }
                left -= bytes * 2
            case .done: break
            }
        }
        return nil
    }

    /// All at once.
    package static func decode(_ exchange: CapturedExchange) -> Decoded {
        var decoder = CaptureDecoder(exchange)
        while true { if let decoded = decoder.step() { return decoded } }
    }

    /// Question and documents alone, of an exchange whose answer does not matter or is not there.
    mutating func context() -> AuditCase {
        while phase == .unpacking || phase == .answer { _ = step() }
        readRequest()
        readPrompt()
        while extraction?.step() != nil {}
        return auditCase()
    }

    private mutating func end(_ decoded: Decoded) -> Decoded {
        phase = .done
        return decoded
    }

    // MARK: Content codings

    /// Takes one coding off one body.
    private mutating func unpack() -> Decoded? {
        do throws(ContentCoding.Failure) {
            if !exchange.responseContentEncoding.isEmpty {
                var body = ContentCoding.Body(bytes: exchange.responseBody, codings: exchange.responseContentEncoding, isCut: exchange.responseTruncated)
                try body.unpack()
                left -= body.bytes.count
                (exchange.responseBody, exchange.responseContentEncoding, exchange.responseTruncated) = (body.bytes, body.codings, body.isCut)
            } else if !exchange.requestContentEncoding.isEmpty {
                var body = ContentCoding.Body(bytes: exchange.requestBody, codings: exchange.requestContentEncoding, isCut: exchange.requestTruncated)
                try body.unpack()
                left -= body.bytes.count
                (exchange.requestBody, exchange.requestContentEncoding, exchange.requestTruncated) = (body.bytes, body.codings, body.isCut)
            } else if exchange.isSubmission {
                return end(Submission.decode(exchange))
            } else {
                phase = .answer
            }
            return nil
        } catch {
            return end(.notAuditable(error == .unknownCoding ? .contentEncoding : .malformed))
        }
    }

    // MARK: The answer

    /// Reads the answer's body, or the next texts of a stream.
    private mutating func readAnswer() -> Decoded? {
        guard stream == nil else {
            readStream()
            return nil
        }
        let bytes = exchange.responseBody
        let type = exchange.responseContentType.lowercased()
        let looksLikeStream = EventStream.looksLike(bytes)
        if type.contains("event-stream") || (!type.contains("json") && looksLikeStream) {
            stream = (EventStream(bytes, .events), .events)
            return nil
        }
        left -= bytes.count
        do throws(JSONError) {
            response.add(try JSONValue(parsing: bytes.span, valueLimit: Self.valueLimit))
            phase = .request
            return nil
        } catch {
            guard error != .tooManyValues else { return end(.notAuditable(.malformed)) }
        }
        // Newline-delimited JSON, under its own type or under that of JSON. A line that is cut is the stream's end.
        var lines = EventStream(bytes, .lines)
        if let first = lines.next(), (try? JSONValue(parsing: first.span))?.members != nil {
            stream = (EventStream(bytes, .lines), .lines)
            return nil
        }
        guard exchange.responseTruncated || bytes.allSatisfy(ASCII.isSpace) else {
            guard looksLikeStream else { return end(.notAuditable(.malformed)) }
            stream = (EventStream(bytes, .events), .events)
            return nil
        }
        if let value = try? JSONValue(parsingCut: bytes.span, valueLimit: Self.valueLimit) { response.add(value) }
        phase = .request
        return nil
    }

    private mutating func readStream() {
        guard let form = stream?.form, var texts = stream?.texts else { return }
        while left > 0 {
            let start = texts.offset
            guard let text = texts.next() else {
                phase = .request
                return
            }
            left -= texts.offset - start + Self.textBytes
            if form == .events, text.elementsEqual("[DONE]".utf8) { continue }
            if let chunk = try? JSONValue(parsing: text.span) {
                response.add(chunk)
            } else if form == .events, let first = text.first(where: { !ASCII.isSpace($0) }), first != UInt8(ascii: "{"), first != UInt8(ascii: "[") {
                response.add(plain: text)
            }
        }
        stream = (texts, form)
    }

    // MARK: The request

    /// A request that is no JSON has no question and no documents, but its answer can still be shown.
    private mutating func readRequest() {
        phase = .prompt
        guard body == nil else { return }
        left -= exchange.requestBody.count
        do throws(JSONError) {
            body = try exchange.requestTruncated
                ? JSONValue(parsingCut: exchange.requestBody.span, valueLimit: Self.valueLimit) : JSONValue(parsing: exchange.requestBody.span, valueLimit: Self.valueLimit)
        } catch {
            isUnread = error == .tooManyValues
        }
    }

    private mutating func readPrompt() {
        phase = .context
        left -= exchange.requestBody.count
        prompt = Prompt(body ?? .null)
        body = nil
        extraction = ContextExtractor(prompt, responseDocuments: response.documents)
    }

    private func auditCase() -> AuditCase {
        var auditCase = AuditCase(
            requestID: exchange.requestID, auditID: exchange.auditID, path: exchange.path, model: response.model ?? prompt.model, query: extraction?.query ?? "",
            documents: extraction?.documents ?? [], contextState: extraction?.state ?? .none,
            contextIsPartial: extraction?.isPartial == true || prompt.isPartial || isUnread || exchange.requestTruncated,
            answer: Self.cut(response.answer), truncated: exchange.requestTruncated || exchange.responseTruncated || exchange.targetTruncated, usage: response.usage)
        auditCase.traceID = exchange.traceID
        auditCase.callerKey = exchange.callerKey
        auditCase.upstream = exchange.upstream
        return auditCase
    }

    static func cut(_ answer: String) -> String {
        guard answer.utf8.count > answerLimitBytes else { return answer }
        return String(decoding: Array(answer.utf8.prefix(ASCII.boundary(in: answer.utf8, atMost: answerLimitBytes))), as: UTF8.self)
    }
}
