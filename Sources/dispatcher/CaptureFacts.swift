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
    /// When the answer ended, wall clock, milliseconds since 1970; 0 where there was none.
    let answeredMilliseconds: UInt64
    /// 32 digits; empty without a trace.
    let traceID: String

    @_lifetime(copy requestID, copy auditID, copy target)
    init(requestID: RawSpan, auditID: RawSpan, target: RawSpan, responseBytes: UInt64, answeredMilliseconds: UInt64 = 0, traceID: String = "") {
        self.requestID = requestID
        self.auditID = auditID
        self.target = target
        self.responseBytes = responseBytes
        self.answeredMilliseconds = answeredMilliseconds
        self.traceID = traceID
    }

    @_lifetime(copy capture)
    init(_ capture: borrowing Capture) {
        requestID = capture.requestID
        auditID = capture.auditID
        target = capture.target
        responseBytes = capture.head.responseBodyBytes
        let (answered, overflow) = capture.head.acceptedMilliseconds.addingReportingOverflow(UInt64(capture.head.durationMicroseconds) / 1000)
        answeredMilliseconds = overflow || capture.head.flags.contains(.submitted) ? 0 : answered
        traceID = capture.head.traceIDText
    }

    var isValid: Bool {
        1...Self.mostIDBytes ~= requestID.byteCount && 1...Self.mostIDBytes ~= auditID.byteCount
    }
}
