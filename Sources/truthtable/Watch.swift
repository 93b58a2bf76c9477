// `truthtable watch`: audits as they arrive, in a terminal. A lost connection is made again by itself, and the feed goes on
// behind the last event that was shown.
import Configuration
import EventLoop
import Glibc
import JSON
import Role

enum Watch {
    /// Between two attempts; doubled up to the longest, with jitter.
    private static let shortestPause = 0.5
    private static let longestPause = 15.0

    static func run(_ arguments: [String]) -> ExitCode {
        let options: ProductOptions
        do throws(CommandEnded) {
            options = try ProductOptions(arguments, flags: ["--json", "--once", "--claims"], help: help)
        } catch {
            return error.exitCode
        }
        var feed = Feed(options)
        var attempts = 0
        while true {
            do throws(WebSocketClient.Failure) {
                guard let code = try feed.follow(), code != EPIPE else { return .clean }
                complainOfOutput(CommandLineTool.name, code)
                return .cannotWrite
            } catch {
                guard feed.wasConnected, !error.isRefusal else {
                    let cure =
                        error.isRefusal
                        ? "set TRUTHTABLE_ACCESS_TOKEN to the product's, or run this where it runs"
                        : "start the product with `truthtable run`, or set TRUTHTABLE_WS_PORT to the port of the one that runs"
                    complain(CommandLineTool.name, "cannot watch \(feed.place): \(error.sentence): \(cure)")
                    return .unavailable
                }
                if feed.isNewlyLost { attempts = 0 }
                if attempts == 0 { complain(CommandLineTool.name, "\(error.sentence): trying again until the product is back") }
                let pause = min(shortestPause * Double(1 << min(attempts, 5)), longestPause) * Double.random(in: 0.5..<1)
                _ = poll(nil, 0, Int32(pause * 1000))
                attempts += 1
            }
        }
    }

    private static let help = """
        Usage: truthtable watch [--once] [--claims] [--json] [--env-file FILE]

        Shows each audit of the running product (TRUTHTABLE_HOST, TRUTHTABLE_WS_PORT, TRUTHTABLE_ACCESS_TOKEN) as it arrives: grade,
        trust score, verdict, and the claims that the documents do not bear out, with the evidence. When the product is away it waits,
        and goes on where it was.

          --once      end after the first audit
          --claims    show all claims, the supported ones too
          --json      print the messages as they come
        """

    /// One feed over any number of connections.
    private struct Feed {
        let address: String
        let port: Int
        private let token: String
        private let showsJSON: Bool
        private let most: Int
        private let page: AuditLine
        /// `EPOCH:SEQ` of the last event.
        private var last: String?
        private var shown = 0
        private(set) var wasConnected = false
        /// The connection that was lost last had been there.
        private(set) var isNewlyLost = false

        init(_ options: ProductOptions) {
            let settings = options.settings
            address = ["localhost", "0.0.0.0"].contains(settings.host) ? "127.0.0.1" : settings.host == "::" ? "::1" : settings.host
            port = settings.webSocketPort
            token = settings.accessToken
            showsJSON = options.flags.contains("--json")
            most = options.flags.contains("--once") ? 1 : Int.max
            let isColoured = isatty(STDOUT_FILENO) == 1 && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true)
            page = AuditLine(Paint(isColoured), showsAll: options.flags.contains("--claims"))
        }

        var place: String { "\(address), port \(port)" }

        /// Shows what comes, until enough was shown or it cannot be written: then the error's number.
        mutating func follow() throws(WebSocketClient.Failure) -> Int32? {
            isNewlyLost = false
            var client = try WebSocketClient(
                address: address, port: port, path: "/ws?envelope=payload" + (last.map { "&since=\($0)" } ?? ""), token: token)
            if wasConnected { complain(CommandLineTool.name, "connected again") }
            wasConnected = true
            isNewlyLost = true
            while shown < most {
                let text = try client.nextMessage()
                guard let message = try? JSONValue(parsing: Array(text.utf8).span) else { continue }
                if let epoch = message["epoch"]?.string, let sequence = message["seq"]?.int { last = "\(epoch):\(sequence)" }
                let type = message["type"]?.string
                if type == "history_lost" { complain(CommandLineTool.name, "some audits are missing here: the product no longer had them") }
                let line = message["payload"].flatMap { page.text(type ?? "", $0) }
                guard let output = showsJSON ? text : line else { continue }
                if let code = writeOut(Array((output + "\n").utf8)) { return code }
                if line != nil { shown += 1 }
            }
            return nil
        }
    }
}
