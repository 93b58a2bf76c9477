// `truthtable-mockllm`, see MockCommand.
MockCommand.run(CommandLine.arguments)
