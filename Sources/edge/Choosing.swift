// Which upstream an exchange goes to: by its route, its list's weights and the breakers; and another one when the first could not be
// reached. A request is given away whole or not at all: what was sent once is never sent to a second upstream.
import EventLoop
import HTTP
import Outbound
import Telemetry

extension Proxy {
    // MARK: Routes

    /// Sends the request to an upstream of its route, or holds it until its body has told the model that the route depends on.
    mutating func route(_ index: Int, _ bytes: UnsafeRawBufferPointer, following: UnsafeRawBufferPointer) {
        if gateway.routes.isEmpty { return forward(index, bytes, list: 0) }
        let client = clients.at(index)
        switch chooseList(bytes, model: client.pointee.exchange.requestBody.isDone ? .absent : .open) {
        case .list(let list): return forward(index, bytes, list: list)
        case .needsModel: break
        }
        // Mostly the body has come with the head: then nothing needs to be held.
        if case .length(let length) = requestHead.framing {
            let body = UnsafeRawBufferPointer(rebasing: following[..<min(following.count, Int(clamping: length))])
            if let list = chooseList(bytes, body: body, isWhole: UInt64(body.count) == length) { return forward(index, bytes, list: list) }
        }
        if client.pointee.exchange.awaitsContinue {
            client.pointee.exchange.awaitsContinue = false
            appendClient(client, "HTTP/1.1 100 Continue\r\n\r\n")
        }
        hold(index, bytes)
    }

    private mutating func chooseList(_ head: UnsafeRawBufferPointer, model: RouteTable.Model) -> RouteTable.Choice {
        let path = requestHead.pathRange
        return gateway.routes.choose(path: UnsafeRawBufferPointer(rebasing: head[path.lowerBound..<path.upperBound]), model: model)
    }

    /// Nil while the body may still tell the model.
    private mutating func chooseList(_ head: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer, isWhole: Bool) -> Int? {
        var scanner = ModelScanner()
        let choice: RouteTable.Choice
        switch scanner.scan(body) {
        case .found: choice = scanner.withName { chooseList(head, model: .named($0)) }
        case .needsMore where !isWhole: return nil
        case .absent, .needsMore: choice = chooseList(head, model: .absent)
        }
        if case .list(let list) = choice { return list }
        return 0
    }

    /// Keeps the request at hand until its body has told enough.
    mutating func hold(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        let client = clients.at(index)
        client.pointee.exchange.isHeld = true
        client.pointee.exchange.heldHead.append(bytes)
    }

    /// More of a held request's body is there: answers it, sends it on its way, or goes on waiting.
    mutating func decideHeld(_ index: Int) {
        let client = clients.at(index)
        let isWhole = client.pointee.exchange.requestBody.isDone
        if settings.testMode {
            guard isWhole || client.pointee.exchange.heldBody.count > Self.testModeLimit else { return }
            if answerTestMode(index) { return }
        }
        guard isWhole || client.pointee.exchange.heldLooks.isDue(at: client.pointee.exchange.heldBody.count) else { return }
        var position = 0
        guard (try? requestHead.parseRequest(client.pointee.exchange.heldHead.bytes.bytes, from: &position, limits: limits)) != nil,
            let list = chooseHeld(index, isWhole: isWhole)
        else { return }
        client.pointee.exchange.isHeld = false
        var head = ByteBuffer()
        var body = ByteBuffer()
        swap(&head, &client.pointee.exchange.heldHead)
        swap(&body, &client.pointee.exchange.heldBody)
        let generation = clients.generation(index)
        forward(index, head.bytes, list: list)
        guard let client = clients.find(UInt32(index), generation), client.pointee.phase == .exchange, !client.pointee.exchange.answerBegan else { return }
        // An empty chunk would be the last one.
        if !body.isEmpty { forwardRequestData(index, body.bytes) }
        if clients.find(UInt32(index), generation) != nil, client.pointee.exchange.requestBody.isDone { requestEnded(index) }
    }

    private mutating func chooseHeld(_ index: Int, isWhole: Bool) -> Int? {
        let client = clients.at(index)
        let head = client.pointee.exchange.heldHead.bytes
        switch chooseList(head, model: isWhole && client.pointee.exchange.heldBody.isEmpty ? .absent : .open) {
        case .list(let list): return list
        case .needsModel: return chooseList(head, body: client.pointee.exchange.heldBody.bytes, isWhole: isWhole)
        }
    }

    // MARK: Upstreams

    /// Sends the request to the list's next upstream.
    private mutating func forward(_ index: Int, _ bytes: UnsafeRawBufferPointer, list: Int) {
        let client = clients.at(index)
        client.pointee.exchange.list = list
        guard let target = nextTarget(index) else {
            client.pointee.exchange.target = gateway.lists[list].target(of: 0)
            return fail(index, "left alone after its faults (TRUTHTABLE_BREAKER_FAULTS)", isOurs: true)
        }
        // Others are there to be asked if this one cannot be reached.
        if gateway.lists[list].count > 1 { _ = client.pointee.exchange.receivedHead.appendAll(bytes) }
        forward(index, bytes, to: target)
    }

