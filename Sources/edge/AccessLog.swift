// The access log's writer: lines go out by a thread of their own, so that a slow disk is never felt by traffic.
// Leaves to others: what a line says (`AccessLogLine`).
import EventLoop
import Glibc
import Synchronization
import Telemetry

/// Lines wait in a bounded buffer for the thread that writes them; what finds no room, or cannot be written, is dropped and
/// counted.
final class AccessLog: Sendable {
    static let bufferBytes = 1 << 20

    private struct Buffer {
        var bytes: [UInt8] = []
        var isWriting = false
        var dropped: UInt64 = 0
    }

    private let descriptor: Int32
    private let buffer = Mutex(Buffer())
    private let wakeup: Wakeup

    init(_ descriptor: Int32) throws(SystemError) {
        self.descriptor = descriptor
        wakeup = try Wakeup()
        try startThread("tt-access") { [self] in run() }
    }

    func write(_ line: UnsafeRawBufferPointer) {
        let isFirst = buffer.withLock { buffer in
            guard buffer.bytes.count + line.count <= Self.bufferBytes else {
                buffer.dropped += 1
                return false
            }
            defer { buffer.bytes += line }
            return buffer.bytes.isEmpty
        }
        if isFirst { wakeup.signal() }
    }

    /// Everything that was handed over has been written or dropped.
    var isWritten: Bool { buffer.withLock { $0.bytes.isEmpty && !$0.isWriting } }

    /// Lines that were dropped since the last call.
    func takeDropped() -> UInt64 {
        buffer.withLock { buffer in
            defer { buffer.dropped = 0 }
            return buffer.dropped
        }
    }

    private func run() {
        var bytes: [UInt8] = []
        while true {
            var wait = pollfd(fd: wakeup.descriptor.number, events: Int16(POLLIN), revents: 0)
            poll(&wait, 1, -1)
            wakeup.clear()
            buffer.withLock { buffer in
                swap(&bytes, &buffer.bytes)
                buffer.isWriting = true
            }
            let lost = writeOut(bytes)
            bytes.removeAll(keepingCapacity: true)
            buffer.withLock { buffer in
                buffer.isWriting = false
                buffer.dropped += lost
            }
        }
    }

    /// The lines that could not be written: the disk is full, the reader is gone.
    private func writeOut(_ bytes: [UInt8]) -> UInt64 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, 1000)
                continue
            }
            guard count > 0 else { return UInt64(rest.count { $0 == UInt8(ascii: "\n") }) }
            rest = rest.dropFirst(count)
        }
        return 0
    }
}
