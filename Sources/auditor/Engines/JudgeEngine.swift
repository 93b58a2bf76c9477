// The judge: a language model behind any OpenAI-compatible API, asked about claims that another engine has found. A request for each
// run of claims, one after the other; each is repeated once, when its answer is of no use or the server says to come back.
import Auditing
import Configuration
import EventLoop
import Outbound
import Role
import TLS
import Telemetry

final class JudgeEngine: Engine {
    static let answerLimit = 1 << 20
    /// Before the request is repeated that a server had no room for, unless the server says more.
    static let rest: Duration = .milliseconds(500)

    private struct Case {
        let task: EngineTask
        var claims: [ClaimVerdict]
        /// Of `task.claims`, the first that is not judged yet.
        var next = 0
        var wasRepeated = false
        var complaint: String?
        var restingUntil: Instant?
        var usage = EngineUsage()
        var model: String
        /// Of the request that is under way.
        var request: UInt64?

        var batch: ArraySlice<Int> { task.claims[next..<min(next + JudgePrompt.claimLimit, task.claims.count)] }
    }

    private let settings: Settings
    private let client: HTTPClient
    private let loop: Loop
    private let log: Log
    private var cases: [UInt64: Case] = [:]
    private var requests: [UInt64: UInt64] = [:]
    private var lastRequest: UInt64 = 0
    private var outcomes: [EngineOutcome] = []
    private(set) var unreachable: String?

    init(_ settings: Settings, _ dialer: Dialer, _ log: Log) throws(TLSError) {
        self.settings = settings
        self.log = log
        loop = dialer.loop
        let url = settings.judgeURL
        let tls = url.isTLS ? try TLSClientContext(caFile: settings.engineCAFile.isEmpty ? nil : settings.engineCAFile) : nil
        client = HTTPClient(url.host, UInt16(clamping: url.port), tls: tls, dialer: dialer, tokenKind: AuditorToken.judge, bodyLimit: Self.answerLimit)
        client.open()  // people want to know at the start whether it is there
    }

    // MARK: Cases

    func begin(_ task: EngineTask) {
        cases[task.id] = Case(task: task, claims: task.draft?.claims ?? [], model: settings.judgeModel)
        ask(task.id)
        settle()
    }

    func cancel(_ id: UInt64) {
        guard let request = cases.removeValue(forKey: id)?.request else { return }
        requests[request] = nil
        client.cancel(request)
    }

    private func ask(_ id: UInt64) {
        guard var question = cases[id] else { return }
        lastRequest += 1
        question.request = lastRequest
        question.restingUntil = nil
        question.usage.calls += 1
        cases[id] = question
        requests[lastRequest] = id
        let body = JudgePrompt.body(
            question.task, claims: question.batch, model: settings.judgeModel, contextBytes: settings.judgeContextBytes, complaint: question.complaint)
        client.post(lastRequest, head(bodyBytes: body.count) + body)
    }

    private func head(bodyBytes: Int) -> [UInt8] {
        let url = settings.judgeURL
        var head = "POST \(url.basePath)/chat/completions HTTP/1.1\r\nHost: \(url.hostField)\r\nUser-Agent: TruthTable/\(Build.version)\r\n"
        head += "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: \(bodyBytes)\r\n"
        if !settings.judgeKey.isEmpty { head += "Authorization: Bearer \(settings.judgeKey)\r\n" }
        return Array((head + "\r\n").utf8)
    }

    private func answered(_ id: UInt64, _ result: Result<HTTPResponse, HTTPClient.Failure>) {
        guard var question = cases[id] else { return }
        question.request = nil
        cases[id] = question
        switch result {
        case .failure(.unreachable(let why)): finish(id, .failure(.broken("could not reach the judge at \(settings.judgeURL): \(why)")))
        case .failure(.broken(let why)): again(id, .broken(why), after: .zero)
        case .success(let response) where response.status == 200: judged(id, response.body)
        case .success(let response) where response.status == 429 || response.status >= 500:
            again(id, .broken("the judge answers HTTP \(response.status)"), after: max(Self.rest, response.retryAfter ?? .zero))
        case .success(let response):
            // Its words are not repeated: some servers quote the key in them.
            finish(id, .failure(.broken("the judge answers HTTP \(response.status): check TRUTHTABLE_JUDGE_URL, _MODEL and _KEY")))
        }
    }

