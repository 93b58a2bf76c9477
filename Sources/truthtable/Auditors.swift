// `truthtable auditors N`: another number of auditor processes in a running product.
import JSON
import Role

enum Auditors {
    static func run(_ arguments: [String]) -> ExitCode {
        do throws(CommandEnded) {
            let options = try ProductOptions(arguments, flags: [], mostOperands: 1, help: help)
            guard let text = options.operands.first else { return CommandLineTool.usage("the number of auditors is missing") }
            guard let count = Int(text), count > 0 else { return CommandLineTool.usage("\(text) is no number of auditors") }
            let answer = try ControlSocket.ask("auditors \(count)", options.settings)
            let value = try? JSONValue(parsing: Array(answer.utf8).span)
            if let refusal = value?["error"]?.string {
                complain(CommandLineTool.name, refusal)
                return .badInput
            }
            guard value?["auditors"]?.int == count else { return ControlSocket.notUnderstood() }
            return CommandLineTool.show("\(count) \(count == 1 ? "auditor" : "auditors") from now on; `truthtable status` shows them")
        } catch {
            return error.exitCode
        }
    }

    private static let help = """
        Usage: truthtable auditors N [--env-file FILE]

        Makes it N auditor processes in the product that runs with the same TRUTHTABLE_PORT or TRUTHTABLE_RUNTIME_DIR, without a
        restart: new ones start at once, surplus ones finish the audits that they hold. TRUTHTABLE_AUDITOR_COUNT counts again at the next start.
        """
}
