// Which known name a mistyped one was meant to be.

enum NearestName {
    /// The known name fewest typing errors away, if these are few for its length: one, or a third of the letters
    /// after the prefix that all share.
    static func of(_ name: String, among known: [String], sharedPrefix: String) -> String? {
        let typed = Array(stem(name.uppercased(), sharedPrefix).utf8)
        guard typed.count <= 64 else { return nil }  // the table below grows with the square
        var best: (name: String, distance: Int)?
        for candidate in known {
            let letters = Array(stem(candidate, sharedPrefix).utf8)
            let distance = distance(typed, letters)
            guard distance <= max(1, letters.count / 3), distance < best?.distance ?? .max else { continue }
            best = (candidate, distance)
        }
        return best?.name
    }

    private static func stem(_ name: String, _ prefix: String) -> Substring {
        name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : Substring(name)
    }

    /// Letters left out, added, changed, or swapped with their neighbour (optimal string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1] + [Int](repeating: 0, count: b.count)
            for j in b.indices {
                let changed = last[j] + (a[i] == b[j] ? 0 : 1)
                row[j + 1] = min(changed, last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1)
                }
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
