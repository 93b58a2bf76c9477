// One question to the supervisor of a running product, by the control socket of its runtime directory.
import CLinux
import Configuration
import EventLoop
import Glibc
import Role

enum ControlSocket {
    /// The supervisor answers from memory; what takes longer is not coming.
    private static let patience: Int32 = 5000

    /// One line there, and all that comes back; where nobody answers, that is said.
    static func ask(_ line: String, _ settings: Settings) throws(CommandEnded) -> String {
        let path = RuntimeDirectory.path(settings, port: settings.port) + "/control"
        if let answer = exchange(line, path) { return answer }
        complain(CommandLineTool.name, "no product answers at \(path): start it with `truthtable run`, or set TRUTHTABLE_PORT or TRUTHTABLE_RUNTIME_DIR to those of the one that runs")
        throw CommandEnded(exitCode: .unavailable)
    }

    static func notUnderstood() -> ExitCode {
        complain(CommandLineTool.name, "the product answered what this version does not understand: use the `truthtable` of its own version")
        return .internal
    }

    private static func exchange(_ line: String, _ path: String) -> String? {
        var number: Int32 = -1
        var pending = false
        guard cl_connect_unix(path, &number, &pending) == 0 else { return nil }
        let descriptor = Descriptor(owning: number)
        let request = Array((line + "\n").utf8)
        guard request.withUnsafeBytes({ cl_send(descriptor.number, $0.baseAddress, $0.count) }) == request.count else { return nil }
        var answer: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var wait = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, patience) > 0 else { return nil }
            let count = room.withUnsafeMutableBytes { cl_receive(descriptor.number, $0.baseAddress, $0.count) }
            guard count >= 0 else { return nil }
            if count == 0 { return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self) }
            answer += room[..<count]
        }
    }
}
