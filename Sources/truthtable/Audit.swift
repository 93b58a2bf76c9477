// `truthtable audit`: audits saved exchanges with the embedded engine, offline. One exchange as text for people or as the JSON
// that dashboards get; many, a line each, in AuditLines.swift.
import Auditing
import EventLoop
import Glibc
import JSON
import Role

enum Audit {
    /// More than any exchange that is captured; a file beyond it is not read.
    private static let fileLimitBytes = 64 << 20

    struct Options {
        var isJSON = false
        var isLines = false
        var isExtraction = false
        var showsFeatures = false
        /// Audits to measure, 0 for none.
        var repetitions = 0
        var path: String?
    }

    static func run(_ arguments: [String]) -> ExitCode {
        var options = Options()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--repeat":
                guard let count = rest.popFirst().flatMap({ Int($0) }), (1...10_000_000).contains(count) else { return usage("--repeat needs a number from 1 to 10000000") }
                options.repetitions = count
            case "--json": options.isJSON = true
            case "--jsonl": options.isLines = true
            case "--extract": options.isExtraction = true
            case "--features": options.showsFeatures = true
            case "--help", "-h": return CommandLineTool.show(help)
            default:
                guard argument == "-" || !argument.hasPrefix("-") else { return usage("unknown option \(argument)") }
                guard options.path == nil else { return usage("more than one file is given") }
                options.path = argument
            }
        }
        if options.isJSON, options.isLines { return usage("--json and --jsonl exclude each other") }
        if options.repetitions > 0, options.isJSON || options.isLines { return usage("--repeat excludes other options") }
        if options.isExtraction, !options.isLines { return usage("--extract needs --jsonl") }
        if options.showsFeatures, !options.isLines || options.isExtraction { return usage("--features needs --jsonl alone") }
        guard let path = options.path ?? (options.isLines ? "-" : nil) else { return usage("a file is missing (`-` reads standard input)") }
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            complain(CommandLineTool.name, "cannot read \(path): \(String(cString: strerror(errno)))")
            return .usage
        }
        if options.repetitions > 0 {
            guard let bytes = read(descriptor) else { return unreadable(path) }
            return AuditRepetition.run(bytes, options.repetitions)
        }
        if options.isLines {
            var lines = AuditLines(options, name: path == "-" ? "standard input" : path)
            return lines.run(descriptor)
        }
        return one(descriptor, path == "-" ? "standard input" : path, options)
    }

    private static func usage(_ sentence: String) -> ExitCode {
        complain(CommandLineTool.name, "audit: \(sentence): see `truthtable audit --help`")
        return .usage
    }

    private static let help = """
        Usage: truthtable audit FILE|- [--json]
               truthtable audit [FILE|-] --jsonl [--features]
               truthtable audit [FILE|-] --extract --jsonl
               truthtable audit FILE|- --repeat N

        Audits a saved exchange with the embedded engine, offline. FILE holds {"request":…,"response":…} or
        {"query":…,"context":[…],"answer":…}; `-` is standard input.

          --json       the object that dashboards get, instead of text
          --jsonl      one {"id","query","context":[…],"claim" or "answer"} per line in, one {"id","support",…} per line out;
                       support is the probability that the documents bear out the whole text
          --features   adds what the classifier was given, for fitting it
          --extract    one {"id","path","request","response"} per line in, question and documents of each out, no verdict
          --repeat N   one {"request":…,"response":…} per line in; audits them in turn, N times in all, as an auditor does,
                       and prints what that costs

        Exit code 65 when an input is not what it should be.
        """

    // MARK: One exchange

    private static func one(_ descriptor: Int32, _ name: String, _ options: Options) -> ExitCode {
        guard let bytes = read(descriptor) else { return unreadable(name) }
        let auditCase: AuditCase
        do {
            auditCase = try SavedExchange.auditCase(from: try value(of: bytes))
        } catch {
            complain(CommandLineTool.name, "\(name): \(sentence(for: error))")
            return .badInput
        }
        let start = Instant.now
        let verdict = verdict(of: auditCase)
        let milliseconds = start.duration(to: Instant.now).milliseconds
        if options.isJSON {
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let rendered = VerdictJSON.render(
                verdict, of: auditCase, processingTimeMilliseconds: Int(milliseconds), timestampMilliseconds: now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
            emit(CommandLineTool.name, rendered + [0x0A])
        } else {
            emit(CommandLineTool.name, Array(VerdictText.text(verdict, of: auditCase).utf8))
        }
        return .clean
    }

    /// The JSON of a file or line. Some editors put a byte order mark before it, which RFC 8259 §8.1 lets a reader pass over.
    static func value(of bytes: [UInt8]) throws(JSONError) -> JSONValue {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        return try JSONValue(parsing: bytes.span.extracting((bytes.starts(with: mark) ? mark.count : 0)...))
    }

    private static func unreadable(_ name: String) -> ExitCode {
        complain(CommandLineTool.name, "cannot read \(name): it is no file, or larger than \(fileLimitBytes >> 20) MiB")
        return .badInput
    }

    static func verdict(of auditCase: AuditCase) -> AuditVerdict {
        var engine = EmbeddedEngine(auditCase)
        while true { if let verdict = engine.step() { return verdict } }
    }

    /// What is wrong with an input, for a person.
    static func sentence(for error: any Error) -> String {
        switch error {
        case SavedExchangeError.notAnObject: "it is JSON, but no object: {\"request\":…,\"response\":…} or {\"query\":…,\"context\":[…],\"answer\":…} is expected"
        case SavedExchangeError.nothingToAudit: "neither request and response nor an answer is in it"
        case SavedExchangeError.wrongType(let member): "`\(member)` is missing or of the wrong type"
        case SavedExchangeError.skipped(.notAuditable): "the response holds no answer in words"
        case SavedExchangeError.skipped(.contentEncoding): "the response is in a content coding that cannot be read"
        case SavedExchangeError.skipped(.malformed): "the response is neither JSON nor a stream of it"
        case let error as JSONError: "it cannot be read as JSON: \(error)"
        default: "\(error)"
        }
    }

    /// All of a file, nil if it cannot be read or is too large.
    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = room.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                return nil
            }
            bytes += room[..<count]
            if bytes.count > fileLimitBytes { return nil }
        }
    }
}
