// What the edge knows of upstreams, routes and callers besides single exchanges: made from the settings, at the start.
import Configuration
import EventLoop
import Outbound
import TLS
import Telemetry

struct Gateway: ~Copyable {
    let routes: RouteTable
    /// By the number of the list; its members are numbers of targets.
    let lists: UnsafeMutableBufferPointer<Balancer>
    let captureRules: CaptureRules
    let cors: CORSPolicy
    /// Empty where callers have no keys of ours.
    var callers: CallerTable
    /// Nil where callers have no keys of ours.
    var keyWatch: CallerKeyWatch?
    let asksForKeys: Bool
    /// An upstream's key is ours and callers have none: whoever may ask spends our money.
    let isForThisMachineOnly: Bool
    /// Different upstreams in the order of the settings: their numbers are those of targets and of rows of figures.
    private let upstreams: [Upstream]

    init(_ settings: Settings, _ quotas: CallerQuotas) {
        var upstreams: [Upstream] = []
        func number(_ upstream: Upstream) -> Int {
            if let known = upstreams.firstIndex(where: { $0.isSame(as: upstream) }) { return known }
            upstreams.append(upstream)
            return upstreams.count - 1
        }
        let given = settings.upstreamLists
        lists = .allocate(capacity: given.count)
        for (index, list) in given.enumerated() {
            (lists.baseAddress.unsafelyUnwrapped + index).initialize(to: Balancer(list.upstreams.map { Balancer.Member(target: number($0), weight: $0.weight) }))
        }
        self.upstreams = upstreams
        routes = RouteTable(settings.routes.routes.map { ($0.pathPrefix, $0.model) })
        captureRules = CaptureRules(settings.capturePaths, optOut: settings.optOutHeader)
        callers = CallerTable(quotas)
        cors = CORSPolicy(settings.allowedOrigins)
        asksForKeys = !settings.keysFile.isEmpty
        isForThisMachineOnly = settings.injectsKeys && !asksForKeys && !settings.serveAnyone
    }

    /// The upstreams, then the broadcaster.
    func makeTargets(_ settings: Settings, tls: TLSClientContext?, slot: ScoreboardSlot, now: Instant) -> [UnsafeMutablePointer<Target>] {
        var rules = CircuitBreaker.Rules()
        rules.consecutiveFaults = settings.breakerFaults
        rules.firstOpen = settings.breakerOpenTime
        rules.longestOpen = settings.breakerOpenTime * 30
        // An answer may begin as late as that, after a connection that took its time.
        rules.trialLimit = settings.upstreamTimeout + settings.connectTimeout * 2
        func target(_ target: consuming Target) -> UnsafeMutablePointer<Target> {
            let pointer = UnsafeMutablePointer<Target>.allocate(capacity: 1)
            pointer.initialize(to: target)
            return pointer
        }
        var names: Set<String> = []
        var targets: [UnsafeMutablePointer<Target>] = []
        for (number, upstream) in upstreams.enumerated() {
            // Two that differ in their keys only, or behind what a row has room for.
            let name = String(upstream.url.description.prefix(56))
            slot.nameUpstream(number, names.insert(name).inserted ? name : "\(name)#\(number)")
            targets.append(target(Target(upstream, tls: tls, breaker: CircuitBreaker(rules, now: now), idleLimit: settings.upstreamIdleConnections)))
        }
        targets.append(target(Target(broadcaster: settings.runtimeDirectory + "/broadcaster", breaker: CircuitBreaker(rules, now: now))))
        return targets
    }

    mutating func begin(_ watch: CallerKeyWatch, _ keys: [CallerKeyEntry]) {
        keyWatch = watch
        callers.replace(with: keys)
    }

    var upstreamCount: Int { upstreams.count }
}
