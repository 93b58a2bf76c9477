// Captures that became no job: what is told of them to whoever asks. Under load there are many, and hardly anybody asks: so a
// ring of fixed size, written without memory of its own, and searched from end to end.

struct RefusedAudits: ~Copyable {
    /// The last so many are known.
    static let most = 4096

    private struct Entry {
        var requestID = InlineArray<128, UInt8>(repeating: 0)
        var auditID = InlineArray<128, UInt8>(repeating: 0)
        var requestIDLength = 0
        var auditIDLength = 0
        var status = AuditStatus.dropped
        var reason: StaticString = ""
    }

    private let entries: UnsafeMutablePointer<Entry>
    /// So many were ever added.
    private var count = 0

    init() { entries = .allocate(capacity: Self.most) }

    /// Both ids are at most `CaptureFacts.mostIDBytes` long.
    mutating func add(requestID: RawSpan, auditID: RawSpan, _ status: AuditStatus, _ reason: StaticString) {
        let entry = entries + count % Self.most
        if count < Self.most { entry.initialize(to: Entry()) }
        count += 1
        entry.pointee.status = status
        entry.pointee.reason = reason
        entry.pointee.requestIDLength = Self.copy(requestID, into: &entry.pointee.requestID)
        entry.pointee.auditIDLength = Self.copy(auditID, into: &entry.pointee.auditID)
    }

    private static func copy(_ id: RawSpan, into room: inout InlineArray<128, UInt8>) -> Int {
        withUnsafeMutableBytes(of: &room) { room in
            id.withUnsafeBytes { id in
                let length = min(id.count, room.count)
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: id[..<length]))
                return length
            }
        }
    }

    struct Found {
        let requestID: String
        let auditID: String
        let status: AuditStatus
        let reason: String
    }

    /// The last one with this id of an audit or of a request.
    func find(_ id: String) -> Found? {
        var id = id
        return id.withUTF8 { id in
            for age in 0..<min(count, Self.most) {
                let entry = entries + (count - 1 - age) % Self.most
                guard Self.isEqual(entry.pointee.auditID, entry.pointee.auditIDLength, id) || Self.isEqual(entry.pointee.requestID, entry.pointee.requestIDLength, id) else { continue }
                return Found(
                    requestID: Self.text(entry.pointee.requestID, entry.pointee.requestIDLength), auditID: Self.text(entry.pointee.auditID, entry.pointee.auditIDLength),
                    status: entry.pointee.status, reason: "\(entry.pointee.reason)")
            }
            return nil
        }
    }

    private static func isEqual(_ known: borrowing InlineArray<128, UInt8>, _ length: Int, _ id: UnsafeBufferPointer<UInt8>) -> Bool {
        guard length == id.count else { return false }
        for index in 0..<length where known[index] != id[index] { return false }
        return true
    }

    private static func text(_ id: borrowing InlineArray<128, UInt8>, _ length: Int) -> String {
        var bytes: [UInt8] = []
        for index in 0..<length { bytes.append(id[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    deinit { entries.deallocate() }
}
