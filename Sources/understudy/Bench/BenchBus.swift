import Benchmarks
import Configuration
import CoreTypes
import Glibc
import JSON

/// A whole bus of processes, with a mock provider and a collector.
struct BenchBus: Sendable {
    /// Processor time of everybody, in nanoseconds.
    struct Times: Sendable {
        var agents: Int64
        var broker: Int64
        var workers: Int64
        var mock: Int64
        var collector: Int64
    }

    /// The provider.
    let mock: ProcessMeter
    /// The broker.
    let broker: ProcessMeter
    /// What keeps the events.
    let collector: ProcessMeter
    /// The workers.
    let workers: [ProcessMeter]

    /// Starts all of it.
    ///
    /// - Parameters:
    ///   - name: Distinguishes the files of this bus from those of others on the same stage.
    ///   - capacity: Of each worker.
    init(_ stage: BenchStage, name: String, workers count: Int, capacity: Int) async throws {
        let directory = stage.directory.path
        let provider = try await stage.start("mock", ["--port", "0"])
        guard let port = UInt16(provider.detail.split(separator: "=").last ?? "") else {
            throw CommandFailure(.failed, "the mock provider does not say its port: \(provider.detail)")
        }
        let configuration: JSONValue = [
            "routing": ["default_chat_model": "mock/ok", "fallback_models": []],
            "providers": [
                "mock": [
                    "dialect": "openai-chat", "base_url": JSONValue("http://127.0.0.1:\(port)/v1"), "key": "none",
                ]
            ],
            "bus": ["worker_capacity": JSONValue(capacity)],
        ]
        let file = try stage.directory.write(configuration.serialized(), to: "\(name).json")
        let common = ["--config", file, "--directory", directory]
        mock = provider.meter
        broker = try await stage.start("broker", common).meter
        collector = try await stage.start("collect", common + ["--database", "\(directory)/\(name).sqlite"]).meter
        var workers: [ProcessMeter] = []
        for number in 1...count {
            workers.append(try await stage.start("worker", common + ["--name", "bench-\(number)"]).meter)
        }
        self.workers = workers
    }

    /// What everybody has used so far; the agents are this process.
    func times() throws -> Times {
        Times(
            agents: try Self.cpu(ProcessMeter(pid: getpid())),
            broker: try Self.cpu(broker),
            workers: try workers.reduce(0) { $0 + (try Self.cpu($1)) },
            mock: try Self.cpu(mock),
            collector: try Self.cpu(collector)
        )
    }

    /// Resident bytes of the broker and of all workers.
    func memory() -> (broker: Int, workers: Int) {
        (broker.residentBytes ?? 0, workers.reduce(0) { $0 + ($1.residentBytes ?? 0) })
    }

    /// Ends all of it.
    func stop(_ stage: BenchStage) async throws {
        for worker in workers { try await stage.stop(worker) }
        for process in [broker, collector, mock] { try await stage.stop(process) }
    }

    private static func cpu(_ meter: ProcessMeter) throws -> Int64 {
        guard let time = meter.cpuNanoseconds else {
            throw CommandFailure(.failed, "the process with pid \(meter.pid) is gone")
        }
        return time
    }
}

extension BenchReport {
    /// Adds what each request cost whom, in microseconds of processor time.
    mutating func add(_ from: BenchBus.Times, to until: BenchBus.Times, requests: Int, case name: String) {
        func share(_ part: KeyPath<BenchBus.Times, Int64>) -> Double {
            Double(until[keyPath: part] - from[keyPath: part]) / 1000 / Double(max(1, requests))
        }
        let (broker, workers) = (share(\.broker), share(\.workers))
        add(broker + workers, "CPU broker+workers", unit: "us", to: name)
        add(broker, "broker", unit: "us", to: name)
        add(workers, "workers", unit: "us", to: name)
        add(share(\.agents), "agents", unit: "us", to: name)
        add(share(\.mock), "mock", unit: "us", to: name)
        add(share(\.collector), "collector", unit: "us", to: name)
    }
}
