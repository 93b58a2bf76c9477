// What the edge knows of a client's connection, of the exchange on it, and of a connection to an upstream.
import EventLoop
import HTTP
import Outbound
import TLS

/// A client's connection: one exchange at a time, requests sent ahead wait in `received` or in the kernel.
struct ClientConnection: ~Copyable {
    enum Phase: UInt8 {
        /// Waits for a request's head, or has a part of it.
        case head
        case exchange
        /// After 101: bytes both ways.
        case tunnel
        /// Our side is closed; what still comes is thrown away, so that the answer is not reset away with it.
        case lingering
    }

    let descriptor: Int32
    let isLoopback: Bool
    /// In TRUTHTABLE_TRUSTED_PROXIES: what it says of its client counts.
    let isTrusted: Bool
    /// Numeric, for X-Forwarded-For and the log.
    var address: InlineArray<46, UInt8>
    let addressLength: Int
    /// It came by the port of the product's own paths.
    var isAdmin = false

    /// Nil on a plain connection. See ClientTransport.
    var tls: TLSSession?
    /// The handshake is over.
    var isAgreed = false
    /// Whether the client's side of an exchange is encrypted.
    var isTLS: Bool { tls != nil }

    var phase = Phase.head
    var received = ByteBuffer()
    /// Where the search for the end of the head goes on.
    var headPosition = 0
    /// A request has been read from it.
    var hasAsked = false
    var output: BlockChain
    /// The kernel may hold more than we have read.
    var hasMore = false
    /// Bytes wait, here or in the kernel, until the exchange ends or its upstream takes more.
    var isHeldUp = false
    /// It has closed its side, perhaps behind bytes that are not read yet.
    var mayHaveEnded = false
    /// ... of a tunnel, and all was read.
    var hasEnded = false
    /// Close once `output` is empty.
    var closesAfterOutput = false
    /// ... without lingering: the answer was cut, and the client shall see that.
    var cutsAfterOutput = false
    var exchange: Exchange

    init(
        descriptor: Int32, isLoopback: Bool, isTrusted: Bool, address: InlineArray<46, UInt8>, addressLength: Int, outputPool: BlockPool,
        capturePool: BlockPool
    ) {
        self.descriptor = descriptor
        self.isLoopback = isLoopback
        self.isTrusted = isTrusted
        self.address = address
        self.addressLength = addressLength
        output = BlockChain(in: outputPool)
        exchange = Exchange(outputPool: outputPool, capturePool: capturePool)
    }
}

/// One request and its answer.
struct Exchange: ~Copyable {
    /// How the answer's end is shown to the client.
    enum AnswerFraming: UInt8 { case none, length, chunked, untilClose }

    /// Slot of the upstream's connection, -1 without one.
    var upstream = -1
    var target = 0
    /// Which list of upstreams it goes to, and a bit for each member that was given it.
    var list = 0
    var tried: UInt32 = 0
    /// From the target's breaker, until it was told that the target failed.
    var permit: CircuitBreaker.Permit?
    /// Whose key the request showed, -1 where nobody's of ours, and the fields that keys of ours stood in.
    var caller = -1
    var callerFields = FieldNames.none
    /// Where its stream is counted, also when the caller has got another name since.
    var callerRow = -1
    /// What the answer says to a page of another origin, and which that is.
    var grant = CORSPolicy.Grant.none
    var origin = ByteBuffer()
    var method = Method.other
    var isHTTP10 = false
    /// Waits for the target's addresses.
    var isResolving = false
    /// The client's connection may carry another exchange.
    var keepAlive = false
    var wantsTunnel = false
    var requestBody = BodyReader()
    var requestBodyIsChunked = false
    /// The client sends its body when it is told to, or has lost patience.
    var awaitsContinue = false
    /// The end of a chunked body stands behind its data: it is written once, however often the request changes connections.
    var lastChunkIsWritten = false
    var requestBytes: UInt64 = 0
    var answerFraming = AnswerFraming.none
    var answerBegan = false
    /// All of the answer has been handed to `output`: the exchange is over when that is sent.
    var isAnswered = false
    /// A part of the answer could not be handed on: the client has left, or there was no memory.
    var answerIsLost = false
    var answerBytes: UInt64 = 0
    var status: UInt16 = 0
    /// The head as it came, kept where another upstream may have to be asked: each gets a head of its own.
    var receivedHead: BlockChain
    /// How much of what waits for an upstream is its head; what follows is the request's body.
    var headLength = 0
    /// What was written of the request while a connection for it is made anew.
    var waiting: BlockChain
    /// A copy of the head for the one repetition that GET and HEAD are allowed; empty for all else.
    var repetition: BlockChain
    var capture: CaptureWriter
    /// The request id in the text form that goes into heads, captures and logs.
    var requestID = InlineArray<64, UInt8>(repeating: 0)
    var requestIDLength = 0
    /// Names the audit, where there is a capture.
    var auditName = ExchangeName.none
    var trace = ExchangeTrace()
    /// The body is to be audited as it is (`POST /v1/audits`), and its client waits so long for the verdict.
    var isSubmission = false
    var submissionWait = Duration.zero
    /// The dispatcher has been asked; 0 while it has not.
    var query: UInt64 = 0
    /// The path, cut, for the line of a failure.
    var path = InlineArray<120, UInt8>(repeating: 0)
    var pathLength = 0
    /// The part of the access log's line that the request's head tells; only with that log.
    var logLine = ByteBuffer()
    /// The body, held back until it is known who answers: test mode, or the upstream of a route by model.
    var heldBody = ByteBuffer()
    var isHeld = false
    var heldLooks = HeldLooks()
    var heldHead = ByteBuffer()

