// An engine behind gRPC: what is called when, and what of its result is believed.
import Auditing
import EventLoop
import GRPC
import Testing

@testable import auditor

/// The fields that `ProtobufWriter` has no use for: doubles.
private func double(_ number: Int, _ value: Double) -> [UInt8] { [UInt8(number << 3 | 1)] + (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }

private func message(_ build: (inout ProtobufWriter) -> Void, _ more: [UInt8] = []) -> [UInt8] {
    var writer = ProtobufWriter()
    build(&writer)
    return writer.bytes + more
}

private func claimBytes(_ text: String, verdict: UInt64 = 0, supported: Bool = false, confidence: Double = 0.8, start: UInt64? = nil, end: UInt64? = nil, evidence: [UInt8]? = nil) -> [UInt8] {
    message(
        {
            $0.text(1, text)
            $0.integer(2, supported ? 1 : 0)
            if let evidence { $0.message(4, evidence) }
            $0.text(5, "because")
            $0.integer(6, verdict)
            if let start { $0.integer(7, start) }
            if let end { $0.integer(8, end) }
        }, double(3, confidence))
}

private func answer(_ status: UInt64, claims: [[UInt8]] = [], result more: [UInt8] = [], error: String = "") -> [UInt8] {
    message {
        $0.integer(2, status)
        $0.message(3, message({ result in for claim in claims { result.message(6, claim) } }, more))
        $0.text(4, error)
    }
}

private func result(_ bytes: [UInt8]) -> Result<AuditVerdict, EngineFailure> {
    do throws(ProtobufError) {
        let parsed = try RemoteAnswer(parsing: bytes).result
        do throws(EngineFailure) { return .success(try RemoteVerdict.verdict(parsed, of: bridge)) } catch { return .failure(error) }
    } catch {
        return .failure(.broken("\(error)"))
    }
}

private let submitted: [UInt8] = message { $0.text(1, "audit-1") }

/// What an action is, in a word.
private func text(_ action: RemoteAudit.Action?) -> String {
    switch action {
    case nil: "nothing"
    case .call(let path, _): path == AuditService.submit ? "submit" : "ask"
    case .wait(let until): "wait \(Double(until.nanoseconds - 1_000_000_000) / 1e9)"
    case .over(.success(let verdict)): "verdict of \(verdict.engine)"
    case .over(.failure(let failure)): "failed: \(failure.words)"
    }
}

@Test func `an audit is submitted, asked for at once and then each half second`() {
    var audit = RemoteAudit(bridge)
    #expect(text(audit.begin()) == "submit")
    #expect(text(audit.answered(.success(submitted), now: seconds(0), jitter: 0.5)) == "wait 0.0")
    #expect(text(audit.alarm(now: seconds(0))) == "ask" && audit.nextAlarm == nil)
    #expect(text(audit.answered(.success(answer(1)), now: seconds(0.1), jitter: 0.5)) == "wait 0.6")
    #expect(text(audit.alarm(now: seconds(0.5))) == "nothing" && text(audit.alarm(now: seconds(0.6))) == "ask")
    #expect(text(audit.answered(.success(answer(2)), now: seconds(0.7), jitter: 0.5)) == "wait 1.2")
    #expect(text(audit.alarm(now: seconds(1.2))) == "ask")
    #expect(text(audit.answered(.success(answer(3, claims: [claimBytes("The bridge", verdict: 1)])), now: seconds(1.3), jitter: 0.5)) == "verdict of grpc")
}

@Test func `an engine that is not to be had is tried thrice`() {
    let unavailable = Result<[UInt8], RPCStatus>.failure(RPCStatus(.unavailable, "gone"))
    var audit = RemoteAudit(bridge)
    #expect(text(audit.answered(unavailable, now: seconds(0), jitter: 0.5)) == "wait 0.1")
    #expect(text(audit.alarm(now: seconds(0.1))) == "submit")
    #expect(text(audit.answered(unavailable, now: seconds(0.1), jitter: 0.5)) == "wait 0.3")
    #expect(text(audit.alarm(now: seconds(0.3))) == "submit")
    #expect(text(audit.answered(unavailable, now: seconds(0.3), jitter: 0.5)) == "failed: UNAVAILABLE: gone")
    // A question that fails is asked again at its time; an answer between them forgives.
    var asked = RemoteAudit(bridge)
    _ = asked.answered(.success(submitted), now: seconds(0), jitter: 0.5)
    for round in 0..<4 {
        let now = Double(round * 2)
        #expect(text(asked.alarm(now: seconds(now))) == "ask")
        #expect(text(asked.answered(unavailable, now: seconds(now), jitter: 0.5)) == "wait \(now + 0.5)")
        #expect(text(asked.alarm(now: seconds(now + 0.5))) == "ask")
        #expect(text(asked.answered(.success(answer(1)), now: seconds(now + 0.5), jitter: 0.5)) == "wait \(now + 1)")
    }
}

@Test func `an engine that forgot is told once more`() {
    let forgotten = Result<[UInt8], RPCStatus>.failure(RPCStatus(.notFound, "who"))
    var audit = RemoteAudit(bridge)
    _ = audit.answered(.success(submitted), now: seconds(0), jitter: 0.5)
    _ = audit.alarm(now: seconds(0))
    #expect(text(audit.answered(forgotten, now: seconds(0), jitter: 0.5)) == "wait 0.0")
    #expect(text(audit.alarm(now: seconds(0))) == "submit")
    _ = audit.answered(.success(submitted), now: seconds(0), jitter: 0.5)
    _ = audit.alarm(now: seconds(0))
    #expect(text(audit.answered(forgotten, now: seconds(0), jitter: 0.5)) == "failed: NOT_FOUND: who")
}

@Test func `failures are the engine's or the case's`() {
    func failure(_ result: Result<[UInt8], RPCStatus>, asking: Bool) -> EngineFailure? {
        var audit = RemoteAudit(bridge)
        if asking {
            _ = audit.answered(.success(submitted), now: seconds(0), jitter: 0.5)
            _ = audit.alarm(now: seconds(0))
        }
        if case .over(let result) = audit.answered(result, now: seconds(0), jitter: 0.5) { return result.failure }
        return nil
    }
    #expect(failure(.failure(RPCStatus(.deadlineExceeded, "")), asking: true) == .timedOut)
    #expect(failure(.failure(RPCStatus(.invalidArgument, "too odd")), asking: false) == .refused("INVALID_ARGUMENT: too odd"))
    #expect(failure(.failure(RPCStatus(.unimplemented, "")), asking: false) == .broken("UNIMPLEMENTED"))
    #expect(failure(.success(answer(4, error: "no model")), asking: true) == .refused("no model"))
    #expect(failure(.success(answer(0)), asking: true) == .broken("its answer to GetAuditResult has no status"))
    #expect(failure(.success(answer(77)), asking: true) == .broken("its answer to GetAuditResult has no status"))
    #expect(failure(.success([0xFF]), asking: true) == .broken("its answer to GetAuditResult is no GetAuditResultResponse"))
    #expect(failure(.success([]), asking: false) == .broken("its audit_id has 0 bytes: 1 to 256 are allowed"))
    #expect(failure(.success(message { $0.text(1, String(repeating: "a", count: 257)) }), asking: false) == .broken("its audit_id has 257 bytes: 1 to 256 are allowed"))
}

@Test func `a result becomes a verdict like any other`() throws {
    let evidence = message {
        $0.text(1, "148 metres")
        $0.text(2, "doc-1")
        $0.text(6, "184")
    }
    let claims = [
        claimBytes("The bridge is 184 metres long.", verdict: 2, evidence: evidence), claimBytes("Ilse designed it.", supported: true, confidence: 0.75),
        claimBytes("Nobody knows.", verdict: 4),
    ]
    let verdict = try #require(result(answer(3, claims: claims)).verdict)
    #expect(verdict.claims.map(\.verdict) == [.contradicted, .supported, .unverifiable])
    #expect(verdict.claims.map(\.probability) == [1 - 0.8, 0.75, nil])
    #expect(verdict.claims[0].start == 0 && verdict.claims[0].end == 30 && verdict.claims[1].start == 31)
    #expect(verdict.claims[0].evidence[0].document == 0 && verdict.claims[0].evidence[0].unmatched == ["184"])
    let quote = verdict.claims[0].evidence[0]
    #expect(String(decoding: Array(bridge.documents[0].content.utf8)[quote.start..<quote.end], as: UTF8.self) == "148 metres")
    #expect(verdict.trustScore.map { abs($0 - 47.5) < 0.001 } == true && verdict.hallucinationRate == 50)
    #expect(verdict.engine == "grpc" && verdict.grade == "F")
    // What the engine says itself goes before what would be derived.
    let more = double(2, 91) + double(3, 12.5) + message { $0.text(5, "Fine."); $0.text(8, "own"); $0.text(9, "3") }
    let told = try #require(result(answer(3, claims: [claims[1]], result: more)).verdict)
    #expect(told.trustScore == 91 && told.hallucinationRate == 12.5 && told.grade == "A" && told.verdict == "Fine." && told.engine == "own" && told.engineVersion == "3")
}

@Test func `places that cannot be are looked for`() throws {
    for (start, end) in [(UInt64(1), UInt64(1)), (5, 4), (0, 10_000), (.max, .max)] {
        let verdict = try #require(result(answer(3, claims: [claimBytes("Ilse designed it.", verdict: 1, start: start, end: end)])).verdict)
        #expect(verdict.claims[0].start == 31 && verdict.claims[0].end == 48)
    }
    let verdict = try #require(result(answer(3, claims: [claimBytes("It is not in there.", verdict: 1)])).verdict)
    #expect(verdict.claims[0].start == 0 && verdict.claims[0].end == 0)
    let elsewhere = message { $0.text(1, "known"); $0.text(2, "the-web") }
    #expect(try #require(result(answer(3, claims: [claimBytes("x", verdict: 1, evidence: elsewhere)])).verdict).claims[0].evidence[0].document == EvidenceQuote.elsewhere)
}

private let refused: [(name: String, bytes: [UInt8], why: String)] = [
    ("score", answer(3, result: double(2, 100.1)), "its result has the trust_score 100.1, which is not between 0 and 100"),
    ("no number", answer(3, result: double(2, .nan)), "its result has the trust_score nan, which is not between 0 and 100"),
    ("rate", answer(3, result: double(3, -1)), "its result has the hallucination_rate -1.0, which is not between 0 and 100"),
    ("grade", answer(3, result: message { $0.text(4, "E") }), "its result has the grade \"E\", which is none of A, B, C, D, F, N/A"),
    ("no claim", answer(3, claims: [claimBytes("")]), "claim 1 of its result has no text"),
    ("confidence", answer(3, claims: [claimBytes("a"), claimBytes("b", confidence: 90)]), "the confidence of claim 2 of its result is 90.0, which is not between 0 and 1"),
]

@Test(arguments: refused) private func `a result that breaks the rules is refused`(_ row: (name: String, bytes: [UInt8], why: String)) {
    #expect(result(row.bytes).failure == .broken(row.why))
}

@Test func `too many claims are counted, not kept`() throws {
    let verdict = try #require(result(answer(3, claims: (0..<503).map { claimBytes("claim \($0)", verdict: 1) })).verdict)
    #expect(verdict.claims.count == 500 && verdict.omittedClaims == 3 && verdict.totalClaims == 503)
}

@Test func `an engine may judge without documents`() throws {
    var bare = bridge
    bare.documents = []
    bare.contextState = .none
    let parsed = try RemoteAnswer(parsing: answer(3, claims: [claimBytes("Ilse designed it.", verdict: 1)])).result
    let verdict = try RemoteVerdict.verdict(parsed, of: bare)
    #expect(verdict.trustScore == 80 && verdict.verdictKind == .grounded)
}

@Test func `no bytes make a result trap`() {
    var state = UInt64.random(in: 0...UInt64.max)
    let seed = state
    func random() -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33)
    }
    let honest = answer(3, claims: [claimBytes("Ilse designed it.", verdict: 1, start: 3, end: 9, evidence: message { $0.text(1, "it"); $0.text(2, "doc-1"); $0.integer(3, 4); $0.integer(4, 9) })])
    for round in 0..<5000 {
        var bytes = honest
        for _ in 0...(random() % 3) { bytes[random() % bytes.count] = UInt8(truncatingIfNeeded: random()) }
        guard let verdict = result(bytes).verdict else { continue }
        for claim in verdict.claims { #expect(claim.start <= claim.end && claim.end <= bridge.answer.utf8.count, "seed \(seed), round \(round)") }
    }
}

@Test func `a case is told whole, what cannot be read is left out`() throws {
    var auditCase = bridge
    auditCase.documents[0].metadata = ["page": "3", "author": "A"]
    auditCase.documents.append(ContextDocument(id: "doc-3", content: "", isOpaque: true))
    auditCase.truncated = true
    var reader = ProtobufReader(AuditService.submitRequest(auditCase)[...])
    var numbers: [Int] = []
    while let field = try reader.next() { numbers.append(field.number) }
    #expect(numbers == [1, 2, 3, 4, 4, 5, 7])
}
