// The command line of the supervisor.
import CLinux
import Configuration
import EventLoop
import Glibc
import Role

enum SupervisorCommand {
    static let program = "truthtable"

    static func run(_ arguments: [String]) -> ExitCode {
        var environmentFile: String?
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h":
                emit(program, Array((help + "\n").utf8))
                return .clean
            case "--version":
                emit(program, Array("truthtable-supervisor \(Build.version)\n".utf8))
                return .clean
            case "--env-file":
                guard let file = rest.popFirst() else { return usage("--env-file needs the name of a file") }
                environmentFile = file
            default:
                guard argument.hasPrefix("--env-file=") else { return usage("unknown argument \(argument)") }
                environmentFile = String(argument.dropFirst("--env-file=".count))
            }
        }
        let environment = processEnvironment()
        var loaded: LoadedSettings
        do throws(SettingErrors) {
            loaded = try Settings.load(environment: environment, environmentFile: environmentFile, cores: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
            try loaded.settings.readUpstreamKeys(environment)
        } catch {
            for error in error.errors { complain(program, "\(error)") }
            return .configuration
        }
        if !loaded.settings.keysFile.isEmpty {
            // Edges read it; told here, a mistake ends the start at once.
            do throws(CallerKeyFile.Flaw) {
                _ = try CallerKeyFile.read(loaded.settings.keysFile)
            } catch {
                complain(program, error.description)
                return .configuration
            }
        }
        cl_ignore_sigpipe()
        do throws(StartFailure) {
            let supervisor = try SupervisorRole(loaded)
            return supervisor.run()
        } catch {
            complain(program, error.sentence)
            return error.exitCode
        }
    }

    private static func usage(_ sentence: String) -> ExitCode {
        complain(program, "\(sentence): see `truthtable run --help`")
        return .usage
    }

    private static var help: String {
        """
        Usage: truthtable run [--env-file FILE]

        Runs the proxy and its processes in the foreground and logs to standard error. SIGTERM or SIGINT ends it in
        order, a second one at once; SIGHUP has it read certificates and keys again. Exit codes: 0 clean, 64 usage,
        69 something it needs is taken or never worked, 70 internal error, 78 configuration.

        Settings come from the environment, then the --env-file, then .env in the working directory, then defaults:

        \(SettingsTable.helpText())
        """
    }
}
