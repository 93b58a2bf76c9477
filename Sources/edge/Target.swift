// Where exchanges are sent: the upstream of the settings, and the broadcaster's socket for the dashboards' paths.
import Configuration
import EventLoop
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
    /// Slots of idle connections, the last used at the end.
    var idle: [Int] = []
    let idleLimit: Int
    /// The address that answered when those before it did not; goes first.
    var preferred: String?
    /// Clients that wait for the host's addresses.
    var resolving: [Int] = []

    init(_ url: UpstreamURL, tls: TLSClientContext?, idleLimit: Int) {
        endpoint = .tcp(host: url.host, port: UInt16(clamping: url.port))
        self.tls = tls
        hostField = Array(url.hostField.utf8)
        basePath = Array(url.basePath.utf8)
        name = url.description
        self.idleLimit = idleLimit
    }

    init(broadcaster path: String) {
        endpoint = .unix(path: path)
        tls = nil
        hostField = Array("broadcaster".utf8)
        basePath = []
        name = "broadcaster"
        idleLimit = 0
    }
}
