// An audit as a person reads it in a feed: the first line says how it went, the next ones why.
import Glibc
import JSON

/// Colours, where they are wanted.
struct Paint {
    enum Tone: String {
        case good = "32", doubtful = "33", bad = "31", strong = "1", faint = "2"
    }

    private let isOn: Bool

    init(_ isOn: Bool) { self.isOn = isOn }

    func callAsFunction(_ tone: Tone, _ text: String) -> String { isOn ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text }
}

struct AuditLine {
    /// Quotes are cut here: the dashboard has them whole.
    private static let quoteLimit = 240
    /// As wide as `23:59:59  N/A  100  `, so that everything below stands in one column.
    private static let margin = String(repeating: " ", count: 20)

    private let paint: Paint
    /// Supported and unverifiable claims too.
    private let showsAll: Bool

    init(_ paint: Paint, showsAll: Bool) {
        self.paint = paint
        self.showsAll = showsAll
    }

    /// Nil for messages that are not about one audit's end.
    func text(_ type: String, _ payload: JSONValue) -> String? {
        switch type {
        case "audit_complete": completed(payload)
        case "audit_failed":
            head(payload, grade: "!", tone: .bad, score: "", "Failed: \(oneLine(payload["error"]?.string ?? ""))") + "\n" + Self.margin
                + paint(.faint, oneLine(payload["request_id"]?.string ?? "")) + "\n"
        default: nil
        }
    }

    private func completed(_ payload: JSONValue) -> String {
        let grade = oneLine(payload["grade"]?.string ?? "?")
        let score = payload["trust_score"]?.double.map { String(Int($0.rounded())) } ?? ""
        var lines = [head(payload, grade: grade, tone: Self.tone(ofGrade: grade), score: score, oneLine(payload["verdict"]?.string ?? ""))]
        if let query = payload["query"]?.string, !query.isEmpty { lines.append(Self.margin + cut(oneLine(query), Self.quoteLimit)) }
        let facts = [payload["model"]?.string, payload["path"]?.string, payload["request_id"]?.string, payload["processing_time_ms"]?.int.map { "\($0) ms" }]
        lines.append(Self.margin + paint(.faint, facts.compactMap { $0.map(oneLine) }.joined(separator: " · ")))
        var others: [String: Int] = [:]
        for claim in payload["verifications"]?.array ?? [] {
            let verdict = oneLine(claim["verdict"]?.string ?? "?")
            guard showsAll || verdict == "contradicted" || verdict == "unsupported" else {
                others[verdict, default: 0] += 1
                continue
            }
            lines += self.claim(claim, verdict)
        }
        for (verdict, count) in others.sorted(by: { $0.key < $1.key }) {
            lines.append(Self.margin + paint(Self.tone(ofVerdict: verdict), "\(Self.mark(verdict)) \(count) \(verdict)"))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Time, grade, score and a sentence.
    private func head(_ payload: JSONValue, grade: String, tone: Paint.Tone, score: String, _ sentence: String) -> String {
        let clock = Self.clock(milliseconds: payload["timestamp"]?.double ?? 0)
        return "\(clock)  \(paint(tone, grade + String(repeating: " ", count: max(0, 3 - grade.count))))  "
            + "\(String(repeating: " ", count: max(0, 3 - score.count)) + score)  \(paint(.strong, sentence))"
    }

    private func claim(_ claim: JSONValue, _ verdict: String) -> [String] {
        let inner = Self.margin + "  "
        var lines = [Self.margin + paint(Self.tone(ofVerdict: verdict), "\(Self.mark(verdict)) \(verdict)") + "  " + oneLine(claim["claim"]?.string ?? "")]
        if let reasoning = claim["reasoning"]?.string, !reasoning.isEmpty { lines.append(inner + oneLine(reasoning)) }
        let details = claim["evidence_details"]?.array ?? []
        for (index, quote) in (claim["evidence"]?.array ?? []).enumerated() {
            let document = index < details.count ? details[index]["document"]?.int : nil
            let source = document.map { $0 == 0 ? "the answer: " : "document \($0): " } ?? ""
            lines.append(inner + paint(.faint, "\(source)\"\(cut(oneLine(quote.string ?? ""), Self.quoteLimit))\""))
        }
        return lines
    }

    /// Local time of day.
    private static func clock(milliseconds: Double) -> String {
        var seconds = time_t(max(0, min(milliseconds / 1000, 1e11)))
        var parts = tm()
        localtime_r(&seconds, &parts)
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }

    private static func tone(ofGrade grade: String) -> Paint.Tone {
        switch grade {
        case "A", "B": .good
        case "C": .doubtful
        case "D", "F": .bad
        default: .faint
        }
    }

    private static func tone(ofVerdict verdict: String) -> Paint.Tone {
        switch verdict {
        case "supported": .good
        case "contradicted": .bad
        case "unsupported": .doubtful
        default: .faint
        }
    }

    private static func mark(_ verdict: String) -> String {
        switch verdict {
        case "supported": "✓"
        case "contradicted", "unsupported": "✗"
        default: "?"
        }
    }
}
