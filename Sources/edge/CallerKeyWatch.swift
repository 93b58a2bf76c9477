// The key file, read beside the loop: at the start, and again when it has changed.
import Configuration
import EventLoop
import Glibc

struct CallerKeyWatch {
    /// What tells one content of the file from another: a change replaces the file.
    struct Stamp: Equatable, Sendable {
        let device: UInt
        let file: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int

        /// Nil where there is no file.
        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt(status.st_dev)
            file = UInt(status.st_ino)
            size = status.st_size
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    enum Finding: Sendable {
        case unchanged
        case keys([CallerKeyEntry], Stamp?)
        /// Why it cannot be used.
        case flawed(String, Stamp?)
    }

    private struct Question: Sendable {
        let known: Stamp?
        /// Somebody wants to know: the file is read although it has not changed.
        let isReload: Bool
    }

    private let helper: HelperThread<Question, Finding>
    private var stamp: Stamp?
    /// Until the helper has taken it: it may be looking just then.
    private var isReloadDue = false

    /// Reads the file for the first time, here and now.
    static func begin(_ path: String) throws -> (watch: CallerKeyWatch, keys: [CallerKeyEntry]) {
        let stamp = Stamp(path)
        let keys = try CallerKeyFile.read(path)
        return (try CallerKeyWatch(path, stamp), keys)
    }

    private init(_ path: String, _ stamp: Stamp?) throws(SystemError) {
        self.stamp = stamp
        helper = try HelperThread(name: "keys", capacity: 1) { Self.look(path, $0) }
    }

    /// Readable when there is something to `take`.
    var wakeupDescriptor: Int32 { helper.wakeupDescriptor }

    /// Looks at the file, once at a time.
    mutating func look() {
        if helper.submit(Question(known: stamp, isReload: isReloadDue)) { isReloadDue = false }
    }

    /// The next finding tells whether the file can be used, whatever was found before.
    mutating func reload() {
        isReloadDue = true
        look()
    }

    mutating func take() -> [Finding] {
        let findings = helper.takeAnswers()
        for finding in findings {
            switch finding {
            case .unchanged: break
            case .keys(_, let stamp), .flawed(_, let stamp): self.stamp = stamp
            }
        }
        return findings
    }

    private static func look(_ path: String, _ question: Question) -> Finding {
        let stamp = Stamp(path)
        guard question.isReload || stamp != question.known else { return .unchanged }
        do throws(CallerKeyFile.Flaw) {
            return .keys(try CallerKeyFile.read(path), stamp)
        } catch {
            return .flawed(error.description, stamp)
        }
    }
}
