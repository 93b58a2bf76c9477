// Log lines: one event, one line, one `write` to a non-blocking descriptor. A reader that is too slow loses lines,
// counted; no process ever waits for its log. Where lines go from there is the supervisor's affair.

import Glibc
import Synchronization

/// Writes `2026-11-25T21:52:50.123Z info edge[0] Captured response request_id=req_1 status=200`.
///
/// The message is fixed text that people can search for; what varies goes into fields, except where the message is
/// known with a number or a cause inside. A line below the level costs one comparison: nothing is formatted.
package struct Log: Sendable {
    package enum Level: UInt8, CaseIterable, Comparable, Sendable {
        case debug, info, warn, error

        package var name: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warn: "warn"
            case .error: "error"
            }
        }

        /// By the name that settings use.
        package init?(name: String) {
            guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = level
        }

        package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    package typealias Fields = KeyValuePairs<String, Value>

    private let sink: Sink
    /// ` edge[0] `
    private let origin: String

    /// Lines say the place of the process that writes them.
    package init(_ place: Place, level: Level = .info, descriptor: Int32 = STDERR_FILENO) {
        origin = " \(place) "
        sink = Sink(descriptor: descriptor, level: level)
    }

    /// Least level that is written. Copies of a log share it; it can change while the process runs.
    package var level: Level {
        get { Level(rawValue: sink.level.load(ordering: .relaxed)) ?? .info }
        nonmutating set { sink.level.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Lines that the descriptor did not take, since the process began.
    package var droppedLines: UInt64 { sink.dropped.load(ordering: .relaxed) }

    package func isEnabled(_ level: Level) -> Bool { level.rawValue >= sink.level.load(ordering: .relaxed) }

    package func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        if isEnabled(.debug) { write(.debug, message(), fields()) }
    }

    package func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        if isEnabled(.info) { write(.info, message(), fields()) }
    }

    package func warn(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        if isEnabled(.warn) { write(.warn, message(), fields()) }
    }

    package func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        if isEnabled(.error) { write(.error, message(), fields()) }
    }

    private func write(_ level: Level, _ message: String, _ fields: Fields) {
        withUnsafeTemporaryAllocation(byteCount: LogLine.capacity, alignment: 1) { buffer in
            var line = LogLine(buffer)
            line.time(.now())
            line.plain(" ")
            line.plain(level.name)
            line.plain(origin)
            line.message(message)
            for (key, value) in fields { line.field(key, value) }
            sink.write(UnsafeRawBufferPointer(rebasing: buffer[..<line.finish()]))
        }
    }

    /// A value of a field. Literals are values; other texts and numbers say what they are.
    package struct Value: Sendable {
        enum Content {
            /// Needs no quotes and no escapes.
            case plain(String)
            case string(String)
        }

        let content: Content

        package static func string(_ text: String) -> Value { Value(content: .string(text)) }
        package static func number(_ value: some BinaryInteger) -> Value { Value(content: .plain(String(value))) }
        package static func flag(_ value: Bool) -> Value { Value(content: .plain(value ? "true" : "false")) }

        /// Seconds that no real duration reaches, so that reckoning in microseconds cannot overflow.
        private static let longest: Int64 = 1_000_000_000_000

        /// In milliseconds with up to three decimals, with the unit: `12.3ms`.
        package static func duration(_ value: Duration) -> Value {
            let (seconds, attoseconds) = max(min(value, .seconds(longest)), .seconds(-longest)).components
            let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
            let (whole, part) = microseconds.quotientAndRemainder(dividingBy: 1000)
            var text = part < 0 && whole == 0 ? "-0" : String(whole)
            if part != 0 {
                let digits = String(part.magnitude)
                text += "." + String(repeating: "0", count: 3 - digits.count) + digits
                while text.hasSuffix("0") { text.removeLast() }
            }
            return Value(content: .plain(text + "ms"))
        }
    }

    /// What copies of a log share.
    private final class Sink: Sendable {
        let descriptor: Int32
        let level: Atomic<UInt8>
        let dropped = Atomic<UInt64>(0)

        init(descriptor: Int32, level: Level) {
            self.descriptor = descriptor
            self.level = Atomic(level.rawValue)
        }

        /// A pipe takes a line whole or not at all; files and terminals may take a part, then the rest follows.
        /// SIGPIPE is ignored in all our processes: a reader that is gone costs lines, not the writer.
        func write(_ line: UnsafeRawBufferPointer) {
            var rest = line
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    dropped.wrappingAdd(1, ordering: .relaxed)
                    return
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[min(count, rest.count)...])
            }
        }
    }
}

extension Log.Value: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral value: Int) { self = .number(value) }
    package init(booleanLiteral value: Bool) { self = .flag(value) }
}
