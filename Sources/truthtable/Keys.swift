// `truthtable keys`: makes, lists and revokes the keys of callers in the key file. Running edges see the change by themselves.
import CLinux
import Configuration
import Inbound
import JSON
import Role
import Telemetry

enum Keys {
    static func run(_ arguments: [String]) -> ExitCode {
        if arguments.first == "--help" || arguments.first == "-h" { return CommandLineTool.show(help) }
        guard let command = arguments.first else { return CommandLineTool.usage("keys needs create, list or revoke") }
        guard ["create", "list", "revoke"].contains(command) else { return CommandLineTool.usage("keys has no \(command)") }
        let options: ProductOptions
        do throws(CommandEnded) {
            options = try ProductOptions(
                Array(arguments.dropFirst()), flags: ["--json"], values: ["--file", "--name", "--requests-per-minute", "--concurrent-streams"], mostOperands: 1, help: help)
        } catch {
            return error.exitCode
        }
        let file = options.values["--file"] ?? options.settings.keysFile
        guard !file.isEmpty else { return CommandLineTool.usage("which key file: set TRUTHTABLE_KEYS_FILE or give --file FILE") }
        do throws(CallerKeyFile.Flaw) {
            switch command {
            case "create": return try create(options, file)
            case "list" where !options.operands.isEmpty: return CommandLineTool.usage("keys list takes no name: it shows all keys")
            case "list": return list(try CallerKeyFile.read(file), asJSON: options.flags.contains("--json"))
            default: return try revoke(options, file)
            }
        } catch {
            complain(CommandLineTool.name, error.description)
            return .configuration
        }
    }

    private static let help = """
        Usage: truthtable keys create --name NAME [--requests-per-minute N] [--concurrent-streams N]
               truthtable keys list [--json]
               truthtable keys revoke NAME|KEY

        Keys of callers, in the file TRUTHTABLE_KEYS_FILE (or --file FILE; --env-file FILE is read as by `truthtable run`). The file
        holds their SHA-256 only: a key is shown once, when it is made. Callers send it as `Authorization: Bearer KEY`, `x-api-key`,
        `api-key` or `x-goog-api-key`. The name stands for the key in logs and metrics. A running product follows a change within
        seconds; what is under way when a key is revoked may finish.
        """

    private static func create(_ options: ProductOptions, _ file: String) throws(CallerKeyFile.Flaw) -> ExitCode {
        guard let name = options.values["--name"] ?? options.operands.first, CallerKeyEntry.isName(name) else {
            return CommandLineTool.usage("a key needs a name: --name NAME, at most \(CallerKeyEntry.nameLimit) letters, digits and -_.@")
        }
        func limit(_ option: String, _ range: ClosedRange<Int>) -> Int?? {
            guard let text = options.values[option] else { return .some(nil) }
            return Int(text).flatMap { range.contains($0) ? .some($0) : nil }
        }
        let minute = CallerKeyEntry.requestsPerMinuteRange
        let streams = CallerKeyEntry.concurrentStreamsRange
        guard let requestsPerMinute = limit("--requests-per-minute", minute) else {
            return CommandLineTool.usage("--requests-per-minute must be a number from \(minute.lowerBound) to \(minute.upperBound)")
        }
        guard let concurrentStreams = limit("--concurrent-streams", streams) else {
            return CommandLineTool.usage("--concurrent-streams must be a number from \(streams.lowerBound) to \(streams.upperBound)")
        }
        guard let key = CallerKey.make() else {
            complain(CommandLineTool.name, "the system has no random numbers")
            return .internal
        }
        let entry = CallerKeyEntry(
            name: name, hash: hash(key), requestsPerMinute: requestsPerMinute, concurrentStreams: concurrentStreams, created: Timestamp.now().description)
        try CallerKeyFile.change(file) { entries throws(CallerKeyFile.Flaw) in
            guard !entries.contains(where: { $0.name == name }) else { throw CallerKeyFile.Flaw("there is a key named \(name): revoke it first, or take another name") }
            return entries + [entry]
        }
        // Alone on standard output, so that a script can take it. A key that nobody has seen is taken back.
        cl_ignore_sigpipe()
        guard let code = writeOut(Array((key + "\n").utf8)) else { return .clean }
        complainOfOutput(CommandLineTool.name, code)
        try CallerKeyFile.change(file) { entries throws(CallerKeyFile.Flaw) in entries.filter { $0 != entry } }
        return .cannotWrite
    }

    private static func revoke(_ options: ProductOptions, _ file: String) throws(CallerKeyFile.Flaw) -> ExitCode {
        guard let which = options.operands.first ?? options.values["--name"] else { return CommandLineTool.usage("which key: give its name or the key itself") }
        let hash = hash(which)
        try CallerKeyFile.change(file) { entries throws(CallerKeyFile.Flaw) in
            let rest = entries.filter { $0.name != which && $0.hash != hash }
            guard rest.count < entries.count else { throw CallerKeyFile.Flaw(isDamaged(which) ? "this key was damaged on its way: copy it again, or give its name" : "there is no such key: `truthtable keys list` shows the names") }
            return rest
        }
        return .clean
    }

    /// Begins as a key does, and its checksum is wrong.
    private static func isDamaged(_ text: String) -> Bool {
        text.hasPrefix(CallerKey.prefix) && !Array(text.utf8).withUnsafeBytes { CallerKey.isWellFormed($0) }
    }

    private static func list(_ entries: [CallerKeyEntry], asJSON: Bool) -> ExitCode {
        if asJSON {
            var json = JSONWriter()
            json.beginArray()
            for entry in entries {
                json.beginObject()
                json.member("name", entry.name)
                for (name, limit) in [("requests_per_minute", entry.requestsPerMinute), ("concurrent_streams", entry.concurrentStreams)] {
                    if let limit {
                        json.member(name, limit)
                    } else {
                        json.name(name)
                        json.null()
                    }
                }
                json.member("created", entry.created)
                json.endObject()
            }
            json.endArray()
            return CommandLineTool.show(String(decoding: json.bytes, as: UTF8.self))
        }
        let width = max(8, 2 + (entries.map(\.name.count).max() ?? 0))
        let lines = entries.map { entry in
            pad(entry.name, width) + pad(entry.requestsPerMinute.map(String.init) ?? "-", 14) + pad(entry.concurrentStreams.map(String.init) ?? "-", 10) + entry.created
        }
        return CommandLineTool.show(([pad("NAME", width) + pad("REQUESTS/MIN", 14) + pad("STREAMS", 10) + "CREATED"] + lines).joined(separator: "\n"))
    }

    private static func hash(_ key: String) -> [UInt8] { Array(key.utf8).withUnsafeBytes { CallerKey.Hash(of: $0) }.bytes }
}
