// The syntax of environment files, line by line.

import Testing

@testable import Configuration

private let lines: [(line: String, value: String?)] = [
    ("K=v", "v"), ("  K=v  ", "v"), ("K = v", "v"), ("\tK\t=\tv\t", "v"), ("export K=v", "v"), ("export\tK=v", "v"),
    ("export  export=v", nil), ("K=v\r", "v"), ("K=", ""), ("K=   ", ""), ("K= # comment", ""), ("K=#c", ""),
    ("K=v # comment", "v"), ("K=v\t#comment", "v"), ("K=v#no", "v#no"), ("K=a b", "a b"), ("K=a=b", "a=b"),
    ("K=$HOME", "$HOME"), ("K=a\\n", "a\\n"), ("K=it's", "it's"), ("K=say \"x\"", "say \"x\""),
    ("K=\"v\"", "v"), ("K=\" v \"", " v "), ("K=\"a # b\"", "a # b"), ("K=\"v\" # c", "v"), ("K=\"v\"#c", "v"),
    ("K=\"\"", ""),
    (#"K="a\"b\\c\$d\n\r\te\`""#, "a\"b\\c$d\n\r\te`"), ("K=\"it's\"", "it's"),
    ("K='v'", "v"), ("K=' v '", " v "), ("K='a # b' # c", "a # b"), (#"K='a\nb'"#, "a\\nb"), (#"K='it\'s'"#, "it's"),
    ("K='\"'", "\""),
    ("K=ü€😀", "ü€😀"),
]

@Test(arguments: lines) func `lines are read`(_ row: (line: String, value: String?)) {
    let (assignments, problems) = EnvironmentFile.parse(Array(row.line.utf8))
    #expect(problems.isEmpty)
    if let value = row.value {
        #expect(assignments == [.init(name: "K", value: value, line: 1)])
    } else {
        #expect(assignments.first?.name == "export")
    }
}

private let silent = ["", " ", "\t", "# c", "  # K=v", "\r", "#"]

@Test(arguments: silent) func `empty lines and comments say nothing`(_ line: String) {
    let (assignments, problems) = EnvironmentFile.parse(Array(line.utf8))
    #expect(assignments.isEmpty && problems.isEmpty)
}

private let malformed: [(line: [UInt8], flaw: EnvironmentFile.Flaw)] = [
    (Array("K".utf8), .noEquals), (Array("export K".utf8), .noEquals), (Array("=v".utf8), .name),
    (Array("1K=v".utf8), .name),
    (Array("A B=v".utf8), .name), (Array("Ü=v".utf8), .name),
    (Array("export=".utf8).dropLast() + Array(" =v".utf8), .name),
    (Array("K=\"v".utf8), .unclosedQuote), (Array("K='v".utf8), .unclosedQuote),
    (Array("K=\"v\\".utf8), .unclosedQuote),
    (Array("K=\"v\"w".utf8), .afterQuote), (Array("K='v' w".utf8), .afterQuote), (Array("K='it''s'".utf8), .afterQuote),
    (Array(#"K="\q""#.utf8), .escape), (Array("K=a\0b".utf8), .controlCharacter), ([0x4B, 0x3D, 0xFF], .encoding),
]

@Test(arguments: malformed) func `malformed lines are named`(_ row: (line: [UInt8], flaw: EnvironmentFile.Flaw)) {
    let (assignments, problems) = EnvironmentFile.parse(Array("A=1\n\n".utf8) + row.line + Array("\nB=2".utf8))
    #expect(assignments.map(\.name) == ["A", "B"])
    #expect(problems == [.init(line: 3, flaw: row.flaw, isOurs: false)])
    #expect(!row.flaw.complaint.isEmpty)
}

@Test func `lines about our settings are told from others`() {
    let (_, problems) = EnvironmentFile.parse(Array("export TRUTHTABLE_PORT\nOTHER\n TRUTHTABLE_X='".utf8))
    #expect(problems.map(\.isOurs) == [true, false, true])
}

@Test func `a byte order mark is skipped and lines are counted`() {
    let (assignments, _) = EnvironmentFile.parse([0xEF, 0xBB, 0xBF] + Array("A=1\r\n\r\n# c\nA=2\n".utf8))
    #expect(assignments == [.init(name: "A", value: "1", line: 1), .init(name: "A", value: "2", line: 4)])
}

@Test func `no bytes make the reader trap`() {
    let alphabet = Array("K=\"'\\# \t\r\n\0export$ü".utf8) + [0xFF, 0xC3]
    for _ in 0..<20_000 {
        let bytes = (0..<Int.random(in: 0...16)).map { _ in alphabet.randomElement() ?? 0 }
        let (assignments, problems) = EnvironmentFile.parse(bytes)
        let count = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).count
        #expect(assignments.count + problems.count <= count)
    }
}
