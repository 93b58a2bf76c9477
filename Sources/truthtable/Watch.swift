// `truthtable watch`: audits as they arrive, claim by claim, in a terminal.
import Configuration
import EventLoop
import Glibc
import JSON
import Role

enum Watch {
    static func run(_ arguments: [String]) -> ExitCode {
        let options: ProductOptions
        do throws(CommandEnded) {
            options = try ProductOptions(arguments, flags: ["--json", "--once"], help: help)
        } catch {
            return error.exitCode
        }
        let settings = options.settings
        let json = options.flags.contains("--json")
        let most = options.flags.contains("--once") ? 1 : Int.max
        let address = ["localhost", "0.0.0.0"].contains(settings.host) ? "127.0.0.1" : settings.host == "::" ? "::1" : settings.host
        do throws(WebSocketClient.Failure) {
            var client = try WebSocketClient(address: address, port: settings.webSocketPort, path: "/ws?envelope=payload", token: settings.accessToken)
            let paint = Paint(isatty(STDOUT_FILENO) == 1)
            var shown = 0
            while shown < most {
                let message = try client.nextMessage()
                let event = WatchedEvent(message)
                guard let text = json ? message : event?.text(paint) else { continue }
                // A reader that has gone away ends the watch.
                guard write(text + "\n") else { return .clean }
                if event != nil { shown += 1 }
            }
            return .clean
        } catch {
            complain(
                CommandLineTool.name,
                "cannot watch \(address), port \(settings.webSocketPort): \(error.sentence): start the product with `truthtable run`, or set TRUTHTABLE_WS_PORT to the port of the one that runs")
            return .unavailable
        }
    }

    private static let help = """
        Usage: truthtable watch [--once] [--json] [--env-file FILE]

        Shows each audit of the running product (TRUTHTABLE_HOST, TRUTHTABLE_WS_PORT, TRUTHTABLE_ACCESS_TOKEN) as it arrives:
        verdict, trust score, and every claim with its evidence. --once ends after the first; --json prints messages as they come.
        """

    private static func write(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Colours, where the output is a terminal.
struct Paint {
    private let isOn: Bool

    init(_ isOn: Bool) { self.isOn = isOn }

    func callAsFunction(_ code: String, _ text: String) -> String { isOn ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}

/// An event as a person reads it.
private struct WatchedEvent {
    private let type: String
    private let payload: JSONValue

    /// Nil for messages that are not about one audit's end.
    init?(_ message: String) {
        guard let value = try? JSONValue(parsing: Array(message.utf8).span), let type = value["type"]?.string, let payload = value["payload"],
            ["audit_complete", "audit_failed"].contains(type)
        else { return nil }
        self.type = type
        self.payload = payload
    }

    func text(_ paint: Paint) -> String {
        let name = oneLine(payload["request_id"]?.string ?? "")
        guard type == "audit_complete" else { return paint("31", "Audit failed") + "  \(name)\n  \(oneLine(payload["error"]?.string ?? ""))\n" }
        let score = payload["trust_score"]?.double.map { String(Int($0.rounded())) } ?? "none"
        var lines = [
            paint("1", "Audit") + "  \(name)", "  \(oneLine(payload["verdict"]?.string ?? ""))",
            "  grade \(paint("1", oneLine(payload["grade"]?.string ?? "?")))   trust score \(score)   claims \(payload["total_claims"]?.int ?? 0)"
                + "   took \(payload["processing_time_ms"]?.int ?? 0) ms", "",
        ]
        for claim in payload["verifications"]?.array ?? [] {
            let verdict = oneLine(claim["verdict"]?.string ?? "?")
            lines.append("  " + paint(colour(verdict), mark(verdict) + " " + verdict.uppercased()) + "  \(oneLine(claim["claim"]?.string ?? ""))")
            if let reasoning = claim["reasoning"]?.string, !reasoning.isEmpty { lines.append("      \(oneLine(reasoning))") }
            for quote in claim["evidence"]?.array ?? [] { lines.append(paint("2", "      evidence: \(oneLine(quote.string ?? ""))")) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func colour(_ verdict: String) -> String {
        switch verdict {
        case "supported": "32"
        case "contradicted", "unsupported": "31"
        default: "33"
        }
    }

    private func mark(_ verdict: String) -> String {
        switch verdict {
        case "supported": "✓"
        case "contradicted", "unsupported": "✗"
        default: "?"
        }
    }
}
