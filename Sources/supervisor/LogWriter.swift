// Writes out what the children log: a thread of its own, because standard error may be a terminal or pipe that blocks.
// Its memory is bounded by the children's pipes (64 KiB each) and one unfinished line each; when standard error stalls,
// the pipes fill up and the children drop lines and count them. Nobody waits.
import CLinux
import EventLoop
import Glibc
import Synchronization
import Telemetry

/// The thread that owns the reading ends of the children's log pipes.
final class LogWriter: Sendable {
    /// Longest line; what is longer is cut into several.
    static let lineLimit = 4096

    private struct Inbox {
        var pipes: [(origin: String, descriptor: Int32)] = []
        var isEnding = false
    }

    private let inbox = Mutex(Inbox())
    private let wakeup: Wakeup
    private let ended: Wakeup
    private let output: Int32

    init(into output: Int32 = STDERR_FILENO) throws(SystemError) {
        self.output = output
        wakeup = try Wakeup()
        ended = try Wakeup()
        try startThread("tt-log") { [self] in run() }
    }

    /// Takes over the reading end of a child's pipe; `origin` is written before lines that carry no time of their own.
    func add(_ pipe: consuming Descriptor, origin: String) {
        let number = pipe.release()
        inbox.withLock { $0.pipes.append((origin, number)) }
        wakeup.signal()
    }

    /// Writes out what has come so far and stops; waits for that, but no longer than a second.
    func finish() {
        inbox.withLock { $0.isEnding = true }
        wakeup.signal()
        var wait = pollfd(fd: ended.descriptor.number, events: Int16(POLLIN), revents: 0)
        poll(&wait, 1, 1000)
    }

    private func run() {
        guard let loop = try? Loop(), (try? loop.add(wakeup.descriptor.number, .readable, Token(kind: 1))) != nil else { return }
        var pipes: [UInt32: LogPipe] = [:]
        var next: UInt32 = 0
        while true {
            loop.turn { token, _ in
                if token.kind == 1 {
                    wakeup.clear()
                    let added = inbox.withLock { box in
                        defer { box.pipes = [] }
                        return box.pipes
                    }
                    for (origin, number) in added {
                        next &+= 1
                        guard (try? loop.add(number, .readable, Token(kind: 2, slot: next))) != nil else { close(number); continue }
                        pipes[next] = LogPipe(Descriptor(owning: number), origin: origin, output: output)
                    }
                } else if let pipe = pipes[token.slot], !pipe.readOnce() {
                    pipes[token.slot] = nil
                }
            } alarm: { _ in }
            if inbox.withLock({ $0.isEnding }) {
                for pipe in pipes.values { while pipe.readOnce(), !pipe.isDry {} }
                ended.signal()
                return
            }
        }
    }
}

/// One child's pipe: cuts what comes into lines and writes them out.
private final class LogPipe {
    private let descriptor: Descriptor
    private let origin: String
    private let output: Int32
    private var line: [UInt8] = []
    private(set) var isDry = false

    init(_ descriptor: consuming Descriptor, origin: String, output: Int32) {
        self.descriptor = descriptor
        self.origin = origin
        self.output = output
    }

    /// False when the child's end is closed.
    func readOnce() -> Bool {
        var open = true
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { room in
            let count = read(descriptor.number, room.baseAddress, room.count)
            isDry = count < 0
            if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { open = false }
            for byte in room[..<max(0, count)] {
                if byte == UInt8(ascii: "\n") { finishLine() } else { line.append(byte) }
                if line.count >= LogWriter.lineLimit { finishLine() }
            }
        }
        if !open { finishLine() }
        return open
    }

    private func finishLine() {
        guard !line.isEmpty else { return }
        // Lines of `Log` begin with their time; anything else (a trap's message, a library's) gets one.
        let isOurs = line.count > 25 && line[0] == UInt8(ascii: "2") && line[10] == UInt8(ascii: "T")
        var text: [UInt8] = isOurs ? [] : Array("\(Timestamp.now()) error \(origin) ".utf8)
        text += line
        text.append(UInt8(ascii: "\n"))
        line.removeAll(keepingCapacity: true)
        var rest = text[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                var wait = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
                continue
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
