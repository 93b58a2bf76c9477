// Options of the commands that belong to an installation: its settings, and the command's own flags, values and operands.
import Configuration
import Role

/// The command has been dealt with: its help was shown, or its mistake.
struct CommandEnded: Error {
    let exitCode: ExitCode
}

struct ProductOptions {
    /// Those of the command's flags that were given.
    private(set) var flags: Set<String> = []
    /// Of the options that take one.
    private(set) var values: [String: String] = [:]
    /// What is no option.
    private(set) var operands: [String] = []
    /// As the product was given them: the same environment and the same `--env-file` find the same product.
    let settings: Settings

    init(_ arguments: [String], flags known: Set<String>, values named: Set<String> = [], mostOperands: Int = 0, help: String) throws(CommandEnded) {
        var environmentFile: String?
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h": throw CommandEnded(exitCode: CommandLineTool.show(help))
            case "--env-file":
                guard let file = rest.popFirst() else { throw CommandEnded(exitCode: CommandLineTool.usage("--env-file needs the name of a file")) }
                environmentFile = file
            case _ where argument.hasPrefix("--env-file="): environmentFile = String(argument.dropFirst("--env-file=".count))
            case _ where known.contains(argument): flags.insert(argument)
            case _ where named.contains(argument):
                guard let value = rest.popFirst() else { throw CommandEnded(exitCode: CommandLineTool.usage("\(argument) needs a value")) }
                values[argument] = value
            case _ where !argument.hasPrefix("-") && operands.count < mostOperands: operands.append(argument)
            default: throw CommandEnded(exitCode: CommandLineTool.usage("unknown argument \(argument)"))
            }
        }
        do throws(SettingErrors) {
            settings = try Settings.load(environment: processEnvironment(), environmentFile: environmentFile, cores: 1).settings
        } catch {
            for error in error.errors { complain(CommandLineTool.name, "\(error)") }
            throw CommandEnded(exitCode: .configuration)
        }
    }
}
