// Verdicts of the embedded engine: what it must get right, what it must not claim, and that it ends whatever it is given.

import Testing

@testable import Auditing

private let bridge = "The Harlow footbridge opened in May 1964. It is 182 metres long and has three spans."
private let repairs = "Repairs in 2022 replaced the deck boards with larch and cost 310,000 euros."

struct EngineTests {
    struct Row: Sendable {
        var claim: String
        var verdict: ClaimOutcome
    }

    static let rows = [
        Row(claim: "The Harlow footbridge opened in May 1964.", verdict: .supported),
        Row(claim: "The footbridge is 182 metres long.", verdict: .supported),
        Row(claim: "It has 3 spans.", verdict: .supported),
        Row(claim: "The repairs in 2022 cost €310,000.", verdict: .supported),
        Row(claim: "The Harlow footbridge opened in May 1968.", verdict: .contradicted),
        Row(claim: "The footbridge is 210 metres long.", verdict: .contradicted),
        Row(claim: "The Harlow footbridge opened in June 1964.", verdict: .contradicted),
        Row(claim: "Repairs in 2022 cost 450,000 euros.", verdict: .contradicted),
        Row(claim: "The Harlow footbridge did not open in May 1964.", verdict: .contradicted),
        Row(claim: "Queen Margaret attended a ceremony with fireworks.", verdict: .unsupported),
        Row(claim: "Tourists from Norway love eating waffles nearby.", verdict: .unsupported),
    ]

    @Test(arguments: rows) func `claims are judged by their evidence`(_ row: Row) {
        let verdict = audit(auditCase(answer: row.claim, documents: [bridge, repairs]))
        #expect(verdict?.claims.map(\.verdict) == [row.verdict], "\(row.claim): \(verdict?.claims.first?.reasoning ?? "")")
    }

    private static let ward = "The children's ward is led by Dr. Amara Lindqvist, who joined the clinic in 2016. Dr. Tomas Reyes leads the department of cardiology."

    @Test(arguments: [
        Row(claim: "The children's ward is led by Dr. Tomas Reyes.", verdict: .contradicted), Row(claim: "The children's ward is led by Dr. Amara Lindqvist.", verdict: .supported),
        Row(claim: "Dr. Amara Lindqvist leads the department of cardiology.", verdict: .contradicted),
        Row(claim: "Dr. Tomas Reyes leads the department of cardiology.", verdict: .supported),
    ]) func `a name in the place of another is found where both stand in the passage`(_ row: Row) {
        let verdict = audit(auditCase(answer: row.claim, documents: [Self.ward]))
        #expect(verdict?.claims.map(\.verdict) == [row.verdict], "\(row.claim): \(verdict?.claims.first?.reasoning ?? "")")
    }

    /// A name that the documents hold beside the same words; a part of the name that stands there; a capital that begins a sentence.
    @Test(arguments: [
        ("In 1570 potatoes from Peru were first introduced to Spain.", "In 1570 potatoes from Peru were first introduced to Europe.", "Potatoes from Peru were first introduced to Spain."),
        ("The canal was opened by John Hale.", "The canal was opened by Mayor John Hale.", "Later it was extended by Mayor Ada Brook."),
        ("Canal traffic grew in 1990.", "Reading traffic grew in 1990 along the canal.", "It fell later."),
    ]) func `what only looks like a name in the place of another is no contradiction`(_ claim: String, _ first: String, _ second: String) {
        let verdict = audit(auditCase(answer: claim, documents: [first, second]))
        #expect(verdict?.claims.map(\.verdict) != [.contradicted], "\(verdict?.claims.first?.reasoning ?? "")")
    }

    private static let chapter = "She was born in Tarn in 1921. Her first novel sold 40,000 copies."
    private static let letter = "Bruns opened the mill in 1887. The mill belonged to Bruns until the fire."

