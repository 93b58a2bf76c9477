// Queries on their way to the dispatcher, and its answers: edge ↔ dispatcher/QueryInbox.
import EventLoop
import IPC

/// What clients ask the dispatcher by way of this edge. Never waits: a query that finds no channel or no room is refused at once,
/// one that gets no answer in its time is given up.
struct QueryOutbox: ~Copyable {
    /// Clients that may wait.
    static let most = 1024
    /// Queries that may lie unread by the dispatcher.
    private static let outboxBytes = 16 << 20

    /// What a client asked for.
    enum Purpose {
        /// `waits`: it wants the verdict, not just to hand its text in.
        case submission(waits: Bool)
        case lookup
        case list
    }

    struct Waiting {
        let id: UInt64
        /// Slot of the client's connection.
        let client: Int
        let purpose: Purpose
        /// When the dispatcher is not waited for any more, in the loop's nanoseconds.
        fileprivate(set) var until: UInt64
    }

    struct Answered {
        let waiting: Waiting
        let kind: AnswerKind
        let json: [UInt8]
    }

    private let pool = BlockPool(limitBytes: outboxBytes)
    private var channel: Channel?
    private var token: Token?
    private var waiting: [UInt64: Waiting] = [:]
    private var lastID: UInt64 = 0

    var isAttached: Bool { token != nil }

    /// Nil when the query cannot be asked now: the dispatcher is away, or does not take what it was asked before. Otherwise its id.
    mutating func ask<M: Message & ~Escapable>(_ message: borrowing M, for client: Int, _ purpose: Purpose, until: UInt64) -> UInt64? {
        guard token != nil, waiting.count < Self.most else { return nil }
        guard channel!.send(message, id: lastID + 1) else { return nil }
        lastID += 1
        waiting[lastID] = Waiting(id: lastID, client: client, purpose: purpose, until: until)
        return lastID
    }

    /// The client is gone, or was answered without the dispatcher.
    mutating func cancel(_ id: UInt64) {
        guard waiting.removeValue(forKey: id) != nil, token != nil else { return }
        _ = channel!.send(.cancelQuery, id: id)
    }

    /// Nobody waits longer than until then.
    mutating func hurry(until limit: UInt64) {
        for (id, query) in waiting where query.until > limit { waiting[id]?.until = limit }
    }

    /// Those whose time is over.
    func late(at now: UInt64) -> [Waiting] { waiting.isEmpty ? [] : waiting.values.filter { $0.until <= now } }

    // MARK: The channel

    /// Takes a new channel; what was asked over the one before gets no answer any more, and is returned.
    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor, in loop: Loop, token: Token) throws(SystemError) -> [Waiting] {
        let channel = try Channel(attach, descriptor, in: loop, token: token, pool: pool, outboxLimit: Self.outboxBytes)
        let unanswered = takeUnanswered()
        self.channel = consume channel
        self.token = token
        return unanswered
    }

    func isFor(_ token: Token) -> Bool { self.token == token }

    /// Takes the answers that have come. When the channel has ended, `takeUnanswered` tells who waits in vain.
    mutating func handle(_ readiness: Readiness, in loop: Loop) -> (answers: [Answered], end: ChannelEnd?) {
        guard token != nil else { return ([], nil) }
        var answers: [(id: UInt64, kind: AnswerKind, json: [UInt8])] = []
        let end = channel!.handle(readiness, in: loop) { header, payload throws(FrameError) in
            switch try QueryToEdge(header, payload) {
            case .answer(let answer): answers.append((header.id, answer.kind, answer.json.withUnsafeBytes { Array($0) }))
            }
        }
        let known = answers.compactMap { answer in
            waiting.removeValue(forKey: answer.id).map { Answered(waiting: $0, kind: answer.kind, json: answer.json) }
        }
        return (known, end)
    }

    mutating func flush(in loop: Loop) -> ChannelEnd? {
        guard token != nil else { return nil }
        return channel!.flush(in: loop)
    }

    /// Drops the channel; who waited for an answer over it.
    mutating func takeUnanswered() -> [Waiting] {
        channel = nil
        token = nil
        defer { waiting = [:] }
        return Array(waiting.values)
    }
}
