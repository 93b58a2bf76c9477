// The name of a client's connection, by which a role answers it.
import EventLoop

/// Slot and generation: an id of a connection that has ended is never taken for one of its successor. The slot is small
/// and reused, so that roles can keep what belongs to a connection in an array by slot.
package struct ConnectionID: Hashable, Sendable {
    package let slot: UInt32
    package let generation: UInt32

    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// Means no connection: slots end far below.
    static let none = ConnectionID(slot: .max, generation: 0)

    /// For alarms and readinesses of the role's own that are about this connection.
    package func token(kind: UInt8) -> Token { Token(kind: kind, slot: slot, generation: generation) }

    package init(_ token: Token) { self.init(slot: token.slot, generation: token.generation) }
}
