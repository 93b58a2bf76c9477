// The file of the callers' keys: a line for each, with the SHA-256 of the key and never the key itself. `truthtable keys`
// writes it, edges read it.
//
// SHA-256 without salt or rounds is enough here: they slow the guessing of what people choose, and a key is 256 random bits,
// which nobody guesses at any speed. A slow hash would be paid for by every request.
import Glibc

/// A caller's key as the file has it.
package struct CallerKeyEntry: Equatable, Sendable {
    /// Letters, digits and `-_.@`; in logs, captures and metrics it stands for the key.
    package let name: String
    /// 32 bytes.
    package let hash: [UInt8]
    /// Nil: as many as come.
    package let requestsPerMinute: Int?
    package let concurrentStreams: Int?
    /// RFC 3339, for people.
    package let created: String

    package static let nameLimit = 64
    package static let requestsPerMinuteRange = 1...1_000_000
    package static let concurrentStreamsRange = 1...100_000

    package init(name: String, hash: [UInt8], requestsPerMinute: Int?, concurrentStreams: Int?, created: String) {
        self.name = name
        self.hash = hash
        self.requestsPerMinute = requestsPerMinute
        self.concurrentStreams = concurrentStreams
        self.created = created
    }

    package static func isName(_ text: String) -> Bool {
        1...nameLimit ~= text.utf8.count
            && text.utf8.allSatisfy { Notation.isLetter($0) || Notation.isDigit($0) || "-_.@".utf8.contains($0) }
    }

    /// `HASH NAME REQUESTS STREAMS CREATED`, `-` where there is no limit.
    fileprivate init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count == 5, let hash = Self.bytes(words[0]), Self.isName(String(words[1])) else { return nil }
        func limit(_ word: Substring, _ range: ClosedRange<Int>) -> Int?? {
            if word == "-" { return .some(nil) }
            return Notation.wholeNumber(word).flatMap { range.contains($0) ? .some($0) : nil }
        }
        guard let requests = limit(words[2], Self.requestsPerMinuteRange), let streams = limit(words[3], Self.concurrentStreamsRange) else { return nil }
        self.init(name: String(words[1]), hash: hash, requestsPerMinute: requests, concurrentStreams: streams, created: String(words[4]))
    }

    fileprivate var line: String {
        [Self.hex(hash), name, requestsPerMinute.map(String.init) ?? "-", concurrentStreams.map(String.init) ?? "-", created].joined(separator: " ")
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        guard text.utf8.count == 64, text.utf8.allSatisfy(Notation.isHexDigit) else { return nil }
        let digits = text.utf8.map { $0 <= UInt8(ascii: "9") ? $0 - UInt8(ascii: "0") : ($0 | 0x20) - UInt8(ascii: "a") + 10 }
        return (0..<32).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] }
    }
}

package enum CallerKeyFile {
    package static let limitBytes = 16 << 20
    /// So that an edge has read a changed file before anybody can feel it.
    package static let entryLimit = 10_000

    /// One line for a person.
    package struct Flaw: Error, Equatable, CustomStringConvertible {
        package let description: String

        package init(_ description: String) { self.description = description }
    }

    /// Comments and empty lines are skipped; no name and no key may come twice.
    package static func parse(_ bytes: [UInt8], path: String) throws(Flaw) -> [CallerKeyEntry] {
        var entries: [CallerKeyEntry] = []
        var names: Set<String> = []
        var hashes: Set<[UInt8]> = []
        for (index, line) in String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard let first = line.first, first != "#" else { continue }
            guard let entry = CallerKeyEntry(line) else { throw Flaw("\(path):\(index + 1) is no line of a key file: make keys by `truthtable keys create`") }
            guard names.insert(entry.name).inserted, hashes.insert(entry.hash).inserted else {
                throw Flaw("\(path):\(index + 1) repeats the name or key of \(entry.name): remove one of the lines")
            }
            entries.append(entry)
            guard entries.count <= entryLimit else { throw Flaw("\(path) has more than \(entryLimit) keys") }
        }
        return entries
    }

    package static func text(_ entries: [CallerKeyEntry]) -> String {
        (["# Caller keys of TruthTable, made by `truthtable keys`; the keys themselves are not in here.",
            "# SHA-256, name, requests per minute, concurrent streams, created"] + entries.map(\.line)).joined(separator: "\n") + "\n"
    }

    package static func read(_ path: String) throws(Flaw) -> [CallerKeyEntry] {
        let bytes: [UInt8]
        do throws(SmallFile.ReadError) {
            bytes = try SmallFile.read(path, limitBytes: limitBytes)
        } catch {
            let cure = error == .system(ENOENT) ? "make the file by `truthtable keys create`" : "name a key file that this user can read"
            throw Flaw("cannot read \(path): \(error.reason): \(cure)")
        }
        return try parse(bytes, path: path)
    }

    /// Changes the file as one step: readers see the old one or the new one, and of two writers the second sees the first
    /// one's work. It is made, for its owner only, when it is not there.
    package static func change(_ path: String, _ change: ([CallerKeyEntry]) throws(Flaw) -> [CallerKeyEntry]) throws(Flaw) {
        func failed(_ what: String) -> Flaw { Flaw("cannot \(what): \(SmallFile.reason(errno))") }
        // The lock is a file of its own: the key file itself is replaced.
        let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw failed("make \(path).lock") }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 { guard errno == EINTR else { throw failed("lock \(path).lock") } }
        let isNew = access(path, F_OK) != 0 && errno == ENOENT
        let entries = try change(isNew ? [] : try read(path))
        let temporary = "\(path).new"
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failed("make \(temporary)") }
        defer { close(file) }
        // Root changes the file of the user that the product runs as: edges must be able to read the new one too.
        var old = stat()
        if stat(path, &old) == 0 {
            guard fchown(file, old.st_uid, old.st_gid) == 0 || geteuid() != 0, fchmod(file, old.st_mode & 0o777) == 0 else { throw failed("hand \(temporary) to the owner of \(path)") }
        }
        var rest = Array(text(entries).utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failed("write \(temporary)") }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0, rename(temporary, path) == 0 else { throw failed("replace \(path)") }
    }
}
