// What a client may cost: sizes, counts and times of the small HTTP server, all set by its role.
import HTTP

package struct HTTPServerLimits: Sendable {
    /// Beyond this a client is answered 503 and closed.
    package var connections = 1_024
    /// Light roles have small heads: browsers' cookies and a token.
    package var head = HeadLimits(headBytes: 16 << 10, targetBytes: 8 << 10)
    /// One body; more is answered 413. Bodies are held whole, as they are handed out whole.
    package var bodyBytes = 1 << 20
    /// All heads and bodies that have begun to arrive; a client that goes beyond is answered 503.
    package var heldBytes = 64 << 20
    /// Bytes that wait for one client: `send` and `stream` refuse more.
    package var outputBytes = 1 << 20
    /// Bytes that wait for all clients; memory is taken as it is needed, in pages.
    package var allOutputBytes = 64 << 20

    /// From the connection (or the first byte of a later request) to the end of its head.
    package var headTime = Duration.seconds(10)
    /// From the end of the head to the end of the body.
    package var bodyTime = Duration.seconds(30)
    /// A connection without a request.
    package var idleTime = Duration.seconds(60)
    /// A client that takes none of the bytes that wait for it is reset.
    package var stallTime = Duration.seconds(30)
    /// After the last byte of a connection that we end, for the client to read it and end its side (RFC 9112 §9.6).
    package var lingerTime = Duration.seconds(2)
    /// How long nothing is accepted when the system has no descriptors or memory left.
    package var acceptRest = Duration.milliseconds(100)

    package init() {}

    /// How often deadlines are looked at: each is kept to an eighth of the shortest, and a second at most.
    var sweepInterval: Duration {
        min(max(min(headTime, bodyTime, idleTime, stallTime, lingerTime) / 8, .milliseconds(2)), .seconds(1))
    }
}
