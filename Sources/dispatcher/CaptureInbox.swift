// Captures from edges: edge/CaptureOutbox → dispatcher.
import EventLoop
import IPC

enum CaptureInbox {
    /// Hands in what has come; why the channel ended, if it did.
    static func receive(from peer: Peer, _ readiness: Readiness, in loop: Loop, into dispatch: inout Dispatch, at moment: Moment) -> ChannelEnd? {
        peer.channel.handle(readiness, in: loop) { header, payload throws(FrameError) in
            switch try CaptureToDispatcher(header, payload) {
            case .open(let open): try dispatch.captureOpened(open, from: peer.number, generation: peer.generation)
            case .capture(let capture):
                dispatch.captureReceived(CaptureFacts(capture), payload: payload, from: peer.number, generation: peer.generation, at: moment)
            }
        }
    }
}
