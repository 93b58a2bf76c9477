// Why a TLS connection failed: facts in the cases, the sentence in `description`.
import CLinux
import COpenSSL
import EventLoop

/// A failed TLS connection or configuration.
package enum TLSError: Error, Equatable, CustomStringConvertible {
    /// The certificate of `subject` ended on `day`.
    case expired(subject: String, day: String)
    /// The certificate of `subject` begins on `day`: one of the two clocks is wrong.
    case notYetValid(subject: String, day: String)
    /// The certificate is for `names`, and `host` is none of them.
    case nameMismatch(host: String, names: String)
    /// No trusted authority stands behind the certificate; `issuer` is who signed it.
    case unknownAuthority(issuer: String)
    /// Verification failed for another reason.
    case refused(String)
    /// The peer speaks nothing as new as TLS 1.2.
    case oldProtocol
    /// What the peer said is no TLS: most often plain HTTP on that port.
    case notTLS
    /// ... and it was a request of HTTP.
    case plainHTTP
    /// The peer gave up with this alert.
    case alert(String)
    /// The connection ended without close_notify: what came may have been cut by anybody on the way.
    case truncated
    /// The connection ended during the handshake.
    case closedInHandshake
    /// The descriptor failed.
    case system(SystemError)
    /// The peer broke the protocol, or this side misused the session.
    case protocolFailure(String)
    /// No host name, or one that no certificate can be for.
    case badHost(String)
    /// A configured file cannot be used.
    case badFile(path: String, reason: String)
    /// Each file is fine, but the key is another certificate's.
    case keyMismatch(certificate: String, key: String)
    /// OpenSSL could not allocate or configure.
    case library(String)

    package var description: String {
        switch self {
        case .expired(let subject, let day): "certificate has expired: that of \(subject) ended on \(day)"
        case .notYetValid(let subject, let day): "certificate is not valid yet: that of \(subject) begins on \(day), check the clocks"
        case .nameMismatch(let host, let names): "host name mismatch: certificate is for \(names), not for \(host)"
        case .unknownAuthority(let issuer): "unknown authority \(issuer): add its certificate with TRUTHTABLE_UPSTREAM_CA_FILE (an engine's with TRUTHTABLE_ENGINE_CA_FILE)"
        case .refused(let reason): "certificate refused: \(reason)"
        case .oldProtocol: "the peer is too old: it does not speak TLS 1.2 or newer"
        case .notTLS: "the peer does not speak TLS on this port: is it http://?"
        case .plainHTTP: "plain HTTP came to a port that speaks TLS: use https://"
        case .alert(let text): "the peer refused: \(text)"
        case .truncated: "the connection was cut: it ended without close_notify"
        case .closedInHandshake: "the peer closed the connection during the TLS handshake"
        case .system(let error): error.description
        case .protocolFailure(let text): "TLS failure: \(text)"
        case .badHost(let host): "\"\(host)\" is no host name"
        case .badFile(let path, let reason): "cannot use \(path): \(reason)"
        case .keyMismatch(let certificate, let key): "the key in \(key) does not belong to the certificate in \(certificate): name its own key"
        case .library(let text): "OpenSSL: \(text)"
        }
    }
}

extension TLSError {
    /// What a failed call says; nil when it only has to wait. `established` tells whether the handshake was over.
    init?(_ outcome: co_outcome, established: Bool) {
        let ended: TLSError = established ? .truncated : .closedInHandshake
        switch outcome.kind {
        case SSL_ERROR_SYSCALL:
            guard outcome.code == 0 else {
                self = .protocolFailure(Self.text(outcome.code))
                return
            }
            self = outcome.system_error == 0 ? ended : .system(SystemError("connection", code: outcome.system_error))
        case SSL_ERROR_SSL:
            let reason = ERR_GET_REASON(outcome.code)
            guard ERR_GET_LIB(outcome.code) == ERR_LIB_SSL else {
                self = .protocolFailure(Self.text(outcome.code))
                return
            }
            switch reason {
            case SSL_R_UNEXPECTED_EOF_WHILE_READING: self = ended
            case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: self = .oldProtocol
            case SSL_R_HTTP_REQUEST: self = .plainHTTP
            case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG:
                self = established ? .protocolFailure(Self.text(outcome.code)) : .notTLS
            case Self.alerts: self = .alert(Self.text(outcome.code))
            default: self = .protocolFailure(Self.text(outcome.code))
            }
        default:
            return nil
        }
    }

    /// Reasons from 1000 on are alerts of the peer.
    private static let alerts: ClosedRange<Int32> = 1000...1255

    /// The sentence of OpenSSL for an error code.
    static func text(_ code: UInt) -> String {
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return code == 0 ? "unknown failure" : "error \(code)"
    }

    /// The newest error of this thread, which is taken off the queue.
    static func lastReason() -> String {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        return text(code)
    }

    /// Why a file could not be read as what it should hold, by the errors of this thread, which are taken off the queue.
    static func fileReason(holding: String) -> String {
        var needsPassphrase = false
        defer { ERR_clear_error() }
        while case let code = ERR_get_error(), code != 0 {
            if ERR_GET_LIB(code) == ERR_LIB_SYS { return SystemError.text(ERR_GET_REASON(code)) }
            if ERR_GET_LIB(code) == ERR_LIB_PEM, ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ { needsPassphrase = true }
        }
        return needsPassphrase ? "it needs a passphrase: store it without one" : "it holds no \(holding) in PEM form"
    }

    /// Why verification of `certificate` failed with `code`, an X509_V_ERR_….
    static func verification(code: Int32, certificate: OpaquePointer?, host: String) -> TLSError {
        guard let certificate else { return .refused(String(cString: X509_verify_cert_error_string(Int(code)))) }
        let subject = text { co_name(X509_get_subject_name(certificate), $0, $1) }
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return .expired(subject: subject, day: text { co_day(X509_get0_notAfter(certificate), $0, $1) })
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return .notYetValid(subject: subject, day: text { co_day(X509_get0_notBefore(certificate), $0, $1) })
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            let names = text { co_certificate_names(certificate, $0, $1) }
            return .nameMismatch(host: host, names: names.isEmpty ? "no host (its common name, \(subject), does not count)" : names)
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return .unknownAuthority(issuer: text { co_name(X509_get_issuer_name(certificate), $0, $1) })
        default:
            return .refused(String(cString: X509_verify_cert_error_string(Int(code))))
        }
    }

    /// A text that a C function writes into a buffer; 512 bytes hold six long names.
    static func text(_ write: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            base.pointee = 0
            write(base, buffer.count)
            return String(cString: base)
        }
    }
}
