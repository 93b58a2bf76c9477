// How source files look.
import Testing

private let sources = Repository.files(under: "Sources", ["swift", "c", "h"])
private let tests = Repository.files(under: "Tests", ["swift", "py"])
private let scripts = Repository.files(under: "scripts", ["sh"]) + Repository.files(under: "deploy", ["sh"]) + [".ci/run"]

/// A file beyond it has a second subject.
private let mostLines = 600

@Test func `there is something to check`() {
    #expect(sources.count > 100 && tests.count > 50 && scripts.count > 5, "the tests look in the wrong place: \(Repository.root.path())")
}

@Test func `files begin by saying what they are for`() {
    for file in sources where file.hasSuffix(".swift") {
        #expect(
            Repository.lines(file).first?.hasPrefix("// ") ?? false,
            "\(file): begin with a comment: what the file is for, what it leaves to others, its source (a section of an RFC)")
    }
}

@Test func `files have one subject`() {
    for file in sources + tests where !file.hasSuffix(".py") {
        guard Repository.lines(file).first?.contains("Made by tools/") != true else { continue }  // nobody reads or edits it
        #expect(Repository.lines(file).count - 1 <= mostLines, "\(file) is over \(mostLines) lines: look for its second subject and give that a file of its own")
    }
}

@Test func `nothing is left for later`() {
    let marks = ["TO" + "DO", "FIX" + "ME"]  // in two parts, or this line would be one
    for file in sources + tests + scripts {
        for (number, line) in Repository.lines(file).enumerated() {
            for mark in marks where line.contains(mark) {
                Issue.record("\(file):\(number + 1): \(mark): do it now, or write an issue and take the mark out")
            }
        }
    }
}

@Test func `shell scripts stop at the first error`() {
    for file in scripts {
        let lines = Repository.lines(file)
        // A file that others source has no first line of its own and runs under the options of those.
        guard lines.first?.hasPrefix("#!") ?? false else {
            #expect(lines.first?.hasPrefix("# Sourced: ") ?? false, "\(file): begin with #! and the shell, or with `# Sourced: ` and what for")
            continue
        }
        let first = lines.first { !$0.hasPrefix("#") && !$0.isEmpty }
        #expect(first?.hasPrefix("set -eu") ?? false, "\(file): make `set -eu` its first command, so that nothing goes on behind a failure")
    }
}
