// One HTTP/2 connection as a client of gRPC, without a socket: bytes of the peer go in, bytes for it come out, unary calls begin and
// end. HPACK, flow control and the states of streams are nghttp2's (RFC 9113, RFC 7541); what a call's frames mean is told here
// (grpc/doc/PROTOCOL-HTTP2.md).
// Leaves to others: the socket, TLS, time, which calls wait (`ClientChannel`).
import CNGHTTP2

/// Valid until `failure` or the peer's end; then its owner takes what is open by `abandon` and makes another one.
final class ClientSession {
    struct Limits {
        /// One message, packed or not.
        var messageBytes = 4 << 20
        /// Fields of head and trailers together, names included.
        var fieldBytes = 16 << 10
    }

    struct Finished {
        let id: UInt64
        let result: Result<[UInt8], RPCStatus>
    }

    /// A call on its stream.
    private struct Call {
        let id: UInt64
        /// Of the request, with its prefix; what has been handed to nghttp2 is behind `sent`.
        let body: [UInt8]
        var sent = 0
        var httpStatus = 0
        var contentType = ""
        var encoding = ""
        var grpcStatus: [UInt8]?
        var message: [UInt8] = []
        var details: [UInt8] = []
        var fieldBytes = 0
        var answer: [UInt8] = []
        /// What we found wrong; it goes before what the stream's end says.
        var verdict: RPCStatus?
    }

    private let limits: Limits
    private let fields: [(String, String)]
    private var session: OpaquePointer?
    private var calls: [Int32: Call] = [:]
    private var streams: [UInt64: Int32] = [:]

    private(set) var finished: [Finished] = []
    /// The connection cannot be used any more.
    private(set) var failure: String?
    /// The peer takes no new calls (GOAWAY); those that are open may still end well.
    private(set) var isLeaving = false
    /// It said that we ask too often (GOAWAY with ENHANCE_YOUR_CALM).
    private(set) var isAnnoyed = false
    /// Pings that were answered.
    private(set) var pongs: UInt64 = 0
    /// The peer has introduced itself: before that it may be anything.
    private(set) var hasSettings = false

