// Listening sockets and connections: ports that are free or in use, paths that are stale, live or somebody's file.
import CLinux
import Glibc
import Testing

@testable import EventLoop

/// A new directory for socket files, removed at the end.
final class Folder {
    let path: String

    init() {
        var name = Array("/tmp/truthtable-sockets-XXXXXX".utf8CString)
        path = mkdtemp(&name).map { String(cString: $0) } ?? ""
    }

    deinit {
        for name in ["socket", "link", "file"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}

/// A listening socket; the caller owns it.
private func listening(_ path: String, backlog: Int32 = 8) throws -> Descriptor {
    Descriptor(owning: try checked("listen", cl_listen_unix(path, backlog)))
}

/// Connects to a Unix socket: the descriptor or -errno.
private func connected(_ path: String) -> Int32 {
    var number: Int32 = -1
    var pending = false
    let code = cl_connect_unix(path, &number, &pending)
    return code < 0 ? code : number
}

struct TCPListenerTests {
    @Test func `port 0 picks a free one, which is then in use`() throws {
        let listener = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 8)))
        let port = cl_local_port(listener.number)
        #expect(port > 0)
        #expect(cl_listen_tcp("127.0.0.1", UInt16(port), 8) == -EADDRINUSE)
    }

    @Test func `a port is free again at once after its listener, with a connection still open`() throws {
        var listener = try checked("listen", cl_listen_tcp("127.0.0.1", 0, 8))
        let port = UInt16(cl_local_port(listener))
        var client: Int32 = -1
        var pending = false
        #expect(cl_connect_tcp("127.0.0.1", port, &client, &pending) == 0)
        #expect(readable(listener))
        var address = [CChar](repeating: 1, count: 46)
        var loopback = false
        let server = cl_accept(listener, &address, address.count, &loopback)
        #expect(server >= 0)
        #expect(address.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } == "127.0.0.1")
        #expect(loopback)
        #expect(cl_accept(listener, &address, address.count, &loopback) == -EAGAIN)
        #expect(cl_socket_error(client) == 0)
        close(listener)
        close(server)
        listener = cl_listen_tcp("127.0.0.1", port, 8)
        #expect(listener >= 0)
        close(listener)
        close(client)
    }

    @Test(arguments: ["", "localhost", "256.0.0.1", "1.2.3", "::g", "[::1", "::1]", "[]", "[127.0.0.1]", "127.0.0.1 "])
    func `what is no address is refused`(_ address: String) {
        var number: Int32 = -1
        var pending = false
        #expect(cl_listen_tcp(address, 0, 8) == -EINVAL)
        #expect(cl_connect_tcp(address, 1, &number, &pending) == -EINVAL)
    }

    @Test(arguments: ["::1", "[::1]"]) func `addresses of version 6 are taken with or without brackets`(_ address: String) {
        let listener = cl_listen_tcp(address, 0, 8)
        // A machine may have no version 6 at all.
        #expect(listener >= 0 || listener == -EAFNOSUPPORT || listener == -EADDRNOTAVAIL)
        if listener >= 0 {
            #expect(cl_local_port(listener) > 0)
            close(listener)
        }
    }
}

struct UnixListenerTests {
    private let folder = Folder()
    private var path: String { folder.path + "/socket" }

    @Test func `a new one has mode 0600 and takes connections of this user`() throws {
        let listener = try listening(path)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode == S_IFSOCK | 0o600)
        let client = connected(path)
        #expect(client >= 0)
        var address = [CChar](repeating: 1, count: 46)
        var loopback = false
        let server = cl_accept(listener.number, &address, address.count, &loopback)
        #expect(server >= 0 && address[0] == 0 && loopback)
        #expect(cl_peer_user(server) == Int32(getuid()))
        close(client)
        close(server)
    }

    @Test func `a stale one is replaced, a live one is not`() throws {
        close(try listening(path).release())
        #expect(connected(path) == -ECONNREFUSED)
        let listener = try listening(path)
        #expect(cl_listen_unix(path, 8) == -EADDRINUSE)
        let client = connected(path)
        #expect(client >= 0, "the live one goes on")
        close(client)
        _ = consume listener
    }

    @Test func `a live one whose backlog is full is neither replaced nor waited for`() throws {
        let listener = try listening(path, backlog: 0)
        var clients: [Int32] = []
        while true {
            let client = connected(path)
            guard client >= 0 else {
                #expect(client == -EAGAIN)
                break
            }
            clients.append(client)
        }
        #expect(cl_listen_unix(path, 8) == -EADDRINUSE)
        for client in clients { close(client) }
        _ = consume listener
    }

    @Test func `somebody's file stays as it is`() throws {
        let file = open(path, O_CREAT | O_WRONLY, 0o644)
        #expect(write(file, "precious", 8) == 8)
        close(file)
        #expect(cl_listen_unix(path, 8) == -EADDRINUSE)
        let back = open(path, O_RDONLY)
        #expect(rest(of: back) == Array("precious".utf8))
        close(back)
    }

    @Test func `a link stays as it is, wherever it leads`() throws {
        close(try listening(path).release())
        let link = folder.path + "/link"
        #expect(symlink(path, link) == 0)
        #expect(cl_listen_unix(link, 8) == -EADDRINUSE)
        #expect(access(link, F_OK) == 0)
    }

    @Test func `paths that no address holds are refused`() {
        let long = "/" + String(repeating: "x", count: 107)
        #expect(cl_listen_unix(long, 8) == -ENAMETOOLONG)
        #expect(connected(long) == -ENAMETOOLONG)
        // An empty one would be an abstract name, which every user may connect to.
        #expect(cl_listen_unix("", 8) == -ENOENT)
        #expect(connected("") == -ENOENT)
        #expect(cl_listen_unix(folder.path + "/missing/socket", 8) == -ENOENT)
    }
}

struct DescriptorTests {
    @Test func `a descriptor is closed at its end, or by who released it`() throws {
        let ends = try pipeEnds()
        do { _ = Descriptor(owning: ends.writing) }
        #expect(rest(of: ends.reading) == [])
        let number = Descriptor(owning: ends.reading).release()
        #expect(number == ends.reading && fcntl(number, F_GETFD) >= 0)
        close(number)
    }

    @Test func `a memory file has its size for good`() throws {
        let file = Descriptor(owning: try checked("memfd", cl_memfd("test", 8192)))
        var status = stat()
        #expect(fstat(file.number, &status) == 0 && status.st_size == 8192)
        #expect(ftruncate(file.number, 4096) == -1 && errno == EPERM)
        #expect(ftruncate(file.number, 16384) == -1 && errno == EPERM)
        #expect(fcntl(file.number, F_GETFD) == FD_CLOEXEC)
    }

    @Test func `errors say what was tried`() {
        #expect(SystemError("bind", code: EADDRINUSE).description == "bind: Address already in use")
        #expect(throws: SystemError("bind", code: EACCES)) { try checked("bind", -EACCES) }
    }
}
