// `truthtable status`: asks the supervisor by the control socket of the runtime directory.
import CLinux
import Configuration
import EventLoop
import Glibc
import JSON
import Role

enum Status {
    /// The supervisor answers from memory; what takes longer is not coming.
    private static let patience: Int32 = 5000

    static func run(_ arguments: [String]) -> ExitCode {
        let options: ProductOptions
        do throws(CommandEnded) {
            options = try ProductOptions(arguments, flags: ["--json"], help: help)
        } catch {
            return error.exitCode
        }
        let path = RuntimeDirectory.path(options.settings, port: options.settings.port) + "/control"
        guard let answer = ask(path) else {
            complain(CommandLineTool.name, "no product answers at \(path): start it with `truthtable run`, or set TRUTHTABLE_PORT or TRUTHTABLE_RUNTIME_DIR to those of the one that runs")
            return .unavailable
        }
        if options.flags.contains("--json") {
            print(answer, terminator: "")
            return .clean
        }
        guard let report = try? JSONValue(parsing: Array(answer.utf8).span), report["processes"]?.array != nil else {
            complain(CommandLineTool.name, "the product at \(path) answered what this version does not understand: use the `truthtable` of its own version")
            return .internal
        }
        print(text(report), terminator: "")
        return .clean
    }

    private static let help = """
        Usage: truthtable status [--json] [--env-file FILE]

        Shows the processes, listeners and ledger of the product that runs with the same TRUTHTABLE_PORT or
        TRUTHTABLE_RUNTIME_DIR. Exit code 69 when none does.
        """

    /// One line to the control socket, and all that comes back.
    private static func ask(_ path: String) -> String? {
        var number: Int32 = -1
        var pending = false
        guard cl_connect_unix(path, &number, &pending) == 0 else { return nil }
        let descriptor = Descriptor(owning: number)
        let request = Array("status\n".utf8)
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

    private static func text(_ report: JSONValue) -> String {
        func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
        func number(_ value: JSONValue?) -> String { String(value?.int ?? 0) }
        var lines = [
            "TruthTable \(report["version"]?.string ?? "")", "", pad("PROCESS", 16) + pad("PID", 9) + pad("STATE", 10) + pad("RESTARTS", 10) + "UP",
        ]
        for process in report["processes"]?.array ?? [] {
            lines.append(
                pad("\(process["role"]?.string ?? "")[\(number(process["id"]))]", 16) + pad(number(process["pid"]), 9)
                    + pad(process["state"]?.string ?? "", 10) + pad(number(process["restarts"]), 10) + "\((process["uptime_ms"]?.int ?? 0) / 1000) s")
        }
        lines.append("")
        for listener in report["listeners"]?.array ?? [] { lines.append(pad(listener["name"]?.string ?? "", 16) + (listener["address"]?.string ?? "")) }
        lines.append("")
        for entry in report["ledger"]?.members ?? [] { lines.append(pad(entry.name, 16) + reasons(entry.value)) }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A count, or counts by reason where there are any.
    private static func reasons(_ value: JSONValue) -> String {
        guard let members = value.members else { return String(value.int ?? 0) }
        let named = members.filter { ($0.value.int ?? 0) > 0 }.map { "\($0.name) \($0.value.int ?? 0)" }
        return named.isEmpty ? "0" : named.joined(separator: ", ")
    }
}
