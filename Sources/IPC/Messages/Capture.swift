// Capture: edge → dispatcher; the dispatcher says nothing on this channel.
//
// A capture is written piece by piece while the exchange lives, in pool blocks, and is sent without another copy. So its
// layout is a head of fixed size, which the edge fills in last, and then the runs whose lengths that head tells.

/// edge → dispatcher, first on each new capture channel: how many captures the edges in this place had handed to earlier
/// ones, so that the dispatcher can book what was lost between them.
package struct CaptureOpen: Message, Equatable {
    package static let type = MessageType.captureOpen

    package let sentBefore: UInt64

    package init(sentBefore: UInt64) { self.sentBefore = sentBefore }

    package init(from payload: consuming PayloadReader) throws(FrameError) {
        sentBefore = try payload.uint64("sent before")
        try payload.end()
    }

    package func encode(into payload: inout PayloadWriter) { payload.uint64(sentBefore) }
}

/// What is known of an exchange besides its runs of bytes.
package struct CaptureFlags: OptionSet, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The copy of the request body stops at the capture limit (or at the pool's).
    package static let requestTruncated = CaptureFlags(rawValue: 1)
    /// The copy of the answer stops at the capture limit, or the answer itself was cut.
    package static let responseTruncated = CaptureFlags(rawValue: 2)
    /// The client left before the answer ended.
    package static let clientAborted = CaptureFlags(rawValue: 4)
    /// The upstream broke the answer off.
    package static let upstreamBroken = CaptureFlags(rawValue: 8)
    /// The answer was made by test mode.
    package static let testMode = CaptureFlags(rawValue: 16)
    /// No exchange: a client asks for an audit of what its request's body holds.
    package static let submitted = CaptureFlags(rawValue: 32)
    /// The copy of the target stops at 64 KiB.
    package static let targetTruncated = CaptureFlags(rawValue: 64)
}

