// One TLS connection over a non-blocking descriptor that its owner keeps, registers and closes.
import CLinux
import COpenSSL
import EventLoop
import Glibc

/// What came of a call. `wantsRead` and `wantsWrite` name the readiness to wait for before the *same* call is made again:
/// a read may have to wait for writing and the other way round, so after either readiness an edge-triggered owner repeats
/// whatever call waits.
package enum TLSResult: Equatable {
    /// Bytes moved; 0 from `handshake` and from calls without room or bytes.
    case bytes(Int)
    case wantsRead, wantsWrite
    /// The peer said close_notify: nothing is missing.
    case end
    /// Final: every later call says the same. (Where the descriptor refused a write, every later write.)
    case failed(TLSError)
}

/// The state of a TLS connection. The handshake happens inside `read` and `write` as needed.
///
/// Edge-triggered owners read until `wantsRead` and write until `wantsWrite`; one that stops earlier calls again by itself,
/// for bytes that were read ahead make no new readiness.
package struct TLSSession: ~Copyable {
    private let ssl: OpaquePointer
    /// The peer as a server, by name; nil for sessions that were accepted. Retained for the callbacks, released by `deinit`.
    private let record: Unmanaged<HostRecord>?
    /// What every call says from now on.
    package private(set) var failure: TLSError?
    /// ... but reads, as it was a write that the descriptor refused: what the peer said before can still be read.
    private var isReadable = false
    /// Bytes that a write has encrypted without being able to send them: the next write has to begin with them.
    private var owedBytes = 0

    /// A connection to a server. `host` is a name or an IP literal (brackets allowed); the certificate must be for it.
    package init(_ context: TLSClientContext, descriptor: Int32, host: String) throws(TLSError) {
        let name = try HostName(host)
        let ssl = try Self.make(context.context, descriptor)
        guard name.bind(to: ssl) else {
            SSL_free(ssl)
            throw .badHost(host)
        }
        let record = context.record(of: name.text)
        let retained = Unmanaged.passRetained(record)
        co_set_owner(ssl, retained.toOpaque())
        record.offer { _ = SSL_set_session(ssl, $0) }
        SSL_set_connect_state(ssl)
        self.ssl = ssl
        self.record = retained
    }

    /// A connection from a client.
    package init(accepting context: TLSServerContext, descriptor: Int32) throws(TLSError) {
        ssl = try Self.make(context.context, descriptor)
        record = nil
        SSL_set_accept_state(ssl)
    }

    private static func make(_ context: OpaquePointer, _ descriptor: Int32) throws(TLSError) -> OpaquePointer {
        guard let ssl = SSL_new(context) else { throw .library(TLSError.lastReason()) }
        guard co_set_descriptor(ssl, descriptor) == 1 else {
            SSL_free(ssl)
            throw .library(TLSError.lastReason())
        }
        return ssl
    }

    deinit {
        // Without this OpenSSL takes a connection that was not shut down for a reason to forget its session. Nothing is
        // sent: the descriptor may be another's by now.
        if failure == nil || failure == .truncated { SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) }
        SSL_free(ssl)
        record?.release()
    }

    /// `.bytes(0)` once the handshake is over.
    package mutating func handshake() -> TLSResult {
        if let failure { return .failed(failure) }
        return result(co_handshake(ssl))
    }

    /// As many records as are here and fit.
    package mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> TLSResult {
        if let failure, !isReadable { return .failed(failure) }
        guard let base = buffer.baseAddress, buffer.count > 0 else { return .bytes(0) }
        var count = 0
        repeat {
            let result = result(co_read(ssl, base + count, buffer.count - count))
            // Said with what was read; the next call meets the same obstacle first.
            guard case .bytes(let more) = result else { return count > 0 ? .bytes(count) : result }
            count += more
        } while count < buffer.count && hasUnread
        return .bytes(count)
    }

    /// Writes as much as the descriptor takes now; `more` when other bytes follow at once. After `wantsWrite` or `wantsRead` the
    /// next write begins with the same bytes, wherever they lie then, and is not shorter: a part of them is already encrypted.
    package mutating func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> TLSResult {
        if let failure { return .failed(failure) }
        guard bytes.count > 0, let base = bytes.baseAddress else { return .bytes(0) }
        assert(bytes.count >= owedBytes, "a write that waited is repeated with fewer bytes")
        var written = 0
        while written < bytes.count {
            let left = bytes.count - written
            let result = result(co_write(ssl, base + written, left, more || left > Self.recordBytes))
            guard case .bytes(let count) = result else {
                if case .failed(.system) = result { isReadable = true }
                owedBytes = result == .wantsWrite ? min(left, Self.recordBytes) : 0
                // Said with what was written; the next call meets the same obstacle first.
                return written > 0 ? .bytes(written) : result
            }
            written += count
        }
        owedBytes = 0
        return .bytes(written)
    }

    /// The plain bytes that a record holds at most.
    private static var recordBytes: Int { 16_384 }

    /// Writes all of `chain` if the descriptor takes it; `more` when other bytes follow at once. After `.blocked` the next write
    /// begins with what is left in `chain`.
    package mutating func send(_ chain: inout BlockChain, more: Bool = false) -> BlockChain.Sent {
        while !chain.isEmpty {
            let before = chain.count
            let result = chain.withPrefix { bytes in write(bytes, more: more || bytes.count < before) }
            switch result {
            case .bytes(let count): chain.removeFirst(count)
            case .wantsRead, .wantsWrite: return .blocked
            case .end, .failed: return .broken(EPROTO)
            }
        }
        return .all
    }

    /// The same, and then `data`; what the descriptor does not take of that is appended to `chain`, as far as its pool has
    /// room: `isComplete` is false when it had none.
    package mutating func send(_ chain: inout BlockChain, followedBy data: UnsafeRawBufferPointer) -> (sent: BlockChain.Sent, isComplete: Bool) {
        var sent = send(&chain, more: true)
        var taken = 0
        if sent == .all {
            switch write(data) {
            case .bytes(let count): taken = count
            case .wantsRead, .wantsWrite: break
            case .end, .failed: sent = .broken(EPROTO)
            }
        }
        if case .broken = sent { return (sent, true) }
        let rest = UnsafeRawBufferPointer(rebasing: data[taken...])
        guard chain.append(rest) == rest.count else { return (.blocked, false) }
        return (chain.isEmpty ? .all : .blocked, true)
    }

    /// Says close_notify; the descriptor stays open. False when that has to wait for the descriptor: it is called again then.
    /// Nothing else but `deinit` follows.
    @discardableResult
    package mutating func close() -> Bool {
        guard failure == nil, isEstablished else { return true }
        return co_shutdown(ssl)
    }

    private mutating func result(_ outcome: co_outcome) -> TLSResult {
        switch outcome.kind {
        case SSL_ERROR_NONE: return .bytes(outcome.count)
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case SSL_ERROR_ZERO_RETURN: return .end
        default:
            let refusal = record?.takeUnretainedValue().takeRefusal()
            // The state is "error" by now; that the peer's Finished came is still known.
            var byte: UInt8 = 0
            let established = SSL_get_peer_finished(ssl, &byte, 0) > 0
            let error = refusal ?? TLSError(outcome, established: established) ?? .protocolFailure("unexpected state \(outcome.kind)")
            failure = error
            isReadable = false
            return .failed(error)
        }
    }

    /// Whether there may be something to read for which no readiness will come: it is held here, or the last read did not
    /// empty the descriptor. (A peer that has closed the descriptor is the owner's to remember.)
    package var hasUnread: Bool { failure != nil || co_has_unread(ssl) }

    /// Whether the handshake is over.
    package var isEstablished: Bool { SSL_is_init_finished(ssl) == 1 }

    /// Whether this connection resumed an earlier one's session.
    package var isResumed: Bool { SSL_session_reused(ssl) == 1 }

    /// "TLSv1.3", for people.
    package var version: String { String(cString: SSL_get_version(ssl)) }

    /// What ALPN settled on; nil when the peer chose nothing.
    package var applicationProtocol: String? {
        var bytes: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &bytes, &count)
        guard let bytes, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }
}

/// A host as certificates know it: without brackets, without the dot at the end of an absolute name, in lower case.
struct HostName {
    let text: String
    let isAddress: Bool

    init(_ host: String) throws(TLSError) {
        var bytes = host.utf8[...]
        if bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]"), bytes.count > 2 { bytes = bytes.dropFirst().dropLast() }
        if bytes.last == UInt8(ascii: ".") { bytes = bytes.dropLast() }
        // 253 is the longest name that DNS can carry; a NUL would end the name early in C.
        guard !bytes.isEmpty, bytes.count <= 253, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .badHost(host) }
        text = String(decoding: bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
        var address = in6_addr()
        isAddress = inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1
    }
    /// Makes `ssl` ask for this host, and accept certificates for it only.
    func bind(to ssl: OpaquePointer) -> Bool {
        let parameters = SSL_get0_param(ssl)
        // The common name has not counted since RFC 6125; "f*.example" is for nobody.
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        // Server name indication is for names only (RFC 6066, 3).
        if isAddress { return X509_VERIFY_PARAM_set1_ip_asc(parameters, text) == 1 }
        return X509_VERIFY_PARAM_set1_host(parameters, text, text.utf8.count) == 1 && co_set_server_name(ssl, text) == 1
    }
}
