// Threads beside the loop take no signals from it.
import Glibc
import Testing

@testable import EventLoop

struct ThreadTests {
    /// Two that nobody uses and that do nothing by default: for a moment the process is open to them.
    private static let open = [SIGWINCH, SIGURG]

    /// Those of `open` that the calling thread takes.
    private static func taken() -> [Int32] {
        var set = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &set)
        return open.filter { sigismember(&set, $0) == 0 }
    }

    @Test func `a thread has its name and leaves signals to who started it`() throws {
        let ends = try pipeEnds()
        onThread {
            var set = sigset_t()
            sigemptyset(&set)
            for number in Self.open { sigaddset(&set, number) }
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            try? startThread("tt-test-thread") {
                let told = Array("\(text(of: "/proc/thread-self/comm"))takes \(Self.taken())".utf8)
                _ = write(ends.writing, told, told.count)
                close(ends.writing)
            }
            #expect(Self.taken() == Self.open)
        }
        #expect(String(decoding: rest(of: ends.reading), as: UTF8.self) == "tt-test-thread\ntakes []")
        close(ends.reading)
    }
}

private func text(of path: String) -> String {
    let file = open(path, O_RDONLY)
    defer { close(file) }
    return String(decoding: rest(of: file), as: UTF8.self)
}
