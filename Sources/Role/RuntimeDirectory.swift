// Where a running product has its two sockets: the supervisor makes the directory, the command line finds it.
import CLinux
import Configuration
import Glibc

package enum RuntimeDirectory {
    /// `TRUTHTABLE_RUNTIME_DIR`, else per user and port, so that several products run side by side.
    package static func path(_ settings: Settings, port: Int) -> String {
        if !settings.runtimeDirectory.isEmpty { return settings.runtimeDirectory }
        let base = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }
        if let base, !base.isEmpty { return "\(base)/truthtable-\(port)" }
        return "/tmp/truthtable-\(geteuid())-\(port)"
    }
}

extension Build {
    /// The folder of the running executable, where the others of its build are.
    package static func executableDirectory() -> String {
        let path = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            cl_executable_path(buffer.baseAddress, buffer.count) < 0 ? "" : String(cString: buffer.baseAddress.unsafelyUnwrapped)
        }
        return path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    }
}
