// How processes of the product end, and how they say why.
import Glibc

/// Exit codes, after sysexits.h.
package enum ExitCode: Int32 {
    case clean = 0
    case usage = 64
    /// What was to be read is not what it should be.
    case badInput = 65
    /// Something that the product cannot do without is not to be had: a port is taken, a role never became ready.
    case unavailable = 69
    /// A fault of ours.
    case `internal` = 70
    /// What was to be written cannot be.
    case cannotWrite = 74
    case configuration = 78
}

/// One line for a person at a terminal: who, what, and the cure.
package func complain(_ program: String, _ sentence: String) {
    let line = "\(program): \(sentence)\n"
    _ = line.utf8CString.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count - 1) }
}
