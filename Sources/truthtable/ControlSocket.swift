// One question to the supervisor of a running product, by the control socket of its runtime directory.
import CLinux
import Configuration
import EventLoop
import Glibc
import Role

enum ControlSocket {
    /// The supervisor answers from memory; what takes longer is not coming.
    private static let patience: Int32 = 5000

    /// Why there is no answer. Each has its own cure.
    private enum Failure: Error {
        case noProduct
        /// The socket, or a folder on the way to it, is closed to this user.
        case notPermitted
        /// The supervisor is there and says nothing.
        case silent
        /// It hung up: it ends, or it serves another user only.
        case hungUp
        case system(Int32)

        init(connecting code: Int32) {
            self =
                switch code {
                case ENOENT, ECONNREFUSED: .noProduct  // no socket, or one that a killed product left behind
                case EACCES, EPERM: .notPermitted
                default: .system(code)
                }
        }
    }

    /// One line there, and all that comes back; where nobody answers, it is said why.
    static func ask(_ line: String, _ settings: Settings) throws(CommandEnded) -> String {
        let path = RuntimeDirectory.path(settings, port: settings.port) + "/control"
        do throws(Failure) {
            return try exchange(line, path)
        } catch {
            complain(CommandLineTool.name, sentence(error, path))
            throw CommandEnded(exitCode: .unavailable)
        }
    }

    private static func sentence(_ failure: Failure, _ path: String) -> String {
        switch failure {
        case .noProduct:
            "no product answers at \(path): start it with `truthtable run`, or ask the one that runs with its TRUTHTABLE_PORT or TRUTHTABLE_RUNTIME_DIR, as its user"
        case .notPermitted: "cannot connect to \(path): permission denied: ask as root or as the user that the product runs as, such as `sudo -u USER truthtable status`"
        case .silent: "the product at \(path) has not answered for \(patience / 1000) s: its supervisor is stopped or hangs, see its log"
        case .hungUp: "the product at \(path) hung up: it is ending, or runs as another user: ask as that user or as root"
        case .system(let code): "cannot connect to \(path): \(SystemError.text(code)): check TRUTHTABLE_RUNTIME_DIR"
        }
    }

    static func notUnderstood() -> ExitCode {
        complain(CommandLineTool.name, "the product answered what this version does not understand: use the `truthtable` of its own version")
        return .internal
    }

    private static func exchange(_ line: String, _ path: String) throws(Failure) -> String {
        var number: Int32 = -1
        var pending = false
        let result = cl_connect_unix(path, &number, &pending)
        guard result == 0 else { throw Failure(connecting: -result) }
        let descriptor = Descriptor(owning: number)
        let request = Array((line + "\n").utf8)
        guard request.withUnsafeBytes({ cl_send(descriptor.number, $0.baseAddress, $0.count) }) == request.count else { throw .hungUp }
        var answer: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var wait = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, patience) > 0 else { throw .silent }
            let count = room.withUnsafeMutableBytes { cl_receive(descriptor.number, $0.baseAddress, $0.count) }
            guard count > 0 || (count == 0 && !answer.isEmpty) else { throw .hungUp }
            if count == 0 { return String(decoding: answer, as: UTF8.self) }
            answer += room[..<count]
        }
    }
}
