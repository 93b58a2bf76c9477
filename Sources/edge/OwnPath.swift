// Which paths are the product's own. All others are the upstream's.
import HTTP

enum OwnPath: Equatable {
    case health
    case readiness
    case statistics
    case metrics
    /// The dashboards' WebSocket, which the broadcaster serves.
    case dashboard
    case audits
    /// The id stands from there to the path's end.
    case audit(idOffset: Int)

    /// Who asks for these is a load balancer or a process manager: they are open to all, on every port.
    var isHealth: Bool { self == .health || self == .readiness }

    private static let auditsPath: StaticString = "/v1/audits"

    /// Nil for paths of the upstream, which is found out by one comparison for nearly all of them: every own path is short, or
    /// begins with `/v1/a`. `prefix` stands before each own path.
    init?(_ whole: RawSpan, behind prefix: UnsafeRawBufferPointer) {
        guard prefix.isEmpty || Self.begins(whole, with: prefix) else { return nil }
        let path = whole.extracting(prefix.count..<whole.byteCount)
        if path.byteCount > 8 {
            guard path.unsafeLoad(fromByteOffset: 4, as: UInt8.self) == UInt8(ascii: "a"), path.byteCount >= Self.auditsPath.utf8CodeUnitCount,
                Self.isEqual(path.extracting(0..<Self.auditsPath.utf8CodeUnitCount), Self.auditsPath)
            else { return nil }
            let rest = path.byteCount - Self.auditsPath.utf8CodeUnitCount
            if rest == 0 {
                self = .audits
            } else if rest > 1, path.unsafeLoad(fromByteOffset: Self.auditsPath.utf8CodeUnitCount, as: UInt8.self) == UInt8(ascii: "/") {
                self = .audit(idOffset: prefix.count + Self.auditsPath.utf8CodeUnitCount + 1)
            } else {
                return nil
            }
        } else if Self.isEqual(path, "/health") || Self.isEqual(path, "/livez") {
            self = .health
        } else if Self.isEqual(path, "/readyz") {
            self = .readiness
        } else if Self.isEqual(path, "/stats") {
            self = .statistics
        } else if Self.isEqual(path, "/metrics") {
            self = .metrics
        } else if Self.isEqual(path, "/ws") || Self.isEqual(path, "/api/ws") {
            self = .dashboard
        } else {
            return nil
        }
    }

    private static func begins(_ path: RawSpan, with prefix: UnsafeRawBufferPointer) -> Bool {
        path.byteCount > prefix.count && path.withUnsafeBytes { $0.prefix(prefix.count).elementsEqual(prefix) }
    }

    private static func isEqual(_ path: RawSpan, _ text: StaticString) -> Bool {
        path.byteCount == text.utf8CodeUnitCount
            && path.withUnsafeBytes { $0.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }
    }
}
