// `truthtable audit --repeat N`: what audits cost in one process that does nothing else. Each goes the way it goes in an auditor,
// from the bytes of a capture to the JSON of the verdict, in the same steps.
import Auditing
import EventLoop
import Glibc
import JSON
import Role

enum AuditRepetition {
    static func run(_ bytes: [UInt8], _ count: Int) -> ExitCode {
        var captures: [CapturedExchange] = []
        for (index, line) in bytes.split(separator: 0x0A).enumerated() {
            do {
                captures.append(try SavedExchange.capture(from: try JSONValue(parsing: Array(line).span)))
            } catch {
                complain(CommandLineTool.name, "line \(index + 1): \(Audit.sentence(for: error))")
                return .badInput
            }
        }
        guard !captures.isEmpty else {
            complain(CommandLineTool.name, "there is nothing to audit")
            return .badInput
        }
        var claims = 0
        var longest = 0.0
        // Memory settles in the first tenth.
        var settled = 0
        let start = Instant.now
        let user = cpu()
        for number in 0..<count {
            if number == count / 10 { settled = residentKilobytes() }
            claims += audit(captures[number % captures.count], &longest)
        }
        let seconds = Double(start.duration(to: .now).nanoseconds) / 1e9
        let spent = cpu() - user
        return CommandLineTool.show(
            """
            audits                  \(count), \(claims) claims
            answers per second      \(Int(Double(count) / max(seconds, 1e-6)))
            CPU per answer          \(Int(spent / Double(count) * 1e6)) microseconds
            longest step            \(Int(longest * 1e6)) microseconds of CPU
            resident memory         \(settled) KB after a tenth of them, \(residentKilobytes()) KB at the end
            """)
    }

    private static func audit(_ capture: CapturedExchange, _ longest: inout Double) -> Int {
        var before = cpu()
        func endStep() {
            let now = cpu()
            longest = max(longest, now - before)
            before = now
        }
        var decoder = CaptureDecoder(capture)
        var decoded: Decoded?
        while decoded == nil {
            decoded = decoder.step()
            endStep()
        }
        guard case .auditable(let auditCase)? = decoded else { return 0 }
        var engine = EmbeddedEngine(auditCase)
        while true {
            guard let verdict = engine.step() else {
                endStep()
                continue
            }
            _ = VerdictJSON.render(verdict, of: auditCase, processingTimeMilliseconds: 0, timestampMilliseconds: 0)
            endStep()
            return verdict.totalClaims
        }
    }

    /// Of this process so far, in seconds.
    private static func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func residentKilobytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(getpagesize()) / 1024 : 0
    }
}
