// cl_spawn: a child gets what it was given and nothing else, and does not outlive its parent.
import CLinux
import Glibc
import Synchronization
import Testing

@testable import EventLoop

struct SpawnInheritanceTests {
    /// The descriptors that a child sees, by number; the one that `ls` reads the directory by is left out.
    private func seen(descriptors: [Int32], output: Int32? = nil) throws -> [Int32: String] {
        var program = Program(path: "/bin/ls", arguments: ["-l", "/proc/self/fd"], descriptors: descriptors)
        var found: [Int32: String] = [:]
        var lines: [String]
        if let output {
            // What `ls` writes would go elsewhere: a shell tells it by the last descriptor.
            let ends = try pipeEnds()
            program = .shell("(ls -l /proc/$$/fd >&\(3 + descriptors.count)); :", descriptors: descriptors + [ends.writing])
            program.output = output
            let child = try program.spawn()
            close(ends.writing)
            lines = String(decoding: rest(of: ends.reading), as: UTF8.self).split(separator: "\n").map(String.init)
            close(ends.reading)
            #expect(child.ended().exitCode == 0)
        } else {
            lines = try program.lines()
        }
        lines.removeAll { !$0.contains(" -> ") }
        for line in lines {
            let words = line.split(separator: " ")
            let name = words[words.count - 3]
            let target = String(words[words.count - 1])
            guard !target.hasPrefix("/proc/"), let number = Int32(name) else { continue }
            found[number] = target
        }
        return found
    }

    @Test func `without descriptors there are three`() throws {
        let found = try seen(descriptors: [])
        #expect(found.keys.sorted() == [0, 1, 2])
        #expect(found[0] == "/dev/null")
        #expect(found[1]?.hasPrefix("pipe:") == true)
        #expect(found[1] == found[2])
    }

    /// Targets begin at 3, and so do the sources about: in any order none overwrites another.
    @Test(arguments: [1, 2, 10, 40, 64]) func `descriptors arrive from 3 on, in any order, and nothing else is open`(_ count: Int) throws {
        var random = Seeded(printedFor: "descriptors of a child")
        var open: [(reading: Int32, writing: Int32)] = []
        for _ in 0..<(count + 1) / 2 { open.append(try pipeEnds()) }
        defer {
            for ends in open {
                close(ends.reading)
                close(ends.writing)
            }
        }
        let ascending = Array(open.flatMap { [$0.reading, $0.writing] }.sorted().prefix(count))
        var orders = [ascending, ascending.reversed()]
        for _ in 0..<4 { orders.append(ascending.shuffled(using: &random)) }
        orders.append(ascending.map { $0 == ascending[0] ? $0 : random.next() % 3 == 0 ? -1 : ascending[0] })
        orders.append(ascending.enumerated().map { $0 % 2 == 0 ? -1 : $1 })
        for order in orders {
            let found = try seen(descriptors: order)
            var expected: [Int32: String] = [:]
            for (index, number) in order.enumerated() where number >= 0 { expected[Int32(3 + index)] = target(number) }
            #expect(found.filter { $0.key > 2 } == expected, "\(order)")
            #expect(found[0] == "/dev/null" && found[1] == found[2])
        }
    }

    @Test func `the parent's own standard descriptors can be handed over`() throws {
        let found = try seen(descriptors: [1, 0, 2])
        #expect(found[3] == target(1))
        #expect(found[4] == target(0))
        #expect(found[5] == target(2))
        #expect(found[0] == "/dev/null")
        #expect(found[1] == found[2] && found[1]?.hasPrefix("pipe:") == true)
    }

    @Test(arguments: [Int32(0), 1, 2]) func `the parent's own standard descriptors can take the output`(_ number: Int32) throws {
        let found = try seen(descriptors: [], output: number)
        #expect(found[0] == "/dev/null")
        #expect(found[1] == target(number))
        #expect(found[2] == target(number))
    }

    @Test func `the environment is what was given`() throws {
        var program = Program(path: "/usr/bin/env")
        #expect(try program.lines() == [])
        program.environment = ["A=1", "EMPTY=", "B=grüße = x"]
        #expect(try program.lines() == program.environment)
    }

    @Test func `arguments and output`() throws {
        var program = Program.shell("echo \"$0 $1\"; echo error >&2")
        program.arguments += ["/bin/sh", "first"]
        let ended = try program.spawn().ended()
        #expect(ended == Child.Ended(output: "/bin/sh first\nerror\n", exitCode: 0, signal: 0))
    }

    @Test func `signals are unblocked and default`() throws {
        cl_ignore_sigpipe()
        let signals = try Signals([SIGTERM, SIGCHLD, SIGINT])
        let lines = try Program(path: "/bin/cat", arguments: ["/proc/self/status"]).lines()
        for name in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
            let line = try #require(lines.first { $0.hasPrefix(name + ":") })
            let mask = try #require(UInt64(line.suffix(16), radix: 16))
            // 32 and 33 are the C library's own: it lets nobody change them.
            #expect(mask & ~0x1_8000_0000 == 0, "\(line)")
        }
        _ = consume signals
    }

    @Test func `it leads a process group of its own`() throws {
        let child = try Program(path: "/bin/cat", arguments: ["/proc/self/stat"]).spawn()
        let ended = child.ended()
        // pid (name) state parent group
        let fields = ended.output.split(separator: " ")
        #expect(fields[0] == "\(child.pid)")
        #expect(fields[3] == "\(getpid())")
        #expect(fields[4] == "\(child.pid)")
    }

    @Test func `niceness is added to the parent's`() {
        // Niceness belongs to the thread, so one of its own can be nicer.
        let found = Mutex<[String]>([])
        onThread {
            let thread = __priority_which_t(PRIO_PROCESS.rawValue)
            _ = setpriority(thread, 0, getpriority(thread, 0) + 4)
            var program = Program(path: "/bin/cat", arguments: ["/proc/self/stat"])
            for added in [0, 3, 100] as [Int32] {
                program.nice = added
                let fields = ((try? program.lines()) ?? []).first?.split(separator: " ") ?? []
                found.withLock { $0.append(fields.count > 18 ? String(fields[18]) : "?") }
            }
        }
        let before = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        #expect(found.withLock { $0 } == ["\(before + 4)", "\(before + 7)", "19"])
    }

    @Test(.enabled(if: Self.kernelKnowsSlices)) func `a slice is asked for beside niceness`() throws {
        var program = Program(path: "/bin/cat", arguments: ["/proc/self/sched"])
        program.nice = 3
        program.sliceMicroseconds = 100_000
        let lines = try program.lines().map { $0.filter { $0 != " " } }
        #expect(lines.contains("se.slice:100000000"))
        #expect(lines.contains("prio:\(120 + getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) + 3)"))
    }

    /// Since Linux 6.12, where it tells of them.
    private static var kernelKnowsSlices: Bool {
        let version = (try? Program(path: "/bin/uname", arguments: ["-r"]).lines().first)?.split(separator: ".").prefix(2).compactMap { Int($0) } ?? []
        return version.lexicographicallyPrecedes([6, 12]) == false && access("/proc/self/sched", R_OK) == 0
    }
}
