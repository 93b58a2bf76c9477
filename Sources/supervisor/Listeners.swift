// The sockets that the product listens on: bound, or taken over from the service manager, before any child starts, so that a dead child
// leaves its clients waiting in the backlog instead of refused.
import CLinux
import Configuration
import EventLoop
import Glibc
import Role

/// What keeps the product from starting: where, what, and the cure, in one line; and how the supervisor ends.
struct StartFailure: Error {
    let exitCode: ExitCode
    let sentence: String

    init(_ exitCode: ExitCode, _ sentence: String) {
        self.exitCode = exitCode
        self.sentence = sentence
    }
}

/// Owns the listening sockets until they are handed to children or closed for the drain.
final class Listeners {
    /// Connections that wait to be accepted; the kernel caps it at net.core.somaxconn.
    static let backlog: Int32 = 4096

    /// -1 once closed to clients.
    private(set) var proxy: Int32
    private(set) var webSocket: Int32
    /// Also where there is no such port.
    private(set) var admin: Int32
    let broadcaster: Descriptor
    let control: Descriptor
    let proxyPort: Int
    let webSocketPort: Int
    let directory: String
    private let madeDirectory: Bool

    init(_ settings: Settings) throws(StartFailure) {
        let address = settings.host == "localhost" ? "127.0.0.1" : settings.host
        var passed = try PassedSockets(at: address, [settings.port, settings.webSocketPort] + (settings.adminPort == 0 ? [] : [settings.adminPort]))
        let proxy = try Self.tcp(address, settings.port, "TRUTHTABLE_PORT", &passed)
        let webSocket = try Self.tcp(address, settings.webSocketPort, "TRUTHTABLE_WS_PORT", &passed)
        let admin: Descriptor? = settings.adminPort == 0 ? nil : try Self.tcp(address, settings.adminPort, "TRUTHTABLE_ADMIN_PORT", &passed)
        proxyPort = Int(cl_local_port(proxy.number))
        webSocketPort = Int(cl_local_port(webSocket.number))
        directory = RuntimeDirectory.path(settings, port: proxyPort)
        let isNew = try Self.makeDirectory(directory)
        madeDirectory = isNew
        control = try Self.socket("control", in: directory, undo: [], isNew: isNew)
        broadcaster = try Self.socket("broadcaster", in: directory, undo: ["control"], isNew: isNew)
        self.proxy = proxy.release()
        self.webSocket = webSocket.release()
        if let admin { self.admin = admin.release() } else { self.admin = -1 }
    }

    /// A socket in the folder; a start that fails takes back what it has made.
    private static func socket(_ name: String, in directory: String, undo: [String], isNew: Bool) throws(StartFailure) -> Descriptor {
        do throws(StartFailure) {
            return try unix("\(directory)/\(name)")
        } catch {
            for made in undo { unlink("\(directory)/\(made)") }
            if isNew { rmdir(directory) }
            throw error
        }
    }

    private static func tcp(_ address: String, _ port: Int, _ setting: String, _ passed: inout PassedSockets) throws(StartFailure) -> Descriptor {
        if let socket = passed.take(address, port) { return socket }
        let result = cl_listen_tcp(address, UInt16(clamping: port), backlog)
        if result >= 0 { return Descriptor(owning: result) }
        let sentence =
            switch -result {
            case EADDRINUSE: "port \(port) on \(address): address already in use: stop the other program or set \(setting)"
            case EACCES: "port \(port) on \(address): permission denied: set \(setting) to a port from 1024 on"
            case EADDRNOTAVAIL: "TRUTHTABLE_HOST \(address) is no address of this machine: set it to 127.0.0.1, 0.0.0.0 or one that `ip address` shows"
            case EINVAL: "TRUTHTABLE_HOST \(address) is no numeric address: set it to 127.0.0.1, 0.0.0.0, ::1 or ::"
            default: "cannot listen on \(address), port \(port): \(SystemError.text(-result))"
            }
        // A port may become free and an address may come: a service manager tries these again.
        throw StartFailure([EADDRINUSE, EADDRNOTAVAIL].contains(-result) ? .unavailable : .configuration, sentence)
    }

    /// True when it was not there before.
    private static func makeDirectory(_ path: String) throws(StartFailure) -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        var status = stat()
        guard errno == EEXIST, lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw StartFailure(.configuration, "cannot make the runtime directory \(path): \(SystemError.text(errno)): set TRUTHTABLE_RUNTIME_DIR")
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw StartFailure(
                .configuration, "the runtime directory \(path) belongs to somebody else or is open to others: remove it or set TRUTHTABLE_RUNTIME_DIR")
        }
        return false
    }

    private static func unix(_ path: String) throws(StartFailure) -> Descriptor {
        let result = cl_listen_unix(path, backlog)
        if result >= 0 { return Descriptor(owning: result) }
        throw
            switch -result {
            case EADDRINUSE:
                StartFailure(.unavailable, "\(path): another TruthTable uses this runtime directory: stop it or set TRUTHTABLE_RUNTIME_DIR")
            case ENAMETOOLONG:
                StartFailure(.configuration, "\(path) is too long for a socket's path (107 bytes): set TRUTHTABLE_RUNTIME_DIR to a shorter one")
            default: StartFailure(.configuration, "cannot listen on \(path): \(SystemError.text(-result)): set TRUTHTABLE_RUNTIME_DIR")
            }
    }

    /// New clients are refused once the children have closed their copies too; where the service manager has its own, they wait.
    func closeToClients() {
        close(proxy)
        close(webSocket)
        if admin >= 0 { close(admin) }
        proxy = -1
        webSocket = -1
        admin = -1
    }

    /// Removes the sockets' paths; called once the product has ended.
    func removePaths() {
        unlink(directory + "/control")
        unlink(directory + "/broadcaster")
        if madeDirectory { rmdir(directory) }
    }
}