    var openCalls: Int { calls.count }
    /// What the peer allows at once; 100 until it says so, as RFC 9113 §6.5.2 recommends as a minimum.
    var concurrency: Int {
        guard hasSettings, let session else { return 100 }
        return Int(clamping: nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    /// - Parameter authority: the server's name and port.
    init(authority: String, isTLS: Bool, userAgent: String, limits: Limits = Limits()) {
        self.limits = limits
        fields = [
            (":method", "POST"), (":scheme", isTLS ? "https" : "http"), (":authority", authority), ("te", "trailers"),
            ("content-type", "application/grpc"), ("user-agent", userAgent), ("grpc-encoding", "identity"), ("grpc-accept-encoding", "identity, gzip"),
        ]
        session = Self.makeSession(for: self)
        guard let session else {
            failure = "no memory for a connection"
            return
        }
        let settings = [
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
            // A whole message at once: audits are few and large.
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(1 << 20)),
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(clamping: limits.fieldBytes)),
        ]
        nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count)
        nghttp2_session_set_local_window_size(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, 4 << 20)
    }

    deinit { if let session { nghttp2_session_del(session) } }

    // MARK: Calls

    /// Begins a call; its end shows in `finished`, never before this returns.
    func begin(_ id: UInt64, path: String, message: [UInt8], timeoutMilliseconds: Int64) {
        guard let session, failure == nil else {
            finished.append(Finished(id: id, result: .failure(RPCStatus(.unavailable, failure ?? "no connection"))))
            return
        }
        let own = fields.prefix(2) + [(":path", path)] + fields.dropFirst(2) + [("grpc-timeout", RPCFields.timeout(milliseconds: timeoutMilliseconds))]
        let stream = Self.withFields(Array(own)) { pointer, count in
            var provider = nghttp2_data_provider()
            provider.read_callback = { _, stream, room, capacity, flags, _, owner in ClientSession.of(owner).read(stream, room, capacity, flags) }
            return nghttp2_submit_request(session, nil, pointer, count, &provider, nil)
        }
        guard stream > 0 else {
            finished.append(Finished(id: id, result: .failure(RPCStatus(.unavailable, "the connection has no more streams"))))
            isLeaving = true
            return
        }
        calls[stream] = Call(id: id, body: RPCMessage.encode(message))
        streams[id] = stream
    }

    /// The caller waits no more. Nothing is reported of it.
    func cancel(_ id: UInt64) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        calls[stream] = nil
        if let session { nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, NGHTTP2_CANCEL.rawValue) }
    }

    func ping() {
        if let session { nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil) }
    }

    // MARK: Bytes

    /// Bytes of the peer, in any pieces.
    func receive(_ bytes: UnsafeRawBufferPointer) {
        guard let session, failure == nil else { return }
        let result = nghttp2_session_mem_recv(session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
        if result < 0 { fail(Self.reason(result)) } else { noticeEnd() }
    }

    /// nghttp2 has had enough of the peer: what it still wants to say is in the output.
    private func noticeEnd() {
        if let session, nghttp2_session_want_read(session) == 0 { fail("the rules of frames were broken") }
    }

    private func fail(_ why: String) {
        failure = failure ?? (hasSettings ? "the peer does not keep to HTTP/2: " : "the peer does not speak HTTP/2: ") + why
    }

    /// Bytes for the peer; empty when there is nothing to say.
    func takeOutput() -> [UInt8] {
        var output: [UInt8] = []
        guard let session else { return output }
        while true {
            var bytes: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &bytes)
            if count < 0 { fail(Self.reason(count)) }
            guard count > 0, let bytes else { break }
            output += UnsafeBufferPointer(start: bytes, count: count)
        }
        noticeEnd()
        return output
    }

    func takeFinished() -> [Finished] {
        defer { finished = [] }
        return finished
    }

    /// The connection is over: ends all that is open.
    func abandon(_ why: String) {
        let open = calls.values
        calls = [:]
        streams = [:]
        for call in open { finished.append(Finished(id: call.id, result: .failure(call.verdict ?? RPCStatus(.unavailable, why)))) }
    }

    // MARK: What nghttp2 tells

    private static func of(_ owner: UnsafeMutableRawPointer?) -> ClientSession {
        Unmanaged<ClientSession>.fromOpaque(owner.unsafelyUnwrapped).takeUnretainedValue()
    }

    private static func makeSession(for owner: ClientSession) -> OpaquePointer? {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { return nil }
        defer { nghttp2_session_callbacks_del(callbacks) }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) { _, frame, name, nameCount, value, valueCount, _, owner in
            guard let frame, let name, let value else { return 0 }
            ClientSession.of(owner).field(
                frame.pointee.hd.stream_id, String(decoding: UnsafeBufferPointer(start: name, count: nameCount), as: UTF8.self),
                Array(UnsafeBufferPointer(start: value, count: valueCount)))
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, bytes, count, owner in
            ClientSession.of(owner).data(stream, UnsafeBufferPointer(start: bytes, count: count))
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, owner in
            if let frame { ClientSession.of(owner).frame(frame.pointee) }
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, owner in
            ClientSession.of(owner).closed(stream, code)
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { _, frame, _, owner in
            // A request that was begun after GOAWAY: its stream was never opened and will not be closed.
            if let frame, Int(frame.pointee.hd.type) == Int(NGHTTP2_HEADERS.rawValue) {
                ClientSession.of(owner).closed(frame.pointee.hd.stream_id, NGHTTP2_REFUSED_STREAM.rawValue)
            }
            return 0
        }
        var session: OpaquePointer?
        nghttp2_session_client_new(&session, callbacks, Unmanaged.passUnretained(owner).toOpaque())
        return session
    }

    private func read(_ stream: Int32, _ room: UnsafeMutablePointer<UInt8>?, _ capacity: Int, _ flags: UnsafeMutablePointer<UInt32>?) -> Int {
        guard let room, let call = calls[stream] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
        let count = min(capacity, call.body.count - call.sent)
        call.body.withUnsafeBufferPointer { body in
            if let base = body.baseAddress { room.update(from: base + call.sent, count: count) }
        }
        calls[stream]?.sent += count
        if call.sent + count == call.body.count { flags?.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
        return count
    }

    private func field(_ stream: Int32, _ name: String, _ value: [UInt8]) {
        guard var call = calls.removeValue(forKey: stream) else { return }
        defer { calls[stream] = call }
        call.fieldBytes += name.utf8.count + value.count + 32  // as HTTP/2 counts them
        guard call.fieldBytes <= limits.fieldBytes else { return refuse(stream, &call, RPCStatus(.resourceExhausted, "the answer's fields are longer than \(limits.fieldBytes) bytes")) }
        switch name {
        case ":status": call.httpStatus = Int(String(decoding: value, as: UTF8.self)) ?? 0
        case "content-type": call.contentType = String(decoding: value, as: UTF8.self).lowercased()
        case "grpc-encoding": call.encoding = String(decoding: value, as: UTF8.self)
        case "grpc-status": call.grpcStatus = value
        case "grpc-message": call.message = value
        case "grpc-status-details-bin": call.details = value
        default: break
        }
    }

    private func data(_ stream: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        guard var call = calls.removeValue(forKey: stream) else { return }
        defer { calls[stream] = call }
        // A body that is not gRPC's is not kept; its status says enough.
        guard call.verdict == nil, call.httpStatus == 200 else { return }
        guard call.answer.count + bytes.count <= limits.messageBytes + RPCMessage.prefixBytes else { return refuse(stream, &call, RPCMessage.tooLarge(limits.messageBytes)) }
        call.answer += bytes
    }

    private func refuse(_ stream: Int32, _ call: inout Call, _ status: RPCStatus) {
        guard call.verdict == nil else { return }
        call.verdict = status
        call.answer = []
        if let session { nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, NGHTTP2_CANCEL.rawValue) }
    }

    private func frame(_ frame: nghttp2_frame) {
        switch Int(frame.hd.type) {
        case Int(NGHTTP2_SETTINGS.rawValue): if frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { hasSettings = true }
        case Int(NGHTTP2_PING.rawValue): if frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 { pongs += 1 }
        case Int(NGHTTP2_GOAWAY.rawValue):
            isLeaving = true
            if frame.goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM.rawValue { isAnnoyed = true }
        default: break
        }
    }

    private func closed(_ stream: Int32, _ code: UInt32) {
        guard let call = calls.removeValue(forKey: stream) else { return }
        streams[call.id] = nil
        finished.append(Finished(id: call.id, result: result(of: call, code)))
    }

    private func result(of call: Call, _ code: UInt32) -> Result<[UInt8], RPCStatus> {
        if let verdict = call.verdict { return .failure(verdict) }
        if let value = call.grpcStatus, code == NGHTTP2_NO_ERROR.rawValue || call.httpStatus == 200 {
            let number = Int(String(decoding: value, as: UTF8.self)) ?? -1
            let status = RPCCode(rawValue: number) ?? .unknown
            guard status == .ok else { return .failure(RPCStatus(status, RPCFields.message(call.message), details: RPCFields.detailTypes(call.details))) }
            guard Self.isGRPC(call.contentType) else { return .failure(Self.otherType(call)) }
            do throws(RPCStatus) {
                return .success(try RPCMessage.decode(call.answer, encoding: call.encoding, limit: limits.messageBytes))
            } catch {
                return .failure(error)
            }
        }
        // nghttp2 closes calls that the end of the connection has overtaken as if the peer had refused them.
        if code == NGHTTP2_REFUSED_STREAM.rawValue, let why = failure ?? (isLeaving ? "the engine ends the connection" : nil) { return .failure(RPCStatus(.unavailable, why)) }
        if code != NGHTTP2_NO_ERROR.rawValue {
            return .failure(RPCStatus(RPCCode(resetCode: code), "the stream was reset with code \(code)"))
        }
        if call.httpStatus == 0 { return .failure(RPCStatus(.internal, "the stream was closed without an answer")) }
        if call.httpStatus != 200 { return .failure(RPCStatus(RPCCode(httpStatus: call.httpStatus), "the answer is HTTP \(call.httpStatus), not gRPC")) }
        if !Self.isGRPC(call.contentType) { return .failure(Self.otherType(call)) }
        return .failure(RPCStatus(.unknown, "the answer ended without a status"))
    }

    /// `application/grpc`, alone or with a format or parameters behind it; `application/grpc-web` is another protocol.
    private static func isGRPC(_ contentType: String) -> Bool {
        let name = "application/grpc"
        guard contentType.hasPrefix(name), let next = contentType.utf8.dropFirst(name.utf8.count).first else { return contentType == name }
        return next == UInt8(ascii: "+") || next == UInt8(ascii: ";")
    }

    private static func otherType(_ call: Call) -> RPCStatus { RPCStatus(.unknown, "the answer is \(call.contentType.isEmpty ? "of no type" : call.contentType), not gRPC") }

    private static func reason(_ code: Int) -> String { nghttp2_strerror(Int32(truncatingIfNeeded: code)).map { String(cString: $0) } ?? "error \(code)" }

    /// The fields as C takes them: pointers into one run of bytes that lives during the call.
    private static func withFields<R>(_ fields: [(String, String)], _ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
        var bytes = fields.flatMap { Array($0.0.utf8) + Array($0.1.utf8) }
        return bytes.withUnsafeMutableBufferPointer { bytes in
            var offset = 0
            let pairs = fields.map { name, value in
                let base = bytes.baseAddress.unsafelyUnwrapped + offset
                offset += name.utf8.count + value.utf8.count
                return nghttp2_nv(name: base, value: base + name.utf8.count, namelen: name.utf8.count, valuelen: value.utf8.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
            }
            return pairs.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}
