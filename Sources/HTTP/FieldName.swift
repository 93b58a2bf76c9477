// The field names that some part of the product asks for, each declared once by its text; all others are `.other`.
// Leaves to others: finding a name (`FieldNameTable`), what a field means.

@usableFromInline
package enum FieldName: UInt8, CaseIterable, Sendable {
    case other
    case accept, acceptEncoding, accessControlAllowCredentials, accessControlAllowOrigin, accessControlExposeHeaders
    case accessControlRequestHeaders, accessControlRequestMethod, apiKey, authorization
    case cacheControl, connection, contentEncoding, contentLength, contentType, cookie
    case date, etag, expect, forwarded, host, http2Settings, ifNoneMatch, keepAlive, lastModified, location, origin
    case proxyAuthenticate, proxyAuthorization, proxyConnection, retryAfter
    case secWebSocketAccept, secWebSocketExtensions, secWebSocketKey, secWebSocketProtocol, secWebSocketVersion
    case server, setCookie, te, traceparent, tracestate, trailer, transferEncoding, upgrade, userAgent, vary, via
    case xAPIKey, xForwardedFor, xForwardedHost, xForwardedProto, xGoogAPIKey, xRequestID
    case xTruthTableAuditID, xTruthTableOverhead, xTruthTableRequestID, xTruthTableUpstream

    /// The name as it is written in heads that the product makes.
    package var text: StaticString {
        switch self {
        case .other: ""
        case .accept: "Accept"
        case .acceptEncoding: "Accept-Encoding"
        case .accessControlAllowCredentials: "Access-Control-Allow-Credentials"
        case .accessControlAllowOrigin: "Access-Control-Allow-Origin"
        case .accessControlExposeHeaders: "Access-Control-Expose-Headers"
        case .accessControlRequestHeaders: "Access-Control-Request-Headers"
        case .accessControlRequestMethod: "Access-Control-Request-Method"
        case .apiKey: "API-Key"
        case .authorization: "Authorization"
        case .cacheControl: "Cache-Control"
        case .connection: "Connection"
        case .contentEncoding: "Content-Encoding"
        case .contentLength: "Content-Length"
        case .contentType: "Content-Type"
        case .cookie: "Cookie"
        case .date: "Date"
        case .etag: "ETag"
        case .expect: "Expect"
        case .forwarded: "Forwarded"
        case .host: "Host"
        case .http2Settings: "HTTP2-Settings"
        case .ifNoneMatch: "If-None-Match"
        case .keepAlive: "Keep-Alive"
        case .lastModified: "Last-Modified"
        case .location: "Location"
        case .origin: "Origin"
        case .proxyAuthenticate: "Proxy-Authenticate"
        case .proxyAuthorization: "Proxy-Authorization"
        case .proxyConnection: "Proxy-Connection"
        case .retryAfter: "Retry-After"
        case .secWebSocketAccept: "Sec-WebSocket-Accept"
        case .secWebSocketExtensions: "Sec-WebSocket-Extensions"
        case .secWebSocketKey: "Sec-WebSocket-Key"
        case .secWebSocketProtocol: "Sec-WebSocket-Protocol"
        case .secWebSocketVersion: "Sec-WebSocket-Version"
        case .server: "Server"
        case .setCookie: "Set-Cookie"
        case .te: "TE"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .trailer: "Trailer"
        case .transferEncoding: "Transfer-Encoding"
        case .upgrade: "Upgrade"
        case .userAgent: "User-Agent"
        case .vary: "Vary"
        case .via: "Via"
        case .xAPIKey: "X-API-Key"
        case .xForwardedFor: "X-Forwarded-For"
        case .xForwardedHost: "X-Forwarded-Host"
        case .xForwardedProto: "X-Forwarded-Proto"
        case .xGoogAPIKey: "X-Goog-API-Key"
        case .xRequestID: "X-Request-ID"
        case .xTruthTableAuditID: "X-TruthTable-Audit-Id"
        case .xTruthTableOverhead: "X-TruthTable-Overhead-Ms"
        case .xTruthTableRequestID: "X-TruthTable-Request-ID"
        case .xTruthTableUpstream: "X-TruthTable-Upstream"
        }
    }

    /// Fields of one connection, removed by every intermediary even when `Connection` does not name them
    /// (RFC 9110 §7.6.1). `Trailer` goes because trailers are not forwarded; the two `Proxy-Auth…` fields because
    /// they are between a client and its forward proxy, and the first of them is a secret.
    @inlinable @inline(__always)
    package var isHopByHop: Bool { FieldNames.hopByHop.contains(self) }

    /// For names from elsewhere (settings, tests); `bytes` is the whole name. Heads use a `FieldNameTable`.
    package init(named bytes: borrowing RawSpan) {
        let word = FoldedWord(bytes, 0, bytes.byteCount)
        self = Self.allCases.first { $0 != .other && word.isEqual(to: FoldedWord(lowercase: $0.text)) } ?? .other
    }
}

/// A set of known names; one word. Built from constants it is a constant.
@usableFromInline
package struct FieldNames: Sendable {
    @usableFromInline let bits: UInt64

    @inlinable @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    @inlinable @inline(__always)
    package static var none: FieldNames { FieldNames(bits: 0) }

    @inlinable @inline(__always)
    package static var hopByHop: FieldNames {
        none.with(.connection).with(.keepAlive).with(.proxyConnection).with(.te).with(.trailer)
            .with(.transferEncoding).with(.upgrade).with(.proxyAuthenticate).with(.proxyAuthorization)
    }

    @inlinable @inline(__always)
    package func with(_ name: FieldName) -> FieldNames { FieldNames(bits: bits | 1 &<< UInt64(name.rawValue)) }

    @inlinable @inline(__always)
    package func with(_ others: FieldNames) -> FieldNames { FieldNames(bits: bits | others.bits) }

    @inlinable @inline(__always)
    package func contains(_ name: FieldName) -> Bool { bits &>> UInt64(name.rawValue) & 1 != 0 }
}
