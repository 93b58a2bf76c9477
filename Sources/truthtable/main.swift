// `truthtable`: the command line. Each subcommand has its file.
import Glibc
import Role

exit(CommandLineTool.run(Array(CommandLine.arguments.dropFirst())).rawValue)
