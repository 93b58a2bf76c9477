// What pages of other origins may do (Fetch standard, §3.2 "CORS protocol"): who may read answers is decided here, and upstreams'
// own word on it is not passed on. Leaves to others: which fields stand in the heads.
import Configuration
import HTTP

struct CORSPolicy {
    enum Grant: UInt8 {
        /// Not from a page, or from one that may not read.
        case none
        /// Every page may, without credentials.
        case any
        case origin
        /// Cookies and the like too: for origins that somebody has listed.
        case originWithCredentials
    }

    /// Longer ones are nobody's: a name of DNS has 253 letters.
    static let originLimit = 300

    private let origins: AllowedOrigins

    init(_ origins: AllowedOrigins) { self.origins = origins }

    /// Answers do not depend on the origin where everything is open to all.
    var varies: Bool { !(origins.any && origins.listed.isEmpty) }

    func grant(_ origin: String) -> Grant {
        guard origin.utf8.count <= Self.originLimit else { return .none }
        if origins.listed.contains(origin.lowercased()) { return .originWithCredentials }
        if origins.any { return .any }
        return origins.allows(origin.lowercased()) ? .origin : .none
    }
}

extension ByteSink {
    /// The fields of an answer to a page. `origin` is as the page's browser sent it.
    mutating func appendGrant(_ grant: CORSPolicy.Grant, origin: borrowing RawSpan) {
        switch grant {
        case .none: return
        case .any: append("Access-Control-Allow-Origin: *\r\n")
        case .origin: appendField("Access-Control-Allow-Origin", origin)
        case .originWithCredentials:
            appendField("Access-Control-Allow-Origin", origin)
            append("Access-Control-Allow-Credentials: true\r\n")
        }
    }
}
