// Credits and results from auditors: auditor/AuditorRole → dispatcher.
import EventLoop
import IPC

enum ResultInbox {
    /// Hands in what has come; why the channel ended, if it did.
    static func receive(from peer: Peer, _ readiness: Readiness, in loop: Loop, into dispatch: inout Dispatch, at moment: Moment) -> ChannelEnd? {
        if readiness.contains(.writable) { dispatch.writable(peer.number, generation: peer.generation) }
        return peer.channel.handle(readiness, in: loop) { header, payload throws(FrameError) in
            switch try AuditToDispatcher(header, payload) {
            case .credit(let credit): try dispatch.credit(credit, from: peer.number, generation: peer.generation)
            case .result(let result): dispatch.result(result, from: peer.number, generation: peer.generation, at: moment)
            case .nack(let nack): dispatch.nack(nack, from: peer.number, generation: peer.generation, at: moment)
            }
        }
    }
}
