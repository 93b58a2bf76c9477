// What all TLS connections from clients share: the certificate, its key and the rules.
import COpenSSL

/// The rules for connections from clients: TLS 1.2 or newer, no client certificates, "http/1.1" or nothing agreed on, sessions
/// resumed by tickets whose keys are this context's own. Connections that were begun with it outlive it. Used on one thread.
package final class TLSServerContext {
    let context: OpaquePointer

    package init(_ identity: TLSIdentity) throws(TLSError) {
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw .library(TLSError.lastReason()) }
        do throws(TLSError) {
            co_set_modes(context)
            co_select_http1(context)
            co_keep_no_sessions(context)
            guard co_require_tls12(context) == 1 else { throw .library(TLSError.lastReason()) }
            try identity.use(in: context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = context
    }

    deinit { SSL_CTX_free(context) }

    /// The names that the certificate is for, and its last day.
    package var certificate: (names: String, lastDay: String) {
        guard let certificate = SSL_CTX_get0_certificate(context) else { return ("", "") }
        return (
            TLSError.text { co_certificate_names(certificate, $0, $1) }, TLSError.text { co_day(X509_get0_notAfter(certificate), $0, $1) }
        )
    }
}
