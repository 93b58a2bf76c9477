// Bytes from and to a client: the one place that knows whether TLS lies between. Plain connections pay a branch.
import CLinux
import EventLoop
import Glibc
import TLS

extension Proxy {
    /// Reads into `readBuffer`, by the rules of `cl_receive`: how many bytes, 0 at the end, else a negative error code.
    @inline(__always)
    mutating func receive(_ index: Int) -> Int {
        let client = clients.at(index)
        guard client.pointee.isTLS else { return cl_receive(client.pointee.descriptor, readBuffer.baseAddress, readBuffer.count) }
        return receiveEncrypted(index)
    }

    private mutating func receiveEncrypted(_ index: Int) -> Int {
        let client = clients.at(index)
        // Thrown away anyway.
        if client.pointee.phase == .lingering { return cl_receive(client.pointee.descriptor, readBuffer.baseAddress, readBuffer.count) }
        var result = TLSResult.bytes(0)
        if !client.pointee.isAgreed {
            result = client.pointee.tls!.handshake()
            if case .bytes = result {
                client.pointee.isAgreed = true
                slot.add(.tlsHandshakes)
                if client.pointee.isResumed { slot.add(.tlsResumptions) }
            }
        }
        if case .bytes = result { result = client.pointee.tls!.read(into: readBuffer) }
        switch result {
        case .bytes(let count): return count
        case .end: return 0
        case .wantsRead, .wantsWrite: return -Int(EAGAIN)
        case .failed(let error):
            if client.pointee.isAgreed { return -Int(EPROTO) }
            return handshakeFailed(index, error)
        }
    }

    /// Anybody can send nonsense, as fast as they like: told on request only, counted always.
    private mutating func handshakeFailed(_ index: Int, _ error: TLSError) -> Int {
        let client = clients.at(index)
        slot.add(.tlsFailures)
        log.debug(
            "TLS handshake failed",
            ["client": .string(withUnsafeBytes(of: &client.pointee.address) { String(decoding: $0[..<client.pointee.addressLength], as: UTF8.self) }), "cause": .string("\(error)")])
        switch error {
        case .plainHTTP:
            client.pointee.tls = nil
            beginUnparsed(index)
            answer(index, 400, "{\"error\":\"\(error)\"}", close: true)
        case .system, .closedInHandshake: return -Int(EPROTO)
        default: linger(index)  // an alert says why: it must not be reset away
        }
        return -Int(EAGAIN)
    }
}

extension ClientConnection {
    /// Whether a read may find something without a new readiness, after one that brought `count` bytes of at most `capacity`.
    ///
    /// A short read has emptied the socket of a client that has not closed; the next bytes come with a new readiness.
    func mayHoldMore(after count: Int, of capacity: Int) -> Bool {
        switch tls {
        case nil: count == capacity || mayHaveEnded
        case .some(let session): session.hasUnread || mayHaveEnded
        }
    }

    fileprivate var isResumed: Bool {
        switch tls {
        case nil: false
        case .some(let session): session.isResumed
        }
    }

    /// Writes what waits, and with TLS the farewell behind a last answer.
    mutating func send() -> BlockChain.Sent {
        guard isTLS else { return output.send(to: descriptor) }
        let sent = tls!.send(&output)
        guard sent == .all, closesAfterOutput, !cutsAfterOutput else { return sent }
        return tls!.close() ? .all : .blocked
    }

    /// Writes what waits and then `data`; what cannot be written is kept, unless memory is short: then it is not complete.
    mutating func send(followedBy data: UnsafeRawBufferPointer) -> (sent: BlockChain.Sent, isComplete: Bool) {
        guard isTLS else { return output.send(to: descriptor, followedBy: data) }
        return tls!.send(&output, followedBy: data)
    }

    /// Closes the descriptor. Whoever was between two requests, or in a tunnel, is told that nothing is missing; all else is a cut.
    mutating func end() {
        if isTLS, phase == .head || phase == .tunnel, output.isEmpty, !cutsAfterOutput { tls!.close() }
        close(descriptor)
    }
}
