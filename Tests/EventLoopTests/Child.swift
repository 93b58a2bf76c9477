// Runs programs by cl_spawn, as the supervisor starts its children, and tells what became of them.
import CLinux
import Glibc
import Testing

@testable import EventLoop

/// What a program is started with. Its output and errors go to one pipe.
struct Program {
    var path: String
    var arguments: [String] = []
    var environment: [String] = []
    var descriptors: [Int32] = []
    var nice: Int32 = 0
    var sliceMicroseconds: UInt32 = 0
    /// Where the output goes instead of the pipe.
    var output: Int32?
    var parent = getpid()

    static func shell(_ script: String, descriptors: [Int32] = []) -> Program {
        Program(path: "/bin/sh", arguments: ["-c", script], environment: ["PATH=/usr/bin:/bin"], descriptors: descriptors)
    }

    /// Fills in a request for the call of `body`.
    func withRequest<R>(standardError: Int32, executable: Int32, _ body: (inout cl_spawn_request) -> R) -> R {
        let words = ([path] + arguments).map { strdup($0) }
        let settings = environment.map { strdup($0) }
        defer { for word in words + settings { free(word) } }
        return (words.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { words in
            (settings.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { settings in
                descriptors.withUnsafeBufferPointer { numbers in
                    var request = cl_spawn_request()
                    request.executable = executable
                    request.arguments = words.baseAddress
                    request.environment = settings.baseAddress
                    request.descriptors = numbers.baseAddress
                    request.descriptor_count = Int32(numbers.count)
                    request.standard_error = standardError
                    request.nice = nice
                    request.slice_microseconds = sliceMicroseconds
                    request.parent = parent
                    return body(&request)
                }
            }
        }
    }

    func spawn() throws(SystemError) -> Child {
        let executable = Descriptor(owning: try checked("open", cl_open_executable(path)))
        let ends = try pipeEnds()
        defer { close(ends.writing) }
        var pidfd: Int32 = -1
        let pid = withRequest(standardError: output ?? ends.writing, executable: executable.number) { cl_spawn(&$0, &pidfd) }
        guard pid > 0 else {
            close(ends.reading)
            throw SystemError("spawn", code: -pid)
        }
        return Child(pid: pid, pidfd: Descriptor(owning: pidfd), output: Descriptor(owning: ends.reading))
    }

    /// Runs the program to its end, which must be an exit with 0, and gives its output by lines.
    func lines() throws -> [String] {
        let ended = try spawn().ended()
        #expect(ended.exitCode == 0 && ended.signal == 0, "\(path): \(ended.output)")
        return ended.output.split(separator: "\n").map(String.init)
    }
}

/// A running child.
struct Child: ~Copyable {
    struct Ended: Equatable {
        var output: String
        var exitCode: Int32
        var signal: Int32
    }

    let pid: Int32
    let pidfd: Descriptor
    let output: Descriptor

    /// Reads its output to the end, waits for its death and reaps it.
    func ended() -> Ended {
        let bytes = rest(of: output.number)
        #expect(readable(pidfd.number), "the process descriptor tells of the death")
        var ended = Ended(output: String(decoding: bytes, as: UTF8.self), exitCode: -1, signal: -1)
        let reaped = cl_reap(pid, &ended.exitCode, &ended.signal)
        #expect(reaped == 1)
        return ended
    }
}
