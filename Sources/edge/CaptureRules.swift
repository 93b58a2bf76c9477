// Which exchanges are copied for an audit, by what their requests say. Leaves to others: what of an answer is audited (the
// auditor finds out whether there is a text in it), and which part of all captures (the dispatcher's Sampling).
import Configuration
import HTTP

struct CaptureRules {
    private let included: [Wildcard]
    private let excluded: [Wildcard]
    private let takesAllPaths: Bool
    /// Nobody has a choice: there is nothing to look at.
    let takesAll: Bool
    /// Name of the field by which a caller keeps an exchange to itself; empty: there is none.
    private let optOut: UnsafeRawBufferPointer

    init(_ paths: PathPatterns, optOut: String) {
        included = paths.included.map(Wildcard.init)
        excluded = paths.excluded.map(Wildcard.init)
        takesAllPaths = paths == .all
        self.optOut = optOut.lowercased().keptBytes
        takesAll = takesAllPaths && optOut.isEmpty
    }

    func takes(_ head: borrowing HeadParser, _ bytes: borrowing RawSpan) -> Bool {
        if !takesAllPaths {
            let isTaken = bytes.extracting(head.pathRange).withUnsafeBytes { path in
                included.contains { $0.matches(path) } && !excluded.contains { $0.matches(path) }
            }
            guard isTaken else { return false }
        }
        return optOut.isEmpty || !optsOut(head, bytes)
    }

    /// Any value but `0` and `false`.
    private func optsOut(_ head: borrowing HeadParser, _ bytes: borrowing RawSpan) -> Bool {
        for index in 0..<head.fieldCount {
            let field = head.field(index)
            guard Self.isEqual(bytes.extracting(field.nameRange), optOut) else { continue }
            let value = bytes.extracting(field.valueRange).withUnsafeBytes { String(decoding: $0, as: UTF8.self).lowercased() }
            if value != "0", value != "false" { return true }
        }
        return false
    }

    private static func isEqual(_ name: RawSpan, _ lowercase: UnsafeRawBufferPointer) -> Bool {
        guard name.byteCount == lowercase.count else { return false }
        for index in lowercase.indices {
            let byte = name.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            if (isUpper ? byte | 0x20 : byte) != lowercase[index] { return false }
        }
        return true
    }
}