    private func judged(_ id: UInt64, _ body: [UInt8]) {
        guard var question = cases[id] else { return }
        let auditCase = question.task.auditCase
        let (account, result) = JudgeReply.read(body, claims: question.batch, documents: auditCase.documents.count)
        question.usage.promptTokens += account.promptTokens
        question.usage.completionTokens += account.completionTokens
        if !account.model.isEmpty { question.model = account.model }
        switch result {
        case .failure(let flaw):
            question.complaint = flaw.complaint
            cases[id] = question
            again(id, .broken("the judge's answer cannot be used: \(flaw.complaint)"), after: .zero)
        case .success(let reply):
            var places = TextPlaces(auditCase)
            for index in question.batch {
                guard let judgement = reply.judgements[index] else { continue }
                question.claims[index] = Judgements.apply(judgement, to: question.claims[index], of: auditCase, &places)
            }
            question.next += question.batch.count
            question.wasRepeated = false
            question.complaint = nil
            cases[id] = question
            if question.next < question.task.claims.count { ask(id) } else { finish(id, .success(verdict(question))) }
        }
    }

    /// Once more, or the end: also where the rest would outlast the case.
    private func again(_ id: UInt64, _ failure: EngineFailure, after rest: Duration) {
        guard var question = cases[id], !question.wasRepeated, loop.now + rest < question.task.deadline else { return finish(id, .failure(failure)) }
        question.wasRepeated = true
        question.restingUntil = loop.now + rest
        cases[id] = question
    }

    private func verdict(_ question: Case) -> AuditVerdict {
        let draft = question.task.draft
        var usage = question.usage
        usage.cost = (Double(usage.promptTokens) * settings.judgeInputPrice + Double(usage.completionTokens) * settings.judgeOutputPrice) / 1_000_000
        let isAlone = settings.engine.first == .judge
        var verdict = AuditVerdict(
            of: question.task.auditCase, claims: question.claims, omittedClaims: draft?.omittedClaims ?? 0,
            engine: isAlone ? "judge" : "\(draft?.engine ?? ""),judge", engineVersion: isAlone ? question.model : "\(draft?.engineVersion ?? ""),\(question.model)")
        verdict.engineUsage = usage
        return verdict
    }

    private func finish(_ id: UInt64, _ result: Result<AuditVerdict, EngineFailure>) {
        cases[id] = nil
        outcomes.append(EngineOutcome(id: id, result: result))
    }

    func takeOutcomes() -> [EngineOutcome] {
        defer { outcomes = [] }
        return outcomes
    }

    // MARK: Time and readiness

    var nextAlarm: Instant? {
        let rest = cases.values.lazy.compactMap(\.restingUntil).min() ?? .distantFuture
        let next = min(rest, client.nextAlarm ?? .distantFuture)
        return next == .distantFuture ? nil : next
    }

    func advance() {
        client.alarm()
        for (id, question) in cases where question.restingUntil.map({ $0 <= loop.now }) ?? false { ask(id) }
        settle()
    }

    func handle(_ token: Token, _ readiness: Readiness) {
        client.handle(token, readiness)
        settle()
    }

    func resolved() {
        client.resolved()
        settle()
    }

    private func settle() {
        if client.connectFailure != unreachable {
            if let why = client.connectFailure, unreachable == nil {
                log.warn("Could not connect to audit engine at \(settings.judgeURL)", ["engine": "judge", "cause": .string(why)])
            } else if client.connectFailure == nil {
                log.info("Audit engine connected", ["engine": "judge", "address": .string(settings.judgeURL.description)])
            }
            unreachable = client.connectFailure
        }
        for outcome in client.takeOutcomes() {
            if let id = requests.removeValue(forKey: outcome.id) { answered(id, outcome.result) }
        }
    }
}
