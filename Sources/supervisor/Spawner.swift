// Starts a child: fork to exec with its declared descriptors, an almost empty environment, and its own log pipe.
import CLinux
import Configuration
import EventLoop
import Glibc
import IPC
import Role
import Telemetry

/// The programs, opened once: an upgrade of the files under a running product never mixes builds.
final class Spawner {
    private var programs: [ProcessRole: Int32] = [:]  // open as long as the process lives
    private let environment: [String]

    init(_ settings: Settings) throws(StartFailure) {
        let directory = settings.libexecDirectory.isEmpty ? Build.executableDirectory() : settings.libexecDirectory
        for role in ProcessRole.allCases where role != .supervisor {
            let path = "\(directory)/\(role.executableName)"
            let result = cl_open_executable(path)
            guard result >= 0 else {
                throw StartFailure(
                    .configuration, "cannot use \(path): \(SystemError.text(-result)): run `make build`, or set TRUTHTABLE_LIBEXEC_DIR to the folder of the executables")
            }
            programs[role] = result
        }
        environment = settings.backtrace ? [] : ["SWIFT_BACKTRACE=enable=no"]
    }

    /// A child that has been started. The caller owns the descriptors.
    struct Started {
        let pid: Int32
        let pidfd: Int32
        /// Our end of its control channel.
        let control: Int32
        /// Where its standard output and error arrive.
        let log: Int32
    }

    /// `inherited` are the descriptors behind control and scoreboard in the role's table of inheritance.
    func start(_ role: ProcessRole, _ place: Place, inherited: [Int32]) throws(SystemError) -> Started {
        var pair: [Int32] = [-1, -1]
        try checked("socketpair", cl_socket_pair(&pair))
        let control = Descriptor(owning: pair[0])
        let theirs = Descriptor(owning: pair[1])
        var pipe: [Int32] = [-1, -1]
        try checked("pipe", Glibc.pipe(&pipe) < 0 ? -errno : 0)
        let log = Descriptor(owning: pipe[0])
        let logEnd = Descriptor(owning: pipe[1])
        for end in pipe {
            cl_set_close_on_exec(end)
            _ = cl_set_nonblocking(end)
        }
        var pidfd: Int32 = -1
        let descriptors = [theirs.number] + inherited
        let pid = try withArrayOfCStrings([role.executableName, "--place", String(place.number)]) { arguments throws(SystemError) in
            try withArrayOfCStrings(environment) { environment throws(SystemError) in
                try descriptors.withUnsafeBufferPointer { descriptors throws(SystemError) in
                    var request = cl_spawn_request()
                    request.executable = programs[role] ?? -1
                    request.arguments = arguments
                    request.environment = environment
                    request.descriptors = descriptors.baseAddress
                    request.descriptor_count = Int32(descriptors.count)
                    request.standard_error = logEnd.number
                    request.nice = Self.niceness(role)
                    request.slice_microseconds = Self.sliceMicroseconds(role)
                    request.parent = getpid()
                    return try checked("start of \(role.executableName)", cl_spawn(&request, &pidfd))
                }
            }
        }
        return Started(pid: pid, pidfd: pidfd, control: control.release(), log: log.release())
    }

    /// Audits give way to traffic when every core is busy.
    private static func niceness(_ role: ProcessRole) -> Int32 {
        switch role {
        case .auditor: 10
        case .supervisor, .edge, .dispatcher, .broadcaster: 0
        }
    }

    /// Niceness is about shares of a core. Who waits for one that an auditor has is a matter of slices: a process that wakes with a shorter
    /// one takes the core at once, with one as long only when the auditor's is over, and a request wakes four processes one after the other.
    private static func sliceMicroseconds(_ role: ProcessRole) -> UInt32 {
        switch role {
        case .auditor: 100_000  // the longest that Linux allows
        case .supervisor, .edge, .dispatcher, .broadcaster: 0
        }
    }
}

/// Null-terminated C strings for the time of a call.
private func withArrayOfCStrings<R>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) throws(SystemError) -> R
) throws(SystemError) -> R {
    var pointers: [UnsafePointer<CChar>?] = strings.map { UnsafePointer(strdup($0)) }
    pointers.append(nil)
    defer { for pointer in pointers { free(UnsafeMutablePointer(mutating: pointer)) } }
    return try pointers.withUnsafeBufferPointer { buffer throws(SystemError) in
        try body(buffer.baseAddress.unsafelyUnwrapped)
    }
}