    /// An upstream of the exchange's list that it was not given yet and whose breaker lets it through.
    private mutating func nextTarget(_ index: Int) -> Int? {
        let client = clients.at(index)
        let list = gateway.lists.baseAddress.unsafelyUnwrapped + client.pointee.exchange.list
        var excluded = client.pointee.exchange.tried
        for member in 0..<list.pointee.count where targets[list.pointee.target(of: member)].pointee.breaker.refuses(now: loop.now) != nil {
            excluded |= 1 << UInt32(member)
        }
        guard let member = list.pointee.next(excluding: excluded) else { return nil }
        let target = list.pointee.target(of: member)
        client.pointee.exchange.tried |= 1 << UInt32(member)
        client.pointee.exchange.permit = targets[target].pointee.breaker.admit(now: loop.now)
        slot.add(.requests, upstream: target)
        return target
    }

    /// Gives the exchange to another upstream where nothing of it was sent; false when there is none, or something was.
    mutating func failOver(_ index: Int) -> Bool {
        let client = clients.at(index)
        guard client.pointee.phase == .exchange, !client.pointee.exchange.answerBegan, client.pointee.exchange.upstreamBegan == 0,
            !client.pointee.exchange.receivedHead.isEmpty
        else { return false }
        // What waits, in one place or the other, begins with the head that was made for the upstream that failed.
        var body = BlockChain(in: outputPool)
        swap(&body, &client.pointee.exchange.waiting)
        guard body.appendAll(client.pointee.exchange.heldHead.bytes), let target = nextTarget(index) else { return false }
        slot.add(.upstreamFailovers)
        client.pointee.exchange.heldHead.removeAll()
        body.removeFirst(min(client.pointee.exchange.headLength, body.count))
        var head = ByteBuffer()
        client.pointee.exchange.receivedHead.forEachPiece { head.append($0) }
        var position = 0
        guard (try? requestHead.parseRequest(head.bytes.bytes, from: &position, limits: limits)) != nil else { return false }
        let generation = clients.generation(index)
        forward(index, head.bytes, to: target)
        guard let client = clients.find(UInt32(index), generation), client.pointee.phase == .exchange, !client.pointee.exchange.answerBegan else { return true }
        let upstream = client.pointee.exchange.upstream
        if upstream < 0 {
            body.forEachPiece { client.pointee.exchange.heldHead.append($0) }
            return true
        }
        upstreams.at(upstream).pointee.output.takeAll(&body)
        // A chunked body without its end is still with those who called this, or with an outer call of it.
        if client.pointee.exchange.requestBody.isDone, !client.pointee.exchange.requestBodyIsChunked || client.pointee.exchange.lastChunkIsWritten { requestEnded(index) }
        if clients.find(UInt32(index), generation) != nil, client.pointee.exchange.upstream == upstream { flushUpstream(upstream) }
        return true
    }

    // MARK: Breakers

    /// Tells the target's breaker what came of the exchange; nothing where it has no permit.
    mutating func report(_ index: Int, _ outcome: CircuitBreaker.Outcome) {
        let exchange = clients.at(index)
        guard let permit = exchange.pointee.exchange.permit else { return }
        let number = exchange.pointee.exchange.target
        let target = targets[number]
        if case .succeeded = outcome {
            let wasTrial = permit.isTrial
            target.pointee.breaker.report(permit, .succeeded, now: loop.now, jitter: 1)
            if wasTrial { log.info("Upstream is used again", ["upstream": .string(target.pointee.name)]) }
            return  // it may still break its answer off
        }
        exchange.pointee.exchange.permit = nil
        guard case .failed = outcome else {
            target.pointee.breaker.report(permit, outcome, now: loop.now, jitter: 1)
            return
        }
        let hasOpened = target.pointee.breaker.report(permit, outcome, now: loop.now, jitter: .random(in: 0.5..<1))
        slot.add(.faults, upstream: number)
        guard hasOpened else { return }
        slot.add(.breakerOpenings, upstream: number)
        log.warn(
            "Upstream is left alone for its faults",
            ["upstream": .string(target.pointee.name), "milliseconds": .number(target.pointee.breaker.refuses(now: loop.now)?.milliseconds ?? 0)])
    }

    /// The breakers' states for `/metrics`; called by the sweep.
    mutating func showBreakers() {
        for number in 0..<gateway.upstreamCount {
            slot.set(.breakerState, upstream: number, UInt64(targets[number].pointee.breaker.state(now: loop.now).rawValue))
        }
    }
}
