// What comes in: one exchange between a client and a model, as the edge saw it.

/// An exchange as the edge captured it. Bodies are free of transfer coding, but still in their content coding.
package struct CapturedExchange: Sendable {
    package var requestID: String
    package var auditID: String
    package var method: String
    package var path: String
    /// As on the wire, without the question mark.
    package var query: String
    package var requestContentType: String
    package var requestContentEncoding: String
    package var responseContentType: String
    package var responseContentEncoding: String
    package var status: Int
    package var requestBody: [UInt8]
    package var responseBody: [UInt8]
    /// The copy ends before the body did: the limit of captures, a client that left, an upstream that broke.
    package var requestTruncated: Bool
    package var responseTruncated: Bool
    /// ... or the target did.
    package var targetTruncated = false
    /// The request's body holds a question, an answer and documents told apart: a client asks for an audit of them.
    package var isSubmission: Bool
    /// As in a traceparent field; empty without a trace.
    package var traceID: String
    /// As in `AuditCase`.
    package var callerKey = ""
    package var upstream = ""

    package init(
        requestID: String, auditID: String = "", method: String = "POST", path: String, query: String = "",
        requestContentType: String = "application/json", requestContentEncoding: String = "",
        responseContentType: String = "application/json", responseContentEncoding: String = "", status: Int = 200,
        requestBody: [UInt8], responseBody: [UInt8], requestTruncated: Bool = false, responseTruncated: Bool = false, isSubmission: Bool = false, traceID: String = ""
    ) {
        self.requestID = requestID
        self.auditID = auditID
        self.method = method
        self.path = path
        self.query = query
        self.requestContentType = requestContentType
        self.requestContentEncoding = requestContentEncoding
        self.responseContentType = responseContentType
        self.responseContentEncoding = responseContentEncoding
        self.status = status
        self.requestBody = requestBody
        self.responseBody = responseBody
        self.requestTruncated = requestTruncated
        self.responseTruncated = responseTruncated
        self.isSubmission = isSubmission
        self.traceID = traceID
    }
}
