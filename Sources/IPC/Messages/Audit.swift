// Audit: dispatcher ↔ auditor. An auditor grants credits; each job that it is sent uses one up and is answered once.

/// dispatcher → auditor. Answered by one `AuditResult` or `Nack` with the same lease.
package struct Job: Message, ~Escapable {
    package static let type = MessageType.job
    package static let attempts: ClosedRange<UInt8> = 1...16

    package let lease: UInt64  // an answer to an older lease is ignored
    package let attempt: UInt8  // counted before sending: a crash cannot hide it
    package let limitMilliseconds: UInt32  // to answer in
    package let capture: RawSpan  // the payload of a Capture, borrowed from the frame

    @_lifetime(copy capture)
    package init(lease: UInt64, attempt: UInt8, limitMilliseconds: UInt32, capture: RawSpan) {
        self.lease = lease
        self.attempt = attempt
        self.limitMilliseconds = limitMilliseconds
        self.capture = capture
    }

    @_lifetime(copy payload)
    package init(from payload: consuming PayloadReader) throws(FrameError) {
        lease = try payload.uint64("lease")
        attempt = try payload.uint8("attempt")
        guard Self.attempts.contains(attempt) else { throw .outOfRange("attempt") }
        limitMilliseconds = try payload.uint32("limit")
        capture = payload.remainder()
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint64(lease)
        payload.uint8(attempt)
        payload.uint32(limitMilliseconds)
        payload.span(capture)
    }
}

/// auditor → dispatcher: the right to send so many more jobs. Void with the channel.
package struct Credit: Message, Equatable {
    package static let type = MessageType.credit

    package let count: UInt16

    package init(count: UInt16) { self.count = count }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        count = try payload.uint16("count")
        guard count > 0 else { throw .outOfRange("count") }
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) { payload.uint16(count) }
}

/// How an audit ended. Raw values go over the wire.
package enum AuditOutcome: UInt8, Sendable {
    case completed = 1
    /// There is nothing to audit: `reason` says why.
    case skipped = 2
    /// `reason` says what went wrong.
    case failed = 3
}

/// auditor → dispatcher: the outcome of a lease.
package struct AuditResult: Message, Equatable {
    package static let type = MessageType.auditResult

    package let lease: UInt64
    package let outcome: AuditOutcome
    /// Trust score in tenths (0…1000); nil when there was nothing to check.
    package let scoreTenths: UInt16?
    package let claims: UInt16
    package let unsupportedClaims: UInt16
    package let processingMicroseconds: UInt32
    /// A grade, `A`…`F`, or `N/A`; empty unless completed.
    package let grade: String
    /// The stable name of why it was skipped or failed; empty when completed.
    package let reason: String
    /// What went wrong, in words; empty when completed.
    package let detail: String
    /// The event's JSON object as dashboards get it; empty unless completed.
    package let json: [UInt8]

    private static let noScore = UInt16.max

    package init(
        lease: UInt64, outcome: AuditOutcome, scoreTenths: UInt16? = nil, claims: UInt16 = 0, unsupportedClaims: UInt16 = 0,
        processingMicroseconds: UInt32 = 0, grade: String = "", reason: String = "", detail: String = "", json: [UInt8] = []
    ) {
        self.lease = lease
        self.outcome = outcome
        self.scoreTenths = scoreTenths
        self.claims = claims
        self.unsupportedClaims = unsupportedClaims
        self.processingMicroseconds = processingMicroseconds
        self.grade = grade
        self.reason = reason
        self.detail = detail
        self.json = json
    }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        lease = try payload.uint64("lease")
        guard let outcome = AuditOutcome(rawValue: try payload.uint8("outcome")) else { throw .outOfRange("outcome") }
        self.outcome = outcome
        let score = try payload.uint16("score")
        guard score <= 1000 || score == Self.noScore else { throw .outOfRange("score") }
        scoreTenths = score == Self.noScore ? nil : score
        claims = try payload.uint16("claims")
        unsupportedClaims = try payload.uint16("unsupported claims")
        processingMicroseconds = try payload.uint32("processing time")
        grade = try payload.string("grade")
        reason = try payload.string("reason")
        detail = try payload.string("detail")
        json = payload.remainder().withUnsafeBytes { Array($0) }
    }

    package func encode(into payload: inout PayloadWriter) {
        payload.uint64(lease)
        payload.uint8(outcome.rawValue)
        payload.uint16(scoreTenths ?? Self.noScore)
        payload.uint16(claims)
        payload.uint16(unsupportedClaims)
        payload.uint32(processingMicroseconds)
        payload.string(grade)
        payload.string(reason)
        payload.string(detail)
        payload.run(json)
    }
}

/// auditor → dispatcher: the job was not begun (the auditor is draining); it belongs to another one, and its attempt does not count.
package struct Nack: Message, Equatable {
    package static let type = MessageType.nack

    package let lease: UInt64

    package init(lease: UInt64) { self.lease = lease }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        lease = try payload.uint64("lease")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) { payload.uint64(lease) }
}

/// What the dispatcher says to an auditor.
package enum AuditToAuditor: ~Escapable {
    case job(Job)

    @_lifetime(copy payload)
    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        guard MessageType(rawValue: header.type) == .job else { throw .unexpectedType(header.type) }
        self = .job(try Job(from: PayloadReader(payload)))
    }
}

/// What an auditor says to the dispatcher.
package enum AuditToDispatcher {
    case credit(Credit)
    case result(AuditResult)
    case nack(Nack)

    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        switch MessageType(rawValue: header.type) {
        case .credit: self = .credit(try Credit(from: PayloadReader(payload)))
        case .auditResult: self = .result(try AuditResult(from: PayloadReader(payload)))
        case .nack: self = .nack(try Nack(from: PayloadReader(payload)))
        default: throw .unexpectedType(header.type)
        }
    }
}