    /// Whom a text speaks of that begins with a pronoun, and the first name of someone whom it calls by the last. They do not make it a
    /// text about the same thing, which could contradict.
    @Test(arguments: [
        Row(claim: "Ada Brook was born in Tarn in 1921.", verdict: .supported), Row(claim: "Hanne Bruns opened the mill in 1887.", verdict: .supported),
        Row(claim: "Ada Brook was born in Tarn in 1931.", verdict: .unsupported),
    ]) func `a name that the document leaves out is not missing`(_ row: Row) {
        let verdict = audit(auditCase(answer: row.claim, documents: [Self.chapter, Self.letter]))
        #expect(verdict?.claims.map(\.verdict) == [row.verdict], "\(row.claim): \(verdict?.claims.first?.reasoning ?? "")")
    }

    @Test(arguments: [
        ("Ada Brook was born in Tarn in 1921.", "Mia Lund was famous. " + chapter), ("Hanne Bruns opened the mill in 1887.", letter + " Jost Bruns sold it."),
        ("Hanne Bruns opened the mill in 1887.", "Jost " + letter),
    ]) func `a name is missing where the document has another`(_ claim: String, _ document: String) {
        #expect(features(claim, document)["+documentCoverage"] ?? 1 < 0.9)
        #expect(features(claim, document)["-missing"] ?? 0 > 0.3)
    }

    @Test func `asides are no claims beside others`() {
        let text = "That's great! The Harlow footbridge opened in May 1964. I agree."
        func claims(_ answer: String) -> [String]? {
            var engine = EmbeddedEngine(auditCase(answer: answer, documents: [bridge]), everySentence: true)
            for _ in 0..<1000 { if let verdict = engine.step() { return verdict.claims.map(\.claim) } }
            return nil
        }
        #expect(claims(text) == ["The Harlow footbridge opened in May 1964."])
        #expect(claims("That's great!") == ["That's great!"])
        #expect(audit(auditCase(answer: text, documents: [bridge]))?.claims.count == 1)
        #expect(audit(auditCase(answer: "That's great!", documents: [bridge]))?.claims.isEmpty == true)
    }

    /// The features of a claim, by name.
    private func features(_ claim: String, _ document: String) -> [String: Double] {
        let values = audit(auditCase(answer: claim, documents: [document]))?.claims.first?.features ?? []
        return Dictionary(uniqueKeysWithValues: zip(ClaimVerdict.featureNames, values))
    }

    @Test func `words in the place of others, and between those that are repeated, are found`() {
        let document = "The pump moves the water of the lower basin to the tank on the roof."
        #expect(features(document, document)["-wordReplaced"] == 0)
        #expect(features(document, document)["-wordInserted"] == 0)
        #expect(features("The pump moves the brine of the lower basin to the tank on the roof.", document)["-wordReplaced"] ?? 0 > 0)
        #expect(features("The pump moves the salty water of the lower basin to the tank on the roof.", document)["-wordInserted"] ?? 0 > 0)
    }

    @Test func `a name with a sign is no other name without it`() {
        let document = "C is a language for programs. It is old and small."
        #expect(features("C is a language for programs.", document)["+formCoverage"] == 1)
        #expect(features("C# is a language for programs.", document)["+formCoverage"] ?? 1 < 1)
        #expect(features("C++ is a language for programs.", "C++ is a language for programs.")["+formCoverage"] == 1)
    }

    @Test func `a text is believed as its weakest claim, and a little as all`() {
        let verdict = audit(auditCase(answer: "The Harlow footbridge opened in May 1964. Tourists from Norway love eating waffles nearby.", documents: [bridge, repairs]))
        let probabilities = verdict?.claims.compactMap(\.probability) ?? []
        let (least, mean) = (probabilities.min() ?? 0, probabilities.reduce(0, +) / 2)
        #expect(probabilities.count == 2)
        #expect(abs((verdict?.support ?? 0) - (0.7 * least + 0.3 * mean)) < 1e-9)
    }

