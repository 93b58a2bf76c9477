// Who this side is: a certificate with its chain, and the key of it.
import COpenSSL

/// Both files are PEM. The certificate's begins with the own one, then those that lead to the authority; the key has no
/// passphrase. They are read when a context is made.
package struct TLSIdentity {
    let certificateFile: String
    let keyFile: String

    package init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    func use(in context: OpaquePointer) throws(TLSError) {
        ERR_clear_error()
        co_never_ask(context)
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw .badFile(path: certificateFile, reason: TLSError.fileReason(holding: "certificate"))
        }
        guard SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1 else {
            let code = ERR_peek_last_error()
            // The certificate is held against the key as soon as both are there.
            if ERR_GET_LIB(code) == ERR_LIB_X509 { throw .keyMismatch(certificate: certificateFile, key: keyFile) }
            throw .badFile(path: keyFile, reason: TLSError.fileReason(holding: "private key"))
        }
        // A key of another kind than the certificate's lies beside it instead.
        guard SSL_CTX_check_private_key(context) == 1 else { throw .keyMismatch(certificate: certificateFile, key: keyFile) }
    }
}
