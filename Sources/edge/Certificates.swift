// TLS of the edge's two sides, made from the files that the settings name: at the start, and anew on reload.
import Configuration
import TLS

extension Settings {
    /// Nil when clients speak plainly.
    func makeClientTLS() throws(TLSError) -> TLSServerContext? {
        guard !tlsCertificateFile.isEmpty else { return nil }
        return try TLSServerContext(TLSIdentity(certificateFile: tlsCertificateFile, keyFile: tlsKeyFile))
    }

    /// Nil when all upstreams speak plainly.
    func makeUpstreamTLS() throws(TLSError) -> TLSClientContext? {
        guard upstreamLists.contains(where: { $0.upstreams.contains { $0.url.isTLS } }) else { return nil }
        let identity = upstreamCertificateFile.isEmpty ? nil : TLSIdentity(certificateFile: upstreamCertificateFile, keyFile: upstreamKeyFile)
        return try TLSClientContext(caFile: upstreamCAFile.isEmpty ? nil : upstreamCAFile, identity: identity)
    }

    /// For people: with the setting that names the file.
    func sentence(_ error: TLSError) -> String {
        guard case .badFile(let path, _) = error else { return "\(error)" }
        return "\(names(ofFile: path)): \(error)"
    }
}

extension Proxy {
    /// Reads the files again, for connections that are made from now on. Files that cannot be used change nothing.
    mutating func reloadCertificates() {
        do throws(TLSError) {
            if let renewed = try settings.makeClientTLS() {
                clientTLS = renewed
                let certificate = renewed.certificate
                log.info("Certificate for clients reloaded", ["names": .string(certificate.names), "last_day": .string(certificate.lastDay)])
            }
        } catch {
            log.error("Cannot reload the certificate for clients, the earlier one stays in use", ["cause": .string(settings.sentence(error))])
        }
        do throws(TLSError) {
            guard let renewed = try settings.makeUpstreamTLS() else { return }
            for target in targets where target.pointee.tls != nil {
                target.pointee.tls = renewed
                closeIdle(target)  // they were made by the earlier certificates
            }
            log.info("Certificates for the upstream reloaded")
        } catch {
            log.error("Cannot reload the certificates for the upstream, the earlier ones stay in use", ["cause": .string(settings.sentence(error))])
        }
    }
}
