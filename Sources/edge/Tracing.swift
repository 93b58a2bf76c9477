// The trace that an exchange belongs to (W3C Trace Context, level 2): the client's is continued, otherwise one begins here. The
// exchange is a span of its own; the upstream gets it as its parent, captures and the access log name it.
import CLinux
import HTTP

/// One exchange's place in its trace.
struct ExchangeTrace {
    /// Nil for an exchange that is not passed on.
    fileprivate(set) var context: TraceContext?
    /// The client's span; 0 where the trace began here.
    fileprivate(set) var parentSpanID: UInt64 = 0
}

/// Random ids without a system call: xoshiro256** (Blackman, Vigna), seeded once from the system's source.
struct TraceIDs {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    init() {
        var seed = InlineArray<4, UInt64>(repeating: 0)
        withUnsafeMutableBytes(of: &seed) { _ = cl_random($0.baseAddress, $0.count) }
        a = seed[0]
        b = seed[1]
        c = seed[2]
        d = seed[3] | 1  // all zeros would stay so
    }

    mutating func next() -> UInt64 {
        let product = b &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = d << 45 | d >> 19
        return result
    }

    /// No id is zero.
    mutating func nextID() -> UInt64 {
        while true {
            let id = next()
            if id != 0 { return id }
        }
    }
}

extension Proxy {
    /// Continues the trace that the request's head names, or begins one. Two traceparent fields are as good as none.
    mutating func beginTrace(_ index: Int, _ bytes: RawSpan) {
        guard settings.traceContext else { return }
        let client = clients.at(index)
        if let field = requestHead.firstIndex(of: .traceparent), requestHead.nextIndex(of: .traceparent, after: field) == nil,
            let theirs = TraceContext(bytes.extracting(requestHead.field(field).valueRange))
        {
            client.pointee.exchange.trace.parentSpanID = theirs.spanID
            client.pointee.exchange.trace.context = TraceContext(
                traceIDHigh: theirs.traceIDHigh, traceIDLow: theirs.traceIDLow, spanID: traceIDs.nextID(), flags: theirs.flags)
        } else {
            client.pointee.exchange.trace.context = TraceContext(
                traceIDHigh: traceIDs.nextID(), traceIDLow: traceIDs.next(), spanID: traceIDs.nextID(), flags: TraceContext.sampled | TraceContext.random)
        }
    }

    /// For log lines; empty without a trace.
    mutating func traceIDText(_ client: UnsafeMutablePointer<ClientConnection>) -> String {
        guard let context = client.pointee.exchange.trace.context else { return "" }
        return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { room in
            var sink = ByteSink(room)
            sink.append(digitsOf: context.traceIDHigh)
            sink.append(digitsOf: context.traceIDLow)
            return String(decoding: room[..<sink.count], as: UTF8.self)
        }
    }

    /// The fields for the upstream. The client's tracestate goes on with its trace, if it is well formed. `room` is the sink's.
    mutating func appendTrace(_ client: UnsafeMutablePointer<ClientConnection>, _ bytes: RawSpan, _ sink: inout ByteSink, _ room: UnsafeMutableRawBufferPointer) {
        guard let context = client.pointee.exchange.trace.context else { return }
        sink.append("traceparent: ")
        sink.append(context)
        sink.append("\r\n")
        guard client.pointee.exchange.trace.parentSpanID != 0, var field = requestHead.firstIndex(of: .tracestate) else { return }
        let before = sink.count
        sink.append("tracestate: ")
        let start = sink.count
        sink.append(bytes, requestHead.field(field).valueRange)
        while let next = requestHead.nextIndex(of: .tracestate, after: field) {
            sink.append(",")
            sink.append(bytes, requestHead.field(next).valueRange)
            field = next
        }
        // Looked at where it was written: only there the values of several fields stand together.
        guard !sink.overflowed, TraceState.accepts(UnsafeRawBufferPointer(rebasing: room[start..<sink.count]).bytes) else { return sink.rewind(to: before) }
        sink.append("\r\n")
    }
}
