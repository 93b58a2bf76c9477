// Which subcommand, and what all of them share.
import Glibc
import Role

enum CommandLineTool {
    static let name = "truthtable"

    static func run(_ arguments: [String]) -> ExitCode {
        switch arguments.first {
        case "run": Run.run(Array(arguments.dropFirst()))
        case "audit": Audit.run(Array(arguments.dropFirst()))
        case "auditors": Auditors.run(Array(arguments.dropFirst()))
        case "keys": Keys.run(Array(arguments.dropFirst()))
        case "status": Status.run(Array(arguments.dropFirst()))
        case "watch": Watch.run(Array(arguments.dropFirst()))
        case "--version", "version": show("\(name) \(Build.version)")
        case "--help", "-h", "help": show(help)
        case nil: usage("a command is missing")
        case let other?: usage("unknown command \(other)")
        }
    }

    private static let help = """
        Usage: truthtable COMMAND

          run [--env-file FILE]     run the proxy and its processes in the foreground (`truthtable run --help`: all settings)
          status [--json]           state of a running product's processes, listeners and ledger
          keys create|list|revoke   keys of callers, and what each may do
          auditors N                another number of auditor processes, without a restart
          watch [--once] [--json]   audits as they arrive, with what is wrong in them
          audit FILE|- [--json]     audit a saved exchange, offline
          version                   print the version

        A command's own options: truthtable COMMAND --help
        """

    static func show(_ text: String) -> ExitCode {
        emit(name, Array((text + "\n").utf8))
        return .clean
    }

    static func usage(_ sentence: String) -> ExitCode {
        complain(name, "\(sentence): see `truthtable --help`")
        return .usage
    }
}
