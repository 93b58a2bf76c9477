// `truthtable run`: becomes the supervisor, so that the immortal parent stays small.
import Glibc
import Role

enum Run {
    static func run(_ arguments: [String]) -> ExitCode {
        let path = supervisorPath()
        var pointers: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        pointers.append(nil)
        execv(path, pointers)
        complain(CommandLineTool.name, "cannot run \(path): \(String(cString: strerror(errno))): run `make build`, or set TRUTHTABLE_LIBEXEC_DIR to the folder of the executables")
        return .configuration
    }

    /// Beside this executable, unless a setting says where the others are.
    private static func supervisorPath() -> String {
        if let directory = getenv("TRUTHTABLE_LIBEXEC_DIR").map({ String(cString: $0) }), !directory.isEmpty {
            return directory + "/truthtable-supervisor"
        }
        return Build.executableDirectory() + "/truthtable-supervisor"
    }
}
