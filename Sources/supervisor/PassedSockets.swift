// Listening sockets that the service manager holds and passes on (sd_listen_fds(3)): clients that come while the product is restarted
// wait in their backlog instead of being refused.
import CLinux
import Configuration
import EventLoop
import Glibc

/// The descriptors from 3 on, as long as LISTEN_FDS says, where LISTEN_PID is this process.
struct PassedSockets {
    private static let first: Int32 = 3
    private static let most: Int32 = 64

    /// Those that nobody has taken.
    private var descriptors: [Int32] = []

    /// Each must listen at one of these ports: another one would be open to clients whom nobody serves, or whom the settings mean to keep out.
    init(at address: String, _ ports: [Int]) throws(StartFailure) {
        // Else they were somebody else's, further up, and have been closed or mean nothing here.
        guard let process = Self.variable("LISTEN_PID"), process == String(getpid()) else { return }
        guard let count = Int32(Self.variable("LISTEN_FDS") ?? ""), (0...Self.most).contains(count) else {
            throw StartFailure(.configuration, "LISTEN_FDS is no number from 0 to \(Self.most), though LISTEN_PID is this process: unset both, or have systemd set them")
        }
        descriptors = Array(Self.first..<(Self.first + count))
        for descriptor in descriptors {
            cl_set_close_on_exec(descriptor)
            guard !ports.contains(where: { cl_listens_at(descriptor, address, UInt16(clamping: $0)) }) else { continue }
            let port = cl_local_port(descriptor)
            let expected = ports.map { HostAndPort(host: address, port: $0).description }.joined(separator: ", ")
            throw StartFailure(
                .configuration,
                "systemd passes on a socket\(port > 0 ? " of port \(port)" : "") that is not among \(expected): "
                    + "let ListenStream= in truthtable.socket and TRUTHTABLE_HOST, TRUTHTABLE_PORT, TRUTHTABLE_WS_PORT, TRUTHTABLE_ADMIN_PORT say the same")
        }
    }

    /// The one that listens at just this address, if there is one.
    mutating func take(_ address: String, _ port: Int) -> Descriptor? {
        guard let index = descriptors.firstIndex(where: { cl_listens_at($0, address, UInt16(clamping: port)) }) else { return nil }
        let descriptor = Descriptor(owning: descriptors.remove(at: index))
        _ = cl_set_nonblocking(descriptor.number)
        return descriptor
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
