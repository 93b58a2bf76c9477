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
func role(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .executableTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
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
        role("truthtable", ["Role", "Auditing", "Inbound", "HTTP", "JSON", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        role("supervisor", ["Role", "IPC", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        role("edge", ["Role", "Outbound", "Inbound", "HTTP", "JSON", "IPC", "Telemetry", "Configuration", "TLS", "EventLoop", "CLinux"]),
        role("dispatcher", ["Role", "JSON", "IPC", "Telemetry", "Configuration", "EventLoop"]),
        role("auditor", ["Role", "Auditing", "GRPC", "Outbound", "JSON", "IPC", "Telemetry", "Configuration", "TLS", "EventLoop"]),
        role("broadcaster", ["Role", "Inbound", "HTTP", "JSON", "IPC", "Telemetry", "Configuration", "EventLoop", "CLinux", "CZlib"], resources: [.embedInCode("page")]),
        role("mockllm", ["Inbound", "HTTP", "JSON", "EventLoop", "CLinux"]),

        module("Role", ["IPC", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        module("Auditing", ["JSON", "CLexicon", "CZlib", "CBrotli"]),
        module("GRPC", ["EventLoop", "CNGHTTP2", "CZlib"]),
        module("Outbound", ["HTTP", "TLS", "EventLoop", "CLinux"]),
        module("Inbound", ["HTTP", "Configuration", "COpenSSL", "CZlib", "EventLoop", "CLinux"]),
        module("HTTP", ["CZlib"]),
        module("JSON"),
        module("IPC", ["Configuration", "EventLoop", "CLinux"]),
        module("Telemetry", ["CLinux"]),
        module("Configuration"),
        module("TLS", ["COpenSSL", "EventLoop", "CLinux"]),
        module("EventLoop", ["CLinux"]),
        .target(name: "CLinux"),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),
        .target(name: "CBrotli", linkerSettings: [.linkedLibrary("brotlidec")]),
        .target(name: "CNGHTTP2", linkerSettings: [.linkedLibrary("nghttp2")]),
        .target(name: "CLexicon"),
        module("Simulation", ["EventLoop"]),

        tests("Supervisor", ["supervisor", "Role", "IPC", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        tests("Edge", ["edge", "Simulation", "Outbound", "Inbound", "HTTP", "IPC", "Telemetry", "Configuration", "EventLoop", "CLinux"]),
        tests("Dispatcher", ["dispatcher", "Simulation", "IPC", "EventLoop"]),
        tests("Broadcaster", ["broadcaster", "Role", "IPC", "HTTP", "JSON", "Telemetry", "Configuration", "Inbound", "EventLoop", "CLinux"]),
        tests("Mockllm", ["mockllm", "Inbound", "HTTP", "JSON", "EventLoop", "CLinux"]),
        tests("GRPC", ["GRPC", "EventLoop"]),
        tests("Auditor", ["auditor", "Auditing", "GRPC", "JSON", "Configuration", "EventLoop"]),
        tests("Auditing", ["Auditing", "JSON", "CZlib"]),
        tests("Outbound", ["Outbound", "EventLoop"]),
        tests("Inbound", ["Inbound", "HTTP", "Configuration", "EventLoop", "CLinux"]),
        tests("HTTP", ["HTTP"]),
        tests("JSON", ["JSON"]),
        tests("IPC", ["IPC"]),
        tests("Telemetry", ["Telemetry"]),
        tests("Configuration", ["Configuration"]),
        tests("TLS", ["TLS", "EventLoop", "CLinux"]),
        tests("EventLoop", ["EventLoop"]),
        tests("Tidy", ["Telemetry", "Configuration"]),
    ]
)
