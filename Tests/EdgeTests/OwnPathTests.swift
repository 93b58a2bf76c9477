// Which paths are the product's own, with and without a prefix.
import Testing

@testable import edge

private func own(_ path: String, behind prefix: String = "") -> OwnPath? {
    let bytes = Array(path.utf8)
    return Array(prefix.utf8).withUnsafeBytes { OwnPath(bytes.span.bytes, behind: $0) }
}

@Suite struct OwnPathTests {
    private static let paths: [(path: String, own: OwnPath)] = [
        ("/health", .health), ("/livez", .health), ("/readyz", .readiness), ("/stats", .statistics), ("/metrics", .metrics), ("/ws", .dashboard),
        ("/api/ws", .dashboard), ("/v1/audits", .audits), ("/v1/audits/x", .audit(idOffset: 11)), ("/v1/audits/a/b", .audit(idOffset: 11)),
    ]

    @Test(arguments: paths) func `own paths are found`(_ row: (path: String, own: OwnPath)) {
        #expect(own(row.path) == row.own)
        #expect(row.own.isHealth == ["/health", "/livez", "/readyz"].contains(row.path))
        #expect(own(row.path, behind: "/tt") == nil)
        let moved: OwnPath = if case .audit(let offset) = row.own { .audit(idOffset: offset + 3) } else { row.own }
        #expect(own("/tt" + row.path, behind: "/tt") == moved)
        #expect(own("/tx" + row.path, behind: "/tt") == nil)
    }

    @Test(arguments: [
        "", "/", "/v1", "/health/", "/healthz", "/Health", "/stats2", "/v1/chat/completions", "/v1/audit", "/v1/audits/", "/v1/auditsx", "/v1/audio/speech",
        "/v1/assistants", "/v2/audits", "/metrics/x", "/api/wss", "/tt",
    ])
    func `all others are the upstream's`(_ path: String) {
        #expect(own(path) == nil)
        #expect(own(path, behind: "/tt") == nil)
        #expect(own("/tt" + path, behind: "/tt") == nil)
    }
}