    @Test func `a contradiction says what the document says`() {
        let verdict = audit(auditCase(answer: "The Harlow footbridge opened in May 1968.", documents: [repairs, bridge]))
        #expect(verdict?.claims.first?.reasoning == "The answer says 1968, document 2 says 1964.")
        #expect(verdict?.claims.first?.evidence.first?.documentID == "doc-2")
        #expect(verdict?.claims.first?.evidence.first?.quote.contains("1964") == true)
        #expect(verdict?.verdictKind == .contradicted)
        #expect(verdict?.grade == "F")
    }

    @Test(arguments: [ContextState.none, .empty, .opaque]) func `without readable documents nothing is judged`(_ state: ContextState) {
        let verdict = audit(auditCase(answer: "The bridge opened in 1964. It is red.", documents: [], state: state))
        #expect(verdict?.claims.map(\.verdict) == [.unverifiable, .unverifiable])
        #expect(verdict?.trustScore == nil)
        #expect(verdict?.hallucinationRate == nil)
        #expect(verdict?.grade == "N/A")
        #expect(verdict?.verdictKind == .unverifiable)
        #expect(verdict?.verdict.hasPrefix("No claim could be checked") == true)
    }

    @Test func `what a partial context does not hold is unverifiable, what it contradicts is contradicted`() {
        let answer = "Queen Margaret attended a ceremony with fireworks. The Harlow footbridge opened in May 1968."
        let verdict = audit(auditCase(answer: answer, documents: [bridge], partial: true))
        #expect(verdict?.claims.map(\.verdict) == [.unverifiable, .contradicted])
    }

    @Test func `answers without claims get no score`() {
        let verdict = audit(auditCase(answer: "Sure! I don't know. What do you mean?\n```\nlet x = 1964\n```\nLet me know if I can help.", documents: [bridge]))
        #expect(verdict?.totalClaims == 0)
        #expect(verdict?.grade == "N/A")
        #expect(verdict?.verdict == "The answer makes no claim that can be checked.")
    }

    @Test func `grades keep to their scale`() {
        #expect(AuditVerdict.grade(score: 90, contradicted: 0, checkable: 10) == "A")
        #expect(AuditVerdict.grade(score: 89.9, contradicted: 0, checkable: 10) == "B")
        #expect(AuditVerdict.grade(score: 65, contradicted: 0, checkable: 10) == "C")
        #expect(AuditVerdict.grade(score: 50, contradicted: 0, checkable: 10) == "D")
        #expect(AuditVerdict.grade(score: 49.9, contradicted: 0, checkable: 10) == "F")
        #expect(AuditVerdict.grade(score: 99, contradicted: 1, checkable: 10) == "C")
        #expect(AuditVerdict.grade(score: 99, contradicted: 1, checkable: 4) == "D")
        #expect(AuditVerdict.grade(score: 99, contradicted: 2, checkable: 100) == "D")
        #expect(AuditVerdict.kind(supported: 8, contradicted: 0, checkable: 10) == .mostlyGrounded)
        #expect(AuditVerdict.kind(supported: 0, contradicted: 0, checkable: 3) == .ungrounded)
    }

