// Captures that edges sent and nobody received: their number follows from counts alone.
//
// An edge's captures go over one channel after the other. A boundary between channels is a known total: "up to here the
// place had sent so many". Once every channel below a boundary has been read to its end, what was sent up to it and not
// received is lost.
import IPC

/// What each edge place has sent, what has come, and so what was lost between.
struct CaptureLosses {
    /// No honest edge counts further; a larger number is a violation.
    static let mostSent: UInt64 = 1 << 48

    private struct Channel {
        let generation: UInt32
        var received: UInt64 = 0
        var isOpen = true
    }

    /// All channels below generation `end` together were given `sent` captures.
    private struct Boundary {
        let end: UInt32
        let sent: UInt64
    }

    private struct Edge {
        /// Sent by the incarnations of this place that are over.
        var earlierSent: UInt64 = 0
        /// Received over channels below the last boundary passed, or booked as lost there.
        var accounted: UInt64 = 0
        var channels: [Channel] = []
        /// In order of arrival; the first one waits for channels to end.
        var boundaries: [Boundary] = []
        var newestEnd: UInt32?

        /// The index of a channel, which is made when it is new.
        mutating func index(of generation: UInt32) -> Int {
            if let index = channels.lastIndex(where: { $0.generation == generation }) { return index }
            channels.append(Channel(generation: generation))
            return channels.count - 1
        }

        mutating func receive(on generation: UInt32) { channels[index(of: generation)].received += 1 }
    }

    private var edges: [UInt16: Edge] = [:]

    init() {}

    /// A place that sent captures to an earlier dispatcher: `Succession` has accounted for all of them.
    /// - Parameters:
    ///   - earlierSent: by incarnations that are over.
    ///   - sent: by the living one.
    mutating func adopt(_ place: UInt16, earlierSent: UInt64, sent: UInt64) {
        edges[place, default: Edge()].earlierSent = earlierSent
        edges[place, default: Edge()].accounted = earlierSent.plusAtMost(sent)
    }

    /// A new channel; older ones may still hold captures that have not been read.
    mutating func attached(_ place: UInt16, generation: UInt32) {
        _ = edges[place, default: Edge()].index(of: generation)
    }

    /// The channel's first message: its edge had handed `sentBefore` captures to earlier channels. Returns what is lost.
    mutating func opened(_ place: UInt16, generation: UInt32, sentBefore: UInt64) throws(FrameError) -> UInt64 {
        guard sentBefore <= Self.mostSent else { throw .outOfRange("sent before") }
        return update(place) { edge in
            _ = edge.index(of: generation)
            // Read late, from an incarnation whose total is known already: its end says more.
            if let newest = edge.newestEnd, generation <= newest { return }
            edge.boundaries.append(Boundary(end: generation, sent: edge.earlierSent.plusAtMost(sentBefore)))
        }
    }

    mutating func received(_ place: UInt16, generation: UInt32) {
        edges[place, default: Edge()].receive(on: generation)
    }

    /// Everything that came over this channel has been received. Returns what is lost.
    mutating func channelEnded(_ place: UInt16, generation: UInt32) -> UInt64 {
        guard edges[place] != nil else { return 0 }
        return update(place) { edge in
            guard let index = edge.channels.firstIndex(where: { $0.generation == generation }) else { return }
            edge.channels[index].isOpen = false
            if edge.channels[index].received == 0 { edge.channels.remove(at: index) }
        }
    }

    /// The edge process has been reaped; `generation` is its last channel's. Returns what is lost.
    /// - Parameter owed: what it had captured and not dropped itself, from the scoreboard: sent, or waiting to be.
    mutating func edgeEnded(_ place: UInt16, generation: UInt32, owed: UInt64) -> UInt64 {
        if let newest = edges[place]?.newestEnd, generation <= newest { return 0 }  // reported twice
        return update(place) { edge in
            edge.newestEnd = generation
            edge.earlierSent = edge.earlierSent.plusAtMost(owed)
            edge.boundaries.append(Boundary(end: generation == .max ? .max : generation + 1, sent: edge.earlierSent))
        }
    }

    /// Changes an edge, then passes every boundary whose channels have all ended.
    private mutating func update(_ place: UInt16, _ change: (inout Edge) -> Void) -> UInt64 {
        var edge = edges[place] ?? Edge()
        change(&edge)
        var lost: UInt64 = 0
        while let boundary = edge.boundaries.first, !edge.channels.contains(where: { $0.isOpen && $0.generation < boundary.end }) {
            edge.boundaries.removeFirst()
            for channel in edge.channels where channel.generation < boundary.end {
                edge.accounted = edge.accounted.plusAtMost(channel.received)
            }
            edge.channels.removeAll { $0.generation < boundary.end }
            let missing = boundary.sent.lessOrZero(edge.accounted)
            edge.accounted = edge.accounted.plusAtMost(missing)
            lost = lost.plusAtMost(missing)
        }
        edges[place] = edge
        return lost
    }
}
