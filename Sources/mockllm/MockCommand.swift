// Command line of the mock: options, what is printed, and the loop.
import CLinux
import EventLoop
import Glibc
import JSON

enum MockCommand {
    static let usage = """
        usage: truthtable-mockllm [options]
          --port N           TCP port, 0 for a free one (default 0); printed as one line when it is served
          --host ADDRESS     numeric address (default 127.0.0.1)
          --delay-ms N       wait before the first byte of each answer
          --pace-ms N        wait between two events of a stream
          --chunk-tokens N   tokens in one event of a stream (default 1)
          --size N           bytes of each answer's text
          --status N         status of each answer
          --fail NAME        each answer goes wrong in this way
          --answer TEXT      said instead of what it would say
          --questions        print the built-in questions as request bodies, one a line
          --questions --json print them as one JSON document with the answers' true and false claims
        Each answer can be steered by fields X-Mock-Status, -Delay-Ms, -Pace-Ms, -Chunk, -Size, -Fail, -After, -Answer of its request,
        or by the same names (delay_ms …) in the member "mock" of its JSON. A user message that is a JSON object with "claims" and
        "documents" is judged, as TruthTable's judge engine asks for it. Fail is one of:
          \(Controls.Failure.allCases.map(\.rawValue).joined(separator: " "))

        """

    struct Options: Equatable {
        var host = "127.0.0.1"
        var port: UInt16 = 0
        var printsQuestions = false
        var asJSON = false
        var controls = Controls()
    }

    struct UsageError: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    static func parse(_ arguments: [String]) throws(UsageError) -> Options {
        var options = Options()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--questions": options.printsQuestions = true
            case "--json": options.asJSON = true
            case "--host", "--port", "--delay-ms", "--pace-ms", "--chunk-tokens", "--size", "--status", "--fail", "--answer":
                guard let value = rest.popFirst() else { throw UsageError(description: "\(argument) needs a value") }
                let isTaken: Bool
                switch argument {
                case "--host":
                    options.host = value
                    isTaken = true
                case "--port":
                    options.port = UInt16(value) ?? 0
                    isTaken = UInt16(value) != nil
                case "--delay-ms": isTaken = options.controls.set("delay_ms", value)
                case "--pace-ms": isTaken = options.controls.set("pace_ms", value)
                case "--chunk-tokens": isTaken = options.controls.set("chunk", value)
                default: isTaken = options.controls.set(String(argument.dropFirst(2)), value)
                }
                guard isTaken else { throw UsageError(description: "\(argument) cannot be \(value)") }
            default: throw UsageError(description: "unknown option \(argument)")
            }
        }
        return options
    }

    static func run(_ arguments: [String]) {
        if arguments.contains("--help") || arguments.contains("-h") {
            write(1, usage)
            exit(0)
        }
        let options: Options
        do {
            options = try parse(Array(arguments.dropFirst()))
        } catch {
            write(2, "truthtable-mockllm: \(error)\n\(usage)")
            exit(64)
        }
        if options.printsQuestions {
            write(1, options.asJSON ? QuestionList.document() : QuestionList.bodies())
            exit(0)
        }
        do {
            try serve(options)
        } catch {
            write(2, "truthtable-mockllm: port \(options.port) at \(options.host): \(error)\n")
            exit(69)
        }
    }

    private static func serve(_ options: Options) throws(SystemError) -> Never {
        cl_ignore_sigpipe()
        _ = cl_raise_file_limit()
        let listener = Descriptor(owning: try checked("listen", cl_listen_tcp(options.host, options.port, 4096)))
        let port = cl_local_port(listener.number)
        let mock = MockServer(on: try Loop(), defaults: options.controls)
        try mock.server.listen(on: listener)
        write(1, "listening on http://\(options.host.contains(":") ? "[\(options.host)]" : options.host):\(port)\n")
        while true { mock.turn() }
    }

    private static func write(_ descriptor: Int32, _ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
