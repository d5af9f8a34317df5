// swift-tools-version: 6.2
import PackageDescription

// One list of settings for every target: Swift 6 mode, strict concurrency and memory safety, no warnings.
let house: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .treatWarning("DeprecatedDeclaration", as: .warning),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
]

/// A library target under `Sources/`.
///
/// - Parameter isHot: Every instruction of it counts. Exclusive access to its properties is then checked at run time in
///   debug builds only, and so in all tests; the checks would be 5 % of the broker's instructions. Not for what a
///   library product needs: others could not depend on that.
func layer(_ name: String, _ dependencies: [Target.Dependency] = [], isHot: Bool = false) -> Target {
    let unchecked = SwiftSetting.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
    return .target(name: name, dependencies: dependencies, swiftSettings: isHot ? house + [unchecked] : house)
}

/// The tests of the targets named in `dependencies`.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: house)
}

let package = Package(
    name: "understudy",
    products: [
        .executable(name: "understudy", targets: ["understudy"]),
        .library(name: "UnderstudyClient", targets: ["UnderstudyClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // Debian's C libraries. `pkgConfig:` stays out: libzmq.pc carries flags that SwiftPM prohibits.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CZeroMQ"),
        .systemLibrary(name: "CCurl"),
        .systemLibrary(name: "CSQLite"),
        .systemLibrary(name: "CCrypto"),

        // Keeps libzmq from aborting a program that runs out of descriptors.
        .target(name: "CAccept"),

        // Values that every layer shares.
        layer("CoreTypes"),
        layer("JSON", ["CoreTypes"]),

        // Safe wrappers of threads and C libraries.
        layer("EventLoop", ["CLinux", "CoreTypes"]),
        layer("ZeroMQ", ["CZeroMQ", "CoreTypes", "EventLoop"]),
        layer("HTTPTransport", ["CCurl", "CoreTypes", "EventLoop"], isHot: true),
        layer("SQLite", ["CSQLite"]),

        // Pure cores: no I/O, no clock.
        layer("BusProtocol", ["CoreTypes", "JSON"]),
        layer("Dispatch", ["BusProtocol", "CoreTypes"], isHot: true),
        layer("Resilience", ["BusProtocol", "CoreTypes", "JSON"]),
        layer("Dialects", ["BusProtocol", "CoreTypes", "JSON", "Resilience"]),
        layer("Simulation", ["BusProtocol", "CoreTypes", "Dispatch", "JSON", "Journal", "Resilience"]),

        // Shells round the cores.
        layer("Configuration", ["BusProtocol", "CoreTypes", "Dialects", "JSON", "Resilience"]),
        layer("Journal", ["BusProtocol", "CoreTypes", "EventLoop", "SQLite"]),
        layer(
            "Broker",
            ["BusProtocol", "CCrypto", "CoreTypes", "Dispatch", "EventLoop", "JSON", "Journal", "ZeroMQ"],
            isHot: true
        ),
        layer(
            "Worker",
            [
                "BusProtocol", "CCrypto", "Configuration", "CoreTypes", "Dialects", "EventLoop", "HTTPTransport",
                "JSON", "Resilience", "ZeroMQ",
            ],
            isHot: true
        ),
        layer("Telemetry", ["BusProtocol", "CoreTypes", "EventLoop", "JSON", "SQLite", "ZeroMQ"]),
        layer("MockProvider", ["CoreTypes", "EventLoop", "JSON"]),
        layer("UnderstudyClient", ["BusProtocol", "CoreTypes", "EventLoop", "JSON", "ZeroMQ"]),
        layer(
            "Conformance",
            ["BusProtocol", "CCrypto", "CLinux", "CoreTypes", "EventLoop", "JSON", "MockProvider", "ZeroMQ"]
        ),

        // What benchmarks make of their measurements; no I/O.
        layer("Benchmarks", ["JSON"]),

        .executableTarget(
            name: "understudy",
            dependencies: [
                "Benchmarks", "Broker", "BusProtocol", "CAccept", "CLinux", "Configuration", "Conformance", "CoreTypes",
                "Dispatch", "EventLoop", "HTTPTransport", "JSON", "Journal", "MockProvider", "Resilience", "Simulation",
                "Telemetry", "UnderstudyClient", "Worker", "ZeroMQ",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house,
            // libzmq makes a message on one thread and frees it on another, which costs glibc's allocator a lock and a
            // search each time. Linked here and in no library target: whoever links our client keeps their allocator.
            linkerSettings: [.linkedLibrary("jemalloc")]
        ),

        tests("CoreTypesTests", ["CoreTypes"]),
        tests("JSONTests", ["CoreTypes", "JSON"]),
        tests("EventLoopTests", ["CoreTypes", "EventLoop"]),
        tests("ZeroMQTests", ["CoreTypes", "EventLoop", "ZeroMQ"]),
        tests("HTTPTransportTests", ["CoreTypes", "EventLoop", "HTTPTransport"]),
        tests("BusProtocolTests", ["BusProtocol", "CoreTypes", "JSON"]),
        tests("DispatchTests", ["BusProtocol", "CoreTypes", "Dispatch"]),
        tests("ResilienceTests", ["BusProtocol", "CoreTypes", "JSON", "Resilience"]),
        tests("DialectsTests", ["BusProtocol", "CoreTypes", "Dialects", "JSON", "Resilience"]),
        tests(
            "BrokerTests",
            ["Broker", "BusProtocol", "CoreTypes", "Dispatch", "EventLoop", "JSON", "Journal", "ZeroMQ"]
        ),
        .target(
            name: "CFaultyFileSystem",
            path: "Tests/CFaultyFileSystem",
            linkerSettings: [.linkedLibrary("sqlite3")]
        ),
        tests(
            "JournalTests",
            ["BusProtocol", "CFaultyFileSystem", "CoreTypes", "EventLoop", "Journal", "SQLite", "Simulation"]
        ),
        tests("SimulationTests", ["BusProtocol", "CoreTypes", "Dispatch", "Simulation"]),
        tests("ConfigurationTests", ["BusProtocol", "Configuration", "CoreTypes", "JSON", "Resilience"]),
        tests(
            "TelemetryTests",
            ["BusProtocol", "CoreTypes", "EventLoop", "JSON", "SQLite", "Telemetry", "ZeroMQ"]
        ),
        tests("BenchmarksTests", ["Benchmarks", "JSON"]),
        tests("UnderstudyClientTests", ["BusProtocol", "CoreTypes", "EventLoop", "UnderstudyClient", "ZeroMQ"]),
        tests(
            "WorkerTests",
            [
                "BusProtocol", "Configuration", "CoreTypes", "Dialects", "EventLoop", "HTTPTransport", "JSON",
                "MockProvider", "Resilience", "Worker", "ZeroMQ",
            ]
        ),
        tests("MockProviderTests", ["CoreTypes", "EventLoop", "HTTPTransport", "JSON", "MockProvider"]),
        tests(
            "CommandLineTests",
            [
                "BusProtocol", "CLinux", "Configuration", "CoreTypes", "EventLoop", "JSON", "MockProvider", "Telemetry",
                "UnderstudyClient", "ZeroMQ", "understudy",
            ]
        ),
        tests(
            "IntegrationTests",
            [
                "BusProtocol", "Configuration", "CoreTypes", "EventLoop", "JSON", "UnderstudyClient", "ZeroMQ",
                "understudy",
            ],
            exclude: ["python"]
        ),
    ],
    swiftLanguageModes: [.v6]
)
