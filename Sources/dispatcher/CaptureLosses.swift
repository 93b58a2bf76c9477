// Captures that edges sent and nobody received: their number follows from counts alone.
//
// An edge's captures go over one channel after the other. A boundary between channels is a known total: "before this channel
// the place had sent so many". Once every channel below a boundary has been read to its end, what was sent up to it and not
// received is lost. Totals belong to a place and go on through restarts of its edge, as its scoreboard slot does: so neither
// a new edge nor a new dispatcher needs to know what happened before it.
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
        /// Received over channels below the last boundary passed, or booked as lost there.
        var accounted: UInt64 = 0
        var channels: [Channel] = []
        /// In order of arrival; the first one waits for channels to end.
        var boundaries: [Boundary] = []

        // Since the last `takeNews`.
        var newlyReceived: UInt64 = 0
        var newlyLost: UInt64 = 0

        /// The index of a channel, which is made when it is new.
        mutating func index(of generation: UInt32) -> Int {
            if let index = channels.lastIndex(where: { $0.generation == generation }) { return index }
            channels.append(Channel(generation: generation))
            return channels.count - 1
        }

        mutating func receive(on generation: UInt32) {
            channels[index(of: generation)].received += 1
            newlyReceived += 1
        }
    }

    private var edges: [UInt16: Edge] = [:]

    init() {}

    /// A place that sent captures to an earlier dispatcher, all of which were received, or are booked as lost now.
    mutating func adopt(_ place: UInt16, sent: UInt64, lost: UInt64) {
        edges[place, default: Edge()].accounted = sent
        edges[place, default: Edge()].newlyLost += lost
    }

    /// A new channel; older ones may still hold captures that have not been read.
    mutating func attached(_ place: UInt16, generation: UInt32) {
        _ = edges[place, default: Edge()].index(of: generation)
    }

    /// The channel's first message: the place had handed `sentBefore` captures to earlier channels. Returns what is lost.
    mutating func opened(_ place: UInt16, generation: UInt32, sentBefore: UInt64) throws(FrameError) -> UInt64 {
        guard sentBefore <= Self.mostSent else { throw .outOfRange("sent before") }
        return update(place) { edge in
            _ = edge.index(of: generation)
            edge.boundaries.append(Boundary(end: generation, sent: sentBefore))
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

    /// The edge is dead and had sent so many, all incarnations together; `generation` is its last channel's. Returns what is
    /// lost. Its successor's first message says the same, so this matters only when there is none.
    mutating func edgeEnded(_ place: UInt16, generation: UInt32, sent: UInt64) -> UInt64 {
        guard sent <= Self.mostSent else { return 0 }
        return update(place) { $0.boundaries.append(Boundary(end: generation == .max ? .max : generation + 1, sent: sent)) }
    }

    /// Hands out what each place's captures became since the last time.
    mutating func takeNews(_ body: (_ place: UInt16, _ received: UInt64, _ lost: UInt64) -> Void) {
        for index in edges.values.indices where edges.values[index].newlyReceived > 0 || edges.values[index].newlyLost > 0 {
            body(edges.keys[index], edges.values[index].newlyReceived, edges.values[index].newlyLost)
            edges.values[index].newlyReceived = 0
            edges.values[index].newlyLost = 0
        }
    }

    /// Changes an edge, then passes every boundary whose channels have all ended.
    private mutating func update(_ place: UInt16, _ change: (inout Edge) -> Void) -> UInt64 {
        var edge = edges[place] ?? Edge()
        change(&edge)
        var lost: UInt64 = 0
        while let boundary = edge.boundaries.first, !edge.channels.contains(where: { $0.isOpen && $0.generation < boundary.end }) {
            edge.boundaries.removeFirst()
            for channel in edge.channels where channel.generation < boundary.end { edge.accounted += channel.received }
            edge.channels.removeAll { $0.generation < boundary.end }
            let missing = boundary.sent.lessOrZero(edge.accounted)
            edge.accounted += missing
            lost += missing
        }
        edge.newlyLost += lost
        edges[place] = edge
        return lost
    }
}
