// Jobs to auditors: dispatcher → auditor/JobInbox.
import EventLoop
import IPC

enum JobOutbox {
    /// Leases waiting jobs to auditors with credit and puts them into those auditors' outboxes.
    static func assign(from dispatch: inout Dispatch, to peers: [Peer], at now: Instant) {
        while let assignment = dispatch.nextAssignment(at: now) {
            let peer = peers.first { $0.kind == .audit && $0.number == assignment.place && $0.generation == assignment.generation }
            let sent = peer.flatMap { peer in dispatch.withCapture(of: assignment) { send(assignment, $0, to: peer) } } ?? false
            if !sent { dispatch.unsent(assignment) }
        }
    }

    private static func send(_ assignment: Dispatch.Assignment, _ capture: borrowing BlockChain, to peer: Peer) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: max(1, capture.count), alignment: 16) { room in
            var position = 0
            capture.forEachPiece { piece in
                UnsafeMutableRawBufferPointer(rebasing: room[position...]).copyMemory(from: piece)
                position += piece.count
            }
            let job = Job(
                lease: assignment.lease.id, attempt: assignment.attempt, limitMilliseconds: assignment.limitMilliseconds,
                capture: UnsafeRawBufferPointer(rebasing: room[..<position]).bytes)
            return peer.channel.send(job)
        }
    }
}
