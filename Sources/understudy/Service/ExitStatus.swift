import Configuration
import Conformance
import EventLoop
import Journal
import MockProvider
import Telemetry
import UnderstudyClient
import Worker
import ZeroMQ

/// How a command ended. The numbers are part of the command line's interface.
enum ExitStatus: Int32, CaseIterable, Sendable {
    /// All went well; a service ended because it was asked to.
    case ok = 0
    /// The request ended in a failure, a check found a problem, a simulation or torture a broken promise.
    case failed = 1
    /// The arguments or the configuration are wrong. The same call fails again.
    case usage = 2
    /// No broker can be reached.
    case unreachable = 3
    /// The directory or the port is in use by another process.
    case alreadyRunning = 4
    /// The system refused something, or there is an error in Understudy. (EX_SOFTWARE of sysexits.h.)
    case trouble = 70

    /// What it means, for people.
    var meaning: String {
        switch self {
        case .ok: "all went well, or a service was asked to stop"
        case .failed: "the request failed, a check found a problem, or a simulation or torture a broken promise"
        case .usage: "the arguments or the configuration are wrong"
        case .unreachable: "no broker can be reached"
        case .alreadyRunning: "the directory or the port is in use by another process"
        case .trouble: "the system refused something, or an error of Understudy's own"
        }
    }

    /// True when starting again without a change is useless.
    var isPermanent: Bool { self == .usage || self == .alreadyRunning }

    /// The table for `--help`.
    static var help: String {
        allCases.map { status in
            let number = "\(status.rawValue)"
            return "  \(number)\(String(repeating: " ", count: 4 - number.count))\(status.meaning)"
        }
        .joined(separator: "\n")
    }

    /// The status that belongs to an error of one of the libraries.
    init(of error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure.status
        case is SettingsError: self = .usage
        case let error as EndpointError: self = error.code == .alreadyRunning ? .alreadyRunning : .usage
        case let error as JournalError:
            switch error.code {
            case .inUse: self = .alreadyRunning
            case .foreign, .newer, .unusable: self = .usage
            default: self = .trouble
            }
        case let error as TelemetryError:
            switch error.code {
            case .inUse: self = .alreadyRunning
            case .store, .socket: self = .trouble
            default: self = .usage
            }
        case let error as ClientError:
            switch error.code {
            case .noBroker, .noPermission, .noAnswer: self = .unreachable
            case .badPath, .tooLarge: self = .usage
            case .badAnswer, .system: self = .trouble
            default: self = .failed
            }
        case let error as WorkerError: self = error.code == .directory ? .usage : .trouble
        case let error as MockError:
            switch error.code {
            case .portInUse: self = .alreadyRunning
            case .system: self = .trouble
            default: self = .usage
            }
        case let error as ConformanceError:
            switch error.code {
            case .unreachable: self = .unreachable
            case .unsuitable: self = .usage
            case .stopped: self = .failed
            default: self = .trouble
            }
        default: self = .trouble
        }
    }
}

/// The end of a command that did not do what it was asked, as a text for people and an exit status.
struct CommandFailure: Error {
    /// How the process ends.
    var status: ExitStatus
    /// What went wrong and what to do; empty when it was said already.
    var message: String

    /// A call of the system failed just now on this thread: `what`, and the system's words.
    static func system(_ what: String) -> CommandFailure {
        let reason = SystemError.last("").reason
        return CommandFailure(.trouble, "\(what) (\(reason))")
    }

    /// Makes a failure.
    init(_ status: ExitStatus, _ message: String = "") {
        self.status = status
        self.message = message
    }

    /// The failure that an error of a library amounts to.
    init(_ error: any Error) {
        self = error as? CommandFailure ?? CommandFailure(ExitStatus(of: error), "\(error)")
    }
}
