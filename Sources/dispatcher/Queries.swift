// What edges ask for their clients: an audit of a text that was handed in, one audit by its id, recent audits. Answers are
// made from the ring's events; nothing is computed twice.
import EventLoop
import IPC
import JSON

/// An answer on its way to the edge that asked.
struct QueryReply {
    let query: QueryID
    let kind: AnswerKind
    let json: [UInt8]
}

extension Dispatch {
    /// One more audit in a list must fit into the frame, and the rest of the object.
    private static var listBytes: Int { ChannelKind.query.payloadLimit - EventRing.mostEventBytes - 4096 }
    /// Looked through for one list: events, and bytes of JSON to be filtered. Where it ends, the next list begins.
    private static var listEvents: Int { 4096 }
    private static var filteredBytes: Int { 4 << 20 }

    // MARK: Handed in

    /// An audit that a client asks for. It is a job like others, except that no sampling leaves it out; the dispatcher counts it as
    /// captured, because no capture channel does.
    mutating func submitted(_ capture: borrowing CaptureFacts, payload: RawSpan, wait: Duration, by query: QueryID, at moment: Moment) throws(FrameError) {
        guard capture.isValid, payload.byteCount + Self.jobHeaderBytes <= ChannelKind.audit.payloadLimit else { throw .outOfRange("submitted capture") }
        ledger.book(.submitted)
        switch take(capture, payload, query.edge, isSampled: true, at: moment) {
        case .queued: waitOrTell(query, text(capture.auditID), wait, at: moment)
        case .queueIsFull: replies.append(QueryReply(query: query, kind: .queueFull, json: []))
        case .isStopped, .sampledOut, .malformed: replies.append(QueryReply(query: query, kind: .stopped, json: []))
        }
    }

    // MARK: By id

    mutating func lookedUp(_ lookup: Lookup, by query: QueryID, at moment: Moment) {
        switch index[lookup.id]?.state {
        case .told: replies.append(reply(to: query, about: lookup.id))
        case nil where refused.find(lookup.id) != nil: replies.append(reply(to: query, about: lookup.id))
        case .pending, nil: waitOrTell(query, lookup.id, .milliseconds(Int64(lookup.waitMilliseconds)), at: moment)
        }
    }

    mutating func cancelled(_ query: QueryID) { waits.cancel(query) }

    mutating func queryChannelEnded(_ edge: UInt16, generation: UInt32) { waits.cancelAll(edge: edge, generation: generation) }

    /// Waits for the end of an audit, or says how things stand when there is nothing to wait for.
    private mutating func waitOrTell(_ query: QueryID, _ id: String, _ wait: Duration, at moment: Moment) {
        if wait > .zero, waits.add(query, for: id, until: moment.now + wait) { return }
        replies.append(reply(to: query, about: id))
    }

    /// An audit is over: whoever waits for it is answered.
    mutating func answerWaits(for ids: [String]) {
        for id in ids {
            for query in waits.takeAll(for: id) { replies.append(reply(to: query, about: id)) }
        }
    }

    /// Those that have waited long enough are told how things stand.
    mutating func answerDueWaits(at now: Instant) {
        for (query, id) in waits.takeDue(at: now) { replies.append(reply(to: query, about: id)) }
    }

    private func reply(to query: QueryID, about id: String) -> QueryReply {
        guard let record = index[id] else {
            guard let found = refused.find(id) else { return QueryReply(query: query, kind: .unknown, json: []) }
            let json = Notices.standing(found.status.rawValue, requestID: found.requestID, auditID: found.auditID, reason: found.reason)
            return QueryReply(query: query, kind: AnswerKind(found.status), json: json)
        }
        switch record.state {
        case .pending: return QueryReply(query: query, kind: .pending, json: Notices.standing("pending", requestID: record.requestID, auditID: record.auditID))
        case .told(let status, let event):
            let json = events.with(event) { Notices.told(status, $0.json) }
            return json.map { QueryReply(query: query, kind: AnswerKind(status), json: $0) } ?? QueryReply(query: query, kind: .unknown, json: [])
        }
    }

    /// The answers since the last call.
    mutating func takeReplies() -> [QueryReply] {
        guard !replies.isEmpty else { return [] }
        defer { replies = [] }
        return replies
    }

    // MARK: Recent ones

    mutating func askedForRecent(_ recent: Recent, by query: QueryID) {
        guard recent.beforeEpoch == 0 || recent.beforeEpoch == events.epoch else {
            replies.append(QueryReply(query: query, kind: .staleCursor, json: []))
            return
        }
        var list: [UInt8] = Array("{\"audits\":[".utf8)
        var found = 0
        var bytesLeft = Self.filteredBytes
        let start = recent.beforeSequence == 0 ? events.last : min(events.last, recent.beforeSequence - 1)
        var sequence = start
        while sequence >= events.first, sequence > 0, found < Int(recent.limit), list.count < Self.listBytes, bytesLeft > 0, start - sequence < Self.listEvents {
            let isOlder = events.with(sequence) { event in
                guard event.milliseconds >= recent.sinceMilliseconds else { return true }
                bytesLeft -= event.json.byteCount
                guard let status = events.status(of: sequence), recent.accepts(event) else { return false }
                if found > 0 { list.append(UInt8(ascii: ",")) }
                list += Notices.told(status, event.json)
                found += 1
                return false
            }
            // Events are in order of time: behind an older one there are only older ones.
            guard isOlder == false else {
                sequence = 0
                break
            }
            sequence -= 1
        }
        let next = sequence >= events.first && sequence > 0 ? "\"\(String(events.epoch, radix: 16))-\(sequence + 1)\"" : "null"
        list += Array("],\"next\":\(next)}".utf8)
        replies.append(QueryReply(query: query, kind: .list, json: list))
    }
}

extension AnswerKind {
    init(_ status: AuditStatus) {
        self =
            switch status {
            case .completed: .completed
            case .skipped: .skipped
            case .failed: .failed
            case .quarantined: .quarantined
            case .dropped: .dropped
            }
    }
}

extension Recent {
    /// Whether an event passes the filters. Grade, model and path stand in the JSON of verdicts only.
    fileprivate func accepts(_ event: borrowing Event) -> Bool {
        guard !grade.isEmpty || !model.isEmpty || !path.isEmpty else { return true }
        guard event.kind == .auditComplete else { return false }
        return event.json.withUnsafeBytes { accepts($0.bindMemory(to: UInt8.self).span) }
    }

    private func accepts(_ json: Span<UInt8>) -> Bool {
        let wanted = [("grade", grade), ("model", model), ("path", path)].filter { !$0.1.isEmpty }
        var met = 0
        do throws(JSONError) {
            var reader = JSONReader(json)
            try reader.beginObject()
            while let name = try reader.nextMember() {
                guard try reader.peek() == .string, let value = wanted.first(where: { $0.0 == name })?.1 else {
                    try reader.skip()
                    continue
                }
                guard try reader.string() == value else { return false }
                met += 1
                if met == wanted.count { return true }
            }
        } catch {
            return false
        }
        return false
    }
}
