// What the server tells its role.

/// Handed out by `HTTPServer.handle` and `alarm`, one call each. Bytes are lent for the call.
package enum HTTPServerEvent: ~Escapable {
    /// A whole request; the next one of its connection follows when this one is answered.
    case request(HTTPRequest)
    /// Bytes of an upgraded connection, as they came.
    case bytes(ConnectionID, RawSpan)
    /// All that waited has been sent, after `send` or `stream` had refused more.
    case drained(ConnectionID)
    /// The client sends no more while its answer is under way; it may still read. Told once.
    case peerFinished(ConnectionID)
    /// A connection with an unfinished answer, or an upgraded one, ended without the role's doing.
    case closed(ConnectionID)
}
