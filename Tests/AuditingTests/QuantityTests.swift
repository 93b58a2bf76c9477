// Numbers that are written in another way, and numbers that only look alike: units, scales, times of day, bounds, ranges; and
// denials, names and citations that are easily taken for others.

import Testing

@testable import Auditing

struct QuantityTests {
    enum Expected { case supported, contradicted, notSupported, notContradicted }

    struct Row: Sendable, CustomTestStringConvertible {
        var document: String
        var claim: String
        var expected: Expected

        init(_ document: String, _ claim: String, _ expected: Expected) { (self.document, self.claim, self.expected) = (document, claim, expected) }

        var testDescription: String { claim }
    }

    private static let bridge = "The bridge is 1.2 km long and 25 m wide. It cost £85m. The main span measures 450 metres. The speed limit is 80 km/h."
    private static let hours = "The museum is open from Tuesday to Sunday from 10:00 to 18:00. Last admission is at 17:30. Guided tours start at 2 p.m."
    private static let terms = """
        This Agreement begins in March and continues for an initial term of thirty-six (36) months. After the initial term, it renews for periods of twelve (12) months. \
        Notice must be given at least sixty (60) days before the end of the term.
        """
    private static let leave = "Unused leave of up to 5 days may be carried over. Parental leave is 16 weeks at full pay. Requests must be approved two weeks in advance."
    private static let report = "Acme reported revenue of $4.2 billion. The full-year guidance is between $16.5 billion and $16.8 billion. It carries 40,000 parcels a day."

    @Test(arguments: [
        Row(bridge, "The bridge is 1,200 metres long.", .supported), Row(bridge, "The bridge is 1200 m long.", .supported),
        Row(bridge, "The bridge is 1.2 miles long.", .notSupported), Row(bridge, "The speed limit is 80 kilometres per hour.", .supported),
        Row(bridge, "The speed limit is 80 mph.", .notSupported), Row(bridge, "It cost £85 billion.", .notSupported), Row(bridge, "It cost £85 million.", .supported),
        Row("Its surface area is 31,722 square kilometres.", "Its surface area is 31,722 square miles.", .notSupported),
        Row("Its surface area is 31,722 square kilometres.", "Its surface area is 31,722 km².", .supported),
        Row(leave, "Parental leave is 16 days at full pay.", .contradicted), Row(leave, "Requests must be approved 14 days in advance.", .supported),
        Row(terms, "The initial term is three years.", .supported), Row(terms, "The initial term is two years.", .notSupported),
        Row(report, "Acme reported revenue of $4.2 million.", .contradicted), Row(report, "The full-year guidance is $16.5–16.8 billion.", .supported),
        Row("The plan includes 1 TB of storage and costs EUR 29.", "The plan includes 1,000 GB of storage.", .notContradicted),
        Row("The plan includes 1 TB of storage and costs EUR 29.", "The plan costs €29.", .supported),
    ]) func `units and scales are part of a number`(_ row: Row) { check(row) }

    @Test(arguments: [
        Row(hours, "Last admission is at 17:30.", .supported), Row(hours, "Last admission is at 5:30 pm.", .supported), Row(hours, "Last admission is at 17:00.", .notSupported),
        Row(hours, "Guided tours start at 14:00.", .notContradicted), Row(hours, "Guided tours start at 2 a.m.", .notSupported),
    ]) func `a time of day is one number`(_ row: Row) { check(row) }

    @Test(arguments: [
        Row(terms, "Notice must be given at least 90 days before the end of the term.", .notSupported), Row(terms, "Notice must be given at least 60 days before the end of the term.", .supported),
        Row(report, "It carries more than 30,000 parcels a day.", .supported), Row(report, "It carries more than 50,000 parcels a day.", .notSupported),
        Row("Children under 6 enter free.", "Children under 16 enter free.", .notSupported), Row(leave, "Unused leave of up to 10 days may be carried over.", .notSupported),
    ]) func `a bound is the claim's, and where both give one the numbers are equal`(_ row: Row) { check(row) }

