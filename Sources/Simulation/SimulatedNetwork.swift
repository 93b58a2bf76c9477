// Channels between simulated processes. What is sent arrives in order within its channel and at any time between channels;
// a channel can be cut, and then what was under way is lost from some frame on.
import EventLoop

/// One direction of a channel, from a sender to the one who reads `deliver`'s results.
package struct PipeID: Hashable, Sendable {
    package let number: Int
}

/// All pipes of a simulation. Frames are values; the clock is the caller's.
package struct SimulatedNetwork<Frame> {
    /// What a reader gets.
    package enum Delivery {
        case frame(Frame, PipeID)
        /// Nothing comes over this pipe any more.
        case ended(PipeID)
    }

    private struct Pipe {
        var frames: [(frame: Frame, arrives: Instant)] = []
        var first = 0
        var isCut = false
        var isHeld: Bool
        /// When the reader sees the end.
        var ends: Instant?
        var lastArrival = Instant(nanoseconds: 0)

        var next: Instant? { isHeld ? nil : first < frames.count ? frames[first].arrives : ends }
    }

    /// The longest way of a frame.
    package var longestDelay: Duration
    private var pipes: [Int: Pipe] = [:]
    private var made = 0
    private var random: SeededRandom

    package init(seed: UInt64, longestDelay: Duration) {
        random = SeededRandom(seed: seed)
        self.longestDelay = longestDelay
    }

    /// - Parameter isHeld: its reader does not have it yet; `release` hands it over.
    package mutating func makePipe(isHeld: Bool = false) -> PipeID {
        made += 1
        pipes[made] = Pipe(isHeld: isHeld)
        return PipeID(number: made)
    }

    /// The reader has the pipe from now on.
    package mutating func release(_ pipe: PipeID) { pipes[pipe.number]?.isHeld = false }

    /// False when the pipe is cut: the sender's write fails.
    @discardableResult
    package mutating func send(_ frame: Frame, on pipe: PipeID, at now: Instant) -> Bool {
        guard pipes[pipe.number]?.isCut == false else { return false }
        let arrives = arrival(on: pipe, at: now)
        pipes[pipe.number]?.frames.append((frame, arrives))
        return true
    }

    /// The sender closes its end, or dies: what it sent arrives still, then the end.
    package mutating func close(_ pipe: PipeID, at now: Instant) {
        guard pipes[pipe.number]?.isCut == false else { return }
        let ends = arrival(on: pipe, at: now)
        pipes[pipe.number]?.isCut = true
        pipes[pipe.number]?.ends = ends
    }

    /// The pipe breaks: of what is under way, any number of frames from the first on arrives still. Returns how many are lost.
    @discardableResult
    package mutating func cut(_ pipe: PipeID, at now: Instant) -> Int {
        guard let held = pipes[pipe.number] else { return 0 }
        let underWay = held.frames.count - held.first
        let lost = random.below(underWay + 1)
        pipes[pipe.number]?.frames.removeLast(lost)
        close(pipe, at: now)
        return lost
    }

    /// The reader is gone: nothing is delivered, not even the end.
    package mutating func forget(_ pipe: PipeID) { pipes[pipe.number] = nil }

    /// When the next delivery is due.
    package var next: Instant? { pipes.values.lazy.compactMap(\.next).min() }

    /// Takes the next delivery that is due, if any; of several pipes', the earliest, and then that of the oldest pipe.
    package mutating func deliver(at now: Instant) -> Delivery? {
        var due: (number: Int, at: Instant)?
        for (number, pipe) in pipes {
            guard let at = pipe.next, at <= now else { continue }
            if let best = due, (best.at, best.number) <= (at, number) { continue }
            due = (number, at)
        }
        guard let number = due?.number, var pipe = pipes[number] else { return nil }
        pipes[number] = nil  // so that its frames are not copied
        let id = PipeID(number: number)
        guard pipe.first < pipe.frames.count else { return .ended(id) }
        let frame = pipe.frames[pipe.first].frame
        pipe.first += 1
        if pipe.first == pipe.frames.count {
            pipe.frames.removeAll(keepingCapacity: true)
            pipe.first = 0
        }
        pipes[number] = pipe
        return .frame(frame, id)
    }

    /// Not before what was sent earlier on the same pipe.
    private mutating func arrival(on pipe: PipeID, at now: Instant) -> Instant {
        let earliest = pipes[pipe.number]?.lastArrival ?? now
        let arrives = max(earliest, now + random.duration(upTo: longestDelay))
        pipes[pipe.number]?.lastArrival = arrives
        return arrives
    }
}
