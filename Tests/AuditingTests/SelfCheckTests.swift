// What an answer says against itself, and what only looks like it.

import Testing

@testable import Auditing

struct SelfCheckTests {
    static let wrong: [(String, String)] = [
        ("The total is simple: 12 + 30 = 45.", "The answer says 45, but 12 + 30 is 42."),
        ("We paid 1,200 + 300 + 50 = 1,650 in all.", "The answer says 1,650, but 1,200 + 300 + 50 is 1550."),
        ("In all, 7 × 8 = 54.", "The answer says 54, but 7 × 8 is 56."), ("Note that 15% of 200 is 35.", "The answer says 35, but 15% of 200 is 30."),
        ("The shop sold 90 - 40 = 60 lamps.", "The answer says 60, but 90 - 40 is 50."),
        ("He was mayor from 1990 to 1985.", "The times are out of order: 1990 is later than 1985."),
        ("The war lasted between 1918 and 1914.", "The times are out of order: 1918 is later than 1914."),
        ("She was born in 1950 and died in 1920.", "The times are out of order: 1950 is later than 1920."),
        ("The bridge is 182 metres long. Boats pass below. The bridge is 210 metres long.", "The answer says 182 in one place and 210 in another."),
        ("There are three reasons:\n\n- It is cheap.\n- It is old.\n- It is red.\n- It is near.", "The answer announces three, but its list has 4 items."),
        ("He names 2 towns:\n1. Harlow\n2. Epping\n3. Ware\n", "The answer announces 2, but its list has 3 items."),
    ]

    @Test(arguments: wrong.indices, [ContextState.none, .empty, .opaque]) func `what contradicts itself is found without documents`(_ index: Int, _ state: ContextState) {
        let (answer, reasoning) = Self.wrong[index]
        let verdict = audit(auditCase(answer: answer, documents: [], state: state))
        let found = verdict?.claims.filter { $0.verdict == .contradicted } ?? []
        #expect(found.map(\.reasoning) == [reasoning], "\(answer)")
        #expect(found.first?.evidence.first?.documentID == "answer")
        #expect(verdict?.trustScore == nil)
        #expect(verdict?.hallucinationRate == nil)
        #expect(verdict?.grade == "N/A")
        #expect(verdict?.verdictKind == .contradicted)
        #expect(verdict?.claims.allSatisfy { $0.verdict == .contradicted || $0.verdict == .unverifiable } == true)
    }

    static let right = [
        "The total is 12 + 30 = 42.", "Roughly, 100 / 3 = 33.3.", "It is 10 / 3 = 3.33 each.", "The ratio 3-2 is common.", "Use 2 x 4 timber.", "Open from 9 to 5.",
        "He ruled from 27 BC to 14.", "It lasted from 1990 to 1995.", "The museum opened in 1950; its founder died in 1920.", "The 1990 to 1985 decline is a myth.",
        "There are three reasons:\n- It is cheap.\n- It is old.\n  - Very old.\n- It is red.", "In two days:\n- Pack.\n- Go.\n- Rest.", "At least two towns:\n- A b\n- C d\n- E f",
        "The lamp costs 10 euros in May. The lamp costs 12 euros in June.", "In 2020 it made 5 million. In 2021 it made 7 million.", "Version 1 + 2 = fun.", "5 + 5 = 10 million.",
        "It rose by 20% of 50 is not said.", "1 + 2 + x = 4.", "Pages 10 - 20 = 11 pages.",
    ]

    @Test(arguments: right) func `what only looks like a contradiction is none`(_ answer: String) {
        let verdict = audit(auditCase(answer: answer, documents: [], state: ContextState.none))
        #expect(verdict?.claims.filter { $0.verdict == .contradicted }.map(\.reasoning) == [], "\(answer)")
    }

    @Test func `citations of documents that are not there are found`() {
        let documents = ["The lamp is red.", "The door is blue."]
        let verdict = audit(auditCase(answer: "The lamp is red [1]. The door is blue [3].", documents: documents))
        #expect(verdict?.claims.map(\.verdict) == [.supported, .contradicted])
        #expect(verdict?.claims.last?.reasoning == "It cites [3], but the model was given 2 documents.")
        #expect(verdict?.trustScore != nil)
        #expect(audit(auditCase(answer: "The door is blue [3].", documents: documents, partial: true))?.claims.map(\.verdict) != [.contradicted])
    }
}
