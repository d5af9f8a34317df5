import BusProtocol
import Configuration
import EventLoop
import Glibc
import MockProvider
import Resilience
import ZeroMQ

@testable import Worker

/// A worker on its loop, a broker played by the test, a mock provider on another loop; all gone when ``run`` returns.
final class Stage: Sendable {
    let broker: FakeBroker
    let provider: MockProvider
    let worker: Worker
    let reports: AsyncStream<Worker.Report>
    private let running: Task<Void, any Error>

    private init(
        _ context: Context,
        directory: String,
        base: String?,
        capacity: Int,
        policy: RetryPolicy,
        habits: FakeBroker.Habits,
        loops: (worker: EventLoop, provider: EventLoop)
    ) throws {
        let place = try EndpointDirectory(path: directory)
        broker = try FakeBroker(context, endpoint: try place.endpoint("workers.sock"), habits)
        provider = try MockProvider(loop: loops.provider, configuration: MockConfiguration())
        let settings = try SessionFixture.settings(base: base ?? provider.baseURL, policy: policy)
        var options = WorkerOptions(
            name: "w1",
            directory: place,
            settings: settings,
            keys: KeyRing(of: settings, environment: [:])
        )
        options.capacity = capacity
        let (stream, continuation) = AsyncStream.makeStream(
            of: Worker.Report.self,
            bufferingPolicy: .bufferingOldest(64)
        )
        reports = stream
        let worker = Worker(options, context: context, on: loops.worker) { continuation.yield($0) }
        self.worker = worker
        running = Task { try await worker.run() }
    }

    /// Short waits, so that tests are short.
    static func policy(attempt: Duration = .seconds(30)) -> RetryPolicy {
        RetryPolicy(
            backoffBase: .milliseconds(5),
            backoffCap: .milliseconds(10),
            timers: CallTimers(attempt: attempt)
        )
    }

    /// Waits until the worker has ended.
    func ended() async throws { try await running.value }

    /// Runs `body` with everything in place, and takes it down again.
    static func run(
        _ habits: FakeBroker.Habits = FakeBroker.Habits(),
        base: String? = nil,
        capacity: Int = 8,
        policy: RetryPolicy = policy(),
        opensBroker: Bool = true,
        _ body: (Stage) async throws -> Void
    ) async throws {
        var template = Array("/tmp/worker-test-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { preconditionFailure("mkdtemp failed: \(errno)") }
        let directory = unsafe String(cString: made)
        defer {
            unsafe unlink("\(directory)/workers.sock")
            unsafe rmdir(directory)
        }
        let loops = (worker: try EventLoop(name: "worker"), provider: try EventLoop(name: "mock"))
        defer {
            loops.worker.shutDown()
            loops.provider.shutDown()
        }
        let stage = try Stage(
            try Context(),
            directory: directory,
            base: base,
            capacity: capacity,
            policy: policy,
            habits: habits,
            loops: loops
        )
        if opensBroker {
            try await stage.broker.open()
            // Without a session there is nobody to send a JOB to.
            _ = await stage.reports.first { $0 == .joined }
        }
        let result: Result<Void, any Error>
        do { result = .success(try await body(stage)) } catch { result = .failure(error) }
        stage.worker.stop()
        try await stage.ended()
        await stage.broker.close()
        stage.provider.shutDown()
        try result.get()
    }
}
