// Which paths a setting is about: patterns in which `*` stands for any characters, `!` in front of those that are left out.

/// `/v1/*, !/v1/files*`: taken is what matches one of the first kind and none of the second.
package struct PathPatterns: Equatable, Sendable, CustomStringConvertible {
    package static let all = PathPatterns(included: ["*"], excluded: [])
    package static let limit = 64

    package let included: [String]
    package let excluded: [String]

    private init(included: [String], excluded: [String]) {
        self.included = included
        self.excluded = excluded
    }

    /// Nil where an entry is neither `*…` nor `/…`, or there are too many.
    init?(_ text: String) {
        var included: [String] = []
        var excluded: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            var entry = Notation.trimmed(String(part))
            let isExcluded = entry.hasPrefix("!")
            if isExcluded { entry.removeFirst() }
            guard entry.hasPrefix("/") || entry.hasPrefix("*"), entry.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            if isExcluded { excluded.append(entry) } else { included.append(entry) }
        }
        guard included.count + excluded.count <= Self.limit else { return nil }
        // Only exceptions: from everything.
        self.init(included: included.isEmpty ? ["*"] : included, excluded: excluded)
    }

    package var description: String { (included + excluded.map { "!" + $0 }).joined(separator: ",") }
}
