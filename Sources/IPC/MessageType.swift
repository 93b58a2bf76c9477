// Every message of the product: its number, and who sends it to whom. Numbers are never used again.

/// The `type` of a frame.
package enum MessageType: UInt16, CaseIterable {
    // Control, supervisor → child
    case configure = 1
    case attach = 2
    case peerEnded = 3
    case ping = 4
    case drain = 5
    case reload = 6
    // Control, child → supervisor
    case hello = 16
    case ready = 17
    case pong = 18
    case drained = 19
    case channelGivenUp = 20
    // edge → dispatcher
    case captureOpen = 32
    case capture = 33
    case submit = 34
    case lookup = 35
    case recent = 36
    case cancelQuery = 37
    // dispatcher → edge
    case answer = 40
    // dispatcher → auditor
    case job = 48
    // auditor → dispatcher
    case credit = 64
    case auditResult = 65
    case nack = 66
    // dispatcher → broadcaster
    case event = 80
    // broadcaster → dispatcher
    case subscribe = 96
}

/// Which channels there are. Each joins two processes; the supervisor makes both ends.
package enum ChannelKind: UInt8, CaseIterable, Sendable {
    case control = 0
    /// edge → dispatcher
    case capture = 1
    /// dispatcher ↔ auditor
    case audit = 2
    /// dispatcher ↔ broadcaster
    case event = 3
    /// edge ↔ dispatcher
    case query = 4

    /// Largest payload of a frame, DESIGN §2.
    package var payloadLimit: Int { self == .control ? 64 << 10 : 1 << 20 }
}

/// A message with its own type, written by one side and read by the other.
package protocol Message: ~Escapable {
    static var type: MessageType { get }

    @_lifetime(copy payload)
    init(from payload: consuming PayloadReader) throws(FrameError)

    func encode(into payload: inout PayloadWriter)
}
