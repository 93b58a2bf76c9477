// What the tests of this module share: seeded random numbers, waiting, threads, what a descriptor refers to.
import CLinux
import Glibc
import Testing

@testable import EventLoop

/// SplitMix64: small, and the same numbers from the same seed everywhere.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    /// A new seed each run, printed; `TRUTHTABLE_TEST_SEED` repeats a run.
    init(printedFor name: String) {
        let wish = getenv("TRUTHTABLE_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        state = wish ?? UInt64.random(in: 1...UInt64.max)
        print("\(name): TRUTHTABLE_TEST_SEED=\(state)")
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) } }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}

/// Two connected stream sockets, which the caller owns.
func socketPair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    try checked("socketpair", cl_socket_pair(&ends))
    return (ends[0], ends[1])
}

/// A pipe, which the caller owns; left open on exec, so that tests of children see who closes it.
func pipeEnds() throws(SystemError) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw SystemError("pipe", code: errno) }
    return (ends[0], ends[1])
}

/// Waits until `descriptor` is readable or at its end; false after ten seconds, which is a failure of the test.
func readable(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 10_000) == 1
}

/// All that comes from a descriptor until its end.
func rest(of descriptor: Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while readable(descriptor) {
        let n = read(descriptor, &buffer, buffer.count)
        guard n > 0 else { break }
        bytes += buffer[..<n]
    }
    return bytes
}

/// What a descriptor refers to ("pipe:[123]", a path).
func target(_ descriptor: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 512)
    let length = buffer.withUnsafeMutableBytes {
        readlink("/proc/self/fd/\(descriptor)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    return String(decoding: buffer[..<max(0, length)], as: UTF8.self)
}

/// Runs `body` on a thread of its own and waits for it: for what changes the thread, and for threads that only signal.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(Box(body)).toOpaque()
    let code = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, argument)
    precondition(code == 0)
    pthread_join(thread, nil)
}
