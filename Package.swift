// swift-tools-version: 6.2
// No package dependencies: C libraries of the operating system enter as system-library targets (see `make setup`).
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableExperimentalFeature("Lifetimes"),  // spans in structures and results
    .treatAllWarnings(as: .error),
]

/// A module of `Sources/`; imports run downwards in the lists below only.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// A process of the product: `Sources/ROLE`, installed as `truthtable-ROLE`.
func role(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: name + "Tests", dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "TruthTable",
    products: ["supervisor", "edge", "dispatcher", "auditor", "broadcaster", "mockllm"].map { .executable(name: "truthtable-" + $0, targets: [$0]) } + [
        .executable(name: "truthtable", targets: ["truthtable"])
    ],
    targets: [
        role("truthtable", ["Role", "Auditing", "JSON", "Configuration", "EventLoop", "CLinux"]),
        role("supervisor", ["Role", "IPC", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        role("edge", ["Role", "Outbound", "HTTP", "IPC", "Telemetry", "Configuration", "TLS", "EventLoop", "CLinux"]),
        role("dispatcher", ["Role", "JSON", "IPC", "Telemetry", "Configuration", "EventLoop"]),
        role("auditor", ["Role", "Auditing", "IPC", "Telemetry", "Configuration", "EventLoop"]),
        role("broadcaster", ["Role", "Inbound", "HTTP", "JSON", "IPC", "Telemetry", "Configuration", "TLS", "EventLoop", "CLinux"]),
        module("Role", ["IPC", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        module("JSON"),
        module("Auditing", ["JSON", "CLexicon", "CZlib", "CBrotli"]),
        .target(name: "CLexicon"),
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),
        .target(name: "CBrotli", linkerSettings: [.linkedLibrary("brotlidec")]),
        role("mockllm", ["Inbound", "HTTP", "JSON", "EventLoop", "CLinux"]),
        module("Inbound", ["HTTP", "TLS", "EventLoop", "CLinux"]),
        module("Outbound", ["TLS", "EventLoop", "CLinux"]),
        module("HTTP"),
        module("Configuration"),
        module("Telemetry", ["CLinux"]),
        module("IPC", ["Configuration", "EventLoop", "CLinux"]),
        module("TLS", ["COpenSSL", "EventLoop", "CLinux"]),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        module("EventLoop", ["CLinux"]),
        .target(name: "CLinux"),
        module("Simulation", ["EventLoop"]),

        tests("Dispatcher", ["dispatcher", "Simulation", "IPC", "EventLoop"]),
        tests("JSON", ["JSON"]),
        tests("Auditing", ["Auditing", "JSON", "CZlib"]),
        tests("HTTP", ["HTTP"]),
        tests("Configuration", ["Configuration"]),
        tests("IPC", ["IPC"]),
        tests("EventLoop", ["EventLoop"]),
        tests("Inbound", ["Inbound", "HTTP", "EventLoop", "CLinux"]),
        tests("Mockllm", ["mockllm"]),
        tests("Broadcaster", ["broadcaster", "IPC", "HTTP", "EventLoop"]),
        tests("Edge", ["edge", "HTTP", "IPC", "Telemetry", "EventLoop"]),
        tests("Supervisor", ["supervisor", "IPC", "Telemetry", "EventLoop"]),
        tests("TLS", ["TLS", "EventLoop", "CLinux"]),
        tests("Outbound", ["Outbound", "EventLoop"]),
        tests("Telemetry", ["Telemetry"]),
    ]
)
