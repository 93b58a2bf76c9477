// Queries from edges: edge/QueryOutbox → dispatcher.
import EventLoop
import IPC

enum QueryInbox {
    /// Hands in what has come; why the channel ended, if it did.
    static func receive(from peer: Peer, _ readiness: Readiness, in loop: Loop, into dispatch: inout Dispatch, at moment: Moment) -> ChannelEnd? {
        peer.channel.handle(readiness, in: loop) { header, payload throws(FrameError) in
            let query = QueryID(edge: peer.number, generation: peer.generation, number: header.id)
            switch try QueryToDispatcher(header, payload) {
            case .submit(let submit):
                let capture = try Capture(from: PayloadReader(submit.capture))
                try dispatch.submitted(
                    CaptureFacts(capture), payload: submit.capture, wait: .milliseconds(Int64(submit.waitMilliseconds)), by: query, at: moment)
            case .lookup(let lookup): dispatch.lookedUp(lookup, by: query, at: moment)
            case .recent(let recent): dispatch.askedForRecent(recent, by: query)
            case .cancel: dispatch.cancelled(query)
            }
        }
    }
}
