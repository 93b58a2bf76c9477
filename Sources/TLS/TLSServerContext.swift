// What all TLS connections from clients share: the certificate, its key and the rules.
import CLinux
import COpenSSL

/// A handle on the rules for connections from clients: TLS 1.2 or newer, no client certificates, "http/1.1" agreed on when
/// it is offered. Lives as long as its process and is used on one thread.
package struct TLSServerContext: @unchecked Sendable {  // used on one thread only; the compiler cannot see that
    let context: OpaquePointer

    /// Both files are PEM; the certificate's is the chain, the server's own first. The key has no passphrase.
    package init(certificateFile: String, keyFile: String) throws(TLSError) {
        cl_ignore_sigpipe()
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw .library(TLSError.lastReason()) }
        do {
            try Self.configure(context, certificateFile, keyFile)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = context
    }

    private static func configure(_ context: OpaquePointer, _ certificateFile: String, _ keyFile: String) throws(TLSError) {
        ERR_clear_error()
        co_set_modes(context)
        co_offer_http1(context)
        co_never_ask(context)
        guard co_require_tls12(context) == 1 else { throw .library(TLSError.lastReason()) }
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw .badFile(path: certificateFile, reason: TLSError.lastReason())
        }
        guard SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw .badFile(path: keyFile, reason: TLSError.lastReason())
        }
    }
}
