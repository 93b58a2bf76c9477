// Skeleton.
import Configuration
import EventLoop
import IPC
import Role

struct BroadcasterRole: RoleLogic, ~Copyable {
    static var role: ProcessRole { .broadcaster }
    private let birth: Birth
    init(_ birth: Birth) throws(RoleFailure) { self.birth = birth }
    mutating func attach(_ attach: Attach, _ descriptor: consuming Descriptor) { birth.log.info("attached", ["kind": .string("\(attach.kind)"), "peer": .number(attach.peer), "generation": .number(attach.generation)]) }
    mutating func peerEnded(_ ended: PeerEnded) { birth.log.info("peer ended", ["peer": .number(ended.peer)]) }
    mutating func handle(_ token: Token, _ readiness: Readiness) {}
    mutating func alarm(_ token: Token) {}
    mutating func turnEnded() {}
    mutating func drain(until limit: Instant) {}
    var isDrained: Bool { true }
}
