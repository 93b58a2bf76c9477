// Connections that speak WebSocket: bytes both ways, for as long as both sides live.
import EventLoop
import HTTP

extension Proxy {
    /// 101: both connections become one, for as long as both live.
    mutating func beginTunnel(_ upstream: Int, _ index: Int, _ head: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        guard client.pointee.exchange.wantsTunnel, answerHead.upgrade == .webSocket else {
            return upstreamFailed(upstream, "the answer was 101, which nobody asked for")
        }
        var sink = ByteSink(scratch)
        sink.appendStatusLine(answerHead, head.bytes)
        sink.appendFields(answerHead, head.bytes, except: .none.with(.contentLength))
        appendOwnFields(client, &sink, hasRequestID: answerHead.contains(.xRequestID))
        sink.append("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        guard !sink.overflowed else { return upstreamFailed(upstream, "the answer's head is over TRUTHTABLE_MAX_HEAD_BYTES") }
        if client.pointee.exchange.capture.isActive { client.pointee.exchange.capture.discard() }
        client.pointee.exchange.status = 101
        client.pointee.exchange.answerBegan = true
        client.pointee.phase = .tunnel
        upstreams.at(upstream).pointee.phase = .tunnel
        clientDeadlines[index] = .max
        upstreamDeadlines[upstream] = .max
        appendClient(client, UnsafeRawBufferPointer(rebasing: scratch[..<sink.count]))
        if !rest.isEmpty { appendClient(client, rest) }
        if !client.pointee.received.isEmpty {
            let sent = appendUpstream(upstream, client.pointee.received.bytes)
            client.pointee.received.removeAll()
            if sent { flushUpstream(upstream) }
        }
        if clients.isLive(index) { resume(index) }
    }
}
