// Answers and documents in other languages than English: what is told apart, what is judged, and what is not.

import Testing

@testable import Auditing

struct LanguageTests {
    static let documents: [(language: Language, text: String)] = [
        (.english, "The Harlow bridge was opened in May 1964. It is 182 metres long and has three spans."),
        (.german, "Die Harlow-Brücke wurde im Mai 1964 eröffnet. Sie ist 182 Meter lang und hat drei Felder. Die Sanierung kostete 3,5 Mio. Euro."),
        (.french, "Le pont de Harlow a été inauguré en mai 1964. Il mesure 182 mètres de long et possède trois travées."),
        (.spanish, "El puente de Harlow se inauguró en mayo de 1964. Mide 182 metros de largo y tiene tres vanos."),
        (.italian, "Il ponte di Harlow è stato inaugurato nel maggio 1964. È lungo 182 metri e ha tre campate, con una lunghezza che non cambia."),
        (.portuguese, "A ponte de Harlow foi inaugurada em maio de 1964. Tem 182 metros de comprimento e não mudou mais."),
        (.dutch, "De brug van Harlow werd in mei 1964 geopend. Zij is 182 meter lang en heeft drie overspanningen."),
        (.chinese, "哈洛桥于1964年5月通车。桥长182米，有三个桥跨。"),
        (.japanese, "ハーロウ橋は1964年5月に開通した。長さは182メートルで、3つの径間がある。"),
        (.korean, "할로우 다리는 1964년 5월에 개통되었다. 길이는 182미터이고 세 개의 경간이 있다."),
        (.cyrillic, "Мост Харлоу был открыт в мае 1964 года. Его длина составляет 182 метра."),
        (.greek, "Η γέφυρα άνοιξε τον Μάιο του 1964. Έχει μήκος 182 μέτρα."),
        (.arabic, "افتتح جسر هارلو في مايو 1964. يبلغ طوله 182 مترا وله ثلاث فتحات."),
        (.hebrew, "הגשר נפתח במאי 1964. אורכו 182 מטרים."),
        (.devanagari, "पुल मई 1964 में खुला। इसकी लंबाई 182 मीटर है।"),
        (.thai, "สะพานเปิดในเดือนพฤษภาคม 1964 และยาว 182 เมตร"),
    ]

    @Test(arguments: documents.indices) func `languages are told apart`(_ index: Int) {
        let (language, text) = Self.documents[index]
        #expect(Language.of(Array(text.utf8)) == language)
    }

    @Test(arguments: [("Harlow, 182", Language.latin), ("BMW M3", .latin), ("1964, 182", nil), ("", nil)]) func `too little tells no language`(_ text: String, _ language: Language?) {
        #expect(Language.of(Array(text.utf8)) == language)
    }

    @Test(arguments: documents.indices) func `a sentence of the documents is supported in every language`(_ index: Int) throws {
        let text = Self.documents[index].text
        let verdict = try #require(audit(auditCase(answer: text, documents: [text])))
        #expect(!verdict.claims.isEmpty)
        for claim in verdict.claims { #expect(claim.verdict == .supported, "\(claim.claim): \(claim.reasoning)") }
    }

    @Test(arguments: documents.indices) func `documents in another language judge nothing`(_ index: Int) throws {
        let answer = Self.documents[index]
        for documents in Self.documents where documents.language != answer.language {
            let verdict = try #require(audit(auditCase(answer: answer.text, documents: [documents.text])))
            #expect(verdict.claims.allSatisfy { $0.verdict == .unverifiable }, "\(answer.language), \(documents.language)")
            #expect(verdict.trustScore == nil)
        }
    }

    @Test func `the reason names both languages`() throws {
        let verdict = try #require(audit(auditCase(answer: Self.documents[1].text, documents: [Self.documents[0].text, Self.documents[2].text])))
        #expect(verdict.claims.first?.reasoning == "The answer is in German, the documents are in English and French: they cannot be compared.")
        #expect(verdict.verdict == "No claim could be checked: the answer is in German, the documents are in English and French.")
    }

    @Test func `one document in the answer's language is enough to judge by`() throws {
        let verdict = try #require(audit(auditCase(answer: Self.documents[1].text, documents: [Self.documents[0].text, Self.documents[1].text])))
        #expect(verdict.claims.allSatisfy { $0.verdict == .supported })
    }

    /// Capitals are no names there, commas no separators of thousands.
    @Test func `nothing is called contradicted for a capital or a comma`() throws {
        let answer = "Die Sanierung der Brücke kostete 3,50 Millionen Euro. Die Sanierung kostete 3.500.000 Euro. Die Eröffnung der Brücke war im Mai 1964."
        let verdict = try #require(audit(auditCase(answer: answer, documents: [Self.documents[1].text])))
        for claim in verdict.claims { #expect(claim.verdict != .contradicted, "\(claim.claim): \(claim.reasoning)") }
    }

    @Test func `another year is contradicted in every language with a number that is plain`() throws {
        let verdict = try #require(audit(auditCase(answer: "哈洛桥于1970年5月通车。", documents: [Self.documents[7].text])))
        #expect(verdict.claims.map(\.verdict) == [.contradicted])
        #expect(verdict.claims.first?.reasoning == "The answer says 1970, the document says 1964.")
    }
}
