// Tables and records of documents: how they are found in text, and what they say to a claim. Beside honest tables stand traps, where
// nothing may be said.

import Testing

@testable import Auditing

private func tables(_ text: String) -> [Table] {
    var parser = TableParser()
    _ = parser.add(Array(text.utf8), document: 0)
    return parser.tables
}

/// Headers and rows as text.
private func shown(_ text: String) -> [[String]] {
    tables(text).flatMap { table in [table.columns.map(\.name)] + table.rows.map { $0.cells.map(Array(text.utf8).text) } }
}

private func finding(_ claim: String, _ documents: [String]) -> TableFinding? {
    var parser = TableParser()
    var index = EvidenceIndex(bytes: 0)
    for (number, document) in documents.enumerated() {
        let text = Array(document.utf8)
        _ = parser.add(text, document: number)
        index.add(document: text)
    }
    let bytes = Array(claim.utf8)
    let text = ClaimText(bytes, 0..<bytes.count, wordLimit: 64, readsAsEnglish: true, index: index)
    return TableReader(parser.tables, in: index.texts).finding(for: text).finding
}

private let stations = """
    The line has these stations.

    | Station | Opened | Height (m) | Country | Passengers |
    |---|---:|---:|---|---:|
    | Aldan | 1889 | 412 | Norway | 12,000 |
    | Brekke | 1902 | 655 | Norway | 3,400 |
    | Lund East | 1871 | 86 | Sweden | 45,500 |
    | Lund | 1930 | 90 | Sweden | 800 |
    """

private let bridges = """
    | Bridge | Length (m) | Opened | Architect | Owner |
    |---|---|---|---|---|
    | Aldan | 148 | 1889 | Ilse Tornqvist | Nordwind |
    | Brenn | 210 | 1902 | Edwin Pascoe | Halm Council |
    | Corvo | 96 | 1954 | Mara Lind | Nordwind |
    """

private let currencies = "| Country | Currency |\n|---|---|\n| France | Euro |\n| Germany | Euro |\n| Poland | Zloty |\n| Sweden | Krona |"

private let products = #"[{"sku":"K-1","product":"Kettle","rating":4.6},{"sku":"T-2","product":"Toaster","rating":4.1},{"sku":"M-3","product":"Mixer","rating":4.8}]"#

private let person = "Title: Ada Brook\nBorn: 14 March 1821; Harlow, England\nDied: 3 June 1852 (aged 31); London\nOccupation: painter; engraver; teacher\nChildren: 3\nYears active: 1840–1850\nMarried: 9 May 1845"

private let film = #"{"Title": "The Long Quay", "Directed by": "Ann Lee; Bo Dahl", "Release date": "11 June 1996", "Running time": "98 minutes", "Budget": "$7 million", "Box office": "$60.6 million", "Recorded": "October 1995 – January 1996"}"#

