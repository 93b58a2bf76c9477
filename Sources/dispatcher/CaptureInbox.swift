// Captures from edges: edge/CaptureOutbox → dispatcher.
import EventLoop
import IPC
import Telemetry

enum CaptureInbox {
    /// Hands in what has come; why the channel ended, if it did.
    static func receive(from peer: Peer, _ readiness: Readiness, in loop: Loop, into dispatch: inout Dispatch, at moment: Moment, _ log: Log) -> ChannelEnd? {
        peer.channel.handle(readiness, in: loop) { header, payload throws(FrameError) in
            switch try CaptureToDispatcher(header, payload) {
            case .open(let open): try dispatch.captureOpened(open, from: peer.number, generation: peer.generation)
            case .capture(let capture):
                let facts = CaptureFacts(capture)
                dispatch.captureReceived(facts, payload: payload, from: peer.number, generation: peer.generation, at: moment)
                log.info(
                    "Captured response",
                    [
                        "request_id": .string(text(capture.requestID)), "trace_id": .string(facts.traceID),
                        "span_id": .string(capture.head.spanIDText), "status": .number(capture.head.status),
                        "body_size": .number(capture.head.responseBodyBytes), "duration": .duration(.microseconds(Int64(capture.head.durationMicroseconds))),
                    ])
            }
        }
    }
}
