// One client's connection as the server keeps it:
//
//     head --whole head--> body --whole body--> answering --beginStream--> streaming
//      ^                                         |    \--upgrade--> upgraded    |
//      \-------------- answered, keep-alive -----/------------------------------/
//     closing (the last bytes go out) --sent--> lingering (the client reads them) --its end, limit--> ended
//
// Some 200 bytes, and memory for input or output only while there is some.
import EventLoop
import HTTP

struct Connection: ~Copyable {
    enum Phase: UInt8 {
        case head, body, answering, streaming, upgraded, closing, lingering, ended
    }

    struct Flags: OptionSet {
        let rawValue: UInt16
        /// The socket may have bytes, or its end. Readinesses are reported once (edge-triggered), so this remembers.
        static let mayRead = Flags(rawValue: 1 << 0)
        static let peerFinished = Flags(rawValue: 1 << 1)
        /// A byte of the present head has arrived.
        static let headStarted = Flags(rawValue: 1 << 2)
        static let keepAlive = Flags(rawValue: 1 << 3)
        static let http10 = Flags(rawValue: 1 << 4)
        /// The answer has no body: it is to HEAD, or its status has none.
        static let bodiless = Flags(rawValue: 1 << 5)
        static let chunked = Flags(rawValue: 1 << 6)
        /// The length of a streamed body was announced: `bodyLeft`.
        static let counted = Flags(rawValue: 1 << 7)
        /// `send` or `stream` refused bytes; `drained` is owed.
        static let refusedOutput = Flags(rawValue: 1 << 8)
        /// A write failed; the connection ends as soon as its role can be told.
        static let broken = Flags(rawValue: 1 << 9)
        /// Is in the list of connections to go on with.
        static let queued = Flags(rawValue: 1 << 10)
        static let loopback = Flags(rawValue: 1 << 11)
    }

    let descriptor: Descriptor
    let id: ConnectionID
    let peer: String
    let listener: UInt8
    var phase = Phase.head
    var flags: Flags
    /// Where the search for the end of the head goes on.
    var searchPosition: UInt32 = 0
    /// By when the present phase must go on; looked at by the server's sweep.
    var deadline: Instant
    var input = InputBuffer()
    var output: BlockChain
    /// The request whose body is arriving.
    var partial: PartialRequest?
    /// Bytes counted in the server's `heldBytes`.
    var held = 0
    /// What is left of an announced length, or in `lingering` of the bytes that are still read.
    var bodyLeft: UInt64 = 0

    init(_ descriptor: consuming Descriptor, _ id: ConnectionID, peer: String, isLoopback: Bool, listener: UInt8, deadline: Instant, pool: BlockPool) {
        self.descriptor = descriptor
        self.id = id
        self.peer = peer
        self.listener = listener
        self.deadline = deadline
        flags = isLoopback ? .loopback : []
        output = BlockChain(in: pool)
    }

    /// The role knows of it and must hear of its end.
    var concernsRole: Bool { phase == .answering || phase == .streaming || phase == .upgraded }
}

/// A request whose head has been read and whose body has not.
final class PartialRequest {
    var request: HTTPRequest
    /// Nil when the length is known.
    var chunks: ChunkedDecoder?
    var left: Int

    init(_ request: HTTPRequest, length: Int) {
        self.request = request
        left = length
        self.request.body.reserveCapacity(min(length, 64 << 10))
    }

    init(chunked request: HTTPRequest) {
        self.request = request
        chunks = ChunkedDecoder()
        left = 0
    }
}
