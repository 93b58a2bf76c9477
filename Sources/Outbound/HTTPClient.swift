// A small client of HTTP/1.1 for one server: requests and answers are whole, a connection carries one exchange at a time and is kept
// for the next one.
// Leaves to others: how many requests are out at once, deadlines (`cancel`), what an answer means, whether to ask again.
import EventLoop
import HTTP
import TLS

package final class HTTPClient {
    package enum Failure: Error, Equatable {
        /// No connection: nothing was sent.
        case unreachable(String)
        /// It ended badly after something was sent.
        case broken(String)
    }

    package struct Outcome {
        package let id: UInt64
        package let result: Result<HTTPResponse, Failure>
    }

    private final class Line {
        let connection: ServerConnection
        let slot: Int
        var request: Request?
        var reader: HTTPResponseReader
        var isReused = false
        /// Its connection was made: something may have been sent.
        var wasOpen = false

        init(_ connection: ServerConnection, slot: Int, bodyLimit: Int) {
            self.connection = connection
            self.slot = slot
            reader = HTTPResponseReader(to: .post, bodyLimit: bodyLimit)
        }
    }

    private struct Request {
        let id: UInt64
        let bytes: [UInt8]
    }

    private let host: String
    private let port: UInt16
    private let tls: TLSClientContext?
    private let dialer: Dialer
    private let tokenKind: UInt8
    private let bodyLimit: Int
    private var lines: [Line?] = []
    private var generation: UInt32 = 0
    private var outcomes: [Outcome] = []
    /// Why the last connection could not be made; nil when it was.
    package private(set) var connectFailure: String?

    /// - Parameters:
    ///   - tokenKind: of the readinesses that are this client's.
    ///   - bodyLimit: of an answer.
    package init(_ host: String, _ port: UInt16, tls: TLSClientContext?, dialer: Dialer, tokenKind: UInt8, bodyLimit: Int) {
        self.host = host
        self.port = port
        self.tls = tls
        self.dialer = dialer
        self.tokenKind = tokenKind
        self.bodyLimit = bodyLimit
    }

    /// Sends a whole POST, head and body, which asks for no protocol but HTTP/1.1.
    package func post(_ id: UInt64, _ bytes: [UInt8]) {
        let request = Request(id: id, bytes: bytes)
        for case let line? in lines where line.request == nil && line.connection.isOpen {
            line.isReused = true
            return give(request, to: line)
        }
        dial(request)
    }

    /// Makes a connection for a later request: to find out whether the server is there.
    package func open() { dial(nil) }

    private func dial(_ request: Request?) {
        let slot = lines.firstIndex { $0 == nil } ?? lines.count
        if slot == lines.count { lines.append(nil) }
        generation &+= 1
        let token = Token(kind: tokenKind, slot: UInt32(slot), generation: generation)
        let line = Line(ServerConnection(host, port, tls: tls, in: dialer.loop, token: token), slot: slot, bodyLimit: bodyLimit)
        lines[slot] = line
        line.request = request
        use(line.connection.connect(&dialer.resolver, limit: dialer.connectLimit), of: line)
    }

    private func give(_ request: Request, to line: Line) {
        line.request = request
        line.reader = HTTPResponseReader(to: .post, bodyLimit: bodyLimit)
        use(line.connection.write(request.bytes), of: line)
    }

    /// Nothing is reported of it any more.
    package func cancel(_ id: UInt64) {
        outcomes.removeAll { $0.id == id }
        for case let line? in lines where line.request?.id == id { drop(line) }
    }

    package func takeOutcomes() -> [Outcome] {
        defer { outcomes = [] }
        return outcomes
    }

    // MARK: What the loop tells

    package func handle(_ token: Token, _ readiness: Readiness) {
        guard token.kind == tokenKind, Int(token.slot) < lines.count, let line = lines[Int(token.slot)], line.connection.token == token else { return }
        use(line.connection.handle(readiness), of: line)
    }

    package func resolved() {
        for case let line? in lines { use(line.connection.resolved(&dialer.resolver), of: line) }
    }

    package var nextAlarm: Instant? { lines.lazy.compactMap { $0?.connection.nextAlarm }.min() }

    package func alarm() {
        for case let line? in lines { use(line.connection.alarm(), of: line) }
    }

    private func use(_ events: [ServerConnection.Event], of line: Line) {
        for event in events {
            switch event {
            case .opened:
                line.wasOpen = true
                connectFailure = nil
                if let request = line.request { use(line.connection.write(request.bytes), of: line) }
            case .received(let bytes): received(bytes, line)
            case .ended(let why): ended(why, line)
            }
        }
    }

    private func received(_ bytes: [UInt8], _ line: Line) {
        guard let request = line.request else { return drop(line) }  // an idle connection has nothing to say
        do throws(HTTPResponseReader.Failure) {
            guard let response = try line.reader.receive(bytes) else { return }
            line.request = nil
            outcomes.append(Outcome(id: request.id, result: .success(response)))
            if !response.keepAlive { drop(line) }
        } catch {
            drop(line)
            outcomes.append(Outcome(id: request.id, result: .failure(.broken(Self.text(error)))))
        }
    }

    private func ended(_ why: String, _ line: Line) {
        guard lines[line.slot] === line else { return }
        lines[line.slot] = nil
        if !line.wasOpen { connectFailure = why }
        guard let request = line.request else { return }
        line.request = nil
        if line.isReused, !line.reader.hasBytes { return dial(request) }  // it was closed while it was idle
        guard line.reader.hasBytes else { return outcomes.append(Outcome(id: request.id, result: .failure(line.wasOpen ? .broken(why) : .unreachable(why)))) }
        do throws(HTTPResponseReader.Failure) {
            outcomes.append(Outcome(id: request.id, result: .success(try line.reader.ended())))
        } catch {
            outcomes.append(Outcome(id: request.id, result: .failure(.broken(Self.text(error)))))
        }
    }

    private func drop(_ line: Line) {
        line.request = nil
        line.connection.close()
        lines[line.slot] = nil
    }

    private static func text(_ failure: HTTPResponseReader.Failure) -> String {
        switch failure {
        case .malformed(let error): "the answer is malformed: \(error)"
        case .tooLarge: "the answer is too long"
        case .switched: "the answer switches to another protocol"
        case .surplus: "bytes follow the answer"
        case .cut: "the connection was closed before the end of the answer"
        }
    }
}
