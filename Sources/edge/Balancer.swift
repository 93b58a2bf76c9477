// Which upstream of a list is next: smooth weighted round robin, as nginx has it. With weights 5, 1, 1 the order is a a b a c a a:
// every upstream gets its share, and none gets a burst.

/// The members of one list. Deterministic: the same calls choose the same.
struct Balancer: ~Copyable {
    struct Member {
        let target: Int
        let weight: Int
        fileprivate var credit = 0

        init(target: Int, weight: Int) {
            self.target = target
            self.weight = weight
        }
    }

    private let members: UnsafeMutableBufferPointer<Member>

    init(_ members: [Member]) {
        self.members = .allocate(capacity: members.count)
        _ = self.members.initialize(from: members)
    }

    deinit { members.deallocate() }

    var count: Int { members.count }

    func target(of member: Int) -> Int { members[member].target }

    /// A member that is not among `excluded` (a bit for each), nil when all are.
    mutating func next(excluding excluded: UInt32) -> Int? {
        var best = -1
        var total = 0
        for index in members.indices where excluded & (1 << UInt32(index)) == 0 {
            members[index].credit += members[index].weight
            total += members[index].weight
            if best < 0 || members[index].credit > members[best].credit { best = index }
        }
        guard best >= 0 else { return nil }
        members[best].credit -= total
        return best
    }
}
