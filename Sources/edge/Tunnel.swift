// Connections that speak WebSocket: bytes both ways, until both sides have ended.
import EventLoop
import Glibc
import HTTP
import TLS

extension Proxy {
    /// 101: both connections become one. Each side's end is passed on behind its last bytes; the other direction goes on.
    mutating func beginTunnel(_ upstream: Int, _ index: Int, _ head: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        guard client.pointee.exchange.wantsTunnel, answerHead.upgrade == .webSocket else {
            return upstreamFailed(upstream, "the answer was 101, which nobody asked for")
        }
        if client.pointee.exchange.capture.isActive { client.pointee.exchange.capture.discard() }
        var sink = ByteSink(scratch)
        sink.appendStatusLine(answerHead, head.bytes)
        sink.appendFields(answerHead, head.bytes, except: Self.answerFields)
        appendOwnFields(client, &sink, hasRequestID: answerHead.contains(.xRequestID))
        sink.append("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        guard !sink.overflowed else { return upstreamFailed(upstream, "the answer's head is over TRUTHTABLE_MAX_HEAD_BYTES") }
        report(index, .succeeded)
        client.pointee.exchange.status = 101
        client.pointee.exchange.answerBegan = true
        client.pointee.phase = .tunnel
        upstreams.at(upstream).pointee.phase = .tunnel
        runTunnelClock(index)
        exchangeDeadlines[index] = .max
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

    /// Something was said: the time of silence begins anew. A side that has ended gives the other one less time, as most of
    /// those that end do not wait for anything.
    mutating func runTunnelClock(_ index: Int) {
        let client = clients.at(index)
        let isHalf = client.pointee.hasEnded || upstreams.at(client.pointee.exchange.upstream).pointee.hasEnded
        clientDeadlines[index] = now &+ (isHalf ? bodyNanoseconds : tunnelNanoseconds)
    }

    /// Passes on the end of a side whose bytes have all been sent on; the tunnel is over when both have ended. True when it is.
    @discardableResult  // most callers are done with the client anyway
    mutating func endTunnelSides(_ index: Int) -> Bool {
        let client = clients.at(index)
        let connection = upstreams.at(client.pointee.exchange.upstream)
        let clientIsDone = client.pointee.hasEnded && connection.pointee.output.isEmpty
        let upstreamIsDone = connection.pointee.hasEnded && client.pointee.output.isEmpty
        if clientIsDone, upstreamIsDone {
            clientGone(index)
            return true
        }
        if clientIsDone {
            if connection.pointee.tls != nil { connection.pointee.tls!.close() }
            shutdown(connection.pointee.descriptor, Int32(SHUT_WR))
        }
        if upstreamIsDone {
            if client.pointee.isTLS { client.pointee.tls!.close() }
            shutdown(client.pointee.descriptor, Int32(SHUT_WR))
        }
        runTunnelClock(index)
        return false
    }

    /// The upstream's connection is broken: what it did say still goes out, then the client's ends too.
    mutating func breakTunnel(_ index: Int) {
        let client = clients.at(index)
        conclude(index, flags: .upstreamBroken)
        abandonUpstream(index)
        client.pointee.exchange.reset()
        client.pointee.phase = .head
        client.pointee.closesAfterOutput = true
        flushClient(index)
    }
}
