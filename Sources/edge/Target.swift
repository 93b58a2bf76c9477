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
    /// Value of `Host`.
    let hostField: [UInt8]
    /// What stands before each target; empty or `/…` without a slash at the end.
    let basePath: [UInt8]
    let name: String
    /// The name for captures, whose length fits a byte.
    let nameBytes: UnsafeRawBufferPointer
    /// The line of a request's head that carries our key there; empty where callers bring their own.
    let keyLine: UnsafeRawBufferPointer
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
        hostField = Array(url.hostField.utf8)
        basePath = Array(url.basePath.utf8)
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

    init(broadcaster path: String, breaker: CircuitBreaker) {
        endpoint = .unix(path: path)
        tls = nil
        hostField = Array("broadcaster".utf8)
        basePath = []
        name = "broadcaster"
        nameBytes = name.keptBytes
        keyLine = UnsafeRawBufferPointer(start: nil, count: 0)
        self.breaker = breaker
        idleLimit = 0
    }
}
