// The simulated network keeps its own promises; without them the world proves nothing.
import EventLoop
import Simulation
import Testing

@Suite struct NetworkTests {
    @Test(arguments: 0..<20) func `frames keep their order within a pipe, and a cut loses the last ones only`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var clock = FalseClock()
        var network = SimulatedNetwork<Int>(seed: seed, longestDelay: .seconds(1))
        let pipes = [network.makePipe(), network.makePipe(), network.makePipe(isHeld: true)]
        var sent = [PipeID: Int](uniqueKeysWithValues: pipes.map { ($0, 0) })
        var got = sent
        var lost = 0
        var ended: Set<PipeID> = []
        for step in 0..<500 {
            if let pipe = random.pick(pipes), network.send(sent[pipe, default: 0], on: pipe, at: clock.now) { sent[pipe, default: 0] += 1 }
            if step == 300 { lost = network.cut(pipes[0], at: clock.now) }
            if step == 350 { network.close(pipes[1], at: clock.now) }
            if step == 400 { network.release(pipes[2]) }
            clock.advance(by: random.duration(upTo: .milliseconds(50)))
            while let delivery = network.deliver(at: clock.now) {
                switch delivery {
                case .frame(let number, let pipe):
                    #expect(number == got[pipe], "seed \(seed)")
                    #expect(!ended.contains(pipe), "seed \(seed)")
                    if pipe == pipes[2] { #expect(step >= 400, "seed \(seed): it was held") }
                    got[pipe, default: 0] += 1
                case .ended(let pipe): ended.insert(pipe)
                }
            }
        }
        clock.advance(by: .seconds(2))
        while let delivery = network.deliver(at: clock.now) {
            switch delivery {
            case .frame(_, let pipe): got[pipe, default: 0] += 1
            case .ended(let pipe): ended.insert(pipe)
            }
        }
        #expect(got[pipes[0]] == sent[pipes[0], default: 0] - lost, "seed \(seed)")
        #expect(got[pipes[1]] == sent[pipes[1]], "seed \(seed)")
        #expect(got[pipes[2]] == sent[pipes[2]], "seed \(seed)")
        #expect(ended == [pipes[0], pipes[1]], "seed \(seed)")
    }

    @Test func `a seed repeats itself`() {
        func numbers(_ seed: UInt64) -> [UInt64] {
            var random = SeededRandom(seed: seed)
            return (0..<5).map { _ in random.next() }
        }
        #expect(numbers(1) == numbers(1))
        #expect(numbers(1) != numbers(2))
    }
}
