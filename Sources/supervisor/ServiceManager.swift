// Tells the service manager what becomes of the product, where it asks for that: sd_notify(3), which is one datagram to the
// Unix socket that NOTIFY_SOCKET names. Without that variable nobody asks, and nothing is done.
import EventLoop
import Glibc

struct ServiceManager {
    /// Beyond the limit of the drain: killing what is left, the last lines of the log.
    private static let farewell: Duration = .seconds(10)

    /// A path, or a name without a place in the file system, which begins with @.
    private let socket: String

    init() { socket = getenv("NOTIFY_SOCKET").map { String(cString: $0) } ?? "" }

    /// Clients are served. False when it could not be told.
    func ready() -> Bool { tell("READY=1") }

    /// The drain has begun: it may take longer than the service manager would wait by itself.
    func stopping(limit: Duration) -> Bool {
        tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=\((limit + Self.farewell).milliseconds * 1000)")
    }

    private func tell(_ state: String) -> Bool {
        guard !socket.isEmpty else { return true }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socket.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let number = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return false }
        let descriptor = Descriptor(owning: number)
        let length = socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path)! + name.count)
        let text = Array(state.utf8)
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor.number, text, text.count, flags, $0, length) == text.count
            }
        }
    }
}
