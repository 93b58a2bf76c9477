// Where exchanges are sent: the upstreams of the settings, and the broadcaster's socket for the dashboards' paths.
import Configuration
import EventLoop
import Outbound
import TLS

/// A place to connect to, with the connections to it that are idle.
struct Target: ~Copyable {
    enum Endpoint {
        case tcp(host: String, port: UInt16)
        case unix(path: String)
    }

    let endpoint: Endpoint
    /// Replaced by a reload.
    var tls: TLSClientContext?
    let name: String
    // As heads and captures have it: bytes without an owner, which cost nothing to hand on.
    /// What stands before each target; empty or `/…` without a slash at the end.
    let basePath: UnsafeRawBufferPointer
    /// The lines of a request's head that name the host and carry our key there; the latter is empty where callers bring their own.
    let hostLine: UnsafeRawBufferPointer
    let keyLine: UnsafeRawBufferPointer
    /// The line of an answer's head that tells where it came from.
    let answerLine: UnsafeRawBufferPointer
    /// The name, cut so that its length fits a byte.
    let nameBytes: UnsafeRawBufferPointer
    /// Whether exchanges are given to it.
    var breaker: CircuitBreaker
    /// Slots of idle connections, the last used at the end.
    var idle: [Int] = []
    let idleLimit: Int
    /// The address that answered when those before it did not; goes first.
    var preferred: String?

    init(_ upstream: Upstream, tls: TLSClientContext?, breaker: CircuitBreaker, idleLimit: Int) {
        let url = upstream.url
        endpoint = .tcp(host: url.host, port: UInt16(clamping: url.port))
        self.tls = url.isTLS ? tls : nil
        hostLine = Self.hostLine(url.hostField)
        answerLine = Self.answerLine(url.hostField)
        basePath = url.basePath.keptBytes
        name = url.description
        nameBytes = String(decoding: name.utf8.prefix(Int(UInt8.max)), as: UTF8.self).keptBytes
        if case .value(let key)? = upstream.key {
            keyLine = (upstream.keyField == .authorization ? "Authorization: Bearer \(key)\r\n" : "\(upstream.keyField.rawValue): \(key)\r\n").keptBytes
        } else {
            keyLine = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        self.breaker = breaker
        self.idleLimit = idleLimit
    }

    private static func hostLine(_ host: String) -> UnsafeRawBufferPointer { "Host: \(host)\r\n".keptBytes }
    private static func answerLine(_ host: String) -> UnsafeRawBufferPointer { "X-TruthTable-Upstream: \(host)\r\n".keptBytes }

    init(broadcaster path: String, breaker: CircuitBreaker) {
        endpoint = .unix(path: path)
        tls = nil
        name = "broadcaster"
        hostLine = Self.hostLine(name)
        answerLine = Self.answerLine(name)
        basePath = "".keptBytes
        nameBytes = name.keptBytes
        keyLine = UnsafeRawBufferPointer(start: nil, count: 0)
        self.breaker = breaker
        idleLimit = 0
    }
}
