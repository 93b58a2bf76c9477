// cl_spawn: what cannot start is told with its error, and every end of a child is noticed: its own, its group's, its parent's.
import CLinux
import Glibc
import Testing

@testable import EventLoop

struct SpawnFailureTests {
    private func error(of program: Program) -> SystemError? {
        do throws(SystemError) {
            let child = try program.spawn()
            let ended = child.ended()
            Issue.record("it started: \(ended)")
            return nil
        } catch {
            return error
        }
    }

    @Test func `what is missing or no program is told with its number`() throws {
        #expect(error(of: Program(path: "/nonexistent/program")) == SystemError("open", code: ENOENT))
        #expect(error(of: Program(path: "/tmp")) == SystemError("spawn", code: EACCES))

        let path = "/tmp/truthtable-no-program-\(getpid())"
        let file = open(path, O_CREAT | O_WRONLY | O_EXCL, 0o644)
        #expect(write(file, "\u{1}\u{2}garbage", 9) == 9)
        defer { unlink(path) }
        #expect(error(of: Program(path: path)) == SystemError("open", code: EACCES))
        fchmod(file, 0o755)
        close(file)
        #expect(error(of: Program(path: path)) == SystemError("spawn", code: ENOEXEC))
    }

    @Test func `descriptors that are none or too many are told`() {
        #expect(error(of: Program(path: "/bin/true", descriptors: [1_000_000])) == SystemError("spawn", code: EBADF))
        #expect(error(of: Program(path: "/bin/true", descriptors: Array(repeating: 1, count: 65))) == SystemError("spawn", code: E2BIG))
    }
}

struct SpawnEndTests {
    @Test(arguments: [0, 7, 255] as [Int32]) func `an exit is told with its code`(_ code: Int32) throws {
        #expect(try Program.shell("exit \(code)").spawn().ended() == Child.Ended(output: "", exitCode: code, signal: 0))
    }

    @Test func `the process descriptor is readable at death, not before, and a child is reaped once`() throws {
        let loop = try Loop()
        let child = try Program(path: "/bin/sleep", arguments: ["1000"]).spawn()
        var code: Int32 = -1
        var signal: Int32 = -1
        try loop.add(child.pidfd.number, [.readable], Token(kind: 1))
        var deaths = 0
        loop.turn(patience: 0) { _, _ in deaths += 1 } alarm: { _ in }
        #expect(deaths == 0)
        #expect(cl_reap(child.pid, &code, &signal) == 0)
        #expect(cl_signal_group(child.pid, SIGTERM) == 0)
        loop.turn(patience: 10_000) { _, _ in deaths += 1 } alarm: { _ in }
        #expect(deaths == 1)
        #expect(child.ended() == Child.Ended(output: "", exitCode: 0, signal: SIGTERM))
        #expect(cl_reap(child.pid, &code, &signal) == -ECHILD)
    }

    @Test func `the group is signalled, grandchildren with it`() throws {
        let child = try Program.shell("sleep 1000 & sleep 1000 & echo started; wait").spawn()
        #expect(readable(child.output.number))
        #expect(cl_signal_group(child.pid, SIGKILL) == 0)
        // The output ends only when nobody holds it any more.
        #expect(child.ended().signal == SIGKILL)
    }

    @Test func `no number of a group means everybody or this group`() {
        // Signal 0 only asks.
        for pid in [0, 1, -1, -getpid(), Int32.min] as [Int32] { #expect(cl_signal_group(pid, 0) == -EINVAL, "\(pid)") }
    }

    @Test func `a child whose parent is another than it was told ends at once`() throws {
        var program = Program.shell("echo started")
        program.parent = 1
        #expect(try program.spawn().ended().output == "")
    }

    @Test func `a child dies with its parent`() throws {
        let executable = Descriptor(owning: try checked("open", cl_open_executable("/bin/sleep")))
        let output = try pipeEnds()
        let told = try pipeEnds()
        let parent = Program(path: "/bin/sleep", arguments: ["1000"]).withRequest(standardError: output.writing, executable: executable.number) { request in
            // Between fork and the end of this process only system calls are made: other threads are gone.
            let pid = fork()
            guard pid == 0 else { return pid }
            request.parent = getpid()
            var pidfd: Int32 = -1
            var child = cl_spawn(&request, &pidfd)
            _ = write(told.writing, &child, 4)
            cl_close_from(3)
            while true { pause() }
        }
        #expect(parent > 0)
        close(output.writing)
        close(told.writing)
        var child: Int32 = 0
        #expect(readable(told.reading) && read(told.reading, &child, 4) == 4)
        #expect(child > 0)
        var entry = pollfd(fd: output.reading, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 0) == 0, "the child lives")

        kill(parent, SIGKILL)
        #expect(waitpid(parent, nil, 0) == parent)
        let gone = readable(output.reading)
        #expect(gone, "its output has ended, so it is dead")
        if !gone && child > 0 { kill(child, SIGKILL) }
        close(output.reading)
        close(told.reading)
    }
}
