// Ownership of file descriptors, and errors of system calls.
import CLinux
import Glibc

/// Owns a file descriptor: closed when it goes out of scope, handed over `consuming`.
package struct Descriptor: ~Copyable {
    package let number: Int32

    package init(owning number: Int32) { self.number = number }

    /// Gives the number up to the caller, who closes it.
    package consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    deinit { close(number) }
}

/// A failed system call: what was tried and the error number.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let code: Int32

    package init(_ call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    package var description: String { "\(call): \(Self.text(code))" }

    package static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// The result of a C call that returns -errno on failure.
@discardableResult
package func checked(_ call: String, _ result: Int32) throws(SystemError) -> Int32 {
    guard result >= 0 else { throw SystemError(call, code: -result) }
    return result
}
