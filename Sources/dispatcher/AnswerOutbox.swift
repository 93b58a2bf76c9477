// Answers to queries: dispatcher → edge/QueryOutbox.
import IPC

enum AnswerOutbox {
    /// Puts the answers into the outboxes of those who asked. An answer to a channel that has ended goes nowhere, and neither does
    /// one to an edge that does not take its answers: there the wait ends by itself.
    static func send(_ replies: [QueryReply], to peers: [Peer]) {
        for reply in replies {
            let peer = peers.first { $0.kind == .query && $0.number == reply.query.edge && $0.generation == reply.query.generation }
            guard let peer else { continue }
            _ = reply.json.withUnsafeBytes { peer.channel.send(Answer(kind: reply.kind, json: $0.bytes), id: reply.query.number) }
        }
    }
}
