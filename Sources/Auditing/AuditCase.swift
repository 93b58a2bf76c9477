// What an engine audits: the question, the documents that the model was given, and its answer.

/// What became of a capture.
package enum Decoded: Sendable {
    case auditable(AuditCase)
    case notAuditable(SkipReason)
    /// A client handed in what is no question, answer and documents; the sentence says what is wrong.
    case refused(String)
}

/// Why a capture is not audited. The names are those of the ledger, metrics and events, and never change.
package enum SkipReason: String, CaseIterable, Sendable {
    /// The answer holds no text: embeddings, lists of models, tool calls only, nothing.
    case notAuditable = "not_auditable"
    /// A body is in a content coding that cannot be read.
    case contentEncoding = "content_encoding"
    /// The answer is neither JSON nor a stream of it.
    case malformed = "malformed"
}

/// One exchange, ready for an engine.
package struct AuditCase: Sendable {
    package var requestID: String
    package var auditID: String
    package var path: String
    /// As the answer names it, otherwise the request.
    package var model: String?
    /// Empty when the request shows none.
    package var query: String
    package var documents: [ContextDocument]
    package var contextState: ContextState
    /// Part of the context was not seen (an image, a cut capture, a limit): what no document supports may stand there.
    package var contextIsPartial: Bool
    package var answer: String
    /// A body was cut before its end.
    package var truncated: Bool
    package var usage: TokenUsage?
    /// Of the trace that the exchange belongs to; empty without one.
    package var traceID = ""
    /// The name of the key of who asked, and the URL of who answered; empty where that is not known.
    package var callerKey = ""
    package var upstream = ""

    package init(
        requestID: String, auditID: String = "", path: String = "", model: String? = nil, query: String, documents: [ContextDocument],
        contextState: ContextState, contextIsPartial: Bool = false, answer: String, truncated: Bool = false, usage: TokenUsage? = nil
    ) {
        self.requestID = requestID
        self.auditID = auditID
        self.path = path
        self.model = model
        self.query = query
        self.documents = documents
        self.contextState = contextState
        self.contextIsPartial = contextIsPartial
        self.answer = answer
        self.truncated = truncated
        self.usage = usage
    }
}

/// Whether there is anything to hold an answer against.
package enum ContextState: String, CaseIterable, Sendable {
    /// Documents that can be read.
    case found
    /// The prompt has a place for documents, and nothing stands in it.
    case empty
    /// Documents that cannot be read: images, PDF, references to files.
    case opaque
    /// No sign of documents.
    case none
}

/// A text that the model was given as context.
package struct ContextDocument: Sendable, Equatable {
    /// As the prompt names it, otherwise `doc-` and its number.
    package var id: String
    package var content: String
    /// File, address or title as far as the prompt names it, otherwise empty.
    package var source: String
    package var metadata: [String: String]
    /// Where it came from.
    package var origin: Origin
    /// The message that holds it, counted from 0 in the list of the request; nil for fields beside the messages.
    package var messageIndex: Int?
    /// Where its text begins in the text of that message, in bytes of UTF-8; nil for documents taken out of JSON.
    package var offset: Int?
    /// It belongs to an earlier turn of the conversation.
    package var isEarlierTurn: Bool
    /// It cannot be read; `content` is empty.
    package var isOpaque: Bool

    package enum Origin: String, Sendable {
        /// A field of the request, such as `documents`.
        case field
        /// A content block of type document or search result.
        case block
        /// The result of a tool.
        case tool
        /// A passage of a prompt.
        case prompt
        /// The upstream's own retrieval, told with the answer.
        case response
    }

    package init(
        id: String = "", content: String, source: String = "", metadata: [String: String] = [:], origin: Origin = .field,
        messageIndex: Int? = nil, offset: Int? = nil, isEarlierTurn: Bool = false, isOpaque: Bool = false
    ) {
        self.id = id
        self.content = content
        self.source = source
        self.metadata = metadata
        self.origin = origin
        self.messageIndex = messageIndex
        self.offset = offset
        self.isEarlierTurn = isEarlierTurn
        self.isOpaque = isOpaque
    }
}

/// Tokens as the upstream counted them.
package struct TokenUsage: Sendable, Equatable {
    package var prompt: Int?
    package var completion: Int?
    package var total: Int?

    package init(prompt: Int? = nil, completion: Int? = nil, total: Int? = nil) {
        self.prompt = prompt
        self.completion = completion
        self.total = total
    }
}
