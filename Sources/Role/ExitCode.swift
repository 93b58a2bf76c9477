// How processes of the product end, how they say why, and how commands write what was asked for.
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

/// All of it to standard output; otherwise the error's number.
package func writeOut(_ bytes: [UInt8]) -> Int32? {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { return errno }
        rest = rest.dropFirst(count)
    }
    return nil
}

/// Writes to standard output. A reader that left ends the program quietly, any other failure with its reason.
package func emit(_ program: String, _ bytes: [UInt8]) {
    guard let code = writeOut(bytes) else { return }
    guard code != EPIPE else { exit(ExitCode.clean.rawValue) }
    complainOfOutput(program, code)
    exit(ExitCode.cannotWrite.rawValue)
}

package func complainOfOutput(_ program: String, _ code: Int32) {
    complain(program, "cannot write to standard output: \(String(cString: strerror(code)))")
}
