// Who may see the product's own paths: dashboards, statistics, audits. Pure: it knows what was presented, not how it came.
//
//     token presented             right → allowed          wrong → refused
//       (a cookie counts only for pages of an allowed origin: browsers send it with anybody's requests)
//     none, peer on this machine  no Origin, our own page's or an allowed one → allowed    another → refused
//     none, peer elsewhere        refused
//
// A local peer without Origin may still be a page elsewhere: its name resolves to this machine (DNS rebinding), or a reverse
// proxy here forwards it. Both show in the host that was asked for, which must then be a local one.
// Leaves to others: who checked a Unix socket's peer (the edge), which paths are open to all.

import Configuration

package struct AccessPolicy: Sendable {
    package enum Decision: Equatable, Sendable {
        case allowed
        case refused(Refusal)
    }

    package enum Refusal: Equatable, Sendable {
        /// Not on this machine, or asked for by a foreign name, and no token.
        case tokenMissing
        case tokenWrong
        /// A page of another origin.
        case foreignOrigin

        package var status: UInt16 { self == .foreignOrigin ? 403 : 401 }

        /// For the answer's body; says the cure.
        package var message: String {
            switch self {
            case .tokenMissing: "access from other machines needs the access token: send it as Authorization: Bearer or as ?token="
            case .tokenWrong: "the access token is wrong"
            case .foreignOrigin: "pages of this origin are not allowed"
            }
        }
    }

    /// A token as the client presented it.
    package enum Presented: Equatable, Sendable {
        /// By `Authorization: Bearer` or `?token=`: somebody meant it.
        case explicit(String)
        /// By the cookie `truthtable_token`.
        case cookie(String)
    }

    /// The configured token; empty: there is none, and none is right.
    private let token: String
    private let allowedOrigins: AllowedOrigins

    package init(token: String, allowedOrigins: AllowedOrigins) {
        self.token = token
        self.allowedOrigins = allowedOrigins
    }

    /// `host` is the authority that was asked for; nil leaves it out of the decision.
    package func decide(isLoopback: Bool, origin: String?, host: String? = nil, presented: Presented? = nil) -> Decision {
        // A page that we served ourselves is of the origin that was asked for; under a foreign name it may be anybody's.
        let isSameOrigin = origin.flatMap(Self.authority(ofOrigin:)) == host?.lowercased()
        let isLocalHost = host.map { Self.isLocal(authority: $0) }
        let isAllowedOrigin = isSameOrigin && isLocalHost == true || origin.map { allowedOrigins.allows($0.lowercased()) } ?? true
        switch presented {
        case .explicit(let text) where !token.isEmpty:
            return isRight(text) ? .allowed : .refused(.tokenWrong)
        case .cookie(let text) where !token.isEmpty && isRight(text):
            return isAllowedOrigin || isSameOrigin ? .allowed : .refused(.foreignOrigin)
        default: break  // an old cookie is no reason to refuse
        }
        guard isLoopback else { return .refused(.tokenMissing) }
        guard isAllowedOrigin else { return .refused(.foreignOrigin) }
        if origin == nil, isLocalHost == false { return .refused(.tokenMissing) }
        return .allowed
    }

    private func isRight(_ text: String) -> Bool { Self.isEqual(text, to: token) }

    /// Takes as long for every presented text of a length, right or wrong. Nothing is equal to an empty secret.
    package static func isEqual(_ presented: String, to secret: String) -> Bool {
        guard !secret.isEmpty else { return false }
        var presented = presented
        var secret = secret
        return presented.withUTF8 { presented in
            secret.withUTF8 { secret in
                var difference = UInt8(presented.count == secret.count ? 0 : 1)
                for index in presented.indices { difference |= presented[index] ^ secret[index % secret.count] }
                return difference == 0
            }
        }
    }

    /// `host[:port]` of `scheme://host[:port]`, in lower case.
    private static func authority(ofOrigin origin: String) -> String? {
        let text = origin.lowercased()
        for scheme in ["http://", "https://"] where text.hasPrefix(scheme) { return String(text.dropFirst(scheme.count)) }
        return nil
    }

    /// `localhost`, a loopback address, with or without a port.
    static func isLocal(authority: String) -> Bool {
        let text = authority.lowercased()
        if text == "[::1]" || text.hasPrefix("[::1]:") { return true }
        let host = text.prefix { $0 != ":" }
        guard text.dropFirst(host.count).dropFirst().allSatisfy(\.isNumber) else { return false }
        if host == "localhost" || host.hasSuffix(".localhost") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

extension AccessPolicy {
    /// For requests of the small server. The peer of a Unix socket is trusted: the edge checked its client. What a proxy on this
    /// machine passes on is of another one.
    package func decide(_ request: HTTPRequest) -> Decision {
        if request.peer.isEmpty { return .allowed }
        let isPassedOn = request[.xForwardedFor] != nil || request[.forwarded] != nil
        return decide(
            isLoopback: request.isLoopback && !isPassedOn, origin: request[.origin], host: request.authority, presented: Self.presented(in: request))
    }

    package static func presented(in request: HTTPRequest) -> Presented? {
        presented(authorization: request[.authorization], parameter: request.parameter("token"), cookie: request.cookie("truthtable_token"))
    }

    /// Of the ways to show a token the one that counts.
    package static func presented(authorization: String?, parameter: String?, cookie: String?) -> Presented? {
        if let authorization, let token = bearer(authorization) { return .explicit(token) }
        if let parameter { return .explicit(parameter) }
        return cookie.map { .cookie($0) }
    }

    /// The token of a value `Bearer TOKEN`; the scheme in any case (RFC 9110 §11.1).
    static func bearer(_ value: String) -> String? {
        guard value.prefix(7).lowercased() == "bearer " else { return nil }
        return String(value.dropFirst(7).drop { $0 == " " })
    }
}
