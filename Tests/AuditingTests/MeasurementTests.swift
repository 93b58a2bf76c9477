// Measurements that print and judge nothing: groundedness on labelled claims outside this repository (`TRUTHTABLE_DATA`),
// and how long steps take (`TRUTHTABLE_MEASURE`, with -c release -Xswiftc -enable-testing).

import Foundation
import JSON
import Testing

@testable import Auditing

private let measures = ProcessInfo.processInfo.environment["TRUTHTABLE_MEASURE"] != nil
private let dataFolder = ProcessInfo.processInfo.environment["TRUTHTABLE_DATA"]

@Suite(.serialized) struct MeasurementTests {
    /// Per set: area under the ROC curve and balanced accuracy at 0.5 (`TRUTHTABLE_SPLIT`: dev by default).
    @Test(.enabled(if: dataFolder != nil)) func `groundedness on labelled claims`() throws {
        let folder = (dataFolder ?? "") + "/groundedness"
        let split = ProcessInfo.processInfo.environment["TRUTHTABLE_SPLIT"] ?? "dev"
        var sums = (auc: 0.0, accuracy: 0.0, sets: 0.0)
        for file in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where file.hasSuffix(".jsonl") {
            var supported: [Double] = []
            var unsupported: [Double] = []
            for line in try String(contentsOfFile: folder + "/" + file, encoding: .utf8).split(separator: "\n") {
                let row = try JSONValue(parsing: Array(line.utf8).span)
                guard row["split"]?.string == split, let claim = row["claim"]?.string else { continue }
                let documents = row["context"]?.array?.compactMap(\.string) ?? []
                guard let verdict = audit(auditCase(answer: claim, documents: documents)) else { continue }
                let probability = verdict.claims.compactMap(\.probability).min() ?? 0.5
                if row["label"]?.string == "supported" { supported.append(probability) } else { unsupported.append(probability) }
            }
            guard !supported.isEmpty, !unsupported.isEmpty else { continue }
            var wins = 0.0
            for positive in supported { for negative in unsupported { wins += positive > negative ? 1 : positive == negative ? 0.5 : 0 } }
            let auc = wins / Double(supported.count * unsupported.count)
            let right = Double(supported.count { $0 >= 0.5 }) / Double(supported.count)
            let caught = Double(unsupported.count { $0 < 0.5 }) / Double(unsupported.count)
            sums = (sums.auc + auc, sums.accuracy + (right + caught) / 2, sums.sets + 1)
            print("\(file): AUC \(percent(auc)), supported recognised \(percent(right)), unsupported caught \(percent(caught))")
        }
        print("mean: AUC \(percent(sums.auc / max(1, sums.sets))), balanced accuracy \(percent(sums.accuracy / max(1, sums.sets)))")
    }

    @Test(.enabled(if: measures)) func `duration of steps`() throws {
        var generator = SeededGenerator(state: 1)
        let words = (0..<3000).map { _ in String((0..<Int.random(in: 3...9, using: &generator)).map { _ in "abcdefghijklmnopqrstuvwxyz".randomElement(using: &generator) ?? "a" }) }
        func text(_ sentences: Int) -> String {
            (0..<sentences).map { _ in
                "The " + (0..<14).map { _ in words[min(Int.random(in: 0..<3000, using: &generator), Int.random(in: 0..<3000, using: &generator))] }.joined(separator: " ") + " 1964."
            }.joined(separator: " ")
        }
        let large = auditCase(answer: text(500), documents: (0..<10).map { _ in text(300) })
        let clock = ContinuousClock()
        let start = clock.now
        var engine = EmbeddedEngine(large)
        var longest = Duration.zero
        var steps = 0
        var verdict: AuditVerdict?
        while verdict == nil, steps < 100_000 {
            let before = clock.now
            verdict = engine.step()
            longest = max(longest, before.duration(to: clock.now))
            steps += 1
        }
        let total = start.duration(to: clock.now)
        let found = try #require(verdict)
        #expect(found.claims.count == 500)
        let rendering = clock.measure { _ = VerdictJSON.render(found, of: large, processingTimeMilliseconds: 0, timestampMilliseconds: 0) }
        print("large case: \(steps) steps, longest \(longest), in all \(total), \(found.unverifiableClaims) claims not reached, rendering \(rendering)")
        let small = auditCase(answer: text(8), documents: (0..<4).map { _ in text(10) })
        print("small case: \(clock.measure { for _ in 0..<100 { _ = audit(small) } } / 100) per audit")
    }

    /// Texts made to cost time: the longest step of each, and the whole. Release figures are those of docs/VERDICTS.md.
    @Test(.enabled(if: measures)) func `duration of hostile texts`() {
        let forms = ["run", "go", "good", "line", "take", "make", "set", "place", "light", "head", "hand", "house", "work", "part", "state", "water"]
        let synonyms = (0..<40).map { forms[$0 % 16] + ["s", "ing", "er", "ed"][$0 % 4] }.joined(separator: " ")
        let denials = String(repeating: "not never Paris 1964 no ", count: 30)
        let rows = [
            ("one word", String(repeating: "bridge ", count: 30_000)), ("synonyms", String(repeating: synonyms + ". ", count: 800)),
            ("denials", String(repeating: denials + ". ", count: 400)), ("capitals", String(repeating: "ABC DEF GHIJ Kl Mn. ", count: 10_000)),
            ("one line", String(repeating: "x", count: 200_000)), ("numbers", String(repeating: "1 2 3 million 4 % $5 . ", count: 9000)),
            ("tiny", String(repeating: "A b. ", count: 40_000)), ("quotes", "{" + String(repeating: "\"a\":1,", count: 30_000) + "}"),
        ]
        let clock = ContinuousClock()
        for (name, text) in rows {
            var longest = Duration.zero
            let start = clock.now
            var engine = EmbeddedEngine(auditCase(answer: text, documents: [text, text, text]))
            var verdict: AuditVerdict?
            while verdict == nil {
                let before = clock.now
                verdict = engine.step()
                longest = max(longest, before.duration(to: clock.now))
            }
            print("hostile, \(name): longest step \(longest), in all \(start.duration(to: clock.now))")
        }
    }

    private func percent(_ value: Double) -> String { "\((value * 1000).rounded() / 10)" }
}
