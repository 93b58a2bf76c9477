// `truthtable-supervisor`: the parent of all processes of the product.
import Role
import Glibc

exit(SupervisorCommand.run(Array(CommandLine.arguments.dropFirst())).rawValue)
