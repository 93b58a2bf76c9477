// Jobs from the dispatcher: dispatcher/JobOutbox → auditor.
import Auditing
import EventLoop
import IPC

/// A job as the auditor holds it: what the capture's frame lent is copied, because the frame's buffer moves on.
struct ReceivedJob {
    let lease: UInt64
    let deadline: Instant
    let exchange: CapturedExchange
}

enum JobInbox {
    /// Decodes a frame of the audit channel.
    static func receive(_ header: FrameHeader, _ payload: RawSpan, now: Instant) throws(FrameError) -> ReceivedJob {
        switch try AuditToAuditor(header, payload) {
        case .job(let job):
            return ReceivedJob(
                lease: job.lease, deadline: now + .milliseconds(Int64(job.limitMilliseconds)),
                exchange: exchange(try Capture(from: PayloadReader(job.capture))))
        }
    }

    private static func exchange(_ capture: borrowing Capture) -> CapturedExchange {
        let target = text(capture.target).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let request = FieldLines(capture.requestFields)
        let response = FieldLines(capture.responseFields)
        var exchange = CapturedExchange(
            requestID: text(capture.requestID), auditID: text(capture.auditID), method: text(capture.method), path: String(target.first ?? ""),
            query: target.count > 1 ? String(target[1]) : "", requestContentType: request["content-type"], requestContentEncoding: request["content-encoding"],
            responseContentType: response["content-type"], responseContentEncoding: response["content-encoding"], status: Int(capture.head.status),
            requestBody: bytes(capture.requestBody), responseBody: bytes(capture.responseBody),
            requestTruncated: capture.head.flags.contains(.requestTruncated), responseTruncated: capture.head.flags.contains(.responseTruncated),
            isSubmission: capture.head.flags.contains(.submitted), traceID: capture.head.traceIDText)
        exchange.targetTruncated = capture.head.flags.contains(.targetTruncated)
        exchange.callerKey = text(capture.caller)
        exchange.upstream = text(capture.upstream)
        return exchange
    }

    private static func text(_ span: RawSpan) -> String { span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

    private static func bytes(_ span: RawSpan) -> [UInt8] { span.withUnsafeBytes { Array($0) } }
}

/// The fields of a captured head: lines of `name: value`.
private struct FieldLines {
    private let lines: [Substring]

    init(_ span: RawSpan) {
        let text = span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        lines = text.split(separator: "\r\n")
    }

    /// The value of the first field of that name (in lower case); empty without one.
    subscript(name: String) -> String {
        for line in lines {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
        }
        return ""
    }
}
