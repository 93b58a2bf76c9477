// What the dispatcher reads of a capture; the rest is the auditor's business.
import IPC

/// Borrowed from the frame.
struct CaptureFacts: ~Escapable {
    /// Longer ids are nobody's we know, and would not fit into events.
    static let mostIDBytes = 128

    let requestID: RawSpan
    let auditID: RawSpan
    /// Path and query.
    let target: RawSpan
    /// The whole answer's size.
    let responseBytes: UInt64

    @_lifetime(copy requestID, copy auditID, copy target)
    init(requestID: RawSpan, auditID: RawSpan, target: RawSpan, responseBytes: UInt64) {
        self.requestID = requestID
        self.auditID = auditID
        self.target = target
        self.responseBytes = responseBytes
    }

    @_lifetime(copy capture)
    init(_ capture: borrowing Capture) {
        requestID = capture.requestID
        auditID = capture.auditID
        target = capture.target
        responseBytes = capture.head.responseBodyBytes
    }

    var isValid: Bool {
        1...Self.mostIDBytes ~= requestID.byteCount && 1...Self.mostIDBytes ~= auditID.byteCount
    }
}
