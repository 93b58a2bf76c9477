// What the tests of this module share: seeded random numbers, byte helpers, raw ends of channels.
import CLinux
import EventLoop
import Glibc
import Testing

@testable import IPC

/// SplitMix64: small, and the same numbers from the same seed everywhere.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    /// A new seed each run, printed; `TRUTHTABLE_TEST_SEED` repeats a run.
    init(printedFor name: String) {
        let wish = getenv("TRUTHTABLE_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        state = wish ?? UInt64.random(in: 1...UInt64.max)
        print("\(name): TRUTHTABLE_TEST_SEED=\(state)")
    }

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// One frame as a value.
struct Whole: Equatable, CustomStringConvertible, Sendable {
    var header: FrameHeader
    var payload: [UInt8]

    init(_ header: FrameHeader, _ payload: [UInt8]) {
        self.header = header
        self.payload = payload
    }

    init(type: UInt16, flags: UInt16 = 0, id: UInt64 = 0, _ payload: [UInt8]) {
        self.init(FrameHeader(length: UInt32(payload.count), type: type, flags: flags, id: id), payload)
    }

    init<M: Message & ~Escapable>(_ message: borrowing M, id: UInt64 = 0) {
        self.init(type: M.type.rawValue, id: id, encoded(message))
    }

    var bytes: [UInt8] {
        var head = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        head.withUnsafeMutableBytes { header.store(into: $0) }
        return head + payload
    }

    var description: String { "type \(header.type), id \(header.id), \(payload.count) bytes" }
}

func encoded<M: Message & ~Escapable>(_ message: borrowing M) -> [UInt8] {
    var writer = PayloadWriter()
    message.encode(into: &writer)
    return writer.bytes
}

func array(_ span: RawSpan) -> [UInt8] { span.withUnsafeBytes { Array($0) } }

/// Bytes that differ from place to place, so that a shifted or repeated block shows.
func pattern(_ count: Int, salt: UInt64 = 1) -> [UInt8] {
    var random = Seeded(seed: salt)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
    bytes.removeLast(bytes.count - count)
    return bytes
}

/// Two connected stream sockets, which the caller owns.
func socketPair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    try checked("socketpair", cl_socket_pair(&ends))
    return (ends[0], ends[1])
}

extension FrameDecoder {
    /// Hands out every whole frame.
    mutating func drain(_ body: (FrameHeader, RawSpan) -> Void) throws(FrameError) {
        while try next(
            { header, payload throws(FrameError) in body(header, payload) },
            refused: { error throws(FrameError) in throw error })
        {}
    }
}

/// A pipe whose other descriptors can be counted: what is passed around in tests of descriptors.
struct Parcel: ~Copyable {
    let reading: Descriptor
    private let link: String

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError("pipe", code: errno) }
        reading = Descriptor(owning: ends[0])
        link = Self.target("/proc/self/fd/\(ends[1])")
        close(ends[1])
    }

    /// A new descriptor for the pipe.
    func copy() -> Descriptor {
        Descriptor(owning: open("/proc/self/fd/\(reading.number)", O_WRONLY | O_CLOEXEC))
    }

    /// Whether `number` is a descriptor for this pipe.
    func owns(_ number: Int32) -> Bool { Self.target("/proc/self/fd/\(number)") == link }

    /// Descriptors of this process for the pipe besides the reading end: exact, whatever other tests open meanwhile.
    var copies: Int {
        var count = -1
        guard let directory = opendir("/proc/self/fd") else { return -1 }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) }
            if Self.target("/proc/self/fd/" + name) == link { count += 1 }
        }
        return count
    }

    private static func target(_ path: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = buffer.withUnsafeMutableBytes { readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
        return String(decoding: buffer[..<max(0, length)], as: UTF8.self)
    }
}

/// Waits until `descriptor` is readable or at its end; false after ten seconds, which is a failure of the test.
func readable(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 10_000) == 1
}

/// Turns the loop until `done`; ten seconds without a readiness are a failure of the test.
func run(_ loop: Loop, until done: () -> Bool, _ handle: (Token, Readiness) -> Void) {
    while !done() {
        var idle = true
        loop.turn(patience: 10_000) { token, readiness in
            idle = false
            handle(token, readiness)
        } alarm: { _ in
        }
        guard !idle else {
            Issue.record("nothing was ready for ten seconds")
            return
        }
    }
}

/// All that comes from a raw end until the peer closes it.
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

/// Writes all of `bytes` to a raw end; it must fit into the socket's buffer.
func put(_ bytes: [UInt8], to descriptor: Int32) {
    var done = 0
    while done < bytes.count {
        let n = bytes.withUnsafeBytes { cl_send(descriptor, $0.baseAddress! + done, $0.count - done) }
        guard n > 0 else {
            Issue.record("the socket took \(done) of \(bytes.count) bytes")
            return
        }
        done += n
    }
}

/// Sends one byte with more descriptors than the product ever would: the ancillary data is laid out by hand.
func putMany(_ descriptors: [Int32], to socket: Int32) {
    let size = MemoryLayout<cmsghdr>.size + descriptors.count * 4
    let ancillary = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    defer { ancillary.deallocate() }
    var header = cmsghdr()
    header.cmsg_len = size
    header.cmsg_level = SOL_SOCKET
    header.cmsg_type = 1  // SCM_RIGHTS
    ancillary.storeBytes(of: header, as: cmsghdr.self)
    for (index, number) in descriptors.enumerated() {
        ancillary.storeBytes(of: number, toByteOffset: MemoryLayout<cmsghdr>.size + 4 * index, as: Int32.self)
    }
    var byte: UInt8 = 0
    withUnsafeMutableBytes(of: &byte) { bytes in
        var piece = iovec(iov_base: bytes.baseAddress, iov_len: 1)
        withUnsafeMutablePointer(to: &piece) { piece in
            var message = msghdr()
            message.msg_iov = piece
            message.msg_iovlen = 1
            message.msg_control = ancillary.baseAddress
            message.msg_controllen = size
            #expect(sendmsg(socket, &message, 0) == 1)
        }
    }
}

/// Sends bytes with descriptors attached to the first of them, as a peer may or may not be entitled to.
func put(_ bytes: [UInt8], with descriptors: [Int32], to descriptor: Int32) {
    let n = bytes.withUnsafeBytes { cl_send_descriptors(descriptor, $0.baseAddress, $0.count, descriptors, Int32(descriptors.count)) }
    #expect(n == bytes.count)
}
