// The repository that these tests read: found from where this file was when it was compiled.
import Foundation

enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Paths below `folder`, as written from the root, in order. Whatever begins with a dot is left out.
    static func files(under folder: String, _ extensions: Set<String>) -> [String] {
        let base = root.appending(path: folder)
        guard let walk = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil, options: [.skipsHiddenFiles]) else { return [] }
        let paths = walk.compactMap { $0 as? URL }.filter { extensions.contains($0.pathExtension) }
        return paths.map { folder + $0.path().dropFirst(base.path().count) }.sorted()
    }

    static func text(_ path: String) -> String {
        (try? String(contentsOf: root.appending(path: path), encoding: .utf8)) ?? ""
    }

    static func lines(_ path: String) -> [Substring] {
        text(path).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// Whether this run writes generated text instead of comparing it: TRUTHTABLE_UPDATE_DOCS is set.
    static var isUpdating: Bool { ProcessInfo.processInfo.environment["TRUTHTABLE_UPDATE_DOCS"] != nil }

    static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: root.appending(path: path))
    }
}
