import CLinux
import Configuration
import CoreTypes
import EventLoop
import Glibc
import ZeroMQ

/// The processes of a benchmark and the directory they share. Lives on the loop of its host.
actor BenchStage {
    /// Lines of a child that are kept for the case that something goes wrong.
    private static let linesMax = 20
    /// How long a child may take to become ready, or to end when it is asked to.
    private static let patience: Duration = .seconds(30)

    private struct Child {
        var name: String
        var process: ChildProcess
        var lines: [String] = []
        var readiness: String?
        var hasEnded = false
        var succeeded = false
    }

    private nonisolated let loop: EventLoop
    /// Where sockets, configuration and database of the processes lie.
    nonisolated let directory: DemoDirectory
    /// Others that go with it.
    private var directories: [DemoDirectory] = []
    private let parent: String?
    private let executable: String
    private let environment: [String: String]
    private var children: [pid_t: Child] = [:]
    /// Children that run, by the order in which they were started.
    private var pids: [Int: pid_t] = [:]
    private var started = 0
    /// Those who wait for a child to say or do something.
    private var waiters: [CheckedContinuation<Void, Never>] = []

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a directory of its own; nothing runs yet.
    ///
    /// - Parameter executable: The program that plays the roles; by default this one.
    init(loop: EventLoop, executable: String = "/proc/self/exe") throws {
        self.loop = loop
        self.executable = executable
        let whole = ProcessEnvironment.current()
        // The mock provider is on this machine, and nothing of the user's own bus is used.
        environment = whole.filter { name, _ in
            !ChildEnvironment.transport.contains(name) && !name.hasPrefix("UNDERSTUDY_")
        }
        parent = whole["TMPDIR"]
        directory = try DemoDirectory(parent: parent, name: "understudy-bench")
    }

    /// Starts a role of this program, with the arguments that it needs besides the usual ones, and waits until it is
    /// ready.
    ///
    /// - Returns: The process, and what it said with its readiness.
    func start(_ role: String, _ arguments: [String]) async throws -> (meter: ProcessMeter, detail: String) {
        let ties = ["--parent", "\(getpid())", "--ready-fd", "\(ChildProcess.readyDescriptor)"]
        let pid = try spawn(role, executable, ["understudy", role] + arguments + ties, variables: [:])
        try await wait(pid, for: "to become ready") { $0.readiness != nil }
        return (ProcessMeter(pid: pid), children[pid]?.readiness ?? "")
    }

    /// Starts any program.
    func run(_ name: String, _ program: String, _ arguments: [String], variables: [String: String] = [:]) throws
        -> ProcessMeter
    {
        ProcessMeter(pid: try spawn(name, program, [name] + arguments, variables: variables))
    }

    /// Waits for a program of ``run(_:_:_:variables:)`` to end by itself.
    ///
    /// - Returns: The last lines that it printed.
    /// - Throws: When it does not end well, or not within the time for it.
    func output(of meter: ProcessMeter, within limit: Duration) async throws -> [String] {
        guard let name = children[meter.pid]?.name else { preconditionFailure("\(meter.pid) is no child") }
        let until = loop.now().advanced(by: limit)
        while children[meter.pid]?.hasEnded == false, loop.now() < until { await change(until: until) }
        guard let child = children[meter.pid], child.hasEnded else { throw failure(meter.pid, "\(name) did not end") }
        guard child.succeeded else { throw failure(meter.pid, "\(name) failed") }
        children[meter.pid] = nil
        return child.lines
    }

    /// Asks a child to end and waits until it has.
    func stop(_ meter: ProcessMeter) async throws {
        guard let child = children[meter.pid] else { return }
        child.process.signal(SIGTERM)
        let until = loop.now().advanced(by: Self.patience)
        while children[meter.pid]?.hasEnded == false {
            if loop.now() >= until { children[meter.pid]?.process.signal(SIGKILL) }
            await change(until: loop.now().advanced(by: .seconds(1)))
        }
        children[meter.pid] = nil
    }

    /// Kills a child, without a chance to end in order, and waits until it is gone.
    func kill(_ meter: ProcessMeter) async {
        children[meter.pid]?.process.signal(SIGKILL)
        while children[meter.pid]?.hasEnded == false { await change(until: loop.now().advanced(by: .seconds(1))) }
        children[meter.pid] = nil
    }

    /// Makes another directory, which goes with the stage.
    ///
    /// - Parameter parent: Where; nil for where the first one is.
    func makeDirectory(in parent: String? = nil) throws(CommandFailure) -> DemoDirectory {
        let directory = try DemoDirectory(parent: parent ?? self.parent, name: "understudy-bench")
        directories.append(directory)
        return directory
    }

    /// Ends all children and removes the directory. Doing so twice is no error.
    func close() async {
        for child in children.values { child.process.signal(SIGKILL) }
        while children.values.contains(where: { !$0.hasEnded }) {
            await change(until: loop.now().advanced(by: .seconds(1)))
        }
        children = [:]
        for directory in directories + [directory] { directory.remove() }
        directories = []
    }

    // MARK: Children

    private func spawn(
        _ name: String,
        _ program: String,
        _ arguments: [String],
        variables: [String: String]
    ) throws -> pid_t {
        let command = ChildProcess.Command(
            executable: program,
            arguments: arguments,
            environment: environment.merging(variables) { _, new in new }
        )
        // Nothing is reported before this returns, for it runs on the loop's thread.
        started += 1
        let number = started
        let process = try ChildProcess(loop: loop, command: command) { self.report($0, of: number) }
        pids[number] = process.pid
        children[process.pid] = Child(name: name, process: process)
        return process.pid
    }

    private func report(_ report: ChildProcess.Report, of number: Int) {
        guard let pid = pids[number] else { return }
        switch report {
        case .line(let bytes):
            children[pid]?.lines.append(String(decoding: bytes, as: UTF8.self))
            if let count = children[pid]?.lines.count, count > Self.linesMax { children[pid]?.lines.removeFirst() }
        case .ready(let detail):
            children[pid]?.readiness = detail
        case .ended(let ending):
            children[pid]?.hasEnded = true
            children[pid]?.succeeded = ending == .status(0)
            pids[number] = nil
        }
        wakeWaiters()
    }

    private func wakeWaiters() {
        let waiting = waiters
        waiters = []
        for waiter in waiting { waiter.resume() }
    }

    /// Waits until a child says or does something, or until a moment.
    private func change(until: Moment) async {
        let timer = loop.schedule(at: until) { self.wakeWaiters() }
        await withCheckedContinuation { waiters.append($0) }
        loop.cancel(timer)
    }

    private func wait(_ pid: pid_t, for what: String, _ isMet: (Child) -> Bool) async throws {
        let until = loop.now().advanced(by: Self.patience)
        while let child = children[pid], !isMet(child) {
            if child.hasEnded || loop.now() >= until { throw failure(pid, "\(child.name) failed \(what)") }
            await change(until: until)
        }
    }

    private func failure(_ pid: pid_t, _ text: String) -> CommandFailure {
        CommandFailure(.failed, ([text] + (children[pid]?.lines ?? [])).joined(separator: "\n  "))
    }
}