    @Test(arguments: [
        Row("The service is available in all EU countries except Malta.", "The service is not available in Malta.", .notContradicted),
        Row("Shipping fees are non-refundable.", "Shipping fees are not refundable.", .notContradicted),
        Row("The total liability shall not exceed EUR 500,000 per year.", "The total liability is at most €500,000 per year.", .notContradicted),
        Row("Guests are not allowed to smoke anywhere in the building.", "Smoking is prohibited in the building.", .notContradicted),
        Row("Net income fell to $310 million.", "Net income rose to $310 million.", .contradicted),
        Row("Net income rose to $310 million.", "Net income climbed to $310 million.", .notContradicted),
    ]) func `denials and directions are told from words that answer them`(_ row: Row) { check(row) }

    @Test(arguments: [
        Row("Maria Skłodowska-Curie was born in Warsaw in 1867.", "Marie Curie was born in Warsaw in 1867.", .notContradicted),
        Row("A fire at a warehouse in Croydon, south London, injured four people on Sunday.", "A warehouse fire in Croydon injured four people.", .supported),
    ]) func `a form of a name and what is said beside it are no other name`(_ row: Row) { check(row) }

    private func check(_ row: Row) {
        let claim = audit(auditCase(answer: row.claim, documents: [row.document]))?.claims.first
        let isAsExpected =
            switch row.expected {
            case .supported: claim?.verdict == .supported
            case .contradicted: claim?.verdict == .contradicted
            case .notSupported: claim?.verdict == .unsupported || claim?.verdict == .contradicted
            case .notContradicted: claim?.verdict == .supported || claim?.verdict == .unsupported
            }
        #expect(isAsExpected, "\(row.claim): \(claim?.reasoning ?? "no claim")")
    }

    @Test func `what the answer says of a number is shown with its unit`() {
        let claim = audit(auditCase(answer: "Parental leave is 16 days at full pay.", documents: [Self.leave]))?.claims.first
        #expect(claim?.reasoning == "The answer says 16 days, the document says 16 weeks.")
    }

    // MARK: Citations

    private static let documents = ["The Harlow footbridge opened in May 1964.", "Repairs in 2022 cost 310,000 euros.", "The Harlow footbridge opened in May 1964."]

    @Test(arguments: [
        ("Repairs in 2022 cost 310,000 euros [2].", 1, "Document 2 says so."), ("Repairs in 2022 cost 310,000 euros. [1]", 1, "Document 2 says so. The answer cites document 1, which does not."),
        ("Repairs in 2022 cost 310,000 euros [1, 2].", 1, "Document 2 says so."), ("The Harlow footbridge opened in May 1964 [3].", 2, "Document 3 says so."),
        ("The Harlow footbridge opened in May 1964 [doc1].", 0, "Document 1 says so."),
    ]) func `a claim is held against the document that it cites`(_ answer: String, _ document: Int, _ reasoning: String) {
        let claim = audit(auditCase(answer: answer, documents: Self.documents))?.claims.first
        #expect(claim?.evidence.first?.document == document)
        #expect(claim?.reasoning == reasoning)
    }

    @Test(arguments: [
        ("a [1][doc2] b [3, 4]", [1, 2, 3, 4]), ("[1] [100] [] [a] [1;2] [5", [1]), ("[1", []), ("[", []), ("[1, ]", []),
    ] as [(String, [Int])]) func `citations are numbers in brackets`(_ text: String, _ numbers: [Int]) {
        let bytes = Array(text.utf8)
        #expect(Citations.all(in: bytes, 0..<bytes.count).map(\.number) == numbers)
    }

    @Test func `a citation names a document by its id, or by its place`() {
        #expect(Citations.document(2, of: ["a", "b"]) == 1)
        #expect(Citations.document(1, of: ["doc-0", "doc-1"]) == 1)
        #expect(Citations.document(3, of: ["a", "b"]) == nil)
        #expect(Citations.document(2, of: ["doc-1", "doc-7"]) == nil)
    }
}