    // Nanoseconds of the monotonic clock; 0 where it has not happened.
    var began: UInt64 = 0
    var upstreamBegan: UInt64 = 0
    var firstByte: UInt64 = 0

    init(outputPool: BlockPool, capturePool: BlockPool) {
        receivedHead = BlockChain(in: outputPool)
        waiting = BlockChain(in: outputPool)
        repetition = BlockChain(in: outputPool)
        capture = CaptureWriter(in: capturePool)
    }

    /// Ready for the next request, for which nothing else is cleared; memory that it holds goes back. Called where an exchange ends.
    mutating func reset() {
        upstream = -1
        target = 0
        list = 0
        tried = 0
        permit = nil
        caller = -1
        callerFields = .none
        callerRow = -1
        grant = .none
        origin.removeAll()
        method = .other
        isHTTP10 = false
        isResolving = false
        keepAlive = false
        wantsTunnel = false
        requestBody = BodyReader()
        requestBodyIsChunked = false
        awaitsContinue = false
        lastChunkIsWritten = false
        requestBytes = 0
        answerFraming = .none
        answerBegan = false
        isAnswered = false
        answerIsLost = false
        answerBytes = 0
        status = 0
        receivedHead.removeAll()
        headLength = 0
        waiting.removeAll()
        repetition.removeAll()
        if capture.isActive { capture.discard() }
        auditName = .none
        trace = ExchangeTrace()
        isSubmission = false
        query = 0
        logLine.removeAll()
        heldBody.removeAll()
        heldHead.removeAll()
        isHeld = false
        heldLooks = HeldLooks()
        began = 0
        upstreamBegan = 0
        firstByte = 0
    }
}

/// The request id of a client's exchange. A function of its own: a method would borrow the whole connection.
func withRequestID<R>(_ client: UnsafeMutablePointer<ClientConnection>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let length = client.pointee.exchange.requestIDLength
    return withUnsafeBytes(of: &client.pointee.exchange.requestID) { body(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
}

/// A connection to an upstream: serves one exchange, or waits in its target's idle list.
struct UpstreamConnection: ~Copyable {
    enum Phase: UInt8 { case connecting, active, idle, tunnel }

    let descriptor: Int32
    let target: Int
    var phase: Phase
    /// Slot of the client it serves, -1 when idle.
    var client: Int
    /// Bytes of requests can be sent: always without TLS, else once it is agreed on.
    var isEstablished = false
    /// It has carried an exchange before: its death before an answer may just be the end of its idle time.
    var isReused = false
    var tls: TLSSession?
    var output: BlockChain
    var received = ByteBuffer()
    var headPosition = 0
    var answer = BodyReader()
    /// The final head has been read.
    var answerBegan = false
    var keepAlive = false
    /// It takes no more of the request: the rest of that is thrown away.
    var isDeaf = false
    /// The client is too slow: nothing is read until it has caught up.
    var isPaused = false
    var hasMore = false
    /// The peer has closed or failed, perhaps behind bytes that are not read yet.
    var mayHaveEnded = false
    /// ... of a tunnel, and all was read.
    var hasEnded = false
    /// While connecting to one of several addresses: which, and what else to try.
    var addresses: AddressCursor?

    /// Why TLS can write no more.
    var tlsFailure: String {
        switch tls {
        case .some(let session): session.failure?.description ?? "the connection was closed"
        case nil: ""
        }
    }

    /// As `ClientConnection.mayHoldMore`.
    func mayHoldMore(after count: Int, of capacity: Int) -> Bool {
        switch tls {
        case nil: count == capacity || mayHaveEnded
        case .some(let session): session.hasUnread || mayHaveEnded
        }
    }

    init(descriptor: Int32, target: Int, phase: Phase, client: Int, outputPool: BlockPool) {
        self.descriptor = descriptor
        self.target = target
        self.phase = phase
        self.client = client
        output = BlockChain(in: outputPool)
    }
}
