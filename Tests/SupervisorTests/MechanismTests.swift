// What the supervisor does to the machine: sockets and their folder, processes, the log.
import CLinux
import Configuration
import EventLoop
import Glibc
import IPC
import Role
import Telemetry
import Testing

@testable import supervisor

/// A folder of a test's own, gone with it.
private final class Folder {
    let path: String

    init() throws {
        var name = Array("/tmp/tt-supervisor-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&name).map { String(cString: $0) })
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var names: [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

private func mode(_ path: String) -> mode_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode : 0
}

@Suite struct ListenersTests {
    private func settings(_ directory: String, host: String = "127.0.0.1", port: Int = 0, webSocketPort: Int = 0) -> Settings {
        var settings = Settings()
        settings.host = host
        settings.port = port
        settings.webSocketPort = webSocketPort
        settings.runtimeDirectory = directory
        return settings
    }

    private func problem(_ settings: Settings) -> StartFailure? {
        do throws(StartFailure) {
            _ = try Listeners(settings)
            return nil
        } catch {
            return error
        }
    }

    @Test func `four sockets are open, in a folder of ours`() throws {
        let folder = try Folder()
        let path = folder.path + "/run"
        let listeners = try Listeners(settings(path))
        #expect(listeners.proxyPort > 0 && listeners.webSocketPort > 0 && listeners.proxyPort != listeners.webSocketPort)
        #expect(mode(path) & 0o777 == 0o700)
        for name in ["control", "broadcaster"] {
            #expect(mode("\(path)/\(name)") & S_IFMT == S_IFSOCK && mode("\(path)/\(name)") & 0o777 == 0o600)
        }
        var number: Int32 = -1
        var pending = false
        #expect(cl_connect_tcp("127.0.0.1", UInt16(listeners.proxyPort), &number, &pending) == 0)
        close(number)
        listeners.closeToClients()
        #expect(listeners.proxy == -1 && listeners.webSocket == -1)
        listeners.removePaths()
        #expect(folder.names.isEmpty)
    }

    @Test func `a port in use is said with its setting`() throws {
        let folder = try Folder()
        let taken = Descriptor(owning: try checked("listen", cl_listen_tcp("127.0.0.1", 0, 1)))
        let port = Int(cl_local_port(taken.number))
        let first = try #require(problem(settings(folder.path, port: port)))
        #expect(first.exitCode == .unavailable && first.sentence.contains("port \(port)") && first.sentence.contains("TRUTHTABLE_PORT"))
        let second = try #require(problem(settings(folder.path, webSocketPort: port)))
        #expect(second.exitCode == .unavailable && second.sentence.contains("TRUTHTABLE_WS_PORT"))
        #expect(folder.names.isEmpty)
    }

    @Test(arguments: ["example.invalid", "999.1.1.1", "", "/x"]) func `a host that is no address is said`(_ host: String) throws {
        let folder = try Folder()
        let failure = try #require(problem(settings(folder.path, host: host)))
        #expect(failure.exitCode == .configuration && failure.sentence.contains("TRUTHTABLE_HOST"))
    }

    @Test func `an address that is none of ours is said, and may become ours`() throws {
        let folder = try Folder()
        let failure = try #require(problem(settings(folder.path, host: "192.0.2.1")))
        #expect(failure.exitCode == .unavailable && failure.sentence.contains("TRUTHTABLE_HOST 192.0.2.1"))
    }

    @Test func `a folder that is open to others, or no folder, is not used`() throws {
        let folder = try Folder()
        for bits: mode_t in [0o770, 0o702, 0o777] {
            chmod(folder.path, bits)
            let failure = try #require(problem(settings(folder.path)))
            #expect(failure.exitCode == .configuration && failure.sentence.contains(folder.path) && failure.sentence.contains("TRUTHTABLE_RUNTIME_DIR"))
        }
        chmod(folder.path, 0o755)
        #expect(problem(settings(folder.path)) == nil, "readable for others is harmless")
        let file = folder.path + "/file"
        close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
        symlink(folder.path, folder.path + "/link")
        for path in [file, file + "/below", folder.path + "/link", folder.path + "/missing/below"] {
            let failure = try #require(problem(settings(path)))
            #expect(failure.exitCode == .configuration && failure.sentence.contains("TRUTHTABLE_RUNTIME_DIR"), "\(path)")
        }
        var foreign = "/usr"
        if geteuid() == 0 {
            foreign = folder.path + "/foreign"
            mkdir(foreign, 0o700)
            chown(foreign, 12_345, 12_345)
        }
        let failure = try #require(problem(settings(foreign)))
        #expect(failure.sentence.contains("somebody else"))
        if geteuid() == 0 { rmdir(foreign) }
    }

    /// 100: neither socket's path fits. 96: the first one's does, the second one's does not.
    @Test(arguments: [100, 96]) func `a path that is too long is said, and nothing is left behind`(_ length: Int) throws {
        let folder = try Folder()
        let path = folder.path + "/" + String(repeating: "x", count: length - folder.path.utf8.count - 1)
        let failure = try #require(problem(settings(path)))
        #expect(failure.exitCode == .configuration && failure.sentence.contains("too long") && failure.sentence.contains("TRUTHTABLE_RUNTIME_DIR"))
        #expect(mode(path) == 0, "the folder was made by the failed start")
        unlink(path + "/control")
        rmdir(path)
    }

    @Test func `a live product's folder is refused, a dead one's is taken over`() throws {
        let folder = try Folder()
        var listeners: Listeners? = try Listeners(settings(folder.path))
        let failure = try #require(problem(settings(folder.path)))
        #expect(failure.exitCode == .unavailable && failure.sentence.contains("another TruthTable"))
        #expect(folder.names == ["broadcaster", "control"], "the other product's sockets are its own")
        listeners?.closeToClients()
        listeners = nil
        listeners = try Listeners(settings(folder.path))
        listeners?.closeToClients()
        #expect(folder.names == ["broadcaster", "control"])
    }
}

/// Reads a descriptor until `isEnough` or its end or a deadline; whatever came.
private func readAll(_ number: Int32, seconds: Double = 10, until isEnough: ([UInt8]) -> Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    let end = cl_monotonic_ns() + UInt64(seconds * 1e9)
    while !isEnough(bytes), cl_monotonic_ns() < end {
        var wait = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, 100) > 0 else { continue }
        var room = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(number, &room, room.count)
        if count == 0 || (count < 0 && errno != EAGAIN) { break }
        bytes += room.prefix(max(0, count))
    }
    return bytes
}

@Suite(.serialized) struct SpawnerTests {
    /// A folder in which every role is `program`.
    private func folder(_ program: String, without missing: String? = nil) throws -> Folder {
        let folder = try Folder()
        for role in ProcessRole.allCases where role != .supervisor && role.executableName != missing { symlink(program, "\(folder.path)/\(role.executableName)") }
        return folder
    }

    private func settings(_ folder: Folder) -> Settings {
        var settings = Settings()
        settings.libexecDirectory = folder.path
        return settings
    }

    @Test func `a missing executable is said, with the cure`() throws {
        let folder = try folder("/bin/echo", without: "truthtable-auditor")
        do throws(StartFailure) {
            _ = try Spawner(settings(folder))
            Issue.record("it was not missed")
        } catch {
            #expect(error.exitCode == .configuration && error.sentence.contains("truthtable-auditor") && error.sentence.contains("TRUTHTABLE_LIBEXEC_DIR"))
        }
        symlink("/etc/passwd", "\(folder.path)/truthtable-auditor")
        #expect(throws: StartFailure.self) { _ = try Spawner(settings(folder)) }
    }

    @Test func `a child is started with its place, and what it prints arrives`() throws {
        let folder = try folder("/bin/echo")
        let spawner = try Spawner(settings(folder))
        // The programs were opened: what lies there now is another build.
        for name in folder.names { unlink("\(folder.path)/\(name)") }
        let started = try spawner.start(.auditor, Place.Group.auditor.places[7], inherited: [-1])
        let log = Descriptor(owning: started.log)
        let control = Descriptor(owning: started.control)
        let pidfd = Descriptor(owning: started.pidfd)
        let printed = readAll(log.number) { $0.last == UInt8(ascii: "\n") }
        #expect(printed.elementsEqual("--place 7\n".utf8))
        var wait = pollfd(fd: pidfd.number, events: Int16(POLLIN), revents: 0)
        #expect(poll(&wait, 1, 5000) == 1)
        var code: Int32 = -1
        var signal: Int32 = -1
        #expect(cl_reap(started.pid, &code, &signal) == 1 && code == 0 && signal == 0)
        let rest = readAll(control.number) { _ in false }
        #expect(rest.isEmpty, "its end of the channel is closed")
    }

    @Test func `a child has what is declared and nothing else`() throws {
        let products = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/.build/debug"
        try #require(access("\(products)/truthtable-edge", X_OK) == 0, "build all products first: swift build --build-tests")
        var settings = Settings()
        settings.libexecDirectory = products
        let spawner = try Spawner(settings)
        let secret = open("/dev/zero", O_RDONLY)  // not close-on-exec, and not declared
        let given = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer {
            close(secret)
            close(given)
        }
        let started = try spawner.start(.edge, Place.Group.edge.places[0], inherited: [given, -1, given])
        let control = Descriptor(owning: started.control)
        let log = Descriptor(owning: started.log)
        let pidfd = started.pidfd
        defer {
            _ = cl_signal_group(started.pid, SIGKILL)
            var wait = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
            poll(&wait, 1, 5000)
            var code: Int32 = 0
            var signal: Int32 = 0
            _ = cl_reap(started.pid, &code, &signal)
            close(pidfd)
        }
        // It lives and says Hello: now it can be looked at.
        let hello = readAll(control.number) { $0.count >= FrameHeader.byteCount }
        #expect(hello.count >= FrameHeader.byteCount && log.number >= 0)
        let file = open("/proc/\(started.pid)/environ", O_RDONLY | O_CLOEXEC)
        let environment = readAll(file) { _ in false }
        close(file)
        #expect(environment.elementsEqual("SWIFT_BACKTRACE=enable=no\0".utf8))
        func link(_ number: Int) -> String {
            var room = [CChar](repeating: 0, count: 256)
            let count = readlink("/proc/\(started.pid)/fd/\(number)", &room, 255)
            return count < 0 ? "" : String(decoding: room.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        #expect(link(0) == "/dev/null" && link(1).hasPrefix("pipe:") && link(2) == link(1))
        #expect(link(3).hasPrefix("socket:") && link(4) == "/dev/null" && link(6) == "/dev/null")
        #expect((0..<64).allSatisfy { link($0) != "/dev/zero" })
        #expect((4..<64).allSatisfy { !link($0).hasPrefix("socket:") }, "the supervisor's end of its channel")
        #expect(getpgid(started.pid) == started.pid)
    }
}

@Suite struct LogWriterTests {
    /// A writer into a pipe.
    private final class Output {
        let writer: LogWriter
        let end: Descriptor

        init() throws {
            var out: [Int32] = [-1, -1]
            try checked("pipe", pipe(&out) < 0 ? -errno : 0)
            end = Descriptor(owning: out[0])
            writer = try LogWriter(into: out[1])
        }

        /// A child's end of a new pipe.
        func child(_ origin: String) throws -> Descriptor {
            var pair: [Int32] = [-1, -1]
            try checked("pipe", pipe(&pair) < 0 ? -errno : 0)
            for end in pair { _ = cl_set_nonblocking(end) }
            writer.add(Descriptor(owning: pair[0]), origin: origin)
            return Descriptor(owning: pair[1])
        }

        func lines(_ count: Int) -> [String] {
            let bytes = readAll(end.number) { bytes in bytes.count { $0 == UInt8(ascii: "\n") } >= count }
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }
    }

    /// How many bytes the pipe took.
    @discardableResult private func say(_ text: String, to child: borrowing Descriptor) -> Int {
        var text = text
        return text.withUTF8 { write(child.number, $0.baseAddress, $0.count) }
    }

    @Test func `lines are written out one by one, with their origin where they do not say it`() throws {
        let output = try Output()
        let edge = try output.child("edge[0]")
        let auditor = try output.child("auditor[1]")
        say("2026-11-25T21:52:50.123Z info edge[0] Ready\nFatal error: ", to: edge)
        #expect(output.lines(1) == ["2026-11-25T21:52:50.123Z info edge[0] Ready"])
        say("a trap\n", to: auditor)
        #expect(output.lines(1).first?.hasSuffix(" error auditor[1] a trap") == true)
        say("no key\n\n", to: edge)
        let line = output.lines(1)
        #expect(line.count == 1 && line.first?.hasSuffix(" error edge[0] Fatal error: no key") == true)
    }

    @Test func `a line has its limit, and the last one needs no end`() throws {
        let output = try Output()
        do {
            let edge = try output.child("edge[0]")
            say(String(repeating: "x", count: 2 * LogWriter.lineLimit + 5), to: edge)
        }
        let lines = output.lines(3)
        #expect(lines.map { line in line.utf8.count { $0 == UInt8(ascii: "x") } } == [LogWriter.lineLimit, LogWriter.lineLimit, 5])
    }

    @Test func `a reader that stalls stops nobody, and gets what the pipes held`() throws {
        let output = try Output()
        let edge = try output.child("edge[0]")
        let line = "2026-11-25T21:52:50.123Z info edge[0] " + String(repeating: "x", count: 500) + "\n"
        var taken = 0
        var refused = 0
        for _ in 0..<3000 where refused < 100 {
            if say(line, to: edge) == line.utf8.count {
                taken += 1
                refused = 0
            } else {
                refused += 1
                usleep(500)
            }
        }
        #expect(refused == 100, "the pipes are full, the child is told so")
        #expect(taken * line.utf8.count <= 256 << 10, "memory is bounded")
        let start = Instant.now
        output.writer.finish()
        #expect(start.duration(to: .now) < .seconds(3), "the end waits for a second")
        #expect(output.lines(taken).count == taken)
    }

    @Test func `what children said before the end is written out`() throws {
        let output = try Output()
        let children = try [output.child("edge[0]").release(), output.child("dispatcher").release()]
        for child in children {
            let child = Descriptor(owning: child)
            say("2026-11-25T21:52:50.123Z info last words\n", to: child)
        }
        output.writer.finish()
        #expect(output.lines(2).count == 2)
    }
}
