// Which list of upstreams a request goes to, by its path and, where a route asks for it, by the model that its body names.
import Glibc

/// The routes of the settings as the hot path wants them; list 0 is that of no route.
struct RouteTable {
    enum Model {
        /// The body has not told yet.
        case open
        case absent
        case named(UnsafeRawBufferPointer)
    }

    enum Choice: Equatable {
        case list(Int)
        /// It depends on the model.
        case needsModel
    }

    struct Entry {
        let pathPrefix: UnsafeRawBufferPointer
        let model: Wildcard?
    }

    private let entries: UnsafeBufferPointer<Entry>

    /// Empty texts match everything. Kept for the life of the process.
    init(_ routes: [(pathPrefix: String, model: String)]) {
        let memory = UnsafeMutableBufferPointer<Entry>.allocate(capacity: routes.count)
        _ = memory.initialize(from: routes.map { Entry(pathPrefix: $0.pathPrefix.keptBytes, model: $0.model.isEmpty ? nil : Wildcard($0.model)) })
        entries = UnsafeBufferPointer(memory)
    }

    var isEmpty: Bool { entries.isEmpty }

    /// The first route that matches; a model that is not known yet is asked for when the decision comes to it.
    func choose(path: UnsafeRawBufferPointer, model: Model) -> Choice {
        for (index, entry) in entries.enumerated() where Self.begins(path, with: entry.pathPrefix) {
            guard let wanted = entry.model else { return .list(index + 1) }
            switch model {
            case .open: return .needsModel
            case .absent: continue
            case .named(let name): if wanted.matches(name) { return .list(index + 1) }
            }
        }
        return .list(0)
    }

    /// By whole segments: `/v1/messages` begins `/v1/messages/batches`, not `/v1/messagesX`; `/v1/` begins all below it.
    private static func begins(_ path: UnsafeRawBufferPointer, with prefix: UnsafeRawBufferPointer) -> Bool {
        guard let start = path.baseAddress, let wanted = prefix.baseAddress, prefix.count > 0 else { return prefix.isEmpty }
        guard path.count >= prefix.count, memcmp(start, wanted, prefix.count) == 0 else { return false }
        return path.count == prefix.count || prefix[prefix.count - 1] == UInt8(ascii: "/") || path[prefix.count] == UInt8(ascii: "/")
    }
}
