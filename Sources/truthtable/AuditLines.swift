// `truthtable audit --jsonl`: one case per line in, one answer per line out, in the same order. A line that cannot be read gets
// an answer that says so, and the first of them is named at the end.
import Auditing
import Glibc
import JSON
import Role

struct AuditLines {
    /// More than any exchange that is captured.
    private static let lineLimitBytes = 16 << 20

    private let options: Audit.Options
    private let name: String
    private var number = 0
    private var firstFault: String?
    private var faults = 0

    init(_ options: Audit.Options, name: String) {
        self.options = options
        self.name = name
    }

    mutating func run(_ descriptor: Int32) -> ExitCode {
        var line: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 256 << 10)
        var output: [UInt8] = []
        while true {
            let count = room.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                complain(CommandLineTool.name, "cannot read \(name): \(String(cString: strerror(errno)))")
                return .badInput
            }
            if count == 0 { break }
            var rest = room[..<count]
            while let end = Self.newline(in: rest) {
                append(rest[..<end], to: &line)
                answer(line, into: &output)
                line.removeAll(keepingCapacity: true)
                rest = rest[(end + 1)...]
            }
            append(rest, to: &line)
            emit(CommandLineTool.name, output)
            output.removeAll(keepingCapacity: true)
        }
        answer(line, into: &output)
        emit(CommandLineTool.name, output)
        guard let firstFault else { return .clean }
        complain(CommandLineTool.name, "\(name), \(firstFault)" + (faults > 1 ? " (and \(faults - 1) more lines)" : ""))
        return .badInput
    }

    private static func newline(in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.withUnsafeBytes { room in
            room.baseAddress.flatMap { start in memchr(start, 0x0A, room.count).map { bytes.startIndex + (UnsafeRawPointer($0) - start) } }
        }
    }

    /// One byte beyond the limit is kept, so that the line shows as too long.
    private func append(_ bytes: ArraySlice<UInt8>, to line: inout [UInt8]) {
        line += bytes.prefix(max(0, Self.lineLimitBytes + 1 - line.count))
    }

    private mutating func answer(_ line: [UInt8], into output: inout [UInt8]) {
        number += 1
        guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) else { return }
        var writer = JSONWriter(reservingCapacity: 512)
        writer.beginObject()
        do {
            guard line.count <= Self.lineLimitBytes else { throw LineTooLong() }
            let value = try Audit.value(of: line)
            // Of the same kind as it came, so that who asked finds it again.
            writer.name("id")
            writer.value(SavedExchange.id(of: value) == nil ? .null : value["id"] ?? .null)
            let mark = writer.mark
            do {
                try options.isExtraction ? extract(value, into: &writer) : audit(value, into: &writer)
            } catch {
                writer.rewind(to: mark)
                throw error
            }
        } catch {
            let sentence = error is LineTooLong ? "it is longer than \(Self.lineLimitBytes >> 20) MiB" : Audit.sentence(for: error)
            if writer.bytes.count <= 1 { writer.name("id"); writer.null() }
            writer.member("error", "line \(number): \(sentence)")
            faults += 1
            if firstFault == nil { firstFault = "line \(number): \(sentence)" }
        }
        writer.endObject()
        output += writer.bytes
        output.append(0x0A)
    }

    private struct LineTooLong: Error {}

    private func audit(_ value: JSONValue, into writer: inout JSONWriter) throws {
        let auditCase = try SavedExchange.auditCase(from: value)
        var engine = EmbeddedEngine(auditCase, everySentence: value["claim"] != nil)
        var verdict: AuditVerdict?
        while verdict == nil { verdict = engine.step() }
        guard let verdict else { return }
        writer.member("support", verdict.support)
        writer.member("verdict_kind", verdict.verdictKind.rawValue)
        writer.member("trust_score", verdict.trustScore)
        writer.member("grade", verdict.grade)
        writer.member("context_state", verdict.contextState.rawValue)
        writer.name("claims")
        writer.beginArray()
        for claim in verdict.claims {
            writer.beginObject()
            writer.member("verdict", claim.verdict.rawValue)
            writer.member("probability", claim.probability)
            writer.member("reasoning", claim.reasoning)
            if options.showsFeatures, let features = claim.features {
                writer.name("features")
                writer.beginObject()
                for (name, feature) in zip(ClaimVerdict.featureNames, features) { writer.member(name, (feature * 1e6).rounded() / 1e6) }
                writer.endObject()
            }
            writer.endObject()
        }
        writer.endArray()
    }

    private func extract(_ value: JSONValue, into writer: inout JSONWriter) throws {
        let found = try SavedExchange.context(from: value)
        writer.member("query", found.query)
        writer.member("context_state", found.contextState.rawValue)
        writer.name("documents")
        writer.beginArray()
        for document in found.documents {
            writer.beginObject()
            writer.member("id", document.id)
            writer.member("source", document.source)
            writer.member("content", document.content)
            if document.isOpaque { writer.member("opaque", true) }
            if document.isEarlierTurn { writer.member("turn", "earlier") }
            writer.endObject()
        }
        writer.endArray()
    }
}
