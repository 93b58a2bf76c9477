// The world's frames on their way to the dispatcher and from it.
import EventLoop
import IPC
import Simulation

@testable import dispatcher

extension World {
    // MARK: Deliveries

    func receive(_ delivery: SimulatedNetwork<Frame>.Delivery) {
        switch delivery {
        case .ended(let pipe):
            guard case .dispatcher(let kind, let place, let generation)? = readers.removeValue(forKey: pipe) else { return }
            if kind == .audit {
                dispatch.channelEnded(place, generation: generation, at: moment)
            } else {
                dispatch.edgeChannelEnded(place, generation: generation)
            }
        case .frame(let frame, let pipe):
            switch readers[pipe] {
            case .control: controlSaid(frame)
            case .dispatcher(.audit, let place, let generation): auditorSaid(frame, place, generation, pipe)
            case .dispatcher(_, let place, let generation): edgeSaid(frame, place, generation)
            case .auditor(let place, let generation): auditorGot(frame, place, generation)
            case nil: break
            }
        }
    }

    func controlSaid(_ frame: Frame) {
        switch frame {
        case .attach(let kind, let place, let generation, let pipe):
            readers[pipe] = .dispatcher(kind, place, generation)
            network.release(pipe)
            if kind == .audit {
                dispatch.auditorAttached(place, generation: generation, at: moment)
            } else {
                dispatch.edgeAttached(place, generation: generation)
            }
        case .peerEnded(let ended, let sent):
            if ended.kind == .capture {
                dispatch.edgeEnded(ended.peer, generation: ended.generation, sent: sent)
            } else {
                dispatch.peerEnded(ended, at: moment)
            }
        default: fail("the supervisor sent \(frame)")
        }
    }

    func edgeSaid(_ frame: Frame, _ place: UInt16, _ generation: UInt32) {
        switch frame {
        case .open(let before):
            do throws(FrameError) {
                try dispatch.captureOpened(CaptureOpen(sentBefore: before), from: place, generation: generation)
            } catch {
                fail("CaptureOpen refused: \(error)")
            }
        case .capture(let number):
            let requestID = number % 97 == 96 ? [] : Array("r\(number)".utf8)
            let payload = Self.payload(number)
            let auditID = Array("a\(number)".utf8)
            let target = Array("/v1/chat/completions?key=1".utf8)
            let facts = CaptureFacts(
                requestID: requestID.span.bytes, auditID: auditID.span.bytes, target: target.span.bytes, responseBytes: UInt64(number))
            let before = dispatch.jobs.count
            switch dispatch.captureReceived(facts, payload: payload.span.bytes, from: place, generation: generation, at: moment) {
            case .queued: accepted[number] = true
            case .queueIsFull:
                // Too few jobs, too many bytes, or no blocks: one of them must be true.
                let isFull = before == climate.workers + climate.queueJobs || dispatch.jobs.bytes + payload.count > climate.queueBytes
                    || pool.usedBytes + 4096 > climate.poolBytes
                if !isFull { fail("capture \(number) dropped with \(before) jobs held") }
            case .malformed: if !requestID.isEmpty { fail("capture \(number) malformed") }
            case .isStopped: if !dispatch.isDraining { fail("capture \(number) refused as if stopped") }
            case .sampledOut: if climate.samplingRate == 1 { fail("capture \(number) sampled out") }
            }
            if random.oneIn(6) {
                asked += 1
                let lookup = Lookup(waitMilliseconds: UInt32(random.below(5000)), id: "r\(number)")
                dispatch.lookedUp(lookup, by: QueryID(edge: place, generation: 1, number: asked), at: moment)
            }
        default: fail("an edge sent \(frame)")
        }
    }

    static func payload(_ number: Int) -> [UInt8] { Array("capture \(number) ".utf8) + [UInt8](repeating: UInt8(number & 0xFF), count: number % 700) }