/// The fixed head of a capture's payload.
@usableFromInline
package struct CaptureHead: Equatable, Sendable {
    @inlinable package static var byteCount: Int { 98 }

    package var flags: CaptureFlags = []
    package var status: UInt16 = 0
    /// When the request's head was complete, wall clock, milliseconds since 1970.
    package var acceptedMilliseconds: UInt64 = 0
    /// From then to the first byte sent upstream, the first byte received from it, and the last one sent to the client.
    package var upstreamStartMicroseconds: UInt32 = 0
    package var firstByteMicroseconds: UInt32 = 0
    package var durationMicroseconds: UInt32 = 0
    /// Sizes of the whole bodies, captured or not.
    package var requestBodyBytes: UInt64 = 0
    package var responseBodyBytes: UInt64 = 0
    /// Lengths of the runs that follow; `Capture` has their order.
    package var requestIDLength: UInt8 = 0
    package var auditIDLength: UInt8 = 0
    package var methodLength: UInt16 = 0
    package var targetLength: UInt32 = 0
    package var requestFieldsLength: UInt32 = 0
    package var requestBodyLength: UInt32 = 0
    package var responseFieldsLength: UInt32 = 0
    package var responseBodyLength: UInt32 = 0
    /// W3C trace context: the trace, the exchange's own span in it, and the client's span; 0 where there is none.
    package var traceIDHigh: UInt64 = 0
    package var traceIDLow: UInt64 = 0
    package var spanID: UInt64 = 0
    package var parentSpanID: UInt64 = 0
    package var callerLength: UInt8 = 0
    package var upstreamLength: UInt8 = 0

    package init() {}

    init(from payload: inout PayloadReader) throws(FrameError) {
        flags = CaptureFlags(rawValue: try payload.uint16("flags"))
        status = try payload.uint16("status")
        upstreamStartMicroseconds = try payload.uint32("upstream start")
        acceptedMilliseconds = try payload.uint64("accepted")
        firstByteMicroseconds = try payload.uint32("first byte")
        durationMicroseconds = try payload.uint32("duration")
        requestBodyBytes = try payload.uint64("request body bytes")
        responseBodyBytes = try payload.uint64("response body bytes")
        requestIDLength = try payload.uint8("request id length")
        auditIDLength = try payload.uint8("audit id length")
        methodLength = try payload.uint16("method length")
        targetLength = try payload.uint32("target length")
        requestFieldsLength = try payload.uint32("request fields length")
        requestBodyLength = try payload.uint32("request body length")
        responseFieldsLength = try payload.uint32("response fields length")
        responseBodyLength = try payload.uint32("response body length")
        traceIDHigh = try payload.uint64("trace id")
        traceIDLow = try payload.uint64("trace id")
        spanID = try payload.uint64("span id")
        parentSpanID = try payload.uint64("parent's span id")
        callerLength = try payload.uint8("caller length")
        upstreamLength = try payload.uint8("upstream length")
    }

    /// 32 digits, as in a traceparent field; empty without a trace.
    package var traceIDText: String { traceIDHigh | traceIDLow == 0 ? "" : Self.digits(traceIDHigh) + Self.digits(traceIDLow) }

    /// 16 digits; empty without a trace.
    package var spanIDText: String { spanID == 0 ? "" : Self.digits(spanID) }

    private static func digits(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Fills the first `byteCount` bytes of `bytes`.
    package func store(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBytes(of: flags.rawValue.littleEndian, toByteOffset: 0, as: UInt16.self)
        bytes.storeBytes(of: status.littleEndian, toByteOffset: 2, as: UInt16.self)
        bytes.storeBytes(of: upstreamStartMicroseconds.littleEndian, toByteOffset: 4, as: UInt32.self)
        bytes.storeBytes(of: acceptedMilliseconds.littleEndian, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: firstByteMicroseconds.littleEndian, toByteOffset: 16, as: UInt32.self)
        bytes.storeBytes(of: durationMicroseconds.littleEndian, toByteOffset: 20, as: UInt32.self)
        bytes.storeBytes(of: requestBodyBytes.littleEndian, toByteOffset: 24, as: UInt64.self)
        bytes.storeBytes(of: responseBodyBytes.littleEndian, toByteOffset: 32, as: UInt64.self)
        bytes.storeBytes(of: requestIDLength, toByteOffset: 40, as: UInt8.self)
        bytes.storeBytes(of: auditIDLength, toByteOffset: 41, as: UInt8.self)
        bytes.storeBytes(of: methodLength.littleEndian, toByteOffset: 42, as: UInt16.self)
        bytes.storeBytes(of: targetLength.littleEndian, toByteOffset: 44, as: UInt32.self)
        bytes.storeBytes(of: requestFieldsLength.littleEndian, toByteOffset: 48, as: UInt32.self)
        bytes.storeBytes(of: requestBodyLength.littleEndian, toByteOffset: 52, as: UInt32.self)
        bytes.storeBytes(of: responseFieldsLength.littleEndian, toByteOffset: 56, as: UInt32.self)
        bytes.storeBytes(of: responseBodyLength.littleEndian, toByteOffset: 60, as: UInt32.self)
        bytes.storeBytes(of: traceIDHigh.littleEndian, toByteOffset: 64, as: UInt64.self)
        bytes.storeBytes(of: traceIDLow.littleEndian, toByteOffset: 72, as: UInt64.self)
        bytes.storeBytes(of: spanID.littleEndian, toByteOffset: 80, as: UInt64.self)
        bytes.storeBytes(of: parentSpanID.littleEndian, toByteOffset: 88, as: UInt64.self)
        bytes.storeBytes(of: callerLength, toByteOffset: 96, as: UInt8.self)
        bytes.storeBytes(of: upstreamLength, toByteOffset: 97, as: UInt8.self)
    }
}

/// One exchange as the edge saw it, borrowed from its frame: secrets replaced, bodies decoded from transfer coding only.
package struct Capture: ~Escapable {
    package static let type = MessageType.capture

    package let head: CaptureHead
    package let requestID: RawSpan
    package let auditID: RawSpan
    /// The name of the caller's key; empty where callers have none of ours.
    package let caller: RawSpan
    package let method: RawSpan
    /// Path and query as sent, values of secret-looking parameters replaced.
    package let target: RawSpan
    /// Lines of `name: value`, each ended by CR LF.
    package let requestFields: RawSpan
    package let requestBody: RawSpan
    /// The URL of the upstream that answered.
    package let upstream: RawSpan
    package let responseFields: RawSpan
    package let responseBody: RawSpan

    @_lifetime(copy payload)
    package init(from payload: consuming PayloadReader) throws(FrameError) {
        head = try CaptureHead(from: &payload)
        requestID = try payload.bytes(count: Int(head.requestIDLength), "request id")
        auditID = try payload.bytes(count: Int(head.auditIDLength), "audit id")
        caller = try payload.bytes(count: Int(head.callerLength), "caller")
        method = try payload.bytes(count: Int(head.methodLength), "method")
        target = try payload.bytes(count: Int(head.targetLength), "target")
        requestFields = try payload.bytes(count: Int(head.requestFieldsLength), "request fields")
        requestBody = try payload.bytes(count: Int(head.requestBodyLength), "request body")
        upstream = try payload.bytes(count: Int(head.upstreamLength), "upstream")
        responseFields = try payload.bytes(count: Int(head.responseFieldsLength), "response fields")
        responseBody = try payload.bytes(count: Int(head.responseBodyLength), "response body")
        try payload.end()
    }
}

/// What an edge says to the dispatcher.
package enum CaptureToDispatcher: ~Escapable {
    case open(CaptureOpen)
    case capture(Capture)

    @_lifetime(copy payload)
    package init(_ header: FrameHeader, _ payload: RawSpan) throws(FrameError) {
        switch MessageType(rawValue: header.type) {
        case .captureOpen: self = .open(try CaptureOpen(from: PayloadReader(payload)))
        case .capture: self = .capture(try Capture(from: PayloadReader(payload)))
        default: throw .unexpectedType(header.type)
        }
    }
}
