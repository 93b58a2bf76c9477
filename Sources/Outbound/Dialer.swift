// What all connections of a process to servers share: its loop, its resolver, how long connecting may take.
import EventLoop

package final class Dialer {
    package let loop: Loop
    package var resolver: Resolver
    package let connectLimit: Duration

    /// Registers the resolver's wake-up under `token`; whoever is told of it calls `resolved` of each connection and client.
    package init(_ loop: Loop, resolver: consuming Resolver, token: Token, connectLimit: Duration) throws(SystemError) {
        try loop.add(resolver.wakeupDescriptor, .readable, token)
        self.loop = loop
        self.resolver = resolver
        self.connectLimit = connectLimit
    }

    package func finishLookups() { _ = resolver.finished(now: loop.now) }
}
