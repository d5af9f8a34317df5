import Configuration
import CoreTypes
import EventLoop
import Glibc
import JSON
import ZeroMQ

/// A whole bus as child processes: carries out what ``Supervisor`` decides. For the loop's thread.
final class Bus {
    /// What the bus is made of.
    struct Configuration: Sendable {
        /// The checked configuration.
        var settings: Settings
        /// Directory of the sockets; exists.
        var directory: EndpointDirectory
        /// Number of workers.
        var workers: Int
        /// True for a mock provider in place of all providers.
        var isMocked: Bool
        /// Script of the mock provider, an absolute path; nil for none.
        var script: String?
        /// The environment of this process.
        var environment: [String: String]
        /// The program that plays the roles: the file this process was started from, which may be another by the time of a
        /// renewal.
        var executable = ProgramFile.path
        /// Longest wait before a child that ended is started again.
        var backoffCap: Duration = Supervisor.backoffCap
    }

    /// What the bus tells.
    enum Report: Sendable {
        /// Agents can connect.
        case ready
        /// A line for people: from the supervisor, or of a child with its name in front.
        case line(source: String, text: String)
        /// All children are gone and nothing is left behind.
        case finished(ExitStatus)
    }

    /// A process and whose it is, which changes when a successor is started beside it.
    private final class Member {
        var child: Supervisor.Child
        var process: ChildProcess?

        init(_ child: Supervisor.Child) { self.child = child }
    }

    private let loop: EventLoop
    private let configuration: Configuration
    private let environment: ChildEnvironment
    private let report: (Report) -> Void
    private var supervisor: Supervisor
    private var children: [Supervisor.Child: Member] = [:]
    private var timer: TimerID?
    /// The configuration for the children while a mock provider answers; its file is made when the port is known.
    private var generatedFile: String?
    /// As configured until the mock provider has said which it got.
    private(set) var mockPort: UInt16

    /// Makes a bus; nothing runs before ``start()``.
    init(loop: EventLoop, configuration: Configuration, report: @escaping (Report) -> Void) {
        self.loop = loop
        self.configuration = configuration
        self.report = report
        mockPort = configuration.settings.mock.port
        environment = ChildEnvironment(
            // The mock provider is on this machine: no proxy may come between.
            whole: configuration.isMocked
                ? configuration.environment.filter { !ChildEnvironment.transport.contains($0.key) }
                : configuration.environment,
            keyVariables: configuration.isMocked ? [] : configuration.settings.keyVariables
        )
        supervisor = Supervisor(
            plan: Supervisor.Plan(
                workers: configuration.workers,
                hasMock: configuration.isMocked,
                drain: configuration.settings.bus.drain,
                backoffCap: configuration.backoffCap
            )
        )
    }

    /// Starts the children.
    func start() { handle(.start) }

    /// Stops the children, workers first; the second call kills them.
    func stop() { handle(.stopRequested) }

    /// Replaces the children one after another by new processes of the program as it is on disk now; workers go on with
    /// what they have beside their successors.
    func renew() { handle(.renewalRequested) }

    /// The processes that run now, by the child's name.
    var processes: [String: pid_t] {
        Dictionary(
            uniqueKeysWithValues: children.compactMap { child, member in
                member.process.map { (child.description, $0.pid) }
            }
        )
    }

    // MARK: Effects

    private func handle(_ event: Supervisor.Event) {
        var events = [event]
        while !events.isEmpty {
            for effect in supervisor.handle(events.removeFirst(), now: loop.now()) {
                switch effect {
                case .spawn(let child):
                    if let failure = spawn(child) { events.append(.ended(child, .notStarted(failure))) }
                case .setAside(let child):
                    children[child.old] = children.removeValue(forKey: child)
                    children[child.old]?.child = child.old
                case .signal(let child, let number):
                    children[child]?.process?.signal(number)
                case .announce:
                    report(.ready)
                case .say(let text):
                    report(.line(source: "up", text: text))
                case .finish(let status):
                    cleanUp()
                    report(.finished(status))
                }
            }
        }
        setTimer()
    }

    private func setTimer() {
        if let timer { loop.cancel(timer) }
        timer = supervisor.nextTimer.map { moment in
            loop.schedule(at: moment) { [self] in
                timer = nil
                handle(.timer)
            }
        }
    }

    /// Starts the process of `child`; the reason when it could not be.
    private func spawn(_ child: Supervisor.Child) -> String? {
        do throws(SystemError) {
            let member = Member(child)
            member.process = try ChildProcess(loop: loop, command: command(of: child)) { [self] report in
                take(report, from: member.child)
            }
            children[child] = member
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func take(_ event: ChildProcess.Report, from child: Supervisor.Child) {
        switch event {
        case .line(let bytes):
            report(.line(source: child.description, text: String(decoding: bytes, as: UTF8.self)))
        case .ready(let detail):
            do throws(CommandFailure) {
                if child.role == .mock { try useMock(detail) }
                handle(.ready(child))
            } catch {
                report(.line(source: "up", text: error.message))
                children[child]?.process?.signal(SIGKILL)
            }
        case .ended(let ending):
            children[child] = nil
            handle(.ended(child, ending))
        }
    }

    // MARK: Children

    private func command(of child: Supervisor.Child) -> ChildProcess.Command {
        var arguments = ["understudy"]
        switch child.role {
        case .mock:
            // The port stays the same over restarts, for it is in the workers' configuration.
            arguments += ["mock", "--port", "\(mockPort)"]
            if let script = configuration.script { arguments += ["--script", script] }
        case .broker: arguments += ["broker", "--directory", configuration.directory.path]
        case .collector: arguments += ["collect", "--directory", configuration.directory.path]
        case .worker: arguments += ["worker", "--directory", configuration.directory.path, "--name", "\(child)"]
        }
        if let file = generatedFile ?? configuration.settings.file { arguments += ["--config", file] }
        arguments += ["--parent", "\(getpid())", "--ready-fd", "\(ChildProcess.readyDescriptor)"]
        return ChildProcess.Command(
            executable: configuration.executable,
            arguments: arguments,
            environment: environment.variables(for: child.role)
        )
    }

    /// Points all providers at the mock provider that said `detail`, once.
    private func useMock(_ detail: String) throws(CommandFailure) {
        guard generatedFile == nil else { return }
        guard detail.hasPrefix("port="), let port = UInt16(detail.dropFirst(5)) else {
            throw CommandFailure(.trouble, "the mock provider said \"ready \(detail)\"; expected \"ready port=…\"")
        }
        GeneratedFiles.removeOrphans(in: configuration.directory.path)
        let path = GeneratedFiles.path(in: configuration.directory.path, of: getpid())
        try Self.write(configuration.settings.answeredByMock(port: port).json.serialized(), to: path)
        mockPort = port
        generatedFile = path
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(CommandFailure) {
        // A file of this name can only be left from a process with the same id that was killed.
        unsafe unlink(path)
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw CommandFailure.system("cannot make \(path)") }
        defer { close(descriptor) }
        let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
        guard count == bytes.count else { throw CommandFailure.system("cannot write \(path)") }
    }

    private func cleanUp() {
        if let generatedFile { unsafe unlink(generatedFile) }
        generatedFile = nil
        // A broker that was killed leaves its sockets. They are ours only while nobody else has the directory.
        guard let lock = try? EndpointLock(configuration.directory) else { return }
        withExtendedLifetime(lock) {
            for name in CheckReport.sockets { unsafe unlink("\(configuration.directory.path)/\(name)") }
        }
    }
}
