// Who may look, as a table.
import Configuration
import Testing

@testable import Inbound

@Suite struct AccessPolicyTests {
    typealias Row = (
        name: String, loopback: Bool, origin: String?, host: String?, presented: AccessPolicy.Presented?, decision: AccessPolicy.Decision
    )

    static let rows: [Row] = [
        ("local program", true, nil, "localhost:8080", nil, .allowed),
        ("local program by address", true, nil, "127.0.0.1:8080", nil, .allowed),
        ("local program by IPv6", true, nil, "[::1]:8080", nil, .allowed),
        ("local page", true, "http://localhost:3000", "localhost:8080", nil, .allowed),
        ("local page by address", true, "http://127.0.0.1", "localhost:8080", nil, .allowed),
        ("file", true, "null", "localhost:8080", nil, .allowed),
        ("configured page", true, "https://dash.example", "localhost:8080", nil, .allowed),
        ("foreign page", true, "https://evil.example", "localhost:8080", nil, .refused(.foreignOrigin)),
        ("look-alike", true, "http://localhost.evil.example", "localhost:8080", nil, .refused(.foreignOrigin)),
        ("look-alike user", true, "http://localhost:80@evil.example", "localhost:8080", nil, .refused(.foreignOrigin)),
        ("look-alike address", true, "http://127.0.0.1.evil.example", "localhost:8080", nil, .refused(.foreignOrigin)),
        ("rebound name", true, nil, "evil.example:8080", nil, .refused(.tokenMissing)),
        ("remote", false, nil, "10.0.0.1:8080", nil, .refused(.tokenMissing)),
        ("remote that calls itself local", false, "http://localhost", "localhost", nil, .refused(.tokenMissing)),
        ("remote with token", false, nil, "10.0.0.1:8080", .explicit("secret"), .allowed),
        ("remote page with token", false, "https://evil.example", "10.0.0.1:8080", .explicit("secret"), .allowed),
        ("wrong", false, nil, "10.0.0.1:8080", .explicit("secreT"), .refused(.tokenWrong)),
        ("shorter", false, nil, "10.0.0.1:8080", .explicit("secre"), .refused(.tokenWrong)),
        ("longer", false, nil, "10.0.0.1:8080", .explicit("secretsecret"), .refused(.tokenWrong)),
        ("empty", false, nil, "10.0.0.1:8080", .explicit(""), .refused(.tokenWrong)),
        ("local with a wrong token", true, nil, "localhost", .explicit("x"), .refused(.tokenWrong)),
        ("cookie of our page", false, "http://10.0.0.1:8080", "10.0.0.1:8080", .cookie("secret"), .allowed),
        ("cookie without origin", false, nil, "10.0.0.1:8080", .cookie("secret"), .allowed),
        ("cookie in a foreign page", false, "https://evil.example", "10.0.0.1:8080", .cookie("secret"), .refused(.foreignOrigin)),
        ("old cookie, remote", false, nil, "10.0.0.1:8080", .cookie("old"), .refused(.tokenMissing)),
        ("old cookie, local", true, nil, "localhost", .cookie("old"), .allowed),
    ]

    @Test func `decisions`() throws {
        let policy = AccessPolicy(token: "secret", allowedOrigins: try #require(AllowedOrigins("local,https://dash.example")))
        for row in Self.rows {
            #expect(
                policy.decide(isLoopback: row.loopback, origin: row.origin, host: row.host, presented: row.presented) == row.decision, "\(row.name)")
        }
    }

    @Test func `without a configured token none is right`() {
        let policy = AccessPolicy(token: "", allowedOrigins: .localOnly)
        #expect(policy.decide(isLoopback: false, origin: nil, presented: .explicit("")) == .refused(.tokenMissing))
        #expect(policy.decide(isLoopback: false, origin: nil, presented: .cookie("")) == .refused(.tokenMissing))
        #expect(policy.decide(isLoopback: true, origin: nil, presented: .explicit("x")) == .allowed)
    }

    @Test func `a closed list closes out other pages of this machine, not our own`() throws {
        let policy = AccessPolicy(token: "", allowedOrigins: try #require(AllowedOrigins("https://dash.example")))
        #expect(policy.decide(isLoopback: true, origin: "http://localhost:9999", host: "localhost:8081") == .refused(.foreignOrigin))
        #expect(policy.decide(isLoopback: true, origin: "null", host: "localhost:8081") == .refused(.foreignOrigin))
        #expect(policy.decide(isLoopback: true, origin: "http://localhost:8081", host: "localhost:8081") == .allowed)
        #expect(policy.decide(isLoopback: true, origin: "http://evil.example:8081", host: "evil.example:8081") == .refused(.foreignOrigin))
    }

    @Test func `a star allows every origin, not every peer`() throws {
        let policy = AccessPolicy(token: "", allowedOrigins: try #require(AllowedOrigins("*")))
        #expect(policy.decide(isLoopback: true, origin: "https://any.example") == .allowed)
        #expect(policy.decide(isLoopback: false, origin: "https://any.example") == .refused(.tokenMissing))
    }

    @Test func `bearer tokens`() {
        #expect(AccessPolicy.bearer("bearer  abc") == "abc")
        #expect(AccessPolicy.bearer("Basic abc") == nil)
        #expect(AccessPolicy.bearer("Bearer") == nil)
    }
}
