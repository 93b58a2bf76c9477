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
    targets: [
        role("dispatcher", ["IPC", "Telemetry", "Configuration", "EventLoop", "JSON"]),
        module("JSON"),
        module("Auditing", ["JSON"]),
        module("HTTP"),
        module("Configuration"),
        module("Telemetry", ["CLinux"]),
        module("IPC", ["EventLoop", "CLinux"]),
        module("EventLoop", ["CLinux"]),
        .target(name: "CLinux"),
        module("Simulation", ["EventLoop"]),

        tests("Dispatcher", ["dispatcher", "Simulation", "IPC", "EventLoop"]),
        tests("JSON", ["JSON"]),
        tests("Auditing", ["Auditing", "JSON"]),
        tests("HTTP", ["HTTP"]),
        tests("Configuration", ["Configuration"]),
        tests("IPC", ["IPC"]),
        tests("EventLoop", ["EventLoop"]),
        tests("Telemetry", ["Telemetry"]),
    ]
)