    static let sentences: [(String, [String])] = [
        ("Dr. Smith paid $3.50 for it. It was cheap [1][2]. See e.g. the U.S. report!", ["Dr. Smith paid $3.50 for it.", "It was cheap [1][2].", "See e.g. the U.S. report!"]),
        ("# Title\n- The lamp is red\n- The door\n  is blue\n\n1. Rome fell", ["The lamp is red", "The door\n  is blue", "Rome fell"]),
        ("The lamp is red. Is it? Here is more:\nThe door is blue.", ["The lamp is red.", "The door is blue."]),
        ("橋は1964年に開通した。長さは182メートルです。", ["橋は1964年に開通した。", "長さは182メートルです。"]),
        ("No, the lamp is blue. Sure! Yes : it is old. No. 5 is red.", ["the lamp is blue.", "it is old.", "No. 5 is red."]),
        ("<think>It may be red.</think>The lamp is blue.", ["The lamp is blue."]),
        ("Er kam am 3. Mai 1921, d. h. im 20. Jahrhundert, zur Welt. Es kostete z. B. 3,5 Mio. Euro. Nr. 3. Er ging.", ["Er kam am 3. Mai 1921, d. h. im 20. Jahrhundert, zur Welt.", "Es kostete z. B. 3,5 Mio. Euro.", "Nr. 3.", "Er ging."]),
        ("« Il a trois travées. » Le pont est né en 1921 ! M. Dupont est mort.", ["« Il a trois travées. »", "Le pont est né en 1921 !", "M. Dupont est mort."]),
        ("¿Cuánto mide? Mide 182 metros. ¡Tiene tres vanos! La Sra. Pérez nació en Toledo.", ["Mide 182 metros.", "¡Tiene tres vanos!", "La Sra. Pérez nació en Toledo."]),
        ("桥长182米！它有多长？“有三跨。”翻修费用为350万欧元。", ["桥长182米！", "“有三跨。”", "翻修费用为350万欧元。"]),
        ("「三つの径間があります。」改修費は350万ユーロでした。", ["「三つの径間があります。」", "改修費は350万ユーロでした。"]),
        ("ما هو طوله؟ يبلغ طوله 182 مترا. ولد كريم في القاهرة.", ["يبلغ طوله 182 مترا.", "ولد كريم في القاهرة."]),
        ("Мост открыли в 1964 г. в городе. Его длина 182 м.", ["Мост открыли в 1964 г. в городе.", "Его длина 182 м."]),
        ("पुल 1964 में खुला। इसकी लंबाई 182 मीटर है।", ["पुल 1964 में खुला।", "इसकी लंबाई 182 मीटर है।"]),
    ]

    @Test(arguments: sentences.indices) func `claims are sentences with their offsets`(_ index: Int) {
        let (answer, claims) = Self.sentences[index]
        let bytes = Array(answer.utf8)
        #expect(ClaimSplitter.claims(in: bytes, limit: 100).claims.map { bytes.text($0.range) } == claims)
    }

    @Test func `hostile texts end in bounded steps with a verdict`() {
        let line = String(repeating: "x", count: 200_000)
        let words = String(repeating: "the bridge 1964 ", count: 4000)
        let tiny = String(repeating: "A b. ", count: 6000)
        let signs = String(repeating: "…", count: 20_000) + String(repeating: ".", count: 20_000) + String(repeating: "[1]", count: 8000)
        let lines = String(repeating: "Context:\nUse the following text.\n\n{\n<doc>\n----\n```\n", count: 800)
        for text in [line, words, tiny, signs, lines] {
            let found = auditCase(exchange(#"{"messages":[{"role":"user","content":\#(quoted(text))}],"documents":[\#(quoted(text))]}"#, #"{"answer":\#(quoted(text))}"#))
            guard let found else { continue }
            let verdict = audit(found)
            #expect(verdict != nil)
            guard let verdict else { continue }
            #expect(verdict.claims.count <= 500)
            #expect(VerdictJSON.render(verdict, of: found, processingTimeMilliseconds: 0, timestampMilliseconds: 0).count <= VerdictJSON.defaultLimitBytes)
        }
    }

    @Test func `a stopped audit keeps what it has`() {
        var engine = EmbeddedEngine(auditCase(answer: "The lamp is red. The door is blue.", documents: ["The lamp is red."]))
        let verdict = engine.stopNow()
        #expect(verdict?.claims.map(\.verdict) == [.unverifiable, .unverifiable])
        #expect(engine.stopNow() == nil)
        #expect(engine.step() == nil)
    }
}
