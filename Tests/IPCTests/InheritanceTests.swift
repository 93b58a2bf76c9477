// What children inherit: the same two descriptors everywhere, and no role more than its own.
import Configuration
import Testing

@testable import IPC

struct InheritanceTests {
    @Test(arguments: [ProcessRole.edge, .dispatcher, .auditor, .broadcaster]) func `every child has its channel at 3 and the counters at 4`(_ role: ProcessRole) {
        let table = InheritedDescriptor.table(for: role)
        #expect(InheritedDescriptor.control.number(in: role) == InheritedDescriptor.controlNumber)
        #expect(InheritedDescriptor.scoreboard.number(in: role) == InheritedDescriptor.scoreboardNumber)
        #expect(Set(table).count == table.count, "nothing is handed over twice")
        for (index, descriptor) in table.enumerated() { #expect(descriptor.number(in: role) == Int32(3 + index)) }
    }

    @Test func `listening sockets go to one role each`() {
        for listener in [InheritedDescriptor.proxyListener, .webSocketListener, .broadcasterListener, .accessLog] {
            #expect([ProcessRole.edge, .dispatcher, .auditor, .broadcaster].count { listener.number(in: $0) != nil } == 1, "\(listener)")
        }
        #expect(InheritedDescriptor.proxyListener.number(in: .auditor) == nil)
        #expect(InheritedDescriptor.table(for: .supervisor).isEmpty)
    }
}