    func auditorSaid(_ frame: Frame, _ place: UInt16, _ generation: UInt32, _ pipe: PipeID) {
        switch frame {
        case .credit(let count):
            do throws(FrameError) {
                try dispatch.credit(Credit(count: count), from: place, generation: generation)
            } catch {
                // A violation: the channel is closed, and the supervisor makes another.
                readers[pipe] = nil
                dispatch.channelEnded(place, generation: generation, at: moment)
                if auditors[Int(place)].generation == generation, auditors[Int(place)].isAlive { cutAuditor(place) }
            }
        case .result(let result): dispatch.result(result, from: place, generation: generation, at: moment)
        case .nack(let lease): dispatch.nack(Nack(lease: lease), from: place, generation: generation, at: moment)
        default: fail("an auditor sent \(frame)")
        }
    }

    func auditorGot(_ frame: Frame, _ place: UInt16, _ generation: UInt32) {
        guard case .job(let lease, let number, _) = frame else { return fail("an auditor got \(frame)") }
        let index = Int(place)
        guard auditors[index].isAlive, auditors[index].generation == generation else { return }
        auditors[index].granted -= 1
        if auditors[index].granted < 0 { fail("auditor \(place) got a job without credit") }
        if auditors[index].isDraining {
            if let pipe = auditors[index].toDispatcher { network.send(.nack(lease), on: pipe, at: clock.now) }
            return
        }
        var time = random.duration(upTo: .milliseconds(300))
        if poisonous[number] {
            time = random.duration(upTo: .milliseconds(30))
        } else if !isQuiet, random.oneIn(60) {
            time = random.oneIn(2) ? .seconds(3) : .seconds(1_000_000)  // late, hung
        }
        auditors[index].work.append(Work(lease: lease, number: number, done: clock.now + time, dies: poisonous[number]))
    }

    // MARK: What the dispatcher does

    func takeOutputs() {
        while let assignment = dispatch.nextAssignment(at: clock.now) {
            if climate.isStormy, !isQuiet, random.oneIn(40) {
                dispatch.unsent(assignment)
                stalled.append((assignment.place, assignment.generation))
                checkState()
                continue
            }
            var bytes: [UInt8] = []
            let lent: Void? = dispatch.withCapture(of: assignment) { chain in chain.forEachPiece { bytes.append(contentsOf: $0) } }
            if lent == nil { fail("an assignment without a capture") }
            let digits = bytes.dropFirst(8).prefix { $0 != UInt8(ascii: " ") }
            guard let number = Int(String(decoding: digits, as: UTF8.self)), bytes == Self.payload(number) else {
                return fail("a capture that was changed")
            }
            if !accepted[number] { fail("capture \(number) sent, but not accepted") }
            if !Job.attempts.contains(assignment.attempt) { fail("attempt \(assignment.attempt)") }
            let auditor = auditors[Int(assignment.place)]
            if auditor.generation == assignment.generation, let pipe = auditor.fromDispatcher {
                network.send(.job(lease: assignment.lease.id, number: number, limit: assignment.limitMilliseconds), on: pipe, at: clock.now)
            }
        }
        if !stalled.isEmpty, isQuiet || random.oneIn(4) {
            for (place, generation) in stalled { dispatch.writable(place, generation: generation) }
            stalled = []
        }
        takeEvents()
        for fact in dispatch.takeLogFacts() {
            if case .quarantined(let id, _) = fact, let number = Int(id.dropFirst()), !poisonous[number] { quarantinedInnocents += 1 }
        }
    }

    func takeEvents() {
        while eventsSeen < dispatch.events.last {
            eventsSeen += 1
            let event = dispatch.events.with(eventsSeen) { event in (event.kind, event.json.withUnsafeBytes { Array($0) }) }
            guard let (kind, json) = event else { return fail("event \(eventsSeen) is gone") }
            guard let number = Self.auditNumber(json) else { return fail("event without an audit id") }
            if kind == .auditStarted { started[number] += 1 } else { finals[number] += 1 }
            if started[number] != 1 { fail("capture \(number) has \(started[number]) beginnings") }
            if finals[number] > 1 { fail("capture \(number) has \(finals[number]) ends") }
        }
    }

    /// The number in `"audit_id":"a…"`.
    static func auditNumber(_ json: [UInt8]) -> Int? {
        let key = Array("\"audit_id\":\"a".utf8)
        guard let at = json.indices.first(where: { json[$0...].starts(with: key) }) else { return nil }
        return Int(String(decoding: json[(at + key.count)...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self))
    }
}
