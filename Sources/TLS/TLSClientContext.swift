// What all TLS connections to upstreams share: trusted authorities, rules, and the sessions that later connections resume.
import COpenSSL

/// The rules for connections to servers: TLS 1.2 or newer, certificates always verified, one protocol offered. Connections that
/// were begun with it outlive it. Used on one thread.
package final class TLSClientContext {
    let context: OpaquePointer
    private let hosts: HostTable

    /// Trusts the system's authorities and those of `caFile` (PEM); shows `identity` to servers that ask for a certificate.
    package init(caFile: String?, identity: TLSIdentity? = nil, applicationProtocol: String = "http/1.1") throws(TLSError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw .library(TLSError.lastReason()) }
        do {
            try Self.configure(context, caFile: caFile, applicationProtocol: applicationProtocol)
            try identity?.use(in: context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = context
        hosts = HostTable()
    }

    deinit { SSL_CTX_free(context) }

    private static func configure(_ context: OpaquePointer, caFile: String?, applicationProtocol: String) throws(TLSError) {
        ERR_clear_error()
        co_set_modes(context)
        co_keep_sessions_outside(context)
        let offered = [UInt8(clamping: applicationProtocol.utf8.count)] + Array(applicationProtocol.utf8)
        guard co_require_tls12(context) == 1, SSL_CTX_set_default_verify_paths(context) == 1,
            SSL_CTX_set_alpn_protos(context, offered, UInt32(offered.count)) == 0
        else { throw .library(TLSError.lastReason()) }
        if let caFile, SSL_CTX_load_verify_locations(context, caFile, nil) != 1 {
            throw .badFile(path: caFile, reason: TLSError.fileReason(holding: "certificate"))
        }
        // An authority in `caFile` need not be a root: companies hand out the one that signs their servers.
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), UInt(X509_V_FLAG_PARTIAL_CHAIN))
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER) { verified, store in
            if verified == 0 { HostRecord.note(store) }
            return verified
        }
        SSL_CTX_sess_set_new_cb(context) { ssl, session in
            guard let session, let record = HostRecord.of(ssl) else { return 0 }
            return record.keep(session) ? 1 : 0
        }
    }

    /// What is remembered of `host`.
    func record(of host: String) -> HostRecord { hosts.record(of: host) }
}

/// The hosts of a context.
private final class HostTable {
    /// Hosts whose sessions are kept; upstreams are a handful. At the limit one is forgotten, which costs a full handshake.
    static let limit = 64

    private var records: [String: HostRecord] = [:]

    func record(of host: String) -> HostRecord {
        if let known = records[host] { return known }
        if records.count >= Self.limit, let first = records.first { records[first.key] = nil }
        let record = HostRecord(host: host)
        records[host] = record
        return record
    }
}

/// Sessions to resume with one host, and why its certificate was refused last. Sessions are never offered to another
/// host: a resumed connection shows no certificate, so what was verified for one name must not count for another.
final class HostRecord {
    /// A TLS 1.3 server gives two tickets per connection by default.
    static let sessionLimit = 4

    let host: String
    /// Set during a handshake, taken when the call that made it fails.
    private var refusal: TLSError?
    private var sessions: [OpaquePointer] = []

    init(host: String) { self.host = host }

    deinit { for session in sessions { SSL_SESSION_free(session) } }

    static func of(_ ssl: OpaquePointer?) -> HostRecord? {
        guard let ssl, let owner = co_owner(ssl) else { return nil }
        return Unmanaged<HostRecord>.fromOpaque(owner).takeUnretainedValue()
    }

    /// Writes down what verification found wrong; the certificate is out of reach later.
    static func note(_ store: OpaquePointer?) {
        guard let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let record = of(OpaquePointer(ssl))
        else { return }
        record.refusal = .verification(
            code: X509_STORE_CTX_get_error(store), certificate: X509_STORE_CTX_get_current_cert(store), host: record.host)
    }

    func takeRefusal() -> TLSError? {
        defer { refusal = nil }
        return refusal
    }

    /// Takes over a reference to `session`, unless it cannot be resumed.
    func keep(_ session: OpaquePointer) -> Bool {
        guard SSL_SESSION_is_resumable(session) == 1 else { return false }
        if sessions.count >= Self.sessionLimit { SSL_SESSION_free(sessions.removeFirst()) }
        sessions.append(session)
        return true
    }

    /// Lends the newest session to `body`. Tickets of TLS 1.3 are used once (RFC 8446, C.4), sessions of 1.2 again.
    func offer(_ body: (OpaquePointer) -> Void) {
        while let session = sessions.popLast() {
            let usable = SSL_SESSION_is_resumable(session) == 1
            if usable { body(session) }
            if usable && SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION {
                sessions.append(session)
            } else {
                SSL_SESSION_free(session)
            }
            if usable { return }
        }
    }
}
