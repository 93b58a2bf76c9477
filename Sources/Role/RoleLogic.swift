// What makes one role differ from another: its peers and what it does with them. The rest is `RoleProcess`.
import Configuration
import EventLoop
import IPC
import Telemetry

/// What a child is born with.
package struct Birth {
    package let place: Place
    /// Grows from one incarnation of anything to the next; never used twice, not even by a later supervisor.
    package let incarnation: UInt64
    package let settings: Settings
    package let loop: Loop
    package let log: Log
    package let scoreboard: Scoreboard
    /// This place's part of the scoreboard, written by this process only.
    package let slot: ScoreboardSlot
    /// Channels whose end the supervisor must hear of; sent at the end of the turn.
    let givenUp = GivenUpChannels()

    /// Books the end of a channel. One that did not end with its peer (a malformed frame, a failed socket) is counted, logged
    /// and asked for anew.
    package func channelEnded(_ channel: Attach, _ end: ChannelEnd) {
        guard end != .closed else { return }
        if case .violation = end { slot.add(.framesMalformed) }
        log.warn("Channel given up", ["kind": .string("\(channel.kind)"), "peer": .string(Place(index: Int(channel.peer))?.description ?? "?"), "cause": .string("\(end)")])
        givenUp.messages.append(ChannelGivenUp(channel))
    }
}

/// A box, because births are values and the roles keep them.
final class GivenUpChannels {
    var messages: [ChannelGivenUp] = []
}

/// A fault of ours, of the machine or in what the settings name that keeps a role from working; the process ends with it.
package struct RoleFailure: Error, CustomStringConvertible {
    package let description: String
    package let exitCode: ExitCode

    package init(_ description: String, exitCode: ExitCode = .internal) {
        self.description = description
        self.exitCode = exitCode
    }
}

/// A role's own part. All calls come from one loop on one thread; none may block.
package protocol RoleLogic: ~Copyable {
    static var role: ProcessRole { get }

    /// Ready when it returns. Inherited descriptors have the numbers of `InheritedDescriptor`.
    init(_ birth: Birth) throws(RoleFailure)

    /// A new channel. An older one to the same peer has ended or is about to; what came over it may still be read.
    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor)
    /// A process at the other end of a channel has been reaped.
    mutating func peerEnded(_ ended: PeerEnded)
    /// One of the role's own descriptors is ready. Kinds of its tokens are below 0xF0.
    mutating func handle(_ token: Token, _ readiness: Readiness)
    /// All that is ready in this turn, also what is not the role's own. Only a role that cannot afford a call through the
    /// protocol per readiness has its own form of it.
    mutating func handle(_ batch: ReadyBatch)
    /// One of the role's own alarms is due, perhaps a stale one.
    mutating func alarm(_ token: Token)
    /// All that was ready has been handled: what was collected for the peers goes out now, once per turn.
    mutating func turnEnded()
    /// Read again what the settings name and may have changed: files.
    mutating func reload()
    /// Take nothing new, finish what is held until then.
    mutating func drain(until limit: Instant)
    /// Asked once per turn after `drain`.
    var isDrained: Bool { get }
}

extension RoleLogic where Self: ~Copyable {
    package mutating func handle(_ batch: ReadyBatch) {
        for (token, readiness) in batch where token.kind < 0xF0 { handle(token, readiness) }
    }

    package mutating func reload() {}
}