struct TableTests {
    static let texts: [(String, [[String]])] = [
        ("| A | B |\n|---|:-:|\n| **x** | 1 |\n| y | |\n\nEnd.", [["A", "B"], ["x", "1"], ["y", ""]]),
        ("A | B\n--- | ---\nx | 1", [["A", "B"], ["x", "1"]]),
        ("name,height,built\nTower,\"1,200\",1889\nHall,40,1902", [["name", "height", "built"], ["Tower", "1,200", "1889"], ["Hall", "40", "1902"]]),
        ("name\theight\nTower\t12\nHall\t40", [["name", "height"], ["Tower", "12"], ["Hall", "40"]]),
        ("Text.\nName: Tower\nBuilt: 1889", [["Name", "Built"], ["Tower", "1889"]]),
        ("<table><tr><th>Name</th><th>Built</th></tr><tr><td><b>Tower</b></td><td>1889</td></tr></table>", [["Name", "Built"], ["Tower", "1889"]]),
        ("<table><tr><th>Name</th><td>Tower</td></tr><tr><th>Built</th><td>1889</td></tr></table>", [["Name", "Built"], ["Tower", "1889"]]),
        (#"[{"name": "Tower", "built": 1889}, {"built": 1902, "name": "Hall"}]"#, [["name", "built"], ["Tower", "1889"], ["Hall", "1902"]]),
        (#"{"site": "A, \"B\"", "rows": [{"name": "Tower", "built": 1889}]}"#, [["site", "rows"], [#"A, \"B\""#, #"{"name": "Tower", "built": 1889}"#], ["name", "built"], ["Tower", "1889"]]),
        // What only looks like a table.
        ("In spring, summer, and autumn it rains.\nIn winter, it snows, and freezes.\nIt, too, ends.", []),
        ("Ann: It cost 300 euros to mend the whole of the bridge.\nBo: It did not cost so much, I am quite sure of it.\nAnn: But it did.", []),
        ("a | b\nc | d", []),
        ("<table><tr><th colspan=\"2\">Name</th></tr><tr><td>Tower</td><td>1889</td></tr></table>", []),
        (#"{"name": "Tower", "built": "#, []),
    ]

    @Test(arguments: texts.indices) func `tables are found in their forms`(_ number: Int) {
        let (text, expected) = Self.texts[number]
        #expect(shown(text) == expected, "\(text)")
    }

    struct Row: Sendable {
        var claim: String
        /// nil: nothing is said.
        var agrees: Bool?
        var found = ""
    }

    static let cells = [
        Row(claim: "Aldan opened in 1889.", agrees: true), Row(claim: "Aldan opened in 1887.", agrees: false, found: "1889"),
        Row(claim: "The station Brekke opened in the 20th century.", agrees: true), Row(claim: "Brekke was opened before 1900.", agrees: false, found: "1902"),
        Row(claim: "Brekke lies at a height of 655 metres.", agrees: true), Row(claim: "Brekke lies at a height of 0.655 km.", agrees: true),
        Row(claim: "Aldan has a height of 512 m.", agrees: false, found: "412"), Row(claim: "Lund East has 45,500 passengers.", agrees: true),
        Row(claim: "Lund has more than 45,000 passengers.", agrees: false, found: "800"),
        // Extremes, also by rank, and rows with each other.
        Row(claim: "The highest station is Brekke.", agrees: true), Row(claim: "The highest station is Aldan.", agrees: false, found: "Brekke (655)"),
        Row(claim: "The second highest station is Aldan.", agrees: true), Row(claim: "The oldest station is Lund East.", agrees: true),
        Row(claim: "The oldest station is Aldan.", agrees: false, found: "Lund East (1871)"), Row(claim: "Lund has the fewest passengers.", agrees: true),
        Row(claim: "Brekke is higher than Aldan.", agrees: true), Row(claim: "Aldan is higher than Brekke.", agrees: false),
        Row(claim: "Brekke is 243 metres higher than Aldan.", agrees: true), Row(claim: "Brekke is 343 metres higher than Aldan.", agrees: false),
        Row(claim: "Aldan is older than Brekke.", agrees: true), Row(claim: "Aldan is newer than Brekke.", agrees: false),
        // Totals and counts.
        Row(claim: "The stations have 61,700 passengers in total.", agrees: true), Row(claim: "The stations have 71,700 passengers in total.", agrees: false),
        Row(claim: "Aldan and Brekke together have 15,400 passengers.", agrees: true), Row(claim: "The average height of the stations is 310.75 m.", agrees: true),
        Row(claim: "The table lists four stations.", agrees: true), Row(claim: "The table lists five stations.", agrees: false, found: "4 such rows"),
        Row(claim: "Two of the stations opened before 1900.", agrees: true), Row(claim: "Three of the stations opened before 1900.", agrees: false, found: "2 such rows"),
        Row(claim: "Two stations are in Sweden.", agrees: true), Row(claim: "Three stations are in Sweden.", agrees: false, found: "2 such rows"),
        // Traps: words that no cell accounts for, nothing that is named, a denial.
        Row(claim: "Aldan burned down in 1887."), Row(claim: "The cafe at Aldan opened in 1887."), Row(claim: "Aldan did not open in 1887."), Row(claim: "Voss opened in 1887."),
        Row(claim: "The highest mountain near Aldan is Snohetta."), Row(claim: "Aldan is one of the highest stations."), Row(claim: "Three stations were painted blue."),
        Row(claim: "Aldan has 15 employees."), Row(claim: "The largest station hall has 80 seats."),
    ]

    @Test(arguments: cells) func `a table is held against a claim cell by cell`(_ row: Row) {
        check(row, [stations])
    }

    static let fields = [
        Row(claim: "Ada Brook was born in March 1821.", agrees: true), Row(claim: "Ada Brook was born in 1823.", agrees: false), Row(claim: "Ada Brook was born in the spring.", agrees: true),
        Row(claim: "Ada Brook was born in the autumn of 1821.", agrees: false), Row(claim: "Ada Brook was born in the early 19th century.", agrees: true),
        Row(claim: "Ada Brook died at the age of 31.", agrees: true), Row(claim: "Ada Brook died at the age of 41.", agrees: false), Row(claim: "Ada Brook lived for more than 40 years.", agrees: false),
        Row(claim: "Ada Brook was active for ten years.", agrees: true), Row(claim: "Ada Brook was active for over two decades.", agrees: false), Row(claim: "She was active in 1845.", agrees: true),
        Row(claim: "Ada Brook was active in 1860.", agrees: false), Row(claim: "Ada Brook has three children.", agrees: true), Row(claim: "Ada Brook has four children.", agrees: false, found: "3"),
        Row(claim: "Ada Brook had three occupations.", agrees: true), Row(claim: "Ada Brook had only one occupation.", agrees: false, found: "3"), Row(claim: "Ada Brook had multiple occupations.", agrees: true),
        Row(claim: "Ada Brook married at 24 years of age.", agrees: true), Row(claim: "Ada Brook died seven years after she married.", agrees: true),
        Row(claim: "Ada Brook's daughter died in 1870."), Row(claim: "Eva Hill was born in 1870."), Row(claim: "Ada Brook was never active in 1860."), Row(claim: "Ada Brook has two cats."), Row(claim: "Ada Brook moved to London in 1840."),
        Row(claim: "Ada Brook stopped being active in 1850.", agrees: true), Row(claim: "Ada Brook died before her husband."),
    ]

    @Test(arguments: fields) func `a record is held against a claim field by field`(_ row: Row) {
        check(row, [person])
    }

    static let works = [
        Row(claim: "The Long Quay is longer than an hour and was directed by Ann Lee."), Row(claim: "The Long Quay runs for 98 minutes.", agrees: true),
        Row(claim: "The Long Quay is over two hours long.", agrees: false, found: "98 minutes"), Row(claim: "The Long Quay was directed by two people.", agrees: true),
        Row(claim: "The Long Quay was directed by only one person.", agrees: false, found: "2"), Row(claim: "The Long Quay had a budget of $9 million.", agrees: false, found: "$7 million"),
        Row(claim: "The Long Quay grossed more than $60 million.", agrees: true), Row(claim: "The box office of The Long Quay was more than its budget.", agrees: true),
        Row(claim: "The budget of The Long Quay was more than its box office.", agrees: false), Row(claim: "The Long Quay was released in the 1980s.", agrees: false),
        Row(claim: "It was recorded within four months.", agrees: true), Row(claim: "The Long Quay was a success in 1997."),
    ]

    @Test(arguments: works) func `a JSON record is held against a claim field by field`(_ row: Row) {
        check(row, [film])
    }

    /// Names that change places between rows, and numbers that only say of how many rows a claim speaks.
    static let names = [
        Row(claim: "The Corvo bridge was designed by Mara Lind.", agrees: true), Row(claim: "The Corvo bridge was designed by Edwin Pascoe.", agrees: false, found: "Mara Lind for Corvo"),
        Row(claim: "The owner of the Brenn bridge is Halm Council.", agrees: true), Row(claim: "The owner of the Brenn bridge is Nordwind.", agrees: false, found: "Halm Council for Brenn"),
        Row(claim: "The Brenn bridge is the longest of the three.", agrees: true), Row(claim: "Of all three bridges the longest is Brenn.", agrees: true),
        Row(claim: "The Corvo bridge is the longest of the three.", agrees: false, found: "Brenn (210)"), Row(claim: "The Brenn bridge is the longest of the four.", agrees: true),
        Row(claim: "All three together are 454 metres long.", agrees: true), Row(claim: "All three together are 554 metres long.", agrees: false),
        Row(claim: "The bridge with the largest length is Brenn.", agrees: true), Row(claim: "Two of the three bridges are of Nordwind.", agrees: true),
        Row(claim: "There are three bridges in the list.", agrees: true), Row(claim: "There are four bridges in the list.", agrees: false),
        // Nothing that a cell tells, or not of that row: a name that no row has, another deed, both names, a denial.
        Row(claim: "The Corvo bridge was designed by Ada Brook."), Row(claim: "The Corvo bridge was painted by Edwin Pascoe."), Row(claim: "The Corvo bridge was designed by friends of Edwin Pascoe."),
        Row(claim: "The Corvo bridge was not designed by Edwin Pascoe."), Row(claim: "The Corvo bridge was designed after Edwin Pascoe's drawings were lost."),
    ]

    @Test(arguments: names) func `names of a table belong to their rows`(_ row: Row) {
        check(row, [bridges])
    }

    private func check(_ row: Row, _ documents: [String]) {
        let found = finding(row.claim, documents)
        #expect(found?.agrees == row.agrees, "\(row.claim): \(found.map { "\($0.place) \($0.found)" } ?? "nothing")")
        if !row.found.isEmpty { #expect(found?.found == row.found, "\(row.claim)") }
    }

    /// The two rows with the same name, the missing cell, two columns that are named alike, the sum that is no row.
    @Test(arguments: [
        ("Aldan opened in 1900.", "| Station | Opened |\n|---|---|\n| Aldan | 1889 |\n| Aldan | 1890 |"),
        ("The highest station is Aldan.", "| Station | Height |\n|---|---|\n| Aldan | 100 |\n| Brekke | |\n| Voss | 300 |"),
        ("Aldan has a height of 70 m.", "| Station | Height of hall (m) | Height of tower (m) |\n|---|---|---|\n| Aldan | 20 | 50 |\n| Voss | 30 | 40 |"),
        ("Aldan has a length of 3 kg.", "| Station | Length (m) |\n|---|---|\n| Aldan | 20 |\n| Voss | 30 |"),
        ("The highest station is Aldan.", "| Station | Height |\n|---|---|\n| Aldan | 100 |\n| Brekke | 200 km |\n| Voss | 300 |"),
        ("Ann Lee was born in 1900.", "[{\"name\": \"Bo Dahl\", \"born\": 1889}]\n"),
    ]) func `an unclear table contradicts nothing`(_ claim: String, _ table: String) {
        #expect(finding(claim, [table, "Name: Other\nSize: 3"])?.agrees != false)
    }

    /// Lists in JSON, numbers that look like years, words that only seem to tell which part of a time is meant.
    @Test(arguments: [
        ("The hall has three tenants.", #"{"name": "Hall", "tenants": ["Lee, Dahl & Co", "Voss"], "built": 1902}"#, nil), ("The hall has three tenants.", #"{"name": "Hall", "tenants": ["Lee", "Voss"]}"#, false),
        ("The hall has two tenants.", #"{"name": "Hall", "tenants": ["Lee", "Voss"]}"#, true), ("The hall has three prizes.", #"{"name": "Hall", "prizes": [1990, 1995, 2001]}"#, nil),
        ("The hall has a length of 1500 m.", "Name: Hall\nLength: 1500 m", true), ("The hall has a length of 1500 m.", "Name: Hall\nLength (m): 1600", false),
        ("The first hall was built in 1902.", "Name: Hall\nBuilt: 9 November 1902", true), ("The hall was built in the first half of 1902.", "Name: Hall\nBuilt: 9 November 1902", false),
        ("The hall was built in late 1902.", "Name: Hall\nBuilt: 9 November 1902", true), ("The hall has two owners.", "Name: Hall\nOwners: Lee and Voss; Dahl", nil),
    ] as [(String, String, Bool?)]) func `fields are read as they are meant`(_ claim: String, _ record: String, _ agrees: Bool?) {
        #expect(finding(claim, [record])?.agrees == agrees, "\(claim)")
    }

    @Test func `records of the same fields in several documents are one table`() {
        let documents = [#"{"name": "Aldan", "beds": 40}"#, #"{"name": "Brekke", "beds": 60}"#, #"{"name": "Voss", "beds": 20}"#]
        #expect(finding("Brekke has 60 beds.", documents)?.agrees == true)
        #expect(finding("Brekke has 65 beds.", documents)?.document == 1)
        #expect(finding("Aldan has the most beds.", documents)?.agrees == false)
        // There may be more of them than were handed in.
        #expect(finding("They have 200 beds in total.", documents)?.agrees == nil)
    }

    @Test func `a contradiction of a table names the row`() {
        let verdict = audit(auditCase(answer: "Aldan opened in 1887.", documents: [stations]))
        #expect(verdict?.claims.map(\.verdict) == [.contradicted])
        #expect(verdict?.claims.first?.reasoning.hasPrefix("The answer says 1887, row 'Aldan', field 'Opened' of the document says 1889") == true, "\(verdict?.claims.first?.reasoning ?? "")")
        #expect(verdict?.claims.first?.evidence.first?.quote.hasPrefix("Aldan | 1889") == true)
    }

    /// True all of them, in words that no reading of one cell covers: numbers of the row that is named, how many rows there are, a denial.
    @Test(arguments: [
        ("City have 16 points from 10 games.", "Team,Played,Won,Lost,Points\nRovers,10,7,1,23\nUnited,10,6,1,21\nCity,10,5,4,16", .supported),
        ("Two of the four countries have the euro.", currencies, .supported),
        ("Poland and Sweden do not use the euro.", currencies, .unsupported),
        ("Of the three products, the mixer has the highest rating.", products, .supported),
        ("The toaster has a rating of 4.1.", products, .supported),
    ] as [(String, String, ClaimOutcome)]) func `no table contradicts what is true of it`(_ claim: String, _ table: String, _ outcome: ClaimOutcome) {
        let verdict = audit(auditCase(answer: claim, documents: [table]))
        #expect(verdict?.claims.map(\.verdict) == [outcome], "\(claim): \(verdict?.claims.first?.reasoning ?? "")")
    }

    @Test func `a sum that stands in no cell is borne out by its table`() {
        let verdict = audit(auditCase(answer: "All three together are 454 metres long. All three together are 554 metres long.", documents: [bridges]))
        #expect(verdict?.claims.map(\.verdict) == [.supported, .contradicted])
    }

    @Test func `large and broken tables are read within their bounds`() {
        let rows = (0..<5000).map { "| Row\($0) | \($0) |" }.joined(separator: "\n")
        let markdown = "| Name | Size |\n|---|---|\n" + rows
        #expect(tables(markdown).map(\.rows.count) == [Table.rowLimit])
        #expect(finding("The row with the largest size is Row5.", [markdown])?.agrees == nil)
        for text in [String(repeating: "[{\"a\":", count: 5000), String(repeating: "<tr><td>", count: 5000), String(repeating: "a:", count: 5000), String(repeating: "|-|\n", count: 5000), String(repeating: "\"a\",\"b\n", count: 5000)] {
            #expect(tables(text).allSatisfy { $0.rows.count <= Table.rowLimit })
        }
    }
}
