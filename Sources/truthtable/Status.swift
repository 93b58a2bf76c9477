// `truthtable status`: asks the supervisor by the control socket of the runtime directory.
import JSON
import Role

enum Status {
    static func run(_ arguments: [String]) -> ExitCode {
        let options: ProductOptions
        do throws(CommandEnded) {
            options = try ProductOptions(arguments, flags: ["--json"], help: help)
        } catch {
            return error.exitCode
        }
        let answer: String
        do throws(CommandEnded) {
            answer = try ControlSocket.ask("status", options.settings)
        } catch {
            return error.exitCode
        }
        if options.flags.contains("--json") {
            emit(CommandLineTool.name, Array(answer.utf8))
            return .clean
        }
        guard let report = try? JSONValue(parsing: Array(answer.utf8).span), report["processes"]?.array != nil else { return ControlSocket.notUnderstood() }
        emit(CommandLineTool.name, Array(text(report).utf8))
        return .clean
    }

    private static let help = """
        Usage: truthtable status [--json] [--env-file FILE]

        Shows the processes, listeners and ledger of the product that runs with the same TRUTHTABLE_PORT or
        TRUTHTABLE_RUNTIME_DIR. Exit code 69 when none does.
        """

    private static func text(_ report: JSONValue) -> String {
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
        lines.append(pad("auditors", 16) + "\(number(report["auditors"]?["wanted"])) wanted, at most \(number(report["auditors"]?["most"])) (`truthtable auditors N`)")
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
