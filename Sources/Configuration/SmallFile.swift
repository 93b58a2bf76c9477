// Whole files that are small by their nature: settings, keys. Something else that is given by mistake meets a limit.
import Glibc

enum SmallFile {
    /// The whole file, at most `limitBytes`; pipes (`--env-file <(…)`) are read to their end.
    static func read(_ path: String, limitBytes: Int) throws(ReadError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .system(errno) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while content.count <= limitBytes {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return content }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system(errno)
            }
            content += chunk[..<count]
        }
        throw .oversized
    }

    enum ReadError: Error, Equatable {
        case system(Int32)
        case oversized

        var reason: String {
            switch self {
            case .system(let code): SmallFile.reason(code)
            case .oversized: "the file is too long"
            }
        }
    }

    static func reason(_ code: Int32) -> String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
}
