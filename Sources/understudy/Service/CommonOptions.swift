import ArgumentParser
import Configuration
import ZeroMQ

/// `--config`.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Configuration: an understudy.json, or a routing.json alone.",
            discussion: "Default: $UNDERSTUDY_CONFIG, else ./config/understudy.json, else built in.",
            valueName: "file"
        ),
        completion: .file(extensions: ["json"]),
        transform: PathOption.read
    )
    var config: String?

    /// The configuration, checked.
    func settings() throws(CommandFailure) -> Settings {
        do {
            return try SettingsLoader().load(path: config)
        } catch {
            throw CommandFailure(error)
        }
    }
}

/// `--config` and `--directory`, which almost every command takes.
struct CommonOptions: ParsableArguments {
    @OptionGroup var configuration: ConfigurationOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Directory of the sockets.",
            discussion: "Default: $UNDERSTUDY_DIR, else \"bus\".\"directory\" of the configuration, else "
                + "$XDG_RUNTIME_DIR/understudy, else /tmp/understudy-<uid>.",
            valueName: "directory"
        ),
        completion: .directory,
        transform: PathOption.readAbsolute
    )
    var directory: String?

    /// The configuration, checked.
    func settings() throws(CommandFailure) -> Settings { try configuration.settings() }

    /// The directory of the sockets; nothing is made or checked.
    func endpointDirectory(_ settings: Settings) throws(CommandFailure) -> EndpointDirectory {
        do {
            if let directory { return try EndpointDirectory(path: directory) }
            let environment = ProcessEnvironment.current()
            if environment["UNDERSTUDY_DIR", default: ""].isEmpty, let path = settings.bus.directory {
                return try EndpointDirectory(path: path)
            }
            return try EndpointDirectory.resolve { environment[$0] }
        } catch {
            throw CommandFailure(error)
        }
    }
}

/// `--log-time`, for what runs for long.
struct LogOptions: ParsableArguments {
    @Flag(help: "Begin each line on standard error with the time in UTC, for where nobody else notes it.")
    var logTime = false
}

/// What `understudy up` tells its children; nobody else needs it.
struct ChildOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Die when the process with this id does.", visibility: .hidden))
    var parent: Int32?

    @Option(name: .long, help: ArgumentHelp("Write a line to this descriptor when ready.", visibility: .hidden))
    var readyFD: Int32?

    /// The options as a value.
    var ties: ChildTies { ChildTies(parent: parent, readyDescriptor: readyFD) }
}

/// What ties a process to the supervisor that started it.
struct ChildTies: Sendable {
    /// The supervisor's process id; nil for a process that may outlive who started it.
    var parent: Int32?
    /// Where to say that the service is ready; nil for nowhere.
    var readyDescriptor: Int32?

    /// Of a process that a person or the system started.
    static let none = ChildTies(parent: nil, readyDescriptor: nil)

    /// True when a supervisor started this process.
    var isChild: Bool { parent != nil || readyDescriptor != nil }
}
