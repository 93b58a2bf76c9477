// Leases by themselves; with auditors and jobs they are tested in DispatchTests and QuarantineTests.
import EventLoop
import Testing

@testable import dispatcher

@Suite struct LeaseTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func job(_ number: UInt32) -> JobID { JobID(slot: number, generation: 1) }

    private func auditor(_ place: UInt16) -> Auditor {
        var auditors = Auditors()
        _ = auditors.attach(place, generation: 1, at: start)
        return auditors.all[0]
    }

    @Test func `ids grow within a dispatcher and above its predecessor's`() {
        var old = Leases(limit: .seconds(1), epoch: 4)
        var new = Leases(limit: .seconds(1), epoch: 5)
        let first = old.grant(job(0), to: auditor(0), isSuspect: false, at: start)
        let second = old.grant(job(1), to: auditor(0), isSuspect: false, at: start)
        let third = new.grant(job(0), to: auditor(0), isSuspect: false, at: start)
        #expect(first.id < second.id)
        #expect(second.id < third.id)
        #expect(new.answered(first.id, by: 0, generation: 1) == nil)
    }

    @Test func `they expire in order, each once`() {
        var leases = Leases(limit: .seconds(5), epoch: 1)
        let granted = (0..<4).map { number in
            leases.grant(job(number), to: auditor(0), isSuspect: false, at: start + .seconds(Int64(number)))
        }
        #expect(leases.nextAlarm() == start + .seconds(7))
        #expect(leases.answered(granted[0].id, by: 0, generation: 1)?.job == job(0))
        #expect(leases.nextAlarm() == start + .seconds(8))
        #expect(leases.expire(at: start + .seconds(7)) == nil)
        #expect(leases.expire(at: start + .seconds(9))?.job == job(1))
        #expect(leases.expire(at: start + .seconds(9))?.job == job(2))
        #expect(leases.expire(at: start + .seconds(9)) == nil)
        #expect(leases.running == 1)
        // An answer that is too late is known as such, once.
        #expect(leases.answered(granted[1].id, by: 0, generation: 1)?.isExpired == true)
        #expect(leases.answered(granted[1].id, by: 0, generation: 1) == nil)
        #expect(leases.forget(at: start + .seconds(13)) == nil)
        #expect(leases.forget(at: start + .seconds(14))?.job == job(2))
        #expect(leases.running == 1)
        #expect(leases.all.count == 1)
    }

    @Test func `an auditor's end takes its leases, oldest first, and no others`() {
        var leases = Leases(limit: .seconds(5), epoch: 1)
        for number: UInt32 in 0..<6 {
            _ = leases.grant(job(number), to: auditor(UInt16(number % 2)), isSuspect: false, at: start + .seconds(Int64(number)))
        }
        _ = leases.expire(at: start + .seconds(7))
        #expect(leases.end(0, generation: 1).map(\.job) == [job(2), job(4)])
        #expect(leases.running == 3)
        #expect(leases.end(0, generation: 1).isEmpty)
        #expect(leases.end(1, generation: 2).isEmpty)
        #expect(leases.expireAll().map(\.job) == [job(1), job(3), job(5)])
        #expect(leases.running == 0)
        #expect(!leases.all.contains { !$0.isExpired })
    }
}
